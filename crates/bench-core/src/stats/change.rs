//! Whether a metric changed from a baseline to a candidate, and which way.

use super::{
    Bootstrap, Interval, LEVEL, PERCENTILES, RESAMPLES, Repeats, Statistic, Word,
    bootstrap_difference, distribution::relative_change, interval::is_level, mann_whitney,
    ratio::Welch, sample_floor,
};
use crate::Better;

/// The least number of requests on either side that are compared.
const LEAST_REQUESTS: u64 = 20;

/// The least number of repeats on either side that are compared.
const LEAST_REPEATS: usize = 3;

/// What is asked when a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Which way the metric improves.
    pub better: Better,
    /// The least change that matters, as a share of the baseline and not below 0: 0.02 by default.
    pub threshold: f64,
    /// The level of confidence: [`LEVEL`] by default.
    pub level: f64,
}

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The statistic of the baseline.
    pub baseline: f64,
    /// The same of the candidate.
    pub candidate: f64,
    /// How much more the candidate's is: (candidate − baseline) / |baseline|.
    pub ratio: f64,
    /// Where that ratio lies. Unbounded if the baseline cannot be told from 0.
    pub interval: Interval,
    /// How probable values this far apart are if nothing changed.
    pub p_value: f64,
    /// All of this in a word.
    pub word: Word,
}

impl Comparison {
    /// A metric that improves as `better` says, with the default threshold and level.
    pub const fn of(better: Better) -> Self {
        Self { better, threshold: 0.02, level: LEVEL }
    }

    /// What changed between the requests of two runs: in a `statistic` of theirs, with an interval by
    /// [`bootstrap_difference`] from `seed`.
    ///
    /// p is that of [`mann_whitney`] for a percentile from 25 to 75. Ranks hardly see the tail, which decides
    /// a higher percentile and takes part in a mean: for these p is the bootstrap's own.
    ///
    /// Requests of one run share what befell the run: the server's start, its neighbours, its temperature.
    /// Two runs of one server can differ by more than their requests tell, so repeats are to be preferred
    /// where there are three: see [`of_repeats`](Self::of_repeats).
    ///
    /// `None` if there are fewer than 20 values, or fewer than the percentile's [`sample_floor`], on either
    /// side; if one is not finite; if a resample's baseline is 0; if there is no such level, threshold or
    /// statistic, or the percentile is beyond 0.1 or 99.9.
    pub fn of_requests(
        &self,
        baseline: &[f64],
        candidate: &[f64],
        statistic: Statistic,
        seed: u64,
    ) -> Option<Change> {
        let fewest = baseline.len().min(candidate.len()) as u64;
        if fewest < floor(statistic)? {
            return None;
        }
        let how = Bootstrap { level: self.level, resamples: RESAMPLES, seed };
        let difference = bootstrap_difference(baseline, candidate, statistic, how)?;
        let p_value = match statistic {
            Statistic::Percentile(25.0..=75.0) => mann_whitney(baseline, candidate)?.p_value,
            _ => difference.p_value,
        };
        let sides = [statistic.of(baseline)?, statistic.of(candidate)?];
        self.change(sides, difference.ratio?, p_value)
    }

    /// What changed between repeated runs, each of which gave one value: in their mean.
    ///
    /// p is that of Welch's t test, which lets the two sides vary differently, and the interval is Fieller's,
    /// with the same degrees of freedom: it excludes 0 just where p < 1 − level. Three repeats can have no
    /// small p by rank (0.1 at least), so ranks are not asked.
    ///
    /// ```text
    /// t = (x̄ − ȳ) / √(u + v)     x̄, ȳ the means of baseline and candidate; u, v the squares of their
    ///                             standard errors
    /// ν = (u + v)² / (u²/(n − 1) + v²/(m − 1))
    /// I = { ρ − 1 : (ȳ − ρx̄)² ≤ t²(v + ρ²u) }     t of ν degrees of freedom at the level
    /// ```
    ///
    /// Sources: Welch, "The generalization of Student's problem", 1947; Fieller, "Some problems in interval
    /// estimation", 1954.
    ///
    /// `None` if there are fewer than three values on either side, if one is not finite, if the baseline's
    /// mean is 0, or if there is no such level or threshold.
    pub fn of_repeats(&self, baseline: &[f64], candidate: &[f64]) -> Option<Change> {
        if baseline.len().min(candidate.len()) < LEAST_REPEATS || !is_level(self.level) {
            return None;
        }
        let welch = Welch { old: Repeats::of(baseline)?, new: Repeats::of(candidate)? };
        let sides = [welch.old.mean, welch.new.mean];
        self.change(sides, welch.ratio_interval(self.level)?, welch.p_value()?)
    }

    fn change(&self, sides: [f64; 2], interval: Interval, p_value: f64) -> Option<Change> {
        let [baseline, candidate] = sides;
        if self.threshold.is_nan() || self.threshold < 0.0 {
            return None;
        }
        let ratio = relative_change(baseline, candidate)?;
        let word = self.word(ratio, interval, p_value);
        Some(Change { baseline, candidate, ratio, interval, p_value, word })
    }
}

/// How many values a statistic needs on either side: of a percentile without a floor of its own as many as
/// the next one further from the median; below it as many as above. `None` beyond 99.9.
fn floor(statistic: Statistic) -> Option<u64> {
    let Statistic::Percentile(p) = statistic else {
        return Some(LEAST_REQUESTS);
    };
    let as_far = PERCENTILES.into_iter().filter(|known| *known >= p.max(100.0 - p) - 1e-9);
    as_far.min_by(f64::total_cmp).and_then(sample_floor).map(|floor| floor.max(LEAST_REQUESTS))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, LogNormal, Normal};

    use super::*;

    const MEDIAN: Statistic = Statistic::Percentile(50.0);
    const LATENCY: Comparison = Comparison::of(Better::Lower);

    /// The words of 100 trials, and how often each came.
    fn words(trial: impl Fn(u64) -> Option<Change>) -> [(Word, usize); 5] {
        let words: Vec<Word> = (0..100).map(|seed| trial(seed).unwrap().word).collect();
        [Word::Improved, Word::Regressed, Word::Changed, Word::NoChange, Word::WithinNoise]
            .map(|word| (word, words.iter().filter(|w| **w == word).count()))
    }

    fn check(words: [(Word, usize); 5], expected: Word) {
        let count = words.iter().find(|(word, _)| *word == expected).unwrap().1;
        assert!(count >= 95, "{expected} {count} times of {words:?}");
    }

    /// 300 requests with 2 % of noise around `mean`.
    fn requests(mean: f64, seed: u64) -> Vec<f64> {
        let noise = LogNormal::new(0.0, 0.02).unwrap();
        noise.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(300).map(|v| v * mean).collect()
    }

    /// Means of `n` runs of such requests, which lie 0.3 % apart for the run's sake.
    fn repeats(n: usize, mean: f64, seed: u64) -> Vec<f64> {
        let runs = Normal::new(mean, 0.003 * mean).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut run = |i: u64| {
            Statistic::Mean.of(&requests(runs.sample(&mut random), seed * 100 + i)).unwrap()
        };
        (0..n as u64).map(&mut run).collect()
    }

    #[test]
    fn three_percent_between_runs_is_found() {
        for (mean, word) in [(103.0, Word::Regressed), (97.0, Word::Improved)] {
            let trial = |seed| {
                let (a, b) = (requests(100.0, seed), requests(mean, seed + 1_000));
                LATENCY.of_requests(&a, &b, MEDIAN, seed)
            };
            check(words(trial), word);
        }
    }

    #[test]
    fn no_difference_between_runs_is_found_where_there_is_none() {
        for statistic in [MEDIAN, Statistic::Percentile(90.0)] {
            let trial = |seed| {
                let (a, b) = (requests(100.0, seed), requests(100.0, seed + 1_000));
                LATENCY.of_requests(&a, &b, statistic, seed)
            };
            check(words(trial), Word::NoChange);
        }
    }

    #[test]
    fn three_percent_between_repeats_is_found() {
        for (n, mean, word) in [(5, 103.0, Word::Regressed), (3, 97.0, Word::Improved)] {
            let trial = |seed| {
                LATENCY.of_repeats(&repeats(n, 100.0, seed), &repeats(n, mean, seed + 1_000))
            };
            check(words(trial), word);
        }
    }

    #[test]
    fn no_difference_between_repeats_is_found_where_there_is_none() {
        for n in [3, 5] {
            let trial = |seed| {
                LATENCY.of_repeats(&repeats(n, 100.0, seed), &repeats(n, 100.0, seed + 1_000))
            };
            check(words(trial), Word::NoChange);
        }
    }

    #[test]
    fn a_tail_is_seen_by_the_statistics_that_it_decides() {
        // One request in 25 takes three times as long, which hardly moves a rank.
        let many =
            |seed: u64| [seed, seed + 1, seed + 2].map(|seed| requests(100.0, seed)).concat();
        let slow = |(i, v): (usize, f64)| if i % 25 == 0 { 3.0 * v } else { v };
        let (a, b) = (many(1), many(11).into_iter().enumerate().map(slow).collect::<Vec<_>>());
        assert!(mann_whitney(&a, &b).unwrap().p_value > 0.05);
        let word = |statistic| LATENCY.of_requests(&a, &b, statistic, 1).unwrap().word;
        assert_eq!(word(Statistic::Percentile(99.0)), Word::Regressed);
        assert_eq!(word(Statistic::Mean), Word::Regressed);
        assert_eq!(word(MEDIAN), Word::NoChange);
    }

    #[test]
    fn a_change_is_told_in_full() {
        let found = LATENCY.of_repeats(&[99.0, 100.0, 101.0], &[109.0, 110.0, 111.0]).unwrap();
        assert!((found.baseline - 100.0).abs() < 1e-9 && (found.candidate - 110.0).abs() < 1e-9);
        assert!((found.ratio - 0.1).abs() < 1e-9 && found.interval.contains(0.1));
        assert_eq!(found.word, Word::Regressed);
        assert_eq!(
            format!("{:>12}|{}", Word::WithinNoise, Word::NoChange),
            "within noise|no change"
        );
    }

    #[test]
    fn what_is_constant_is_compared_too() {
        let word = |b: f64| {
            let requests = LATENCY.of_requests(&[10.0; 30], &[b; 25], MEDIAN, 1).unwrap().word;
            assert_eq!(LATENCY.of_repeats(&[10.0; 3], &[b; 4]).unwrap().word, requests, "{b}");
            requests
        };
        assert_eq!(word(10.0), Word::NoChange);
        assert_eq!(word(10.1), Word::NoChange);
        assert_eq!(word(11.0), Word::Regressed);
        assert_eq!(word(9.0), Word::Improved);
    }

    #[test]
    fn nothing_is_said_without_enough_numbers() {
        let (few, some, many) = ([1.0; 19], [1.0; 20], [1.0; 700]);
        let says =
            |a: &[f64], p| LATENCY.of_requests(a, &many, Statistic::Percentile(p), 1).is_some();
        assert!(!says(&few, 50.0) && says(&some, 50.0));
        assert!(!says(&some, 99.0) && says(&many, 99.0), "as many as p99 needs");
        assert!(!says(&some, 98.0) && says(&many, 98.0), "and for p98 as many");
        assert!(!says(&some, 1.0) && says(&many, 1.0), "and for p1");
        assert!(!says(&many, 99.95) && !says(&many, f64::NAN));
        assert!(LATENCY.of_repeats(&[1.0; 2], &many).is_none());
        for bad in [0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(LATENCY.of_requests(&[bad; 30], &many, MEDIAN, 1), None, "{bad}");
            assert_eq!(LATENCY.of_repeats(&[bad; 30], &many), None, "{bad}");
        }
        for bad in [
            Comparison { level: 1.0, ..LATENCY },
            Comparison { level: f64::NAN, ..LATENCY },
            Comparison { threshold: f64::NAN, ..LATENCY },
            Comparison { threshold: -0.1, ..LATENCY },
        ] {
            assert_eq!(bad.of_requests(&many, &many, MEDIAN, 1), None, "{bad:?}");
            assert_eq!(bad.of_repeats(&many, &many), None, "{bad:?}");
        }
        let around_zero = LATENCY.of_repeats(&[-1.0, 0.5, 1.0], &[5.0, 5.1, 5.2]).unwrap();
        assert_eq!(around_zero.word, Word::WithinNoise);
        assert!(around_zero.interval.high.is_infinite());
    }
}
