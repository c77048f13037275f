//! Which values stand apart.

use super::distribution::{ascending, median};

/// From this modified z-score on a value stands apart: what Iglewicz and Hoaglin recommend.
const GREATEST_SCORE: f64 = 3.5;

/// The places in `values` of those that stand apart from the others, ascending: whose modified z-score is
/// beyond ± 3.5.
///
/// ```text
/// Mᵢ = 0.6745 · (xᵢ − x̃) / MAD     x̃ the median, MAD the median of |xᵢ − x̃|
/// ```
///
/// 0.6745 makes it a z-score where values are normal. Where more than half of the values are equal the MAD is
/// 0, and the mean of |xᵢ − x̃| takes its place, which is √(2/π) deviations where values are normal:
/// Mᵢ = (xᵢ − x̃) / (1.2533 · mean). A value that is not finite stands apart, and counts for nothing else.
///
/// Source: Iglewicz & Hoaglin, "How to detect and handle outliers", 1993; for a MAD of 0 IBM Cognos,
/// "Modified z score".
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let scale = Scale::of(values);
    let stands_apart = |v: f64| !v.is_finite() || scale.as_ref().is_some_and(|s| s.is_beyond(v));
    values.iter().enumerate().filter(|(_, v)| stands_apart(**v)).map(|(i, _)| i).collect()
}

/// Where values lie, and how far from there is far.
struct Scale {
    median: f64,
    far: f64,
}

impl Scale {
    /// That of those of `values` that are finite, if there are any.
    fn of(values: &[f64]) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let sorted = ascending(&finite).filter(|sorted| !sorted.is_empty())?;
        let median = median(&sorted);
        let distances: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
        Some(Self { median, far: GREATEST_SCORE * deviation(&distances)? })
    }

    fn is_beyond(&self, value: f64) -> bool {
        (value - self.median).abs() > self.far
    }
}

/// The standard deviation of normal values whose distances from their median are these; `None` if they are
/// too large for a number.
fn deviation(distances: &[f64]) -> Option<f64> {
    let mad = median(&ascending(distances)?);
    if mad > 0.0 {
        return Some(mad / 0.6745);
    }
    Some(1.2533 * distances.iter().sum::<f64>() / distances.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, prop_assume, proptest};

    use super::*;

    #[test]
    fn outliers_are_named_by_their_places() {
        let nan = f64::NAN;
        let cases: [(&str, &[f64], &[usize]); 10] = [
            ("nothing", &[], &[]),
            ("one", &[5.0], &[]),
            ("two far apart", &[1.0, 1e9], &[]),
            ("equal", &[5.0; 9], &[]),
            // x̃ = 10, MAD = 0.2: beyond 10 ± 1.0378.
            ("just inside", &[9.8, 10.2, 10.0, 9.9, 11.03, 10.3, 9.6], &[]),
            ("just outside", &[9.8, 10.2, 10.0, 9.9, 11.05, 10.3, 9.6], &[4]),
            ("both sides", &[0.0, 9.0, 10.0, 11.0, 10.0, 9.0, 11.0, 30.0], &[0, 7]),
            // MAD = 0; the mean distance is 0.8: beyond 5 ± 3.51.
            ("one of five equal", &[5.0, 5.0, 9.0, 5.0, 5.0], &[2]),
            ("one of four equal", &[5.0, 5.0, 9.0, 5.0], &[]),
            ("no numbers", &[1.0, nan, 1.0, f64::INFINITY, 1.0], &[1, 3]),
        ];
        for (what, values, expected) in cases {
            assert_eq!(outliers(values), expected, "{what}");
        }
        assert_eq!(outliers(&[f64::MIN, f64::MAX, 0.0, nan]), [3], "too far apart to be judged");
    }

    /// A median found without sorting: half of the values are not above it and half not below; of an even
    /// number the middle of the two that are nearest.
    fn slow_median(values: &[f64]) -> f64 {
        let half = values.len().div_ceil(2);
        let at_least = |m: f64| values.iter().filter(|v| **v >= m).count() >= half;
        let at_most = |m: f64| values.iter().filter(|v| **v <= m).count() >= half;
        let all = || values.iter().copied();
        let low = all().filter(|v| at_most(*v)).fold(f64::INFINITY, f64::min);
        let high = all().filter(|v| at_least(*v)).fold(f64::NEG_INFINITY, f64::max);
        (low + high) / 2.0
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_definition(mut values in prop::collection::vec(-40_i32..40, 1..60), far: i16) {
            values.push(i32::from(far));
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let median = slow_median(&values);
            let mad = slow_median(&values.iter().map(|v| (v - median).abs()).collect::<Vec<_>>());
            prop_assume!(mad > 0.0);
            let beyond = |v: &f64| (0.6745 * (v - median) / mad).abs() > 3.5;
            let expected: Vec<usize> = (0..values.len()).filter(|i| beyond(&values[*i])).collect();
            prop_assert_eq!(outliers(&values), expected);
        }
    }
}
