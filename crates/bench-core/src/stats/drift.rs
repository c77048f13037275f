//! Whether values change while a phase lasts: towards its end, or after its start.

use super::{
    distribution::{ascending, median, relative_change},
    mann_whitney,
};

/// The p from which on a drift is significant, if no other is asked for.
///
/// Far below the usual 0.05, for values in the order of sending are not independent: what is sent together
/// shares the batch, the queue and the clock of the GPU. With a correlation of ρ between neighbours the
/// variance of U is some (1 + ρ)/(1 − ρ) times what the test takes it for, so that a p of 0.001 would be one
/// of 0.016 at ρ = 0.3, of 0.06 at ρ = 0.5 and worthless at 0.9. So blocks are tested, not values: with b
/// values in each, neighbours among blocks are hardly alike if ρᵇ is small. What is left, as where blocks are
/// small, is this margin's.
pub const DRIFT_ALPHA: f64 = 0.001;

/// Fewer values have no halves.
const LEAST_VALUES: usize = 20;

/// Fewer values have no start.
const LEAST_WITH_START: usize = 40;

/// Into so many blocks a phase is cut, for its halves and for its start: enough for a p of 0.00001.
const BLOCKS_OF_HALVES: usize = 20;
const BLOCKS_WITH_START: usize = 40;

/// The least number of values that are a start.
const LEAST_START: usize = 8;

/// How the values of a first and of a second part of a phase differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The median of the first part.
    pub first: f64,
    /// The median of the second part.
    pub second: f64,
    /// How much more the second is: (second − first) / |first|.
    pub ratio: f64,
    /// How probable parts this far apart are if nothing changed: by [`mann_whitney`], of the medians of
    /// blocks of values that follow each other.
    pub p_value: f64,
}

impl Drift {
    /// Whether it is more than a share of `ratio`, and its p below `alpha`, such as [`DRIFT_ALPHA`].
    ///
    /// Both are needed: among many values a drift that does not matter has a small p, and p is too small
    /// where even blocks depend on each other.
    pub fn is_significant(&self, ratio: f64, alpha: f64) -> bool {
        self.ratio.abs() > ratio && self.p_value < alpha
    }

    /// And how probable it is that a block of the second part is greater than one of the first. `None` if a
    /// value is not finite, or the first median alone is 0.
    fn between(first: &[f64], second: &[f64], block: usize) -> Option<(Self, f64)> {
        let medians =
            |part: &[f64]| part.chunks(block).map(median_of).collect::<Option<Vec<f64>>>();
        let test = mann_whitney(&medians(first)?, &medians(second)?)?;
        let (first, second) = (median_of(first)?, median_of(second)?);
        let ratio = relative_change(first, second)?;
        Some((Self { first, second, ratio, p_value: test.p_value }, test.effect))
    }
}

/// The median of `values`, which are not empty; `None` if one is not finite.
fn median_of(values: &[f64]) -> Option<f64> {
    ascending(values).map(|sorted| median(&sorted))
}

/// How the second half of `values` differs from the first; they are in the order of sending. Of an odd number
/// the one in the middle belongs to the second. A half is tested as 10 blocks.
///
/// Source of the blocks: the method of batch means; Law, "Simulation modeling and analysis", section 9.5.
///
/// `None` of fewer than 20 values, if one is not finite, or if the first median alone is 0.
pub fn drift(values: &[f64]) -> Option<Drift> {
    if values.len() < LEAST_VALUES {
        return None;
    }
    let (first, second) = values.split_at(values.len() / 2);
    Drift::between(first, second, values.len() / BLOCKS_OF_HALVES).map(|(drift, _)| drift)
}

/// How much slower the first tenth of `values`, and 8 at least, is than the rest: if that is significant the
/// warm-up was too short. They are durations in the order of sending.
///
/// They are tested as 40 blocks, 4 of them the start's. p is one-sided, and 1 if the start is not slower: a
/// start that is faster, as that of a closed loop which finds the server idle, is never significant.
///
/// `None` of fewer than 40 values, if one is not finite, or if the start's median alone is 0.
pub fn warm_up_too_short(values: &[f64]) -> Option<Drift> {
    if values.len() < LEAST_WITH_START {
        return None;
    }
    let (start, rest) = values.split_at(LEAST_START.max(values.len() / 10));
    let (drift, rest_is_greater) = Drift::between(start, rest, values.len() / BLOCKS_WITH_START)?;
    let is_slower = drift.second < drift.first && rest_is_greater < 0.5;
    Some(Drift { p_value: if is_slower { drift.p_value / 2.0 } else { 1.0 }, ..drift })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn is_significant(drift: Option<Drift>) -> bool {
        drift.unwrap().is_significant(0.05, DRIFT_ALPHA)
    }

    /// A series around 100 with a deviation of 5, in which each value has a correlation of `rho` with the
    /// next.
    fn series(n: usize, rho: f64, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let mut state = normal();
        let mut next = || {
            state = rho * state + (1.0 - rho * rho).sqrt() * normal();
            100.0 + 5.0 * state
        };
        (0..n).map(|_| next()).collect()
    }

    fn times(values: &[f64], factor: impl Fn(usize) -> f64) -> Vec<f64> {
        values.iter().enumerate().map(|(i, v)| v * factor(i)).collect()
    }

    #[test]
    fn a_rising_series_drifts() {
        // 20 % from start to end: the medians of the halves are 10 % apart.
        let rising = times(&series(300, 0.0, 1), |i| 1.0 + 0.2 * i as f64 / 300.0);
        let found = drift(&rising).unwrap();
        assert!(is_significant(Some(found)) && (0.06..0.13).contains(&found.ratio), "{found:?}");
        assert!(!found.is_significant(0.2, DRIFT_ALPHA), "not by so much");
        let falling: Vec<f64> = rising.into_iter().rev().collect();
        assert!(is_significant(drift(&falling)) && drift(&falling).unwrap().ratio < 0.0);
        assert!(!is_significant(warm_up_too_short(&series(300, 0.0, 1))));
    }

    #[test]
    fn a_slow_start_is_a_warm_up_too_short_and_a_fast_one_is_not() {
        for n in [40, 300] {
            let start = |factor: f64| {
                times(&series(n, 0.0, 2), |i| if i < 8.max(n / 10) { factor } else { 1.0 })
            };
            let found = warm_up_too_short(&start(1.3)).unwrap();
            assert!(is_significant(Some(found)) && found.first > found.second, "{n}: {found:?}");
            let found = warm_up_too_short(&start(0.7)).unwrap();
            assert!(!is_significant(Some(found)) && found.first < found.second, "{n}: {found:?}");
        }
    }

    #[test]
    fn a_steady_series_hardly_ever_drifts_even_if_neighbours_are_alike() {
        for (n, rho) in [(40, 0.0), (100, 0.3), (200, 0.6), (1_000, 0.9)] {
            let alarms = (0..200).filter(|seed| {
                let values = series(n, rho, *seed);
                is_significant(drift(&values)) || is_significant(warm_up_too_short(&values))
            });
            let alarms = alarms.count();
            assert!(alarms <= 2, "{alarms} of 200 with n = {n}, rho = {rho}");
        }
    }

    #[test]
    fn a_drift_without_noise_is_a_drift() {
        let rising: Vec<f64> = (0..100).map(|i| 100.0 + f64::from(i)).collect();
        assert!(is_significant(drift(&rising)) && is_significant(drift(&rising[..20])));
    }

    #[test]
    fn nothing_is_said_of_few_values_or_what_is_no_number() {
        let steady = [1.0; 40];
        assert!(drift(&steady[..19]).is_none() && drift(&steady[..20]).is_some());
        assert!(warm_up_too_short(&steady[..39]).is_none());
        let none = Drift { first: 1.0, second: 1.0, ratio: 0.0, p_value: 1.0 };
        assert_eq!((drift(&steady), warm_up_too_short(&steady)), (Some(none), Some(none)));
        for (bad, at) in [(f64::NAN, 0), (f64::INFINITY, 39)] {
            let mut values = steady;
            values[at] = bad;
            assert_eq!((drift(&values), warm_up_too_short(&values)), (None, None));
        }
        let mut from_zero = steady;
        from_zero[..20].fill(0.0);
        assert_eq!((drift(&from_zero), warm_up_too_short(&from_zero)), (None, None));
        assert_eq!(drift(&[0.0; 20]).unwrap().ratio.to_bits(), 0);
    }

    proptest! {
        #[test]
        fn the_parts_are_what_they_are_called(values in prop::collection::vec(1.0_f64..100.0, 40..120)) {
            let n = values.len();
            let middle = |values: &[f64]| crate::stats::Distribution::of(&mut values.to_vec()).unwrap().median();
            let (first, second) = (middle(&values[..n / 2]), middle(&values[n / 2..]));
            let found = drift(&values).unwrap();
            prop_assert_eq!((found.first, found.second), (first, second));
            prop_assert!((found.ratio - (second / first - 1.0)).abs() < 1e-12);
            let blocks = |values: &[f64]| values.chunks(n / 20).map(middle).collect::<Vec<f64>>();
            let test = mann_whitney(&blocks(&values[..n / 2]), &blocks(&values[n / 2..])).unwrap();
            prop_assert!((found.p_value - test.p_value).abs() < 1e-12);
            let start = 8.max(n / 10);
            let found = warm_up_too_short(&values).unwrap();
            prop_assert_eq!((found.first, found.second), (middle(&values[..start]), middle(&values[start..])));
        }
    }
}
