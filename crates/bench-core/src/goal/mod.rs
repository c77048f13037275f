//! What a service must reach: of a point ([`Goal`]), and of each request ([`Goodput`]).

use std::{fmt, str::FromStr};

use crate::{Figure, Metric, Source, Summary};

mod goodput;
mod name;
mod statistic;
#[cfg(test)]
mod tests;

pub use goodput::{Goodput, InvalidGoodput};
pub use name::{InvalidLimit, UnknownMetric};
use statistic::{Statistic, percentiles};

/// What a service level objective asks of a point: `p95(ttft) < 500ms`, `error_rate <= 1%`.
///
/// A metric goes by its id, by its id without the unit, or by the name that AIPerf, genai-perf or vLLM
/// have for it; `itl` is `itl_ms`, as here, not vLLM's. One that has many values needs a statistic:
/// `avg`, `min`, `max`, `std`, `median` or one of [`PERCENTILES`](crate::stats::PERCENTILES), as in
/// `p95`. A limit may have a unit (`us`, `ms` and `s` for times, `%` for ratios); a bare number is in the
/// metric's own.
///
/// ```
/// # use bench_core::Goal;
/// let goal: Goal = "p95(time_to_first_token)<0.5s".parse()?;
/// assert_eq!(goal.to_string(), "p95(ttft_ms) < 500");
/// # Ok::<(), bench_core::InvalidGoal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    metric: &'static Metric,
    /// Absent for a metric that is one value for the whole phase.
    statistic: Option<Statistic>,
    comparison: Comparison,
    /// In the metric's unit.
    limit: f64,
}

/// How a point stands to a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoalResult {
    /// What the point came to, in the metric's unit.
    pub value: f64,
    /// What the goal asks for, in the same unit.
    pub limit: f64,
    /// Whether the value is within the limit.
    pub met: bool,
}

/// A text that is no goal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidGoal {
    /// It does not have the form of one.
    #[error(
        "`{0}` is no goal: write it as `p95(ttft)<500ms`, `avg(tpot)<=20ms` or `error_rate<1%`"
    )]
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
    /// Its limit is none.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
}

impl Goal {
    /// The metric that it is about.
    pub const fn metric(&self) -> &'static Metric {
        self.metric
    }

    /// How a point stands to it; `None` where the metric does not exist for the point's requests.
    pub fn check(&self, summary: &Summary) -> Option<GoalResult> {
        let value = match (summary.figure(self.metric.id)?, self.statistic) {
            (Figure::Value(value), None) => *value,
            (Figure::Distribution(distribution), Some(statistic)) => statistic.of(distribution)?,
            (Figure::Value(_), Some(_)) | (Figure::Distribution(_), None) => return None,
        };
        let met = self.comparison.holds(value, self.limit);
        Some(GoalResult { value, limit: self.limit, met })
    }
}

impl FromStr for Goal {
    type Err = InvalidGoal;

    fn from_str(text: &str) -> Result<Self, InvalidGoal> {
        let form = || InvalidGoal::Form(text.to_owned());
        let (left, comparison, limit) = Comparison::split(text).ok_or_else(form)?;
        let (statistic, name) = match left.split_once('(') {
            Some((word, rest)) => {
                let name = rest.trim_end().strip_suffix(')').ok_or_else(form)?;
                (Some(word.trim()), name)
            }
            None => (None, left),
        };
        if name.trim().is_empty() || limit.trim().is_empty() {
            return Err(form());
        }
        let metric = name::named(name)?;
        let is_single = matches!(metric.source, Source::Phase(_));
        let statistic = match (statistic, is_single) {
            (None, true) => None,
            (Some(word), false) => Some(Statistic::named(word)?),
            (None, false) => return Err(InvalidGoal::NeedsStatistic { metric: metric.id }),
            (Some(word), true) => {
                let word = word.to_owned();
                return Err(InvalidGoal::TakesNoStatistic { metric: metric.id, word });
            }
        };
        Ok(Self { metric, statistic, comparison, limit: name::limit(limit, metric)? })
    }
}

/// The form that reads back as the same goal, without aliases and units: `p95(ttft_ms) < 500`.
impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric: Metric { id, .. }, statistic, comparison, limit } = self;
        match statistic {
            Some(statistic) => write!(f, "{statistic}({id}) {comparison} {limit}"),
            None => write!(f, "{id} {comparison} {limit}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Comparison {
    /// What stands left and right of the first comparison.
    fn split(text: &str) -> Option<(&str, Self, &str)> {
        let at = text.find(['<', '>'])?;
        let (left, rest) = text.split_at(at);
        // The longer signs first: `<=` begins with `<`.
        let all = [Self::AtMost, Self::AtLeast, Self::Below, Self::Above];
        let split =
            |comparison: Self| Some((left, comparison, rest.strip_prefix(comparison.sign())?));
        all.into_iter().find_map(split)
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sign())
    }
}
