//! Samples of one phase, taken in one by one and kept as what the metrics need.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    formulas,
    reconcile::{Reconciliation, SharedFigure},
    registry::{Metric, Source, registry},
    summary::{Facts, Figure, Summary},
    timeline::{LoadShape, Timeline},
    turns::Turns,
};
use crate::{
    Goodput, Moment, Outcome, Point, Sample, Telemetry, TokenSource, Watched,
    stats::{Distribution, Durations, SteadyWindow},
};

/// What the metrics of a phase need of its samples.
///
/// It keeps one number per request and metric, histograms for what is pooled over events, and counts.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// One list for each metric of the registry; empty for those not taken per request.
    values: Vec<Vec<f64>>,
    chunk_gaps: Durations,
    token_gaps: Durations,
    client_lag: Durations,
    lateness_ms: Vec<f64>,
    outcomes: BTreeMap<Outcome, u64>,
    errors: BTreeMap<(Outcome, String), u64>,
    sources: BTreeMap<TokenSource, u64>,
    began: Option<Moment>,
    ended: Option<Moment>,
    output_tokens: u64,
    input_tokens: u64,
    in_prefill: Duration,
    in_decode: Duration,
    gaps: u64,
    coalesced: u64,
    /// Gaps that end in an event of an unknown number of tokens.
    uncounted_gaps: u64,
    arrivals: u64,
    read_stamped: u64,
    asked: u64,
    delivered_of_asked: u64,
    compared: u64,
    disagreeing: u64,
    /// Output tokens by arrival, in [`BUCKET`]s since the start of the run.
    tokens_over_time: BTreeMap<u64, f64>,
    /// What a good request keeps to.
    goodput: Option<Goodput>,
    good: u64,
    /// When its load is steady.
    shape: LoadShape,
    timeline: Timeline,
    /// Prompt tokens of requests whose server says how many it had cached, and these.
    cacheable: u64,
    cached: u64,
    steady: Option<SteadyWindow>,
    retried: u64,
    resent: u64,
    turns: Turns,
    /// Prompt tokens of requests of which it is known how many repeat what was sent before, and these.
    repeatable: u64,
    repeated: u64,
    /// Of the tokens that the server had cached, those that no request had repeated.
    cached_by_chance: u64,
    /// Sessions and turns of which an answer was expected and none came so far.
    unanswered: BTreeSet<(u64, u32)>,
    watched: Option<Watched>,
    telemetry: Telemetry,
}

/// Ten milliseconds: a second's window then moves in steps of 1 %.
const BUCKET: u64 = 10_000_000;
const BUCKETS_PER_SECOND: u64 = 100;

/// Different messages of failed requests that are kept.
const MOST_ERRORS: usize = 50;

impl Default for Aggregate {
    fn default() -> Self {
        Self {
            values: vec![Vec::new(); registry().len()],
            chunk_gaps: Durations::default(),
            token_gaps: Durations::default(),
            client_lag: Durations::default(),
            lateness_ms: Vec::new(),
            outcomes: BTreeMap::new(),
            errors: BTreeMap::new(),
            sources: BTreeMap::new(),
            began: None,
            ended: None,
            output_tokens: 0,
            input_tokens: 0,
            in_prefill: Duration::ZERO,
            in_decode: Duration::ZERO,
            gaps: 0,
            coalesced: 0,
            uncounted_gaps: 0,
            arrivals: 0,
            read_stamped: 0,
            asked: 0,
            delivered_of_asked: 0,
            compared: 0,
            disagreeing: 0,
            tokens_over_time: BTreeMap::new(),
            goodput: None,
            good: 0,
            shape: LoadShape::Rate,
            timeline: Timeline::default(),
            cacheable: 0,
            cached: 0,
            steady: None,
            retried: 0,
            resent: 0,
            turns: Turns::default(),
            repeatable: 0,
            repeated: 0,
            cached_by_chance: 0,
            unanswered: BTreeSet::new(),
            watched: None,
            telemetry: Telemetry::default(),
        }
    }
}

impl Aggregate {
    /// An aggregate of the samples of `point`, which says what is good and what is steady.
    pub fn of(point: &Point) -> Self {
        Self::judged_by(LoadShape::of(&point.load), point.goodput.clone())
    }

    /// An aggregate of samples of a load of this shape, that are good if they keep to `goodput`.
    pub fn judged_by(shape: LoadShape, goodput: Option<Goodput>) -> Self {
        Self { goodput, shape, ..Self::default() }
    }

    /// Takes in a sample.
    pub fn add(&mut self, sample: &Sample) {
        *self.outcomes.entry(sample.outcome).or_default() += 1;
        self.retried += u64::from(sample.attempt > 0);
        self.resent += u64::from(sample.resent);
        if let Some(sent) = sample.sent {
            self.began = Some(self.began.map_or(sent, |began| began.min(sent)));
            self.lateness_ms.extend(formulas::lateness_ms(sample));
        }
        self.timeline.add(sample);
        self.turns.add(sample);
        self.add_lag(sample);
        match sample.outcome {
            Outcome::Ok => self.add_success(sample),
            outcome if outcome.is_failure() => self.add_failure(sample),
            _ => {}
        }
    }

    /// Takes in what telemetry sources said before, during and after these samples.
    pub fn watch(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }

    /// Takes what telemetry came to as known, as from an earlier summary of these samples.
    pub fn set_telemetry(&mut self, telemetry: Telemetry) {
        self.watched = None;
        self.telemetry = telemetry;
    }

    fn add_lag(&mut self, sample: &Sample) {
        self.arrivals += sample.arrivals.len() as u64;
        for arrival in &sample.arrivals {
            if arrival.kernel {
                self.client_lag.add(u64::from(arrival.lag_ns), 1);
            } else {
                self.read_stamped += 1;
            }
        }
    }

    fn add_failure(&mut self, sample: &Sample) {
        if sample.expects {
            self.unanswered.insert((sample.session, sample.turn));
        }
        let message = sample.error.clone().unwrap_or_default();
        let known = self.errors.len() < MOST_ERRORS;
        let key = (sample.outcome, message);
        if known || self.errors.contains_key(&key) {
            *self.errors.entry(key).or_default() += 1;
        }
    }

    fn add_success(&mut self, sample: &Sample) {
        if sample.attempt > 0 {
            self.unanswered.remove(&(sample.session, sample.turn));
        }
        for (values, metric) in self.values.iter_mut().zip(registry()) {
            if let Source::Request(formula) = metric.source {
                values.extend(formula(sample));
            }
        }
        self.good += u64::from(self.goodput.as_ref().is_some_and(|goals| goals.is_good(sample)));
        if let Some((usage, cached)) = sample.usage.and_then(|usage| Some((usage, usage.cached?))) {
            self.cacheable += u64::from(usage.prompt);
            self.cached += u64::from(cached);
            let by_chance = cached.saturating_sub(sample.repeated_tokens.unwrap_or(0));
            self.cached_by_chance += u64::from(by_chance);
        }
        let (gaps, coalesced) = formulas::gaps(sample);
        self.gaps += gaps.len() as u64 + coalesced;
        self.coalesced += coalesced;
        for gap in gaps {
            self.chunk_gaps.add(gap.ns, 1);
            match gap.tokens {
                Some(tokens) => self.token_gaps.add(gap.ns / u64::from(tokens), tokens),
                None => self.uncounted_gaps += 1,
            }
        }
        if let (Some(first), Some(last)) = (sample.first_generated(), sample.last_generated()) {
            self.ended = Some(self.ended.map_or(last.at, |ended| ended.max(last.at)));
            if sample.streamed {
                self.in_decode += last.at.since(first.at);
                self.in_prefill += sample.sent.map_or(Duration::ZERO, |sent| first.at.since(sent));
            }
        }
        self.input_tokens += u64::from(sample.prompt_tokens().unwrap_or(0));
        if let (Some(repeated), Some(all)) = (sample.repeated_tokens, sample.input_tokens) {
            self.repeatable += u64::from(all);
            self.repeated += u64::from(repeated);
        }
        if let Some((tokens, source)) = sample.output_tokens() {
            *self.sources.entry(source).or_default() += 1;
            self.output_tokens += u64::from(tokens);
            self.spread_over_time(sample, tokens);
            if let Some(asked) = sample.asked_tokens {
                self.asked += u64::from(asked);
                self.delivered_of_asked += u64::from(tokens);
            }
        }
        if let (Some(usage), Some(counted)) = (sample.usage, sample.counted_tokens) {
            self.compared += 1;
            let difference = usage.completion.abs_diff(counted);
            // One token may be the end-of-sequence token, which has no text.
            self.disagreeing += u64::from(difference > 1 && difference * 50 > usage.completion);
        }
    }

    /// Credits the answer's tokens to the moments of its events: as each event says, else evenly.
    fn spread_over_time(&mut self, sample: &Sample, tokens: u32) {
        let events = sample.generated().count().max(1);
        let share = f64::from(tokens) / events as f64;
        for arrival in sample.generated() {
            let tokens = arrival.known_tokens().map_or(share, f64::from);
            *self.tokens_over_time.entry(arrival.at.as_nanos() / BUCKET).or_default() += tokens;
        }
    }

    /// The metrics of all that was taken in.
    pub fn summarize(self) -> Summary {
        self.summarize_with(Facts::default())
    }

    /// The same, with the facts that no sample tells.
    pub(crate) fn summarize_with(mut self, run: Facts) -> Summary {
        if let (Some(began), Some(ended), Some(watched)) = (self.began, self.ended, &self.watched) {
            self.telemetry = watched.telemetry(began, ended);
        }
        self.timeline.sort();
        self.steady = self.timeline.steady(self.shape);
        let mut figures = Vec::new();
        for (i, metric) in registry().iter().enumerate() {
            let figure = match metric.source {
                Source::Request(_) => {
                    Distribution::of(&mut self.values[i]).map(Figure::Distribution)
                }
                Source::Chunk => self.chunk_gaps.distribution_ms().map(Figure::Distribution),
                Source::Token => self.token_gaps_if_complete().map(Figure::Distribution),
                Source::Arrival => self.client_lag.distribution_ms().map(Figure::Distribution),
                Source::Phase(formula) => formula(&self).map(Figure::Value),
            };
            figures.extend(figure.map(|figure| (metric as &'static Metric, figure)));
        }
        let lateness = Distribution::of(&mut self.lateness_ms);
        let facts = Facts {
            began: self.began.unwrap_or_default(),
            ended: self.ended.or(self.began).unwrap_or_default(),
            output_token_source: self.sources.keys().next_back().copied(),
            kernel_stamped_ratio: ratio(self.arrivals - self.read_stamped, self.arrivals),
            delivered_output_ratio: ratio(self.delivered_of_asked, self.asked),
            disagreeing_ratio: ratio(self.disagreeing, self.compared),
            late_ms_p99: lateness.and_then(|d| d.percentile(99.0)),
            cached_ratio: ratio(self.cached_by_chance, self.cacheable),
            retried: self.retried,
            resent: self.resent,
            unanswered: self.unanswered.len() as u64,
            drift: self.steady.and_then(|steady| self.timeline.drift(steady)),
            cold_start: self.timeline.cold_start(self.shape),
            gpu_throttled_ratio: self.telemetry.throttled_ratio(),
            gpu_other_processes: self.telemetry.other_processes(),
            energy_difference: self.telemetry.energy_difference(),
            gpus_lost: self.telemetry.lost().count() as u64,
            server_restarts: self.telemetry.server_restarts(),
            ..run
        };
        let turns = self.turns.summarize();
        let telemetry = self.telemetry;
        let (outcomes, errors) = (self.outcomes, self.errors);
        let mut summary = Summary { outcomes, errors, facts, figures, turns, telemetry };
        if let Some(both) = Reconciliation::of(&summary) {
            let unexplained = |what| both.unexplained(&summary, what);
            let requests = unexplained(SharedFigure::Requests);
            let output = unexplained(SharedFigure::OutputTokens);
            summary.facts.server_requests_difference = requests;
            summary.facts.server_output_difference = output;
        }
        summary
    }

    /// Inter token latency, unless some gaps would be missing from it: half a picture misleads.
    fn token_gaps_if_complete(&self) -> Option<Distribution> {
        self.token_gaps.distribution_ms().filter(|_| self.uncounted_gaps == 0)
    }

    fn count(&self, which: impl Fn(Outcome) -> bool) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| which(**outcome)).map(|(_, n)| n).sum()
    }

    pub(super) fn window_s(&self) -> Option<f64> {
        let window = self.ended?.since(self.began?).as_secs_f64();
        (window > 0.0).then_some(window)
    }

    /// Absent where no answer has tokens: results have none.
    pub(super) fn output_tps(&self) -> Option<f64> {
        self.sources.first_key_value()?;
        Some(self.output_tokens as f64 / self.window_s()?)
    }

    /// Absent where nobody counted a prompt.
    pub(super) fn input_tps(&self) -> Option<f64> {
        let counted = self.input_tokens > 0;
        Some(self.input_tokens as f64 / self.window_s()?).filter(|_| counted)
    }

    pub(super) fn total_tps(&self) -> Option<f64> {
        Some(self.output_tps()? + self.input_tokens as f64 / self.window_s()?)
    }

    pub(super) fn rps(&self) -> Option<f64> {
        Some(self.count(Outcome::is_ok) as f64 / self.window_s()?)
    }

    pub(super) fn requests_ok(&self) -> Option<f64> {
        Some(self.count(Outcome::is_ok) as f64)
    }

    /// Joules of all GPUs over the window.
    pub(super) fn energy_j(&self) -> Option<f64> {
        self.telemetry.energy_j()
    }

    pub(super) fn gpu_power_w(&self) -> Option<f64> {
        Some(self.energy_j()? / self.window_s()?)
    }

    pub(super) fn gpu_idle_power_w(&self) -> Option<f64> {
        self.telemetry.idle_w()
    }

    pub(super) fn j_per_output_token(&self) -> Option<f64> {
        per(self.energy_j()?, self.output_tokens)
    }

    pub(super) fn net_j_per_output_token(&self) -> Option<f64> {
        let idle_j = self.gpu_idle_power_w()? * self.window_s()?;
        per(self.energy_j()? - idle_j, self.output_tokens)
    }

    pub(super) fn j_per_request(&self) -> Option<f64> {
        per(self.energy_j()?, self.count(Outcome::is_ok))
    }

    pub(super) fn j_per_good_request(&self) -> Option<f64> {
        self.goodput.as_ref()?;
        per(self.energy_j()?, self.good)
    }

    pub(super) fn tps_per_w(&self) -> Option<f64> {
        Some(self.output_tps()? / self.gpu_power_w()?).filter(|tps| tps.is_finite())
    }

    /// Absent where no prompt repeats anything.
    pub(super) fn repeated_ratio(&self) -> Option<f64> {
        ratio(self.repeated, self.repeatable).filter(|ratio| *ratio > 0.0)
    }

    /// Absent where the server does not say.
    pub(super) fn prefix_hit_ratio(&self) -> Option<f64> {
        ratio(self.cached, self.cacheable)
    }

    pub(super) fn error_ratio(&self) -> Option<f64> {
        let failed = self.count(Outcome::is_failure);
        ratio(failed, failed + self.count(Outcome::is_ok))
    }

    /// Good requests per second; absent where nothing says what is good.
    pub(super) fn goodput_rps(&self) -> Option<f64> {
        self.goodput.as_ref()?;
        Some(self.good as f64 / self.window_s()?)
    }

    pub(super) fn good_ratio(&self) -> Option<f64> {
        self.goodput.as_ref()?;
        ratio(self.good, self.count(Outcome::is_failure) + self.count(Outcome::is_ok))
    }

    pub(super) fn steady_s(&self) -> Option<f64> {
        // Less than a second says nothing about a second.
        let seconds = self.steady.map(|steady| (steady.to_ns - steady.from_ns) as f64 / 1e9);
        seconds.filter(|seconds| *seconds >= 1.0)
    }

    pub(super) fn steady_output_tps(&self) -> Option<f64> {
        self.sources.first_key_value()?;
        let steady = self.steady_s().and(self.steady)?;
        // Of whole buckets, and so of their time: a part of one would count with all its tokens, or none.
        let buckets = steady.from_ns.div_ceil(BUCKET)..steady.to_ns / BUCKET;
        let seconds = (buckets.end - buckets.start) as f64 / BUCKETS_PER_SECOND as f64;
        let tokens: f64 = self.tokens_over_time.range(buckets).map(|(_, tokens)| tokens).sum();
        Some(tokens / seconds)
    }

    pub(super) fn steady_rps(&self) -> Option<f64> {
        let (seconds, steady) = (self.steady_s()?, self.steady?);
        let ended = self.timeline.ended_within(steady);
        Some(ended as f64 / seconds)
    }

    pub(super) fn coalesced_ratio(&self) -> Option<f64> {
        ratio(self.coalesced, self.gaps)
    }

    pub(super) fn concurrency(&self) -> Option<f64> {
        let in_flight = self.timeline.in_flight(self.began?, self.ended?);
        Some(in_flight.as_secs_f64() / self.window_s()?)
    }

    pub(super) fn prefill_concurrency(&self) -> Option<f64> {
        self.streamed_time(self.in_prefill)
    }

    pub(super) fn decode_concurrency(&self) -> Option<f64> {
        self.streamed_time(self.in_decode)
    }

    /// A share of the window; absent where no answer was streamed.
    fn streamed_time(&self, time: Duration) -> Option<f64> {
        let streamed = self.in_prefill + self.in_decode > Duration::ZERO;
        Some(time.as_secs_f64() / self.window_s()?).filter(|_| streamed)
    }

    pub(super) fn peak_output_tps(&self) -> Option<f64> {
        // A second cannot be fuller than the whole, unless the whole is less than a second.
        self.window_s().filter(|window| *window >= 1.0)?;
        let mut window = std::collections::VecDeque::new();
        let (mut sum, mut peak) = (0.0_f64, None);
        for (bucket, tokens) in &self.tokens_over_time {
            while let Some((oldest, tokens)) = window.front()
                && oldest + BUCKETS_PER_SECOND <= *bucket
            {
                sum -= tokens;
                window.pop_front();
            }
            window.push_back((*bucket, *tokens));
            sum += tokens;
            peak = Some(sum.max(peak.unwrap_or(0.0)));
        }
        peak
    }
}

/// So much for each of `n`; none for none.
fn per(amount: f64, n: u64) -> Option<f64> {
    (n > 0).then(|| amount / n as f64)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, ArrivalKind, Clock, Grade, Request, Stamp, Usage};

    fn ms(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn sample(sent: u64, contents: &[u64], outcome: Outcome) -> Sample {
        let mut answer = Answer::new(Clock::start());
        let request = Request { output_tokens: Some(4), ..Request::default() };
        answer.begin(Sample::due(ms(sent)), &request);
        answer.sent(ms(sent));
        for at in contents {
            answer.generated(Stamp::of_read(ms(*at)), ArrivalKind::Content, "x", None);
        }
        let completion = u32::try_from(contents.len()).unwrap();
        answer.usage(Usage { prompt: 10, completion, ..Usage::default() });
        answer.done(ms(contents.last().copied().unwrap_or(sent) + 5));
        answer.take_sample(outcome, (!outcome.is_ok()).then(|| "boom".into()))
    }

    fn aggregate(samples: &[Sample]) -> Aggregate {
        let mut aggregate = Aggregate::default();
        samples.iter().for_each(|s| aggregate.add(s));
        aggregate
    }

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|f| (f - expected).abs() < 1e-9), "{found:?}, not {expected}");
    }

    #[test]
    fn throughput_counts_good_samples_over_the_window_from_first_sent_to_last_token() {
        let a = aggregate(&[
            sample(0, &[50, 60, 70, 80], Outcome::Ok),
            sample(20, &[100, 1_000], Outcome::Ok),
            sample(0, &[50, 60], Outcome::Truncated),
        ]);
        close(a.window_s(), 1.0);
        close(a.output_tps(), 6.0);
        close(a.total_tps(), 26.0);
        close(a.rps(), 2.0);
        close(a.error_ratio(), 1.0 / 3.0);
        // (85 - 0) + (1000 - 20) + (65 - 0) ms in flight, within one second.
        close(a.concurrency(), 1.130);
        close(a.prefill_concurrency(), 0.130);
        close(a.decode_concurrency(), 0.930);
    }

    #[test]
    fn results_have_latency_and_no_tokens_of_their_own() {
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(ms(0)), &Request::default());
        answer.sent(ms(0));
        answer.whole();
        answer.result(Stamp::of_read(ms(500)));
        answer.usage(Usage { prompt: 10, ..Usage::default() });
        answer.done(ms(500));
        let a = aggregate(&[answer.take_sample(Outcome::Ok, None)]);
        close(a.rps(), 2.0);
        close(a.input_tps(), 20.0);
        let summary = a.summarize();
        close(summary.distribution("e2e_ms").map(|e2e| e2e.mean), 500.0);
        let expected = ["e2e_ms", "e2e_due_ms", "queue_ms", "isl"];
        let phase = ["input_tps", "rps", "concurrency", "error_ratio", "window_s", "requests_ok"];
        let found: Vec<&str> = summary.figures.iter().map(|(metric, _)| metric.id).collect();
        assert_eq!(found, [&expected[..], &phase[..]].concat());
        let facts = Facts {
            ended: ms(500),
            kernel_stamped_ratio: Some(0.0),
            late_ms_p99: Some(0.0),
            ..Facts::default()
        };
        assert_eq!(summary.facts, facts);
    }

    #[test]
    fn what_we_cancelled_is_in_no_ratio() {
        let a = aggregate(&[sample(0, &[50], Outcome::Ok), sample(0, &[], Outcome::Cancelled)]);
        close(a.error_ratio(), 0.0);
    }

    #[test]
    fn the_peak_is_the_fullest_second_wherever_it_begins() {
        // One token each at 0.0, 0.9, 1.2, 1.8 s: three of them lie within a second.
        let a = aggregate(&[sample(0, &[0, 900, 1_200, 1_800], Outcome::Ok)]);
        close(a.peak_output_tps(), 3.0);
    }

    #[test]
    fn a_failure_gives_no_latency_and_keeps_its_words() {
        let summary = aggregate(&[sample(0, &[50, 60], Outcome::Reset)]).summarize();
        assert!(summary.distribution("ttft_ms").is_none());
        assert_eq!(summary.errors.get(&(Outcome::Reset, "boom".into())), Some(&1));
        assert_eq!(summary.failed(), 1);
    }

    #[test]
    fn what_failed_is_no_wrong_answer_and_what_a_retry_mends_is_answered() {
        let question = |session, attempt, outcome, grade: Option<bool>| Sample {
            expects: true,
            session,
            attempt,
            grade: grade.map(Grade::of),
            ..sample(0, &[50], outcome)
        };
        let summary = aggregate(&[
            question(0, 0, Outcome::Ok, Some(true)),
            question(1, 0, Outcome::Ok, Some(false)),
            question(2, 0, Outcome::Http(500), None),
            question(3, 0, Outcome::Http(500), None),
            question(3, 1, Outcome::Ok, Some(true)),
            question(4, 0, Outcome::Reset, None),
            question(4, 1, Outcome::Reset, None),
            question(5, 0, Outcome::Cancelled, None),
        ])
        .summarize();
        assert_eq!(summary.facts.unanswered, 2);
        let accuracy = summary.distribution("accuracy").unwrap();
        assert_eq!(accuracy.count, 3);
        close(Some(accuracy.mean), 2.0 / 3.0);
        assert!(summary.distribution("tool_call_accuracy").is_none());
    }

    #[test]
    fn short_answers_and_read_stamps_are_noted() {
        let summary = aggregate(&[sample(0, &[50, 60], Outcome::Ok)]).summarize();
        close(summary.facts.delivered_output_ratio, 0.5);
        close(summary.facts.kernel_stamped_ratio, 0.0);
        assert_eq!(summary.facts.output_token_source, Some(TokenSource::Usage));
    }

    #[test]
    fn inter_token_latency_is_all_or_nothing() {
        let mut known = sample(0, &[50, 60, 70], Outcome::Ok);
        // Many tokens in each event make up in number for no gap that is missing.
        known.arrivals.iter_mut().for_each(|arrival| arrival.tokens = 40);
        let mut unknown = known.clone();
        unknown.arrivals.iter_mut().for_each(|arrival| arrival.tokens = 0);
        unknown.usage = Some(Usage { completion: 9, ..Usage::default() });
        assert!(
            aggregate(std::slice::from_ref(&known)).summarize().distribution("itl_ms").is_some()
        );
        assert!(aggregate(&[known, unknown]).summarize().distribution("itl_ms").is_none());
    }

    #[test]
    fn nothing_gives_no_number() {
        let summary = Aggregate::default().summarize();
        assert!(summary.distribution("ttft_ms").is_none());
        assert_eq!(summary.value("output_tps"), None);
        assert_eq!(summary.value("requests_ok"), Some(0.0));
    }
}
