//! Requests that another tool tells one by one, put through our own formulas.

use std::time::Duration;

use bench_core::{
    Aggregate, Arrival, ArrivalKind, Connect, Figure, Metric, Moment, Outcome, Sample, Summary,
};

/// Events less far apart came in one read, as no server generates ten thousand tokens a second for one
/// user, and a client in Python takes 2 to 60 µs from one event of a read to the next: their distance is
/// its own.
const ONE_READ: Duration = Duration::from_micros(100);

/// What that makes of the numbers.
pub(super) const ONE_READ_NOTE: &str = "events less than 0.1 ms apart are taken to have come in one read: they have no gap, and an answer \
     that came in one has no tpot_ms, tps_user and decode_tps";

/// Metrics that rest on how far apart the events of an answer are.
pub(super) const APART: [&str; 6] =
    ["ttst_ms", "tpot_ms", "itl_ms", "icl_ms", "tps_user", "decode_tps"];

/// A request that succeeded. Moments are seconds on one clock; durations are seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    /// When it was due, where that is told.
    pub(super) due: Option<f64>,
    /// When it was sent.
    pub(super) sent: f64,
    /// The set-up of its connection, where that is told and is no part of what follows.
    pub(super) connect: Option<f64>,
    /// From sent to the first generated event; absent where the answer was not streamed.
    pub(super) first: Option<f64>,
    /// From sent to the first generated event outside the reasoning channel.
    pub(super) first_output: Option<f64>,
    /// The gaps between generated events, where each is told.
    pub(super) gaps: Vec<f64>,
    /// From sent to the last generated event, where the gaps do not tell.
    pub(super) last: Option<f64>,
    /// Whether each event is one token.
    pub(super) token_per_event: bool,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
}

/// What our formulas make of `exchanges`. Which of the metrics mean something depends on what the tool
/// tells, so the caller picks them.
pub(super) fn summarize(exchanges: impl IntoIterator<Item = Exchange>) -> Summary {
    let (mut all, mut apart) = (Aggregate::default(), Aggregate::default());
    let mut start = None;
    for exchange in exchanges {
        // The first moment seen becomes an hour, so that those a little earlier are not negative.
        let start = *start.get_or_insert(exchange.sent) - 3_600.0;
        if let Some(sample) = exchange.sample(start) {
            all.add(&sample);
            if !exchange.came_in_one_read() {
                apart.add(&sample);
            }
        }
    }
    let (mut summary, apart) = (all.summarize(), apart.summarize());
    let of_its_own = |(metric, figure): (&'static Metric, Figure)| {
        let figure =
            if APART.contains(&metric.id) { apart.figure(metric.id)?.clone() } else { figure };
        Some((metric, figure))
    };
    summary.figures = summary.figures.into_iter().filter_map(of_its_own).collect();
    summary
}

impl Exchange {
    /// Whether what lies between its events is the client's time alone: where their gaps are not told, if
    /// they are as close on average.
    fn came_in_one_read(&self) -> bool {
        let close = ONE_READ.as_secs_f64();
        if !self.gaps.is_empty() {
            return self.gaps.iter().all(|gap| *gap < close);
        }
        let later = self.output_tokens.unwrap_or(0).saturating_sub(1).max(1);
        let apart = self.first.zip(self.last).map(|(first, last)| last - first);
        apart.is_some_and(|apart| apart < close * later as f64)
    }

    /// `None` if a moment is not to be believed: before the start, or years after it.
    fn sample(&self, start: f64) -> Option<Sample> {
        let sent = moment(self.sent - start)?;
        let mut sample = Sample::due(moment(self.due.unwrap_or(self.sent) - start)?);
        sample.sent = Some(sent);
        if let Some(connect) = self.connect.and_then(moment) {
            let began = Moment::from_nanos(sent.as_nanos().saturating_sub(connect.as_nanos()));
            sample.connect = Some(Connect { began, done: sent });
        }
        sample.streamed = self.first.is_some();
        sample.arrivals = self.arrivals(sent)?;
        sample.done = sample.arrivals.last().map(|last| last.at);
        sample.outcome = Outcome::Ok;
        sample.input_tokens = self.input_tokens.and_then(|n| u32::try_from(n).ok());
        sample.counted_tokens = self.output_tokens.and_then(|n| u32::try_from(n).ok());
        Some(sample)
    }

    fn arrivals(&self, sent: Moment) -> Option<Vec<Arrival>> {
        let mut arrivals = Vec::with_capacity(self.gaps.len() + 2);
        let mut at = 0.0;
        if let Some(first) = self.first {
            let reasons = self.first_output.is_some_and(|output| output > first);
            let kind = if reasons { ArrivalKind::Reasoning } else { ArrivalKind::Content };
            arrivals.push(self.arrival(sent, first, kind)?);
            at = first;
        }
        if let Some(output) =
            self.first_output.filter(|output| *output > at && self.gaps.is_empty())
        {
            arrivals.push(self.arrival(sent, output, ArrivalKind::Content)?);
            at = output;
        }
        for gap in &self.gaps {
            at += gap;
            arrivals.push(self.arrival(sent, at, ArrivalKind::Content)?);
        }
        if let Some(last) = self.last.filter(|last| *last > at) {
            arrivals.push(self.arrival(sent, last, ArrivalKind::Content)?);
        }
        mark_reads(&mut arrivals);
        Some(arrivals)
    }

    fn arrival(&self, sent: Moment, after: f64, kind: ArrivalKind) -> Option<Arrival> {
        let at = Moment::from_nanos(sent.as_nanos() + moment(after)?.as_nanos());
        let tokens = u16::from(self.token_per_event);
        Some(Arrival { at, lag_ns: 0, bytes: 0, tokens, kind, coalesced: false, kernel: false })
    }
}

/// Marks the events that shared a read, of which nobody knows when each came.
fn mark_reads(arrivals: &mut [Arrival]) {
    for place in 1..arrivals.len() {
        let [before, after] = [place - 1, place];
        if arrivals[after].at.since(arrivals[before].at) < ONE_READ {
            arrivals[before].coalesced = true;
            arrivals[after].coalesced = true;
        }
    }
}

fn moment(seconds: f64) -> Option<Moment> {
    const MOST_S: f64 = 1e9; // some thirty years
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is looked at first"
    )]
    (0.0..MOST_S).contains(&seconds).then(|| Moment::from_nanos((seconds * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|f| (f - expected).abs() < 1e-6), "{found:?}, not {expected}");
    }

    #[test]
    fn a_request_goes_through_our_formulas() {
        let exchange = Exchange {
            sent: 1.8e9,
            first: Some(0.5),
            gaps: vec![0.25; 4],
            input_tokens: Some(100),
            output_tokens: Some(5),
            ..Exchange::default()
        };
        let summary = summarize([exchange]);
        let mean = |id| summary.distribution(id).map(|d| d.mean);
        close(mean("ttft_ms"), 500.0);
        close(mean("e2e_ms"), 1_500.0);
        close(mean("tpot_ms"), 250.0);
        close(mean("icl_ms"), 250.0);
        close(mean("isl"), 100.0);
        close(summary.value("window_s"), 1.5);
        assert_eq!(mean("itl_ms"), None);
    }

    #[test]
    fn events_of_one_read_have_no_gaps_and_an_answer_of_them_no_speed() {
        let answer = |gaps: &[f64]| Exchange {
            first: Some(0.5),
            gaps: gaps.to_vec(),
            output_tokens: Some(1 + gaps.len() as u64),
            ..Exchange::default()
        };
        let slow = answer(&[0.02, 0.04]);
        let summary = summarize([answer(&[3e-6, 5e-5]), slow, answer(&[0.03, 3e-6])]);
        let of = |id: &str| summary.distribution(id).map(|d| (d.count, d.mean));
        assert_eq!(of("ttft_ms").map(|(count, _)| count), Some(3));
        assert_eq!(of("ttst_ms"), Some((1, 20.0)));
        assert_eq!(of("tpot_ms").map(|(count, _)| count), Some(2));
        close(of("tpot_ms").map(|(_, mean)| mean), (30.0 + 15.0015) / 2.0);
        assert!(of("decode_tps").is_some_and(|(count, mean)| count == 2 && mean < 101.0));
        // As in our own runs, the gap before a read of several events is not known either.
        assert_eq!(of("icl_ms").map(|(count, _)| count), Some(2));
        close(summary.value("coalesced_ratio"), 4.0 / 6.0);
    }

    #[test]
    fn without_gaps_it_is_their_mean_that_tells_a_read() {
        let answer = |last| Exchange {
            first: Some(0.5),
            last: Some(last),
            output_tokens: Some(101),
            ..Exchange::default()
        };
        let summary = summarize([answer(0.509), answer(0.511)]);
        assert_eq!(summary.distribution("tpot_ms").map(|d| d.count), Some(1));
        assert_eq!(summary.distribution("e2e_ms").map(|d| d.count), Some(2));
        assert!(summarize([answer(0.509)]).distribution("tps_user").is_none());
    }

    #[test]
    fn reasoning_delays_the_first_output_alone() {
        let exchange = Exchange {
            first: Some(0.5),
            first_output: Some(0.75),
            last: Some(1.0),
            output_tokens: Some(3),
            ..Exchange::default()
        };
        let summary = summarize([exchange]);
        let mean = |id| summary.distribution(id).map(|d| d.mean);
        close(mean("ttft_ms"), 500.0);
        close(mean("ttfo_ms"), 750.0);
        close(mean("tpot_ms"), 250.0);
    }

    #[test]
    fn an_answer_that_came_as_a_whole_has_no_first_token() {
        let summary = summarize([Exchange { last: Some(1.0), ..Exchange::default() }]);
        assert!(summary.distribution("ttft_ms").is_none());
        close(summary.distribution("e2e_ms").map(|d| d.mean), 1_000.0);
    }

    #[test]
    fn moments_beyond_belief_are_left_out() {
        for sent in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            let first = Exchange { sent: 0.0, last: Some(1.0), ..Exchange::default() };
            let second = Exchange { sent, last: Some(1.0), ..Exchange::default() };
            close(summarize([first, second]).value("requests_ok"), 1.0);
        }
    }
}
