//! What a statistic of values drawn anew from a set comes to.

use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution, Exp1};

use super::distribution::{ascending, mean, percentile, rank};

/// What is computed of a set of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Their mean.
    Mean,
    /// The value at this percentile, 0 to 100: see [`percentile`](super::percentile()).
    Percentile(f64),
}

impl Statistic {
    /// The statistic of `values`; `None` if there are none, if one is not finite, if there is no such
    /// percentile, or if they are too large to be summed.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        self.of_ascending(&ascending(values)?)
    }

    fn of_ascending(self, values: &[f64]) -> Option<f64> {
        let found = match self {
            Self::Mean => (!values.is_empty()).then(|| mean(values)),
            Self::Percentile(p) => percentile(values, p),
        };
        found.filter(|found| found.is_finite())
    }
}

/// Values, and what it takes to draw a statistic of a resample of them: of n values, each drawn from them
/// with the same probability, with replacement.
///
/// A mean is drawn by drawing the n values. A percentile is drawn without: a draw is value ⌊n·U⌋ of those in
/// order, with U uniform in 0..1, so that the k-th least draw belongs to the k-th least U, which has the
/// distribution Beta(k, n − k + 1). A percentile between two ranks needs the next draw too. It belongs to the
/// least of n − k that are uniform in U..1: U' = 1 − (1 − U)·exp(−E/(n − k)), E exponential. This is the
/// distribution of the plain bootstrap itself, at a cost that does not grow with n.
///
/// Source: David & Nagaraja, "Order statistics", 2003, sections 2.1 to 2.5.
pub(super) struct Resampler {
    ascending: Vec<f64>,
    of: Of,
}

enum Of {
    Mean,
    Percentile {
        /// Where the rank below the percentile falls: U.
        place: Beta<f64>,
        /// How many draws are above that rank: n − k.
        above: f64,
        /// Where the percentile lies between this rank and the next.
        fraction: f64,
    },
}

impl Resampler {
    /// `None` if there are fewer than two values, or no such statistic of them.
    pub(super) fn of(values: &[f64], statistic: Statistic) -> Option<Self> {
        let ascending = ascending(values).filter(|values| values.len() >= 2)?;
        statistic.of_ascending(&ascending)?;
        let of = match statistic {
            Statistic::Mean => Of::Mean,
            Statistic::Percentile(p) => {
                let (below, fraction) = rank(ascending.len(), p);
                let above = (ascending.len() - 1 - below) as f64;
                let place = Beta::new(below as f64 + 1.0, above + 1.0).ok()?;
                Of::Percentile { place, above, fraction }
            }
        };
        Some(Self { ascending, of })
    }

    /// The statistic of one resample.
    pub(super) fn draw(&self, random: &mut impl Rng) -> f64 {
        match &self.of {
            Of::Mean => {
                let (n, origin) = (self.ascending.len(), self.ascending[0]);
                let drawn = (0..n).map(|_| self.ascending[random.random_range(0..n)] - origin);
                origin + drawn.sum::<f64>() / n as f64
            }
            Of::Percentile { place, above, fraction } => {
                let place = place.sample(random);
                let low = self.at(place);
                if *fraction == 0.0 {
                    return low;
                }
                let gap: f64 = Exp1.sample(random);
                let high = self.at(1.0 - (1.0 - place) * (-gap / above).exp());
                low + (high - low) * fraction
            }
        }
    }

    /// The value that is drawn by `place`, 0 to 1.
    fn at(&self, place: f64) -> f64 {
        let n = self.ascending.len();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and a place of 1 is the last value's"
        )]
        let index = (place * n as f64) as usize;
        self.ascending[index.min(n - 1)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    /// How often each value of the statistic comes, in millionths: of all nⁿ resamples.
    fn of_all_resamples(values: &[f64], statistic: Statistic) -> BTreeMap<i64, f64> {
        let n = values.len();
        let all = n.pow(u32::try_from(n).unwrap());
        let mut shares = BTreeMap::new();
        for resample in 0..all {
            let digit = |i: usize| resample / n.pow(u32::try_from(i).unwrap()) % n;
            let drawn: Vec<f64> = (0..n).map(|i| values[digit(i)]).collect();
            *shares.entry(millionths(statistic.of(&drawn).unwrap())).or_default() +=
                1.0 / all as f64;
        }
        shares
    }

    #[expect(clippy::cast_possible_truncation, reason = "values of these tests are small")]
    fn millionths(value: f64) -> i64 {
        (value * 1e6).round() as i64
    }

    #[test]
    fn each_value_comes_as_often_as_of_all_resamples() {
        const DRAWS: u32 = 20_000;
        let percentiles = [0.0, 10.0, 37.5, 50.0, 75.0, 90.0, 99.0, 100.0];
        let statistics =
            percentiles.map(Statistic::Percentile).into_iter().chain([Statistic::Mean]);
        for statistic in statistics {
            for values in [&[1.0, 2.0, 4.0, 8.0, 16.0][..], &[3.0, 3.0, 7.0, 50.0], &[2.0, 1.0]] {
                let expected = of_all_resamples(values, statistic);
                let resampler = Resampler::of(values, statistic).unwrap();
                let mut random = ChaCha8Rng::seed_from_u64(11);
                let mut found = BTreeMap::<i64, u32>::new();
                for _ in 0..DRAWS {
                    *found.entry(millionths(resampler.draw(&mut random))).or_default() += 1;
                }
                assert!(found.keys().all(|value| expected.contains_key(value)), "{statistic:?}");
                for (value, share) in expected {
                    let came = f64::from(found.get(&value).copied().unwrap_or(0));
                    let count = share * f64::from(DRAWS);
                    let deviation = (count * (1.0 - share)).sqrt();
                    assert!(
                        (came - count).abs() <= 5.0 * deviation + 1.0,
                        "{statistic:?} of {values:?}: {value} came {came} times, not {count}"
                    );
                }
            }
        }
    }

    #[test]
    fn many_values_are_resampled_as_by_drawing_each() {
        let values: Vec<f64> = (0..400).map(|i| (f64::from(i) / 40.0).exp()).collect();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for p in [50.0, 95.0, 99.0] {
            let plain = (0..2_000).map(|_| {
                let drawn: Vec<f64> = (0..values.len())
                    .map(|_| values[random.random_range(0..values.len())])
                    .collect();
                Statistic::Percentile(p).of(&drawn).unwrap()
            });
            let plain = ascending(&plain.collect::<Vec<_>>()).unwrap();
            let mut random = ChaCha8Rng::seed_from_u64(6);
            let resampler = Resampler::of(&values, Statistic::Percentile(p)).unwrap();
            let fast: Vec<f64> = (0..2_000).map(|_| resampler.draw(&mut random)).collect();
            let fast = ascending(&fast).unwrap();
            // Kolmogorov and Smirnov's distance of two sets, at alpha = 0.001.
            let share =
                |of: &[f64], v: f64| of.partition_point(|x| *x <= v) as f64 / of.len() as f64;
            let distance = plain.iter().map(|v| (share(&plain, *v) - share(&fast, *v)).abs());
            assert!(distance.fold(0.0, f64::max) < 1.95 * (2.0 / 2_000.0_f64).sqrt(), "p{p}");
        }
    }

    #[test]
    fn a_statistic_needs_values_that_are_numbers() {
        assert_eq!(Statistic::Mean.of(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(Statistic::Percentile(50.0).of(&[6.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(Statistic::Percentile(50.0).of(&[6.0, f64::NAN]), None);
        assert_eq!(Statistic::Mean.of(&[]), None);
        assert_eq!(Statistic::Mean.of(&[f64::MIN, f64::MAX, f64::MAX]), None);
    }
}
