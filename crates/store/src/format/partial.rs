//! What another tool told of a distribution: some of its statistics.

use bench_core::stats::sample_floor;
use serde::{Deserialize, Serialize};

/// Many values, of which only these statistics are known. In the file it looks like
/// [`MetricLine::Distribution`](super::MetricLine::Distribution) with gaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the statistics'")]
pub struct PartialDistribution {
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The population's standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p1: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p5: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p10: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p25: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p75: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p97: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_9: Option<f64>,
    /// Which of these percentiles rest on too few values to be quoted, where their number is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below_floor: Vec<String>,
}

impl PartialDistribution {
    /// Sets the statistic of this name, if there is one: any but `count`.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        let field = match name {
            "mean" => &mut self.mean,
            "std" => &mut self.std,
            "min" => &mut self.min,
            "max" => &mut self.max,
            "p1" => &mut self.p1,
            "p5" => &mut self.p5,
            "p10" => &mut self.p10,
            "p25" => &mut self.p25,
            "p50" => &mut self.p50,
            "p75" => &mut self.p75,
            "p90" => &mut self.p90,
            "p95" => &mut self.p95,
            "p97" => &mut self.p97,
            "p99" => &mut self.p99,
            "p99_9" => &mut self.p99_9,
            _ => return,
        };
        *field = Some(value);
    }

    /// Notes how many values there are, and which percentiles that is too few for.
    pub(crate) fn counted(&mut self, count: u64) {
        self.count = Some(count);
        let percentiles = self.statistics().into_iter().filter(|(name, _)| {
            let percentile = name.strip_prefix('p').map(|p| p.replace('_', "."));
            let floor = percentile.and_then(|p| p.parse().ok()).and_then(sample_floor);
            floor.is_some_and(|floor| count < floor)
        });
        self.below_floor = percentiles.map(|(name, _)| name.to_owned()).collect();
    }

    /// Those statistics that are known, in the order of a whole distribution.
    pub(crate) fn statistics(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("count", self.count.map(|count| count as f64)),
            ("mean", self.mean),
            ("std", self.std),
            ("min", self.min),
            ("max", self.max),
            ("p1", self.p1),
            ("p5", self.p5),
            ("p10", self.p10),
            ("p25", self.p25),
            ("p50", self.p50),
            ("p75", self.p75),
            ("p90", self.p90),
            ("p95", self.p95),
            ("p97", self.p97),
            ("p99", self.p99),
            ("p99_9", self.p99_9),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricLine;

    fn partial() -> PartialDistribution {
        let mut partial = PartialDistribution { unit: "ms".into(), ..Default::default() };
        for (name, value) in [("mean", 20.5), ("p50", 20.0), ("p99", 31.0), ("p42", 1.0)] {
            partial.set(name, value);
        }
        partial.counted(40);
        partial
    }

    #[test]
    fn it_reads_back_as_what_it_is() {
        let line = MetricLine::Partial(partial());
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            r#"{"unit":"ms","count":40,"mean":20.5,"p50":20.0,"p99":31.0,"below_floor":["p99"]}"#
        );
        assert_eq!(serde_json::from_str::<MetricLine>(&text).unwrap(), line);
    }

    #[test]
    fn what_is_not_known_is_no_statistic() {
        let line = MetricLine::Partial(partial());
        assert_eq!(line.statistic("p99"), Some(31.0));
        assert_eq!(line.statistic("p95"), None);
        assert_eq!(line.unit(), "ms");
        let names: Vec<_> = line.statistics().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["count", "mean", "p50", "p99"]);
    }
}
