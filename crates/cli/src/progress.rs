//! What is seen while measuring: a bar on a terminal, else a line every ten seconds.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    sync::LazyLock,
    time::Duration,
};

use bench_core::{
    MetricSink, Phase, PointOutcome, Progress, RunEvent, RunInfo, RunOutcome, Sample, SinkError,
    stats::Distribution,
};
use bench_report::text::clean;
use bench_store::LoadLine;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// A sink that shows how far a run has come, with percentiles of the last seconds.
pub(crate) struct ProgressView {
    view: View,
    phase: Phase,
    recent: Recent,
    failed: u64,
    /// Ticks of a tenth of a second.
    ticks: u32,
    /// Points that are planned: 0 where that is found out while measuring.
    points: usize,
    /// Points that have ended.
    ended: usize,
}

enum View {
    Bar(ProgressBar),
    Lines,
}

/// Samples that ended lately.
#[derive(Default)]
struct Recent {
    samples: VecDeque<Ended>,
    now_ns: u64,
}

struct Ended {
    at_ns: u64,
    ttft_ms: Option<f64>,
    tpot_ms: Option<f64>,
    /// Of results, which have no tokens.
    e2e_ms: Option<f64>,
    tokens: Option<u32>,
}

/// Something that changes on standard error, where that is a terminal. Of several, all make room for what is said while one
/// is suspended.
pub(crate) fn bar(template: &str) -> Option<ProgressBar> {
    // Four times a second: watching must not cost what is watched.
    static ALL: LazyLock<MultiProgress> =
        LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4)));
    io::stderr().is_terminal().then(|| {
        // The template is ours and valid; the default one would do, too.
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        ALL.add(ProgressBar::no_length().with_style(style))
    })
}

/// One that was cleared is seen again, from its beginning.
pub(crate) fn show_again(bar: &ProgressBar) {
    if bar.is_finished() {
        bar.reset();
    }
}

/// What counts as late, as long as a run has lasted so long.
const LATELY: Duration = Duration::from_secs(5);

impl ProgressView {
    pub(crate) fn new() -> Self {
        let bar = bar("{prefix} {bar:12} {pos}/{len} {elapsed}  {wide_msg}");
        Self {
            view: bar.map_or(View::Lines, View::Bar),
            phase: Phase::WarmUp,
            recent: Recent::default(),
            failed: 0,
            ticks: 0,
            points: 1,
            ended: 0,
        }
    }

    fn show(&mut self, progress: Progress) {
        let phase = match self.phase {
            Phase::WarmUp => "warm-up",
            Phase::Measure => "measure",
        };
        let message = self.recent.line(progress, self.failed);
        match &self.view {
            View::Bar(bar) => {
                bar.set_prefix(phase);
                bar.set_message(message);
                show_again(bar);
                if let Some(of) = progress.of {
                    bar.set_length(of);
                }
                bar.set_position(progress.ended);
            }
            View::Lines => {
                let of = progress.of.map_or(String::new(), |of| format!("/{of}"));
                output::say(&format!("{phase} {}{of}  {message}", progress.ended));
            }
        }
    }
}

impl ProgressView {
    fn clear(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    /// Says what became of a point, where there are several.
    fn say(&mut self, point: &PointOutcome) {
        self.ended += 1;
        if self.points == 1 {
            return;
        }
        let of = if self.points > 1 { format!("/{}", self.points) } else { String::new() };
        let line = format!("point {}{of}  {}", self.ended, in_a_line(point));
        match &self.view {
            View::Bar(bar) => bar.suspend(|| output::say(&line)),
            View::Lines => output::say(&line),
        }
    }
}

/// What a point came to: `local  closed loop, 8 users  853 tok/s  TTFT p95 44.1 ms  trusted`.
fn in_a_line(outcome: &PointOutcome) -> String {
    let PointOutcome { point, summary, verdict, failure, .. } = outcome;
    let mut words = vec![point.target.clone(), LoadLine::from(&point.load).to_string()];
    words.extend((point.repeat > 0).then(|| format!("repeat {}", point.repeat + 1)));
    let p95 = |id| summary.distribution(id).and_then(|values| values.percentile(95.0));
    if let Some(tps) = summary.value("output_tps") {
        words.push(format!("{tps:.0} tok/s"));
        words.extend(p95("ttft_ms").map(|ms| format!("TTFT p95 {ms:.1} ms")));
    } else {
        words.extend(summary.value("rps").map(|rps| format!("{rps:.1} req/s")));
        words.extend(p95("e2e_ms").map(|ms| format!("E2E p95 {ms:.1} ms")));
    }
    words.push(verdict.trust.to_string());
    words.extend(failure.clone());
    clean(&words.join("  "))
}

impl MetricSink for ProgressView {
    fn begin(&mut self, run: &RunInfo) -> Result<(), SinkError> {
        self.points = run.plan.points.len();
        self.ended = run.plan.resumed.as_ref().map_or(0, |resumed| resumed.measured.len());
        Ok(())
    }

    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        match event {
            RunEvent::PhaseBegan { phase, .. } => {
                (self.phase, self.failed, self.ticks) = (*phase, 0, 0);
                self.recent = Recent::default();
            }
            RunEvent::Sample(sample) => {
                self.failed += u64::from(sample.outcome.is_failure());
                self.recent.add(sample);
            }
            RunEvent::Progress(progress) => {
                self.ticks += 1;
                let due = match self.view {
                    View::Bar(_) => self.ticks.is_multiple_of(3),
                    View::Lines => self.ticks.is_multiple_of(100),
                };
                if due {
                    self.show(*progress);
                }
            }
            RunEvent::PointEnded(ended) => {
                // What comes next may be a server that is started.
                self.clear();
                self.say(ended);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _outcome: &RunOutcome) -> Result<(), SinkError> {
        self.clear();
        Ok(())
    }
}

impl Recent {
    fn add(&mut self, sample: &Sample) {
        let at_ns = sample.done.map_or(0, |done| done.as_nanos());
        self.now_ns = self.now_ns.max(at_ns);
        if sample.outcome.is_ok() {
            let value = |id| bench_core::metric(id).and_then(|metric| metric.of(sample));
            let (ttft_ms, tpot_ms) = (value("ttft_ms"), value("tpot_ms"));
            let e2e_ms = value("e2e_ms").filter(|_| sample.is_result());
            let tokens = sample.output_tokens().map(|(n, _)| n);
            self.samples.push_back(Ended { at_ns, ttft_ms, tpot_ms, e2e_ms, tokens });
        }
        let horizon = self.now_ns.saturating_sub(nanos(LATELY));
        while self.samples.front().is_some_and(|s| s.at_ns < horizon) {
            self.samples.pop_front();
        }
    }

    fn line(&self, progress: Progress, failed: u64) -> String {
        let of = |value: fn(&Ended) -> Option<f64>| {
            let mut values: Vec<f64> = self.samples.iter().filter_map(value).collect();
            Distribution::of(&mut values)
        };
        let mut parts = Vec::new();
        if let Some(d) = of(|s| s.ttft_ms) {
            let p95 = d.percentile(95.0).unwrap_or(d.max);
            parts.push(format!("TTFT p50 {:.1} p95 {p95:.1} ms", d.median()));
        }
        if let Some(d) = of(|s| s.e2e_ms) {
            let p95 = d.percentile(95.0).unwrap_or(d.max);
            parts.push(format!("E2E p50 {:.1} p95 {p95:.1} ms", d.median()));
        }
        if let Some(d) = of(|s| s.tpot_ms) {
            parts.push(format!("TPOT {:.2} ms", d.median()));
        }
        if let Some(first) = self.samples.front() {
            let span = (self.now_ns - first.at_ns) as f64 / 1e9;
            let tokens = self.samples.iter().filter_map(|s| s.tokens).map(u64::from);
            let counted = self.samples.iter().any(|s| s.tokens.is_some());
            if span > 0.5 {
                parts.push(match counted {
                    true => format!("{:.0} tok/s", tokens.sum::<u64>() as f64 / span),
                    false => format!("{:.1} req/s", self.samples.len() as f64 / span),
                });
            }
        }
        // What narrow terminals cut off comes last, unless something is wrong.
        let place = if failed > 0 { 0 } else { parts.len() };
        parts.insert(place, format!("failed {failed}"));
        parts.push(format!("in flight {}", progress.in_flight()));
        parts.join("  ")
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bench_core::{Answer, ArrivalKind, Clock, Moment, Outcome, Request, Stamp, Usage};

    use super::*;

    fn sample(sent_ms: u64, ttft_ms: u64) -> Sample {
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(at(sent_ms)), &Request::default());
        answer.sent(at(sent_ms));
        for n in 0..3 {
            let stamp = Stamp::of_read(at(sent_ms + ttft_ms + n * 10));
            answer.generated(stamp, ArrivalKind::Content, "x", None);
        }
        answer.usage(Usage { prompt: 1, completion: 3, ..Usage::default() });
        answer.done(at(sent_ms + ttft_ms + 20));
        answer.take_sample(Outcome::Ok, None)
    }

    #[test]
    fn only_the_last_seconds_are_shown() {
        let mut recent = Recent::default();
        recent.add(&sample(0, 900));
        (0..10).for_each(|n| recent.add(&sample(10_000 + n * 100, 50)));
        let line = recent.line(Progress { sent: 13, ended: 11, of: None }, 1);
        assert_eq!(
            line,
            "failed 1  TTFT p50 50.0 p95 50.0 ms  TPOT 10.00 ms  33 tok/s  in flight 2"
        );
    }
}
