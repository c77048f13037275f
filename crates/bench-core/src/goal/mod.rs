//! What a service must reach: of a point ([`Goal`]), and of each request ([`Goodput`]); and up to which load
//! it does ([`Probes`]).

use std::{fmt, str::FromStr};

use crate::Summary;

mod goodput;
mod name;
mod probes;
mod quantity;
mod statistic;
#[cfg(test)]
mod tests;

pub use goodput::{Goodput, InvalidGoodput};
pub use name::{InvalidLimit, UnknownMetric};
pub use probes::{MOST_ERRORS, Probes, meets_all};
pub use quantity::{InvalidQuantity, Quantity};

/// What a service level objective asks of a point: `p95(ttft) < 500ms`, `error_rate <= 1%`.
///
/// What stands left of the comparison is a [`Quantity`]. A limit may have a unit (`us`, `ms` and `s` for times, `%` for ratios); a bare number is in the
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
    quantity: Quantity,
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
    /// What it is about is no quantity.
    #[error(transparent)]
    Quantity(#[from] InvalidQuantity),
    /// Its limit is none.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
}

impl Goal {
    /// What it is about.
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// How a point stands to it; `None` where the metric does not exist for the point's requests.
    pub fn check(&self, summary: &Summary) -> Option<GoalResult> {
        let value = self.quantity.of(summary)?;
        let met = self.comparison.holds(value, self.limit);
        Some(GoalResult { value, limit: self.limit, met })
    }
}

impl FromStr for Goal {
    type Err = InvalidGoal;

    fn from_str(text: &str) -> Result<Self, InvalidGoal> {
        let form = || InvalidGoal::Form(text.to_owned());
        let (left, comparison, limit) = Comparison::split(text).ok_or_else(form)?;
        if left.trim().is_empty() || limit.trim().is_empty() {
            return Err(form());
        }
        let quantity: Quantity = left.parse().map_err(|error| match error {
            InvalidQuantity::Form(_) => form(),
            error => InvalidGoal::Quantity(error),
        })?;
        Ok(Self { quantity, comparison, limit: name::limit(limit, quantity.metric())? })
    }
}

/// The form that reads back as the same goal, without aliases and units: `p95(ttft_ms) < 500`.
impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.quantity, self.comparison, self.limit)
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
