//! A number of a point, as people name it.

use std::{fmt, str::FromStr};

use super::{
    name::{self, UnknownMetric},
    statistic::{Statistic, percentiles},
};
use crate::{Figure, Metric, Source, Summary};

/// A number of a point: `p95(ttft)`, `output_tps`.
///
/// A metric goes by its id, by its id without the unit, or by the name that AIPerf, genai-perf or vLLM
/// have for it; `itl` is `itl_ms`, as here, not vLLM's. One that has many values needs a statistic:
/// `avg`, `min`, `max`, `std`, `median` or one of [`PERCENTILES`](crate::stats::PERCENTILES), as in
/// `p95`; a share of requests, such as `accuracy`, is meant as `avg`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    pub(super) metric: &'static Metric,
    /// Absent for a metric that is one value for the whole phase.
    pub(super) statistic: Option<Statistic>,
}

/// A text that names no quantity.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidQuantity {
    /// It does not have the form of one.
    #[error("`{0}` is no quantity: write it as `p95(ttft)` or `output_tps`")]
    Form(String),
    /// Its metric is none.
    #[error(transparent)]
    Metric(#[from] UnknownMetric),
    /// Its statistic is none.
    #[error("`{word}` is no statistic: take one of avg, min, max, std, median, {known}", known = percentiles())]
    Statistic {
        /// What was written.
        word: String,
    },
    /// It does not say which statistic of many values it means.
    #[error("`{metric}` has many values: say which one counts, as in `p95({metric})`")]
    NeedsStatistic {
        /// The metric's id.
        metric: &'static str,
    },
    /// It asks for a statistic of one value.
    #[error("`{metric}` is one value for all requests: leave out `{word}`")]
    TakesNoStatistic {
        /// The metric's id.
        metric: &'static str,
        /// The statistic as it was written.
        word: String,
    },
}

impl Quantity {
    /// The metric that it is of.
    pub const fn metric(&self) -> &'static Metric {
        self.metric
    }

    /// The statistic's name in files: `mean`, `p95`, `p99_9`; absent for a metric that is one value.
    pub fn statistic(&self) -> Option<&'static str> {
        self.statistic.map(Statistic::name_in_files)
    }

    /// The percentile that it is, if it is one.
    pub fn percentile(&self) -> Option<f64> {
        match self.statistic? {
            Statistic::Percentile(p) => Some(p),
            Statistic::Mean | Statistic::Min | Statistic::Max | Statistic::Std => None,
        }
    }

    /// Whether it is a percentile of too few requests of a point to be relied on: see
    /// [`sample_floor`](crate::stats::sample_floor).
    pub fn is_below_floor(&self, summary: &Summary) -> bool {
        let distribution = summary.distribution(self.metric.id);
        self.percentile().zip(distribution).is_some_and(|(p, values)| values.is_below_floor(p))
    }

    /// What it is of a point; `None` where the metric does not exist for the point's requests.
    pub fn of(&self, summary: &Summary) -> Option<f64> {
        match (summary.figure(self.metric.id)?, self.statistic) {
            (Figure::Value(value), None) => Some(*value),
            (Figure::Distribution(distribution), Some(statistic)) => statistic.of(distribution),
            (Figure::Value(_), Some(_)) | (Figure::Distribution(_), None) => None,
        }
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let form = || InvalidQuantity::Form(text.to_owned());
        let (statistic, name) = match text.split_once('(') {
            Some((word, rest)) => {
                let name = rest.trim_end().strip_suffix(')').ok_or_else(form)?;
                (Some(word.trim()), name)
            }
            None => (None, text),
        };
        if name.trim().is_empty() {
            return Err(form());
        }
        let metric = name::named(name)?;
        let is_single = matches!(metric.source, Source::Phase(_));
        let statistic = match (statistic, is_single) {
            (None, true) => None,
            (Some(word), false) => Some(Statistic::named(word)?),
            // Of shares, the median would be all or nothing.
            (None, false) if metric.unit == "ratio" => Some(Statistic::Mean),
            (None, false) => return Err(InvalidQuantity::NeedsStatistic { metric: metric.id }),
            (Some(word), true) => {
                let word = word.to_owned();
                return Err(InvalidQuantity::TakesNoStatistic { metric: metric.id, word });
            }
        };
        Ok(Self { metric, statistic })
    }
}

/// The form that reads back as the same, without aliases: `p95(ttft_ms)`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statistic {
            Some(statistic) => write!(f, "{statistic}({})", self.metric.id),
            None => f.write_str(self.metric.id),
        }
    }
}
