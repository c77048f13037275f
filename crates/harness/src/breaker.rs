//! Ends a run in which nothing works.

use bench_core::{Level, MetricSink, Phase, RunEvent, RunInfo, SinkError, Stop};

/// Stops a run when its first requests all fail: hours of errors tell no more than ten.
///
/// Those of the warm-up count, but do not end it: what failed there is in no result, and a user would be
/// told that nothing was measured, not why.
#[derive(Debug)]
pub(crate) struct Breaker {
    stop: Stop,
    failures: u64,
    closed: bool,
}

/// Failures without a single success, beyond those that were in flight together.
const ENOUGH: u64 = 10;

impl Breaker {
    pub(crate) fn new(stop: Stop) -> Self {
        Self { stop, failures: 0, closed: false }
    }
}

impl MetricSink for Breaker {
    fn begin(&mut self, _run: &RunInfo) -> Result<(), SinkError> {
        (self.failures, self.closed) = (0, false);
        Ok(())
    }

    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Sample(sample) = event {
            self.closed |= sample.outcome.is_ok();
            self.failures += u64::from(sample.outcome.is_failure());
            let measured = sample.phase == Phase::Measure;
            if !self.closed && self.failures >= ENOUGH && measured {
                self.stop.at_least(Level::Drain);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bench_core::{Moment, Outcome, Sample};

    use super::*;

    fn after(outcomes: &[Outcome]) -> Level {
        after_warm_up(&[], outcomes)
    }

    fn after_warm_up(warm_up: &[Outcome], measured: &[Outcome]) -> Level {
        let stop = Stop::new();
        let mut breaker = Breaker::new(stop.clone());
        let warm_up = warm_up.iter().map(|outcome| (Phase::WarmUp, outcome));
        for (phase, outcome) in warm_up.chain(measured.iter().map(|o| (Phase::Measure, o))) {
            let sample = Sample { phase, outcome: *outcome, ..Sample::due(Moment::default()) };
            breaker.event(&RunEvent::Sample(sample)).unwrap();
        }
        stop.level()
    }

    #[test]
    fn ten_failures_and_no_success_are_enough() {
        assert_eq!(after(&[Outcome::Reset; 9]), Level::Go);
        assert_eq!(after(&[Outcome::Reset; 10]), Level::Drain);
        assert_eq!(after(&[&[Outcome::Ok][..], &[Outcome::Reset; 50]].concat()), Level::Go);
        assert_eq!(after(&[Outcome::Cancelled; 50]), Level::Go);
    }

    #[test]
    fn failures_of_the_warm_up_count_without_ending_it() {
        assert_eq!(after_warm_up(&[Outcome::Reset; 50], &[]), Level::Go);
        assert_eq!(after_warm_up(&[Outcome::Reset; 50], &[Outcome::Reset]), Level::Drain);
    }
}
