//! How sure a statistic over requests is: Efron's percentile bootstrap.

use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::{
    Interval, Statistic,
    distribution::{ascending, percentile, relative_change},
    interval::is_level,
    resample::Resampler,
};

/// How many resamples there are where no number is asked for.
pub const RESAMPLES: u32 = 2_000;

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The level of confidence, between 0 and 1.
    pub level: f64,
    /// How many resamples, such as [`RESAMPLES`].
    pub resamples: u32,
    /// The plan's seed: with it the interval is the same each time.
    pub seed: u64,
}

/// Where `statistic` lies of the distribution that `values` were drawn from: between the percentiles
/// 100·(1 − level)/2 and 100·(1 + level)/2 of the statistic of the resamples.
///
/// A resample is n values drawn from the n `values`, each as probable as every other, with replacement. The
/// values are those of requests: what lies within a request, such as its gaps, depends on each other and is
/// not drawn apart. Requests of one run share what befell the run, so the interval says what another draw
/// from this run would give, not what another run would.
///
/// `None` if there are fewer than two values, no resamples, no such level or no such [`Statistic`].
///
/// With few values, and near the ends of the distribution, the interval is too narrow: no resample goes
/// beyond the greatest value. Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993, chapter
/// 13.
pub fn bootstrap_interval(
    values: &[f64],
    statistic: Statistic,
    how: Bootstrap,
) -> Option<Interval> {
    let values = Resampler::of(values, statistic)?;
    let mut random = ChaCha8Rng::seed_from_u64(how.seed);
    let drawn: Vec<f64> = (0..how.resamples).map(|_| values.draw(&mut random)).collect();
    how.interval(&drawn)
}

/// By how much a statistic differs between two sets of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Where statistic(b) − statistic(a) lies.
    pub difference: Interval,
    /// Where that lies as a share of |statistic(a)|. `None` if a resample's statistic(a) is 0.
    pub ratio: Option<Interval>,
    /// How probable a difference as far from 0 is if there is none: twice the share of resamples on the other
    /// side of 0, or at it, (1 + k)/(1 + resamples) of them.
    pub p_value: f64,
}

/// By how much `statistic` differs between the distributions that `a` and `b` were drawn from, each resampled
/// by itself as by [`bootstrap_interval`].
///
/// `None` where that has none for `a` or `b`.
pub fn bootstrap_difference(
    a: &[f64],
    b: &[f64],
    statistic: Statistic,
    how: Bootstrap,
) -> Option<Difference> {
    let (a, b) = (Resampler::of(a, statistic)?, Resampler::of(b, statistic)?);
    let mut random = ChaCha8Rng::seed_from_u64(how.seed);
    let pairs: Vec<(f64, f64)> =
        (0..how.resamples).map(|_| (a.draw(&mut random), b.draw(&mut random))).collect();
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let ratios: Option<Vec<f64>> = pairs.iter().map(|(a, b)| relative_change(*a, *b)).collect();
    let share = |is_beyond: fn(f64) -> bool| {
        let beyond = differences.iter().filter(|d| is_beyond(**d)).count();
        (1 + beyond) as f64 / (1 + differences.len()) as f64
    };
    Some(Difference {
        difference: how.interval(&differences)?,
        ratio: ratios.and_then(|ratios| how.interval(&ratios)),
        p_value: (2.0 * share(|d| d <= 0.0).min(share(|d| d >= 0.0))).min(1.0),
    })
}

impl Bootstrap {
    /// Between which of the statistics `drawn` the middle ones lie.
    fn interval(&self, drawn: &[f64]) -> Option<Interval> {
        if !is_level(self.level) {
            return None;
        }
        let sorted = ascending(drawn)?;
        let end = |side: f64| percentile(&sorted, 50.0 * (1.0 + side * self.level));
        Some(Interval { low: end(-1.0)?, high: end(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp, Normal};

    use super::*;

    const HOW: Bootstrap = Bootstrap { level: 0.95, resamples: RESAMPLES, seed: 42 };
    const MEDIAN: Statistic = Statistic::Percentile(50.0);

    fn drawn(from: impl Distribution<f64>, n: usize, seed: u64) -> Vec<f64> {
        from.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(n).collect()
    }

    #[test]
    fn a_mean_is_as_sure_as_its_standard_error_says() {
        let values = drawn(Normal::new(100.0, 5.0).unwrap(), 400, 1);
        let normal = super::super::Repeats::of(&values).unwrap().interval(0.95).unwrap();
        let found = bootstrap_interval(&values, Statistic::Mean, HOW).unwrap();
        let width = normal.high - normal.low;
        assert!((found.low - normal.low).abs() < 0.05 * width, "{found:?}, not {normal:?}");
        assert!((found.high - normal.high).abs() < 0.05 * width, "{found:?}, not {normal:?}");
    }

    #[test]
    fn an_interval_holds_what_values_were_drawn_from_as_often_as_it_says() {
        let exponential = Exp::new(0.01).unwrap();
        // The percentiles of Exp(λ): −ln(1 − p) / λ.
        for (statistic, truth) in [(MEDIAN, 69.3147), (Statistic::Percentile(90.0), 230.2585)] {
            let holds = (0..200).filter(|seed| {
                let values = drawn(exponential, 300, *seed);
                bootstrap_interval(&values, statistic, HOW).unwrap().contains(truth)
            });
            let held = holds.count();
            assert!((182..=198).contains(&held), "{statistic:?}: {held} of 200");
        }
    }

    #[test]
    fn the_seed_decides() {
        let values = drawn(Exp::new(1.0).unwrap(), 100, 7);
        let interval = |seed| bootstrap_interval(&values, MEDIAN, Bootstrap { seed, ..HOW });
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
    }

    #[test]
    fn a_difference_from_a_constant_is_as_sure_as_what_differs() {
        let values = drawn(Normal::new(110.0, 5.0).unwrap(), 200, 3);
        let alone = bootstrap_interval(&values, Statistic::Mean, HOW).unwrap();
        let found = bootstrap_difference(&[100.0; 50], &values, Statistic::Mean, HOW).unwrap();
        let ratio = found.ratio.unwrap();
        for (alone, difference, ratio) in [
            (alone.low, found.difference.low, ratio.low),
            (alone.high, found.difference.high, ratio.high),
        ] {
            assert!((alone - 100.0 - difference).abs() < 0.1, "{difference}, not {alone} - 100");
            assert!((difference / 100.0 - ratio).abs() < 1e-9);
        }
        assert!(found.p_value < 0.01);
    }

    #[test]
    fn equal_values_do_not_differ() {
        for (a, b) in [(0.1, 0.1), (0.0, 0.0)] {
            let found = bootstrap_difference(&[a; 30], &[b; 7], Statistic::Mean, HOW).unwrap();
            let none = Interval { low: 0.0, high: 0.0 };
            assert_eq!((found.difference, found.ratio, found.p_value), (none, Some(none), 1.0));
        }
        let from_zero = bootstrap_difference(&[0.0; 9], &[1.0; 9], MEDIAN, HOW).unwrap();
        assert_eq!((from_zero.difference.low, from_zero.ratio), (1.0, None));
    }

    #[test]
    fn nothing_is_said_of_what_cannot_be_resampled() {
        let some = [1.0, 2.0, 3.0];
        for bad in [&[][..], &[1.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!(bootstrap_interval(bad, MEDIAN, HOW), None, "{bad:?}");
            assert_eq!(bootstrap_difference(&some, bad, Statistic::Mean, HOW), None, "{bad:?}");
        }
        for statistic in [Statistic::Percentile(101.0), Statistic::Percentile(f64::NAN)] {
            assert_eq!(bootstrap_interval(&some, statistic, HOW), None);
        }
        for bad in [
            Bootstrap { level: 1.0, ..HOW },
            Bootstrap { level: f64::NAN, ..HOW },
            Bootstrap { resamples: 0, ..HOW },
        ] {
            assert_eq!(bootstrap_interval(&some, MEDIAN, bad), None, "{bad:?}");
            assert_eq!(bootstrap_difference(&some, &some, MEDIAN, bad), None, "{bad:?}");
        }
        let extreme = Interval { low: f64::MAX, high: f64::MAX };
        assert_eq!(bootstrap_interval(&[f64::MAX; 3], MEDIAN, HOW), Some(extreme));
    }
}
