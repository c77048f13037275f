//! Numbers about numbers: exact percentiles, and histograms where there are too many values to keep.

use hdrhistogram::Histogram;

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
            percentiles: PERCENTILES.map(|p| percentile(values, p)),
        })
    }

    /// The value at percentile `p`, if it is one of [`PERCENTILES`].
    pub fn percentile(&self, p: f64) -> Option<f64> {
        let at = PERCENTILES.iter().position(|known| (known - p).abs() < 1e-9)?;
        Some(self.percentiles[at])
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.percentiles[4]
    }
}

/// The value at percentile `p` (0 to 100) of `sorted`, which is not empty.
///
/// At rank r = p/100 · (n − 1), between its neighbours v⌊r⌋ and v⌈r⌉ in proportion to the fraction.
fn percentile(sorted: &[f64], p: f64) -> f64 {
    let rank = p / 100.0 * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "p is one of PERCENTILES, so the rank lies within the slice"
    )]
    let below = rank.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (rank - below as f64)
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

/// Durations, too many to keep each: an HDR histogram of nanoseconds with three significant digits, and
/// exact sums.
#[derive(Clone, Debug)]
pub struct Durations {
    histogram: Histogram<u64>,
    sum: f64,
    sum_of_squares: f64,
    min: u64,
    max: u64,
}

/// One microsecond to one hour: below that, a gap is noise of the network.
const LEAST: u64 = 1_000;
const GREATEST: u64 = 3_600_000_000_000;

impl Default for Durations {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LEAST, GREATEST, 3)
            .expect("the bounds and digits are valid");
        Self { histogram, sum: 0.0, sum_of_squares: 0.0, min: u64::MAX, max: 0 }
    }
}

impl Durations {
    /// Adds a duration of `ns` nanoseconds, `times` times.
    pub fn add(&mut self, ns: u64, times: u32) {
        self.histogram.saturating_record_n(ns, u64::from(times));
        let (value, weight) = (ns as f64, f64::from(times));
        self.sum += value * weight;
        self.sum_of_squares += value * value * weight;
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their distribution in milliseconds; `None` if there are none.
    ///
    /// Sum, mean, deviation, least and greatest are exact; percentiles are right to 0.1 %.
    pub fn distribution_ms(&self) -> Option<Distribution> {
        let count = self.histogram.len();
        if count == 0 {
            return None;
        }
        let mean = self.sum / count as f64;
        let variance = (self.sum_of_squares / count as f64 - mean * mean).max(0.0);
        let ms = |ns: f64| ns / 1e6;
        let (min, max) = (ms(self.min as f64), ms(self.max as f64));
        Some(Distribution {
            count,
            sum: ms(self.sum),
            mean: ms(mean),
            std: ms(variance.sqrt()),
            min,
            max,
            percentiles: PERCENTILES
                .map(|p| ms(self.histogram.value_at_percentile(p) as f64).clamp(min, max)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

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
    }

    proptest! {
        #[test]
        fn a_histogram_agrees_with_the_exact_values(ns in prop::collection::vec(1_000_u64..10_000_000_000, 1..400)) {
            let mut durations = Durations::default();
            ns.iter().for_each(|ns| durations.add(*ns, 1));
            let binned = durations.distribution_ms().unwrap();
            let mut sorted: Vec<f64> = ns.iter().map(|ns| *ns as f64 / 1e6).collect();
            let exact = Distribution::of(&mut sorted).unwrap();
            prop_assert!((binned.mean - exact.mean).abs() <= exact.mean * 1e-9);
            prop_assert!((binned.std - exact.std).abs() <= exact.max * 1e-6);
            for (i, p) in PERCENTILES.iter().enumerate() {
                // A histogram gives the value at a rank, so it lies between the neighbouring ranks.
                let rank = p / 100.0 * sorted.len() as f64;
                let at = |rank: f64| sorted.iter().zip(0..).find(|(_, i)| f64::from(*i) >= rank);
                let greatest = exact.max;
                let low = at(rank.floor() - 1.0).map_or(greatest, |(v, _)| *v);
                let high = at(rank.ceil()).map_or(greatest, |(v, _)| *v);
                let found = binned.percentiles[i];
                prop_assert!(found >= low * 0.999 && found <= high * 1.001, "p{p}: {found} not in {low}..{high}");
            }
        }
    }
}
