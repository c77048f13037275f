//! Histograms, where there are too many values to keep.

use hdrhistogram::Histogram;

use super::{Distribution, PERCENTILES};

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
