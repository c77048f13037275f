//! What to say of a change, in a word.

use std::fmt;

use super::{Comparison, Interval};
use crate::Better;

/// What to say of a change.
///
/// With r the ratio, I its interval and τ the threshold, the first that holds:
///
/// 1. *no change*: I lies within ± τ. What difference there may be does not matter.
/// 2. If I excludes 0 and p < 1 − level, there is a difference. It is *improved* or *regressed* if |r| > τ, or
///    *changed* where neither way is better; else it is too small to matter, and is *no change*.
/// 3. *within noise*: nothing is shown, neither a difference nor that there is none that matters.
///
/// A true change of just τ is therefore called a change in one half of all comparisons. Without any change
/// the word is *no change* where the noise is small enough for the threshold, and *within noise* elsewhere;
/// it is
/// *improved* or *regressed* in 1 − level of all comparisons at most, and in nearly none with little noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// For the better.
    Improved,
    /// For the worse.
    Regressed,
    /// Neither way is better.
    Changed,
    /// Not by as much as matters.
    NoChange,
    /// It cannot be said.
    WithinNoise,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::Changed => "changed",
            Self::NoChange => "no change",
            Self::WithinNoise => "within noise",
        })
    }
}

impl Comparison {
    /// The rules of [`Word`].
    pub(super) fn word(&self, ratio: f64, interval: Interval, p_value: f64) -> Word {
        let is_shown = !interval.contains(0.0) && p_value < 1.0 - self.level;
        if interval.is_within(self.threshold) {
            Word::NoChange
        } else if !is_shown {
            Word::WithinNoise
        } else if ratio.abs() <= self.threshold {
            Word::NoChange
        } else {
            match (self.better, ratio > 0.0) {
                (Better::Neither, _) => Word::Changed,
                (Better::Higher, true) | (Better::Lower, false) => Word::Improved,
                (Better::Higher, false) | (Better::Lower, true) => Word::Regressed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_rules() {
        let cases = [
            ("narrow around 0", 0.001, [-0.01, 0.012], 0.5, Word::NoChange),
            ("narrow and significant", 0.012, [0.005, 0.019], 0.001, Word::NoChange),
            ("significant, and too small", 0.015, [0.005, 0.025], 0.001, Word::NoChange),
            ("slower", 0.03, [0.025, 0.035], 0.001, Word::Regressed),
            ("slower, by how much is open", 0.03, [0.01, 0.05], 0.001, Word::Regressed),
            ("faster", -0.03, [-0.035, -0.025], 0.001, Word::Improved),
            ("straddles the threshold", 0.01, [-0.005, 0.025], 0.2, Word::WithinNoise),
            ("wide", 0.1, [-0.1, 0.3], 0.3, Word::WithinNoise),
            ("p disagrees", 0.03, [0.025, 0.035], 0.06, Word::WithinNoise),
            ("the interval disagrees", 0.03, [0.0, 0.06], 0.01, Word::WithinNoise),
        ];
        for (what, ratio, [low, high], p_value, expected) in cases {
            assert_eq!(
                Comparison::of(Better::Lower).word(ratio, Interval { low, high }, p_value),
                expected,
                "{what}"
            );
        }
        let slower = Interval { low: 0.025, high: 0.035 };
        for (better, word) in [(Better::Higher, Word::Improved), (Better::Neither, Word::Changed)] {
            assert_eq!(Comparison::of(better).word(0.03, slower, 0.001), word);
        }
    }

    #[test]
    fn words_are_read_and_aligned() {
        assert_eq!(
            format!("{:>12}|{}", Word::NoChange, Word::WithinNoise),
            "   no change|within noise"
        );
        let words = [Word::Improved, Word::Regressed, Word::Changed].map(|word| word.to_string());
        assert_eq!(words, ["improved", "regressed", "changed"]);
    }
}
