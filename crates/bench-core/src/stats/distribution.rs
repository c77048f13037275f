//! Exact percentiles, and how many values each needs.

/// The percentiles that every distribution has.
pub const PERCENTILES: [f64; 11] = [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.0, 99.0, 99.9];

/// What is known of a set of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Their mean.
    pub mean: f64,
    /// The population's standard deviation (divisor n), as genai-perf and AIPerf print it.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The values at [`PERCENTILES`], in that order.
    pub percentiles: [f64; PERCENTILES.len()],
}

impl Distribution {
    /// The distribution of `values`, sorting them; `None` if there are none.
    ///
    /// Percentiles interpolate linearly between the two nearest ranks (numpy's default).
    pub fn of(values: &mut [f64]) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let n = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let mean = sum / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Some(Self {
            count: values.len() as u64,
            sum,
            mean,
            std: variance.sqrt(),
            min,
            max,
            percentiles: PERCENTILES.map(|p| at_percentile(values, p)),
        })
    }

    /// The value at percentile `p`, if it is one of [`PERCENTILES`].
    pub fn percentile(&self, p: f64) -> Option<f64> {
        let at = PERCENTILES.iter().position(|known| (known - p).abs() < 1e-9)?;
        Some(self.percentiles[at])
    }

    /// Whether there are too few values for percentile `p` to be quoted: see [`sample_floor`].
    pub fn is_below_floor(&self, p: f64) -> bool {
        sample_floor(p).is_some_and(|floor| self.count < floor)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.percentiles[4]
    }
}

/// The value at percentile `p` of `sorted`, which ascends; `None` if it is empty, or `p` not within 0 to 100.
///
/// At rank r = p/100 · (n − 1), between its neighbours v⌊r⌋ and v⌊r⌋₊₁ in proportion to the fraction
/// (numpy's default; definition 7 of Hyndman & Fan, 1996).
pub fn percentile(sorted: &[f64], p: f64) -> Option<f64> {
    (!sorted.is_empty() && (0.0..=100.0).contains(&p)).then(|| at_percentile(sorted, p))
}

/// The same, of values that are not empty at a `p` in 0 to 100.
fn at_percentile(sorted: &[f64], p: f64) -> f64 {
    let (below, fraction) = rank(sorted.len(), p);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * fraction
}

/// The rank of percentile `p` (0 to 100) among `n` values, from 0: its whole part and the fraction.
pub(super) fn rank(n: usize, p: f64) -> (usize, f64) {
    let rank = p / 100.0 * (n - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "p is within 0 to 100, so the rank lies among the n"
    )]
    let below = rank.floor() as usize;
    (below, rank - below as f64)
}

/// The median of `sorted`, which ascends and is not empty.
pub(super) fn median(sorted: &[f64]) -> f64 {
    at_percentile(sorted, 50.0)
}

/// The mean of `values`, which are not empty.
///
/// Summed from the first value on: the mean of equal values is that value, to the last bit.
pub(super) fn mean(values: &[f64]) -> f64 {
    let origin = values[0];
    origin + values.iter().map(|v| v - origin).sum::<f64>() / values.len() as f64
}

/// `values` in ascending order; `None` if one is not finite.
pub(super) fn ascending(values: &[f64]) -> Option<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.iter().all(|v| v.is_finite()).then_some(sorted)
}

/// How much more `new` is than `old`, as a share of `old`: (new − old) / |old|.
///
/// 0 for two zeros; `None` where `old` alone is 0, or the share is too large for a number.
pub(super) fn relative_change(old: f64, new: f64) -> Option<f64> {
    let difference = new - old;
    let ratio = if difference == 0.0 { 0.0 } else { difference / old.abs() };
    ratio.is_finite().then_some(ratio)
}

/// Successes needed before a percentile may be quoted, with one value beyond it: MLPerf's early-stopping
/// floors for a confidence of 99 %. `None` for percentiles below the median.
///
/// Source: mlcommons/inference, loadgen/early_stopping.cc.
pub fn sample_floor(p: f64) -> Option<u64> {
    const FLOORS: [(f64, u64); 8] = [
        (50.0, 11),
        (75.0, 24),
        (80.0, 31),
        (90.0, 64),
        (95.0, 130),
        (97.0, 219),
        (99.0, 662),
        (99.9, 6_636),
    ];
    FLOORS.iter().find(|(known, _)| (known - p).abs() < 1e-9).map(|(_, floor)| *floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], p: f64, expected: f64) {
        let found = Distribution::of(&mut values.to_vec()).unwrap().percentile(p).unwrap();
        assert!((found - expected).abs() < 1e-9, "p{p} of {values:?}: {found}, not {expected}");
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([15, 20, 35, 40, 50], [5, 25, 50, 90, 99])
        let values = [50.0, 15.0, 40.0, 20.0, 35.0];
        for (p, expected) in [(5.0, 16.0), (25.0, 20.0), (50.0, 35.0), (90.0, 46.0), (99.0, 49.6)] {
            check(&values, p, expected);
        }
        check(&[7.0], 99.9, 7.0);
    }

    #[test]
    fn deviation_is_the_populations() {
        let d = Distribution::of(&mut [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert!((d.mean - 5.0).abs() < 1e-12 && (d.std - 2.0).abs() < 1e-12);
        assert_eq!((d.count, d.min, d.max), (8, 2.0, 9.0));
        assert!(Distribution::of(&mut []).is_none());
        assert!(d.percentile(42.0).is_none());
    }

    #[test]
    fn floors_are_those_of_early_stopping() {
        assert_eq!(sample_floor(99.0), Some(662));
        assert_eq!(sample_floor(25.0), None);
        let d = Distribution::of(&mut [1.0; 130]).unwrap();
        assert!(!d.is_below_floor(95.0) && d.is_below_floor(97.0));
        assert!(!d.is_below_floor(25.0), "no floor, nothing below it");
    }

    #[test]
    fn a_percentile_needs_a_value_and_a_share() {
        assert_eq!(percentile(&[], 50.0), None);
        for p in [-1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(percentile(&[1.0, 2.0], p), None, "p{p}");
        }
        for (p, expected) in [(0.0, 1.0), (50.0, 1.5), (100.0, 2.0)] {
            assert_eq!(percentile(&[1.0, 2.0], p), Some(expected), "p{p}");
        }
        assert!(percentile(&[1.0, f64::NAN], 50.0).unwrap().is_nan());
    }

    #[test]
    fn the_mean_of_equal_values_is_exact() {
        assert_eq!(mean(&[0.1; 10]).to_bits(), 0.1_f64.to_bits());
    }

    #[test]
    fn a_change_has_a_sign_and_needs_something_to_change_from() {
        assert_eq!(relative_change(4.0, 5.0), Some(0.25));
        assert_eq!(relative_change(-4.0, -5.0), Some(-0.25));
        assert_eq!(relative_change(0.0, 0.0), Some(0.0));
        assert_eq!(relative_change(0.0, 1.0), None);
    }
}
