//! Up to which load a service keeps to what is asked of it.

use super::Goal;
use crate::{EarlyEnd, Outcome, PointOutcome, Trust};

/// The share of requests that may fail in a point that meets its goals, whatever these are: a server that
/// turns requests away answers the others soon.
pub const MOST_ERRORS: f64 = 0.01;

/// Whether a point meets its goals, given which of them it meets: one that fails more than [`MOST_ERRORS`]
/// of its requests meets none, nor does one whose numbers are void.
pub fn meets_all(
    is_void: bool,
    error_ratio: Option<f64>,
    goals: impl IntoIterator<Item = bool>,
) -> bool {
    !is_void
        && error_ratio.is_none_or(|ratio| ratio <= MOST_ERRORS)
        && goals.into_iter().all(|met| met)
}

impl PointOutcome {
    /// Whether it meets all of `goals`.
    pub fn meets(&self, goals: &[Goal]) -> bool {
        let met = |goal: &Goal| goal.check(&self.summary).is_some_and(|result| result.met);
        let is_void = self.failure.is_some() || self.verdict.trust == Trust::Void;
        meets_all(is_void, self.summary.value("error_ratio"), goals.iter().map(met))
    }

    /// Whether it shows that its target is lost: it could not be prepared, nobody was there to answer, or soon
    /// nobody was any more. That says nothing about a load.
    pub fn is_lost(&self) -> bool {
        self.failure.is_some()
            || self.summary.facts.early_end.is_some_and(EarlyEnd::is_loss)
            || Outcome::nobody_answered(self.summary.outcomes.keys().copied())
    }
}

/// What became of the points of one load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Those that met every goal.
    pub met: u32,
    /// Those that did not.
    pub missed: u32,
}

impl Probes {
    /// Counts one more.
    pub const fn add(&mut self, met: bool) {
        match met {
            true => self.met += 1,
            false => self.missed += 1,
        }
    }

    /// How many there are.
    pub const fn count(self) -> u32 {
        self.met + self.missed
    }

    /// What most of them say; a tie is a miss.
    pub const fn is_met(self) -> bool {
        self.met > self.missed
    }

    /// Of loads in rising order, each with its place: the highest that meets the goals, and the lowest above
    /// it that misses one.
    pub fn edge(loads: impl IntoIterator<Item = (usize, Self)>) -> (Option<usize>, Option<usize>) {
        let (mut met, mut missed) = (None, None);
        for (place, probes) in loads {
            if probes.is_met() {
                (met, missed) = (Some(place), None);
            } else if missed.is_none() {
                missed = Some(place);
            }
        }
        (met, missed)
    }
}

impl FromIterator<bool> for Probes {
    fn from_iter<I: IntoIterator<Item = bool>>(met: I) -> Self {
        let mut probes = Self::default();
        met.into_iter().for_each(|met| probes.add(met));
        probes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_void_numbers_meet_no_goal() {
        for (is_void, error_ratio, goals, expected) in [
            (false, Some(0.0), [true, true], true),
            (false, None, [true, true], true),
            (false, Some(0.01), [true, true], true),
            (false, Some(0.011), [true, true], false),
            (true, Some(0.0), [true, true], false),
            (false, Some(0.0), [true, false], false),
        ] {
            assert_eq!(meets_all(is_void, error_ratio, goals), expected);
        }
    }

    #[test]
    fn most_probes_decide_and_the_edge_is_above_the_highest_that_meets() {
        let probes = |met: u32, missed: u32| Probes { met, missed };
        assert!(probes(2, 1).is_met() && !probes(1, 1).is_met() && !probes(0, 0).is_met());
        let edge = |loads: &[Probes]| Probes::edge(loads.iter().copied().enumerate());
        let (yes, no) = (probes(1, 0), probes(0, 1));
        assert_eq!(edge(&[]), (None, None));
        assert_eq!(edge(&[yes, yes, no, no]), (Some(1), Some(2)));
        assert_eq!(edge(&[no, no]), (None, Some(0)));
        assert_eq!(edge(&[yes, yes]), (Some(1), None));
        // A goal such as a least throughput is missed by low loads.
        assert_eq!(edge(&[no, yes, no]), (Some(1), Some(2)));
        assert_eq!([true, false, true].into_iter().collect::<Probes>(), probes(2, 1));
    }
}
