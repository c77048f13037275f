//! Numbers about numbers: what values say together, how sure that is, and whether it differs.
//!
//! | question | answer |
//! |---|---|
//! | how are values distributed? | [`Distribution`], [`Durations`] |
//! | how sure is a mean of repeats, and are they enough? | [`Repeats`], [`Converge`] |
//! | how sure is a median or a p99 of requests? | [`bootstrap_interval`], [`bootstrap_difference`] |
//! | is one set greater than another? | [`mann_whitney`] |
//! | how sure is a share, and do two differ? | [`Share`], or [`Paired`] of the same questions |
//! | did a metric change, by as much as matters? | [`Comparison`], [`Word`] |
//! | did a phase drift, and was it warm? | [`drift()`], [`warm_up_too_short`] |
//! | which values stand apart? | [`outliers()`] |
//! | when was the load what was asked for? | [`SteadyWindow`] |
//!
//! All of it is pure, and nothing is random but by a seed. A function that cannot answer, for there are too
//! few values or one of them is not finite, says `None`: it leaves no value out to come to a number.

mod bootstrap;
mod change;
mod distribution;
mod drift;
mod durations;
mod interval;
mod outliers;
mod paired;
mod rank;
mod ratio;
mod repeats;
mod resample;
mod share;
mod student;
mod window;
mod word;

pub use bootstrap::{Bootstrap, Difference, RESAMPLES, bootstrap_difference, bootstrap_interval};
pub use change::{Change, Comparison};
pub use distribution::{Distribution, PERCENTILES, percentile, sample_floor};
pub use drift::{DRIFT_ALPHA, Drift, drift, warm_up_too_short};
pub use durations::Durations;
pub use interval::Interval;
pub use outliers::outliers;
pub use paired::Paired;
pub use rank::{RankTest, mann_whitney};
pub use repeats::{Converge, LEVEL, Repeats};
pub use resample::Statistic;
pub use share::Share;
pub use window::SteadyWindow;
pub use word::Word;

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};

    use super::*;
    use crate::Better;

    /// Whatever a float can be, and often what is near other values.
    fn anything() -> impl Strategy<Value = f64> {
        let extremes = [0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::EPSILON];
        let no_numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        prop_oneof![
            8 => 0.9_f64..1.1,
            4 => (0_u8..4).prop_map(f64::from),
            2 => any::<f64>(),
            2 => prop::sample::select(extremes.to_vec()),
            1 => prop::sample::select(no_numbers.to_vec()),
        ]
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let one_value = anything().prop_flat_map(|v| prop::collection::vec(Just(v), 0..50));
        let extremes = prop::collection::vec(any::<f64>(), 0..50);
        let usual = prop::collection::vec(0.9_f64..1.1, 0..100);
        prop_oneof![one_value, extremes, usual, prop::collection::vec(anything(), 0..50)]
    }

    fn is_p(p: f64) -> bool {
        (0.0..=1.0).contains(&p)
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_an_answer_is_in_order(
            a in values(), b in values(), level in anything(), share in anything(),
        ) {
            let is_in_order = |interval: Interval| interval.low <= interval.high;
            if let Some(repeats) = Repeats::of(&a) {
                prop_assert!(repeats.interval(level).is_none_or(is_in_order));
                prop_assert!(repeats.half_width_ratio(level).is_none_or(|ratio| ratio >= 0.0));
            }
            Converge { ratio: share, least: 3 }.reached(&a);
            let how = Bootstrap { level, resamples: 30, seed: 1 };
            for statistic in [Statistic::Mean, Statistic::Percentile(100.0 * share)] {
                prop_assert!(bootstrap_interval(&a, statistic, how).is_none_or(is_in_order));
                if let Some(found) = bootstrap_difference(&a, &b, statistic, how) {
                    prop_assert!(is_in_order(found.difference) && found.ratio.is_none_or(is_in_order));
                    prop_assert!(is_p(found.p_value));
                }
            }
            if let Some(found) = mann_whitney(&a, &b) {
                prop_assert!(is_p(found.p_value) && is_p(found.effect));
            }
            let drifts = [drift(&a), warm_up_too_short(&a)];
            prop_assert!(drifts.into_iter().flatten().all(|d| is_p(d.p_value) && d.ratio.is_finite()));
            prop_assert!(outliers(&a).into_iter().all(|i| i < a.len()));
            for level in [LEVEL, level] {
                let comparison = Comparison { level, threshold: share, better: Better::Lower };
                let statistic = Statistic::Percentile(50.0);
                let changes = [
                    comparison.of_repeats(&a, &b),
                    comparison.of_requests(&a, &b, statistic, 1),
                    comparison.of_requests(&a, &b, Statistic::Mean, 1),
                ];
                for change in changes.into_iter().flatten() {
                    prop_assert!(is_in_order(change.interval) && is_p(change.p_value), "{change:?}");
                    prop_assert!(change.ratio.is_finite(), "{change:?}");
                }
            }
        }

        #[test]
        fn whatever_the_moments_a_window_has_a_length(
            pairs in prop::collection::vec(any::<(u64, u64)>(), 0..30), concurrency in 0_usize..5,
        ) {
            let windows = [SteadyWindow::of_closed(&pairs, concurrency), SteadyWindow::of_open(&pairs)];
            prop_assert!(windows.into_iter().flatten().all(|window| window.from_ns < window.to_ns));
        }
    }
}
