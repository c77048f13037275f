//! What the repeats of a cell say together, as it stands in `summary.json`.

use std::collections::BTreeMap;

use bench_core::stats::{LEVEL, Repeats};
use serde::Serialize;

use super::{LoadLine, PointSummary};

/// A target, a workload and a load that were measured more than once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepeatedLine {
    /// Which cell of the plan it is.
    pub cell: u32,
    /// The target's name.
    pub target: String,
    /// What was sent.
    pub workload: String,
    /// When requests were sent.
    pub load: LoadLine,
    /// How many points there are of it.
    pub repeats: usize,
    /// What statistics of metrics came to, each by its name.
    pub metrics: BTreeMap<String, BTreeMap<&'static str, EstimateLine>>,
}

/// What a statistic came to in the repeats that have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EstimateLine {
    /// How many have it.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Where the mean of all repeats that could be made lies, with 95 % confidence (Student's t).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci95: Option<[f64; 2]>,
    /// The coefficient of variation: their sample standard deviation as a share of their mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
}

impl EstimateLine {
    fn of(values: &[f64]) -> Option<Self> {
        let repeats = Repeats::of(values)?;
        let ci95 = repeats.interval(LEVEL).map(|interval| [interval.low, interval.high]);
        Some(Self { n: repeats.n, mean: repeats.mean, ci95, cv: repeats.cv })
    }
}

impl RepeatedLine {
    /// Those among `points` that repeat one another, in order of their first measurement.
    pub fn all(points: &[PointSummary]) -> Vec<Self> {
        let mut cells: Vec<Vec<&PointSummary>> = Vec::new();
        for point in points {
            match cells.iter_mut().find(|cell| cell[0].is_repeat_of(point)) {
                Some(cell) => cell.push(point),
                None => cells.push(vec![point]),
            }
        }
        cells.iter().filter(|cell| cell.len() > 1).map(|cell| Self::of(cell)).collect()
    }

    fn of(points: &[&PointSummary]) -> Self {
        let first = points[0];
        let mut values: BTreeMap<&str, BTreeMap<&'static str, Vec<f64>>> = BTreeMap::new();
        for (metric, line) in points.iter().flat_map(|point| &point.metrics) {
            let statistics = values.entry(metric).or_default();
            for (name, value) in line.statistics().into_iter().filter(|(name, _)| is_told(name)) {
                statistics.entry(name).or_default().push(value);
            }
        }
        let estimates = |statistics: BTreeMap<&'static str, Vec<f64>>| {
            let estimate =
                |(name, values): (&'static str, Vec<f64>)| Some((name, EstimateLine::of(&values)?));
            statistics.into_iter().filter_map(estimate).collect()
        };
        let metric = |(metric, statistics): (&str, _)| (metric.to_owned(), estimates(statistics));
        Self {
            cell: first.cell,
            target: first.target.clone(),
            workload: first.workload.clone(),
            load: first.load.clone(),
            repeats: points.len(),
            metrics: values.into_iter().map(metric).collect(),
        }
    }
}

/// Whether a statistic is one that people compare.
fn is_told(statistic: &str) -> bool {
    ["value", "mean", "p50", "p90", "p95", "p99"].contains(&statistic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_those_of_the_repeats() {
        // t(0.975, 2) · 1 / √3 = 2.484
        let estimate = EstimateLine::of(&[10.0, 11.0, 12.0]).unwrap();
        let [low, high] = estimate.ci95.unwrap();
        assert!((low - 8.516).abs() < 1e-3 && (high - 13.484).abs() < 1e-3, "{low} to {high}");
        assert!((estimate.cv.unwrap() - 1.0 / 11.0).abs() < 1e-12);
        assert_eq!((estimate.n, estimate.mean), (3, 11.0));
        let single = EstimateLine::of(&[1.0]).unwrap();
        assert_eq!(serde_json::to_string(&single).unwrap(), r#"{"n":1,"mean":1.0}"#);
        assert_eq!(EstimateLine::of(&[f64::INFINITY]), None);
    }
}
