//! Which number of which metric.

use std::{fmt, str::FromStr};

use bench_core::{Metric, Source, metric};

/// A metric, and the statistic of it that is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selected {
    /// The metric.
    pub metric: &'static Metric,
    /// Its statistic; `None` where it has one value.
    pub statistic: Option<&'static str>,
}

/// A text that names no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no metric such as output_tps or p95(ttft_ms)")]
pub struct InvalidMetric {
    /// The text.
    pub text: String,
}

/// All statistics, as files call them.
const STATISTICS: [&str; 15] = [
    "mean", "std", "min", "max", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p97",
    "p99", "p99_9",
];

/// What is compared where nothing is asked for.
const DEFAULTS: [&str; 10] = [
    "output_tps",
    "rps",
    "p50(ttft_ms)",
    "p95(ttft_ms)",
    "p50(tpot_ms)",
    "p50(itl_ms)",
    "p50(e2e_ms)",
    "p95(e2e_ms)",
    "error_ratio",
    "good_ratio",
];

/// Other names of metrics.
const ALIASES: [(&str, &str); 4] = [
    ("error_rate", "error_ratio"),
    ("errors", "error_ratio"),
    ("tok_s", "output_tps"),
    ("goodput", "goodput_rps"),
];

impl Selected {
    /// What is compared where nothing is asked for.
    pub fn defaults() -> Vec<Self> {
        DEFAULTS.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// The percentile that it is, if it is one.
    pub(super) fn percentile(&self) -> Option<f64> {
        self.statistic?.strip_prefix('p')?.replace('_', ".").parse().ok()
    }
}

/// `output_tps`, `p95(ttft_ms)`; `ttft` means `p50(ttft_ms)`.
impl FromStr for Selected {
    type Err = InvalidMetric;

    fn from_str(text: &str) -> Result<Self, InvalidMetric> {
        let invalid = || InvalidMetric { text: text.to_owned() };
        let trimmed = text.trim().to_ascii_lowercase();
        let (statistic, name) = match trimmed.split_once('(') {
            Some((statistic, rest)) => {
                let name = rest.strip_suffix(')').ok_or_else(invalid)?;
                (Some(statistic.trim().to_owned()), name.trim().to_owned())
            }
            None => (None, trimmed),
        };
        let name =
            ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, id)| (*id).into());
        let metric = metric(&name).or_else(|| metric(&format!("{name}_ms"))).ok_or_else(invalid)?;
        let has_statistics = !matches!(metric.source, Source::Phase(_));
        let statistic = match (statistic.as_deref(), has_statistics) {
            // The median of shares is all or nothing.
            (None, true) if metric.unit == "ratio" => Some("mean"),
            (None, true) => Some("p50"),
            (None, false) => None,
            (Some("avg"), true) => Some("mean"),
            (Some("median"), true) => Some("p50"),
            (Some(wanted), true) => {
                let wanted = wanted.replace('.', "_");
                Some(*STATISTICS.iter().find(|name| **name == wanted).ok_or_else(invalid)?)
            }
            (Some(_), false) => return Err(invalid()),
        };
        Ok(Self { metric, statistic })
    }
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statistic {
            Some(statistic) => write!(f, "{statistic}({})", self.metric.id),
            None => write!(f, "{}", self.metric.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_people_name_them() {
        for (text, expected) in [
            ("output_tps", Some("output_tps")),
            ("p95(ttft)", Some("p95(ttft_ms)")),
            (" P99.9( e2e_ms ) ", Some("p99_9(e2e_ms)")),
            ("avg(tpot)", Some("mean(tpot_ms)")),
            ("itl", Some("p50(itl_ms)")),
            ("accuracy", Some("mean(accuracy)")),
            ("error_rate", Some("error_ratio")),
            ("p95(output_tps)", None),
            ("p42(ttft)", None),
            ("p95(ttft", None),
            ("nonsense", None),
            ("", None),
        ] {
            let found = text.parse::<Selected>().ok().map(|selected| selected.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(Selected::defaults().len(), DEFAULTS.len());
    }

    #[test]
    fn percentiles_are_numbers() {
        let percentile = |text: &str| text.parse::<Selected>().unwrap().percentile();
        assert_eq!(percentile("p99.9(ttft)"), Some(99.9));
        assert_eq!(percentile("mean(ttft)"), None);
        assert_eq!(percentile("rps"), None);
    }
}
