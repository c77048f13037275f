//! Looks on while a point is measured, and ends it when going on is pointless.

use std::{collections::VecDeque, time::Duration};

use bench_core::{
    Aggregate, EarlyEnd, Goal, Load, Moment, Outcome, Phase, Point, RunEvent, Sample, Watch,
    metric,
    stats::{DRIFT_ALPHA, drift},
};

use crate::Goals;

/// Everything that may end a point early.
#[derive(Debug)]
pub(crate) struct Lookout {
    breaker: Breaker,
    goals: Option<GoalWatch>,
    saturation: Option<SaturationWatch>,
}

impl Lookout {
    /// A lookout over `point`, which is to end as `goals` say.
    pub(crate) fn new(point: &Point, goals: &Goals) -> Self {
        let is_open = matches!(point.load, Load::Open { max_in_flight: None, .. });
        Self {
            breaker: Breaker::default(),
            goals: goals.abort.filter(|_| !goals.slo.is_empty()).map(|after| GoalWatch {
                goals: goals.slo.clone(),
                after_s: after.as_secs_f64(),
                aggregate: Aggregate::of(point),
                began: None,
                samples: 0,
                next_look: LEAST_SAMPLES,
            }),
            saturation: (is_open && goals.stop_on_saturation).then(SaturationWatch::default),
        }
    }
}

impl Watch for Lookout {
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd> {
        let failing = self.breaker.event(event);
        let goal_missed = || self.goals.as_mut().and_then(|watch| watch.event(event));
        let saturated = || self.saturation.as_mut().and_then(|watch| watch.event(event));
        failing.or_else(goal_missed).or_else(saturated)
    }
}

/// Ends a point in which nothing succeeds, from the start or any more: hours of errors tell no more than ten.
///
/// Failures of the warm-up count, but those from the start do not end it: what failed there is in no result,
/// and a user would be told that nothing was measured, not why.
#[derive(Debug, Default)]
struct Breaker {
    in_flight: u64,
    /// In a row.
    failures: u64,
    /// Refusals of the key among them, in a row.
    denials: u64,
    /// Times among them that nobody was there, in a row.
    absences: u64,
    /// When the last success ended.
    succeeded: Option<Moment>,
    /// What the slowest success took.
    longest: Duration,
}

/// Failures in a row that are too many to be chance.
const ENOUGH: u64 = 10;
/// Beyond these a server may lock the key out.
const MOST_DENIALS: u64 = 20;
/// How long nothing may succeed.
const LOST_AFTER: Duration = Duration::from_secs(10);

impl Breaker {
    fn add(&mut self, sample: &Sample) -> Option<EarlyEnd> {
        let at = sample.done.unwrap_or(sample.due);
        match sample.outcome {
            Outcome::Cancelled => return None,
            Outcome::Ok => {
                let took = sample.sent.map_or(Duration::ZERO, |sent| at.since(sent));
                self.longest = self.longest.max(took);
                return self.has_answered(at);
            }
            // Who turns requests away is there.
            Outcome::RateLimited if self.succeeded.is_some() => return self.has_answered(at),
            Outcome::Http(401 | 403) => self.denials += 1,
            _ => self.denials = 0,
        }
        self.absences = if sample.outcome.is_unreachable() { self.absences + 1 } else { 0 };
        self.failures += 1;
        match self.succeeded {
            None if sample.phase == Phase::WarmUp => None,
            None => (self.failures >= ENOUGH).then_some(EarlyEnd::NothingWorks),
            Some(_) if self.denials >= MOST_DENIALS => Some(EarlyEnd::KeyRefused),
            Some(last) => self.is_lost_since(last, at).then_some(EarlyEnd::TargetLost),
        }
    }

    fn has_answered(&mut self, at: Moment) -> Option<EarlyEnd> {
        let succeeded = Some(at).max(self.succeeded);
        (self.failures, self.denials, self.absences) = (0, 0, 0);
        self.succeeded = succeeded;
        None
    }

    /// Whether nothing works any more since the `last` success. Those in flight may be well: there have to be more
    /// failures than they could be, and time for them to end, while others are turned away.
    fn is_lost_since(&self, last: Moment, now: Moment) -> bool {
        let is_long = now.since(last) >= LOST_AFTER.max(2 * self.longest);
        let all_fail = self.failures >= ENOUGH.max(2 * self.in_flight);
        is_long && all_fail
    }
}

impl Watch for Breaker {
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd> {
        match event {
            RunEvent::Sample(sample) => self.add(sample),
            RunEvent::Progress(progress) => {
                self.in_flight = progress.in_flight();
                None
            }
            // The time was over before the loss was sure: it is sure enough for what was measured.
            RunEvent::PhaseEnded { .. } if self.succeeded.is_some() && self.absences >= ENOUGH => {
                Some(EarlyEnd::TargetLost)
            }
            _ => None,
        }
    }
}

/// Ends a point that misses a goal, once enough of it is known.
#[derive(Debug)]
struct GoalWatch {
    goals: Vec<Goal>,
    /// Seconds of the measured phase before it looks.
    after_s: f64,
    aggregate: Aggregate,
    began: Option<Moment>,
    samples: u64,
    /// Samples at which it looks again: looking costs as much as all that was taken in so far.
    next_look: u64,
}

/// Samples below which no goal is judged: not even a median can be quoted.
const LEAST_SAMPLES: u64 = 11;

impl Watch for GoalWatch {
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd> {
        let RunEvent::Sample(sample) = event else { return None };
        if sample.phase != Phase::Measure {
            return None;
        }
        self.aggregate.add(sample);
        self.samples += 1;
        let at = sample.done?;
        let began = *self.began.get_or_insert(sample.sent.unwrap_or(at));
        if self.samples < self.next_look || at.since(began).as_secs_f64() < self.after_s {
            return None;
        }
        self.next_look = self.samples + self.samples.div_ceil(2);
        let summary = self.aggregate.clone().summarize();
        // A p99 of few requests is their slowest, and says nothing yet.
        let is_missed = |goal: &Goal| {
            !goal.quantity().is_below_floor(&summary)
                && goal.check(&summary).is_some_and(|result| !result.met)
        };
        self.goals.iter().any(is_missed).then_some(EarlyEnd::GoalMissed)
    }
}

/// Ends an open loop whose requests come in faster than they are answered: what is in flight grows, and so
/// does the time to first token, or to a result, without an end that any measurement could wait for.
///
/// Both have to grow by half between the first and the second half of the last minute, beyond chance.
/// guidellm's over-saturation constraint looks at the slopes of the same two.
#[derive(Debug, Default)]
struct SaturationWatch {
    /// Whether a measured request has ended. Before, the server fills: with the warm-up's load, and as
    /// long as the first answers take.
    is_filled: bool,
    in_flight: VecDeque<f64>,
    wait_ms: VecDeque<f64>,
}

/// Ten looks a second: at least ten seconds, at most a minute.
const LEAST_LOOKS: usize = 100;
const MOST_LOOKS: usize = 600;
/// Requests in flight below which a server is not saturated, however they grow.
const LEAST_IN_FLIGHT: f64 = 16.0;
/// How much more the second half has to be.
const GROWTH: f64 = 0.5;
const MOST_TIMES: usize = 2_000;

impl SaturationWatch {
    fn add(&mut self, sample: &Sample) {
        self.is_filled |= sample.phase == Phase::Measure;
        if sample.phase == Phase::Measure && sample.outcome.is_ok() {
            let wait = metric(if sample.is_result() { "e2e_ms" } else { "ttft_ms" });
            self.wait_ms.extend(wait.and_then(|wait| wait.of(sample)));
            if self.wait_ms.len() > MOST_TIMES {
                self.wait_ms.pop_front();
            }
        }
    }

    fn is_saturated(&mut self) -> bool {
        let latest = self.in_flight.back().copied().unwrap_or(0.0);
        self.in_flight.len() >= LEAST_LOOKS
            && latest >= LEAST_IN_FLIGHT
            && grows(self.in_flight.make_contiguous())
            && grows(self.wait_ms.make_contiguous())
    }
}

fn grows(values: &[f64]) -> bool {
    let grown = drift(values);
    grown.is_some_and(|drift| drift.ratio > GROWTH && drift.p_value < DRIFT_ALPHA)
}

impl Watch for SaturationWatch {
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd> {
        match event {
            RunEvent::Sample(sample) => self.add(sample),
            RunEvent::Progress(progress) if self.is_filled => {
                self.in_flight.push_back(progress.in_flight() as f64);
                if self.in_flight.len() > MOST_LOOKS {
                    self.in_flight.pop_front();
                }
                // A look costs a sort of what is kept: once a second is often enough.
                if self.in_flight.len().is_multiple_of(10) && self.is_saturated() {
                    return Some(EarlyEnd::Saturated);
                }
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use bench_core::{Arrival, ArrivalKind, Paced, Progress, Rate, Until};

    use super::*;

    fn closed() -> Point {
        Point::new(Load::closed(NonZeroUsize::MIN), Until::requests(1_000))
    }

    /// What ends a point that sees `events`.
    fn seen(lookout: &mut Lookout, events: impl IntoIterator<Item = RunEvent>) -> Option<EarlyEnd> {
        events.into_iter().find_map(|event| lookout.event(&event))
    }

    fn ended(phase: Phase, outcome: Outcome) -> RunEvent {
        RunEvent::Sample(Sample { phase, outcome, ..Sample::due(Moment::default()) })
    }

    /// A success that was sent at `at_ms` and had its first token `ttft_ms` later.
    fn answered(at_ms: u64, ttft_ms: u64) -> RunEvent {
        let moment = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let arrival = Arrival {
            at: moment(at_ms + ttft_ms),
            lag_ns: 0,
            bytes: 1,
            tokens: 1,
            kind: ArrivalKind::Content,
            coalesced: false,
            kernel: true,
        };
        RunEvent::Sample(Sample {
            sent: Some(moment(at_ms)),
            done: Some(moment(at_ms + ttft_ms)),
            arrivals: vec![arrival],
            outcome: Outcome::Ok,
            ..Sample::due(moment(at_ms))
        })
    }

    #[test]
    fn ten_failures_and_no_success_are_enough() {
        let after = |warm_up: &[Outcome], measured: &[Outcome]| {
            let mut lookout = Lookout::new(&closed(), &Goals::default());
            let warm_up = warm_up.iter().map(|outcome| ended(Phase::WarmUp, *outcome));
            let measured = measured.iter().map(|outcome| ended(Phase::Measure, *outcome));
            seen(&mut lookout, warm_up.chain(measured))
        };
        assert_eq!(after(&[], &[Outcome::Reset; 9]), None);
        assert_eq!(after(&[], &[Outcome::Reset; 10]), Some(EarlyEnd::NothingWorks));
        assert_eq!(after(&[], &[&[Outcome::Ok][..], &[Outcome::Reset; 50]].concat()), None);
        assert_eq!(after(&[], &[Outcome::Cancelled; 50]), None);
        assert_eq!(after(&[Outcome::Reset; 50], &[]), None, "a warm-up is not ended");
        assert_eq!(after(&[Outcome::Reset; 50], &[Outcome::Reset]), Some(EarlyEnd::NothingWorks));
    }

    /// What ends a point that had a success at 0 s, from then on sees one of `outcomes` each so many
    /// milliseconds, and has so many in flight; and after how many of them.
    fn lost(outcomes: &[Outcome], every_ms: u64, in_flight: u64) -> (Option<EarlyEnd>, u64) {
        let mut lookout = Lookout::new(&closed(), &Goals::default());
        let progress = Progress { sent: in_flight, ended: 0, of: None };
        let first = [answered(0, 0), RunEvent::Progress(progress)];
        let mut seen_before = 0;
        let later = (1..).zip(outcomes).map(|(n, outcome)| {
            let done = Some(Moment::from_nanos(n * every_ms * 1_000_000));
            seen_before = n;
            RunEvent::Sample(Sample { done, outcome: *outcome, ..Sample::due(Moment::default()) })
        });
        let end = seen(&mut lookout, first.into_iter().chain(later));
        (end, seen_before)
    }

    #[test]
    fn a_server_that_answers_no_more_is_lost() {
        let is_lost = Some(EarlyEnd::TargetLost);
        let refused = [Outcome::Refused; 200];
        assert_eq!(lost(&refused, 500, 0), (is_lost, 20), "after ten seconds");
        assert_eq!(lost(&refused, 3_000, 0), (is_lost, 10), "not before ten failures");
        assert_eq!(lost(&refused, 500, 64), (is_lost, 128), "those in flight may be well");
        assert_eq!(lost(&refused, 10, 0).0, None, "it may come back");
        let mut now_and_then = [Outcome::Http(503); 200];
        now_and_then.iter_mut().step_by(10).for_each(|outcome| *outcome = Outcome::Ok);
        assert_eq!(lost(&now_and_then, 900, 0).0, None, "some succeed");
        assert_eq!(lost(&[Outcome::RateLimited; 200], 500, 0).0, None, "it is there");
        assert_eq!(lost(&[Outcome::Cancelled; 200], 500, 0).0, None);
        let refused = (Some(EarlyEnd::KeyRefused), 20);
        assert_eq!(lost(&[Outcome::Http(401); 200], 1, 64), refused, "no storm of a wrong key");
    }

    #[test]
    fn a_server_that_is_gone_at_the_end_is_lost() {
        let end = RunEvent::PhaseEnded { point: 0, phase: Phase::Measure };
        let after = |outcome: Outcome, failures: usize| {
            let mut lookout = Lookout::new(&closed(), &Goals::default());
            let failures = (0..failures).map(|_| ended(Phase::Measure, outcome));
            let events = [answered(0, 0)].into_iter().chain(failures).chain([end.clone()]);
            seen(&mut lookout, events)
        };
        assert_eq!(after(Outcome::Refused, 10), Some(EarlyEnd::TargetLost));
        assert_eq!(after(Outcome::Refused, 9), None);
        assert_eq!(after(Outcome::Http(503), 50), None, "it is there");
    }

    /// A server with two places, whose answers take 13 s, turns others away meanwhile.
    #[test]
    fn a_server_that_is_full_of_long_answers_is_not_lost() {
        let mut lookout = Lookout::new(&closed(), &Goals::default());
        let turned_away = (1..250).map(|n| {
            let done = Some(Moment::from_nanos(13_000_000_000 + n * 100_000_000));
            let outcome = Outcome::Http(503);
            RunEvent::Sample(Sample { done, outcome, ..Sample::due(Moment::default()) })
        });
        assert_eq!(seen(&mut lookout, [answered(0, 13_000)].into_iter().chain(turned_away)), None);
    }

    #[test]
    fn a_missed_goal_ends_a_point_after_its_time_and_a_met_one_never() {
        let goals = |abort| Goals {
            slo: vec!["p50(ttft)<100ms".parse().unwrap()],
            abort,
            ..Goals::default()
        };
        let after = |seconds| Some(Duration::from_secs(seconds));
        // One request a second for half a minute.
        let ends = |abort, ttft_ms| {
            let mut lookout = Lookout::new(&closed(), &goals(abort));
            let mut requests = 0;
            let events = (0..30).map(|n| answered(n * 1_000, ttft_ms)).inspect(|_| requests += 1);
            let end = seen(&mut lookout, events);
            (end, requests)
        };
        assert_eq!(ends(after(20), 250), (Some(EarlyEnd::GoalMissed), 21));
        assert_eq!(ends(after(5), 250), (Some(EarlyEnd::GoalMissed), 11), "not before eleven");
        assert_eq!(ends(after(5), 50).0, None);
        assert_eq!(ends(None, 250).0, None);
    }

    #[test]
    fn a_percentile_of_few_requests_ends_nothing() {
        let goals = Goals {
            slo: vec!["p99(ttft)<500ms".parse().unwrap()],
            abort: Some(Duration::from_secs(10)),
            ..Goals::default()
        };
        // The third of 400 is slow: one in a hundred may be.
        let requests = || (0..400).map(|n| answered(n * 1_000, if n == 2 { 600 } else { 50 }));
        assert_eq!(seen(&mut Lookout::new(&closed(), &goals), requests()), None);
        // Three in a hundred are too many, once there are enough to tell.
        let slow = (0..1_500).map(|n| answered(n * 1_000, if n % 33 == 0 { 600 } else { 50 }));
        let mut seen_before = 0;
        let slow = slow.inspect(|_| seen_before += 1);
        let end = seen(&mut Lookout::new(&closed(), &goals), slow);
        assert_eq!(end, Some(EarlyEnd::GoalMissed));
        assert!(seen_before >= 662, "{seen_before}");
    }

    #[test]
    fn a_server_that_fills_is_not_saturated() {
        let rate = Rate::per_second(10.0).unwrap();
        let open = Point::new(Load::open(Paced::constant(rate)), Until::requests(1_000));
        let goals = Goals { stop_on_saturation: true, ..Goals::default() };
        let look = |n: u64, in_flight: u64| {
            RunEvent::Progress(Progress { sent: n + in_flight, ended: n, of: None })
        };
        let warm_up = (0..300).map(|n| look(n, 4));
        let steady = (0..300).flat_map(|n| [answered(n * 100, 50 + n), look(n, 50)]);
        let mut lookout = Lookout::new(&open, &goals);
        assert_eq!(seen(&mut lookout, warm_up.chain(steady)), None);
    }

    #[test]
    fn a_queue_that_grows_without_end_is_saturation_and_a_steady_one_is_not() {
        let rate = Rate::per_second(10.0).unwrap();
        let open = Point::new(Load::open(Paced::constant(rate)), Until::requests(1_000));
        let goals = Goals { stop_on_saturation: true, ..Goals::default() };
        // A look every 100 ms, and an answer beside it.
        let end = |point: &Point, in_flight: fn(u64) -> u64, ttft_ms: fn(u64) -> u64| {
            let mut lookout = Lookout::new(point, &goals);
            let events = (0..600).flat_map(|n| {
                let progress = Progress { sent: n + in_flight(n), ended: n, of: None };
                [answered(n * 100, ttft_ms(n)), RunEvent::Progress(progress)]
            });
            seen(&mut lookout, events)
        };
        assert_eq!(end(&open, |n| n, |n| 50 + n * 10), Some(EarlyEnd::Saturated));
        assert_eq!(end(&open, |n| 60 + n % 7, |n| 50 + n % 5), None, "busy, and steady");
        assert_eq!(end(&open, |n| n, |n| 50 + n % 5), None, "answers are long, and prompt");
        assert_eq!(end(&open, |n| n / 100, |n| 50 + n), None, "few are in flight");
        assert_eq!(end(&closed(), |n| n, |n| 50 + n * 10), None, "a closed loop cannot be");
    }
}
