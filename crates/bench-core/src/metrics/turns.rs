//! The metrics of conversations, turn by turn.

use std::collections::BTreeMap;

use super::registry::{Metric, Source, registry};
use crate::{Sample, stats::Distribution};

/// Turns that are told apart; what comes later counts as the last of them.
const MOST_TURNS: u32 = 256;

/// The requests of one turn of all conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnSummary {
    /// Which turn, from 0.
    pub turn: u32,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Each metric that is taken per request and exists for these, in the registry's order.
    pub figures: Vec<(&'static Metric, Distribution)>,
}

/// What the metrics of each turn need of its samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(BTreeMap<u32, Turn>);

#[derive(Clone, Debug, Default)]
struct Turn {
    succeeded: u64,
    failed: u64,
    /// One list for each metric of the registry; empty for those not taken per request.
    values: Vec<Vec<f64>>,
}

impl Turns {
    /// Takes in a sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        let turn = self.0.entry(sample.turn.min(MOST_TURNS - 1)).or_default();
        turn.failed += u64::from(sample.outcome.is_failure());
        if !sample.outcome.is_ok() {
            return;
        }
        turn.succeeded += 1;
        turn.values.resize(registry().len(), Vec::new());
        for (values, metric) in turn.values.iter_mut().zip(registry()) {
            if let Source::Request(formula) = metric.source {
                values.extend(formula(sample));
            }
        }
    }

    /// The metrics of each turn; nothing where requests have one turn only.
    pub(super) fn summarize(self) -> Vec<TurnSummary> {
        if self.0.len() < 2 {
            return Vec::new();
        }
        self.0.into_iter().map(|(turn, of)| of.summarize(turn)).collect()
    }
}

impl Turn {
    fn summarize(mut self, turn: u32) -> TurnSummary {
        let values = self.values.iter_mut().zip(registry());
        let figures = values.filter_map(|(values, metric)| {
            Some((metric as &'static Metric, Distribution::of(values)?))
        });
        let figures = figures.collect();
        TurnSummary { turn, succeeded: self.succeeded, failed: self.failed, figures }
    }
}

impl TurnSummary {
    /// The distribution of metric `id`, if it exists.
    pub fn distribution(&self, id: &str) -> Option<&Distribution> {
        self.figures.iter().find(|(metric, _)| metric.id == id).map(|(_, figure)| figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aggregate, Answer, ArrivalKind, Clock, Moment, Outcome, Request, Stamp, Usage};

    /// A request of `turn` whose first token takes `ttft` ms, of 100 tokens of which `repeated` are old.
    fn sample(turn: u32, ttft: u64, repeated: u32, cached: u32, outcome: Outcome) -> Sample {
        let ms = |ms| Moment::from_nanos(ms * 1_000_000);
        let mut answer = Answer::new(Clock::start());
        let (input_tokens, repeated_tokens) = (Some(100), Some(repeated));
        let request = Request { input_tokens, repeated_tokens, ..Request::default() };
        answer.begin(Sample { turn, ..Sample::due(ms(0)) }, &request);
        answer.sent(ms(0));
        answer.generated(Stamp::of_read(ms(ttft)), ArrivalKind::Content, "x", None);
        let cached = Some(cached);
        answer.usage(Usage { prompt: 100, completion: 1, cached, ..Usage::default() });
        answer.done(ms(ttft));
        answer.take_sample(outcome, None)
    }

    #[test]
    fn turns_have_metrics_of_their_own() {
        let mut aggregate = Aggregate::default();
        aggregate.add(&sample(0, 80, 0, 0, Outcome::Ok));
        aggregate.add(&sample(0, 120, 0, 0, Outcome::Ok));
        aggregate.add(&sample(1, 30, 60, 64, Outcome::Ok));
        aggregate.add(&sample(1, 30, 60, 64, Outcome::Reset));
        aggregate.add(&sample(9_999, 50, 80, 0, Outcome::Ok));
        let summary = aggregate.summarize();
        let of = |turn: &TurnSummary| {
            let ttft = turn.distribution("ttft_ms").map(|ttft| ttft.mean);
            (turn.turn, turn.succeeded, turn.failed, ttft)
        };
        let turns: Vec<_> = summary.turns.iter().map(of).collect();
        let expected =
            [(0, 2, 0, Some(100.0)), (1, 1, 1, Some(30.0)), (MOST_TURNS - 1, 1, 0, Some(50.0))];
        assert_eq!(turns, expected);
        assert_eq!(summary.value("repeated_ratio"), Some(140.0 / 400.0));
        assert_eq!(summary.value("prefix_hit_ratio"), Some(64.0 / 400.0));
        assert_eq!(
            summary.facts.cached_ratio,
            Some(4.0 / 400.0),
            "what was repeated may be cached"
        );
    }

    #[test]
    fn requests_of_one_turn_have_no_turns() {
        let mut aggregate = Aggregate::default();
        aggregate.add(&sample(0, 80, 0, 0, Outcome::Ok));
        let summary = aggregate.summarize();
        assert_eq!(summary.turns, []);
        assert_eq!(summary.value("repeated_ratio"), None);
    }
}
