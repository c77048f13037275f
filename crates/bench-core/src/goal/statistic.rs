//! Which number of a distribution counts.

use std::fmt;

use super::InvalidQuantity;
use crate::stats::{Distribution, PERCENTILES};

/// One number for many values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Mean,
    Min,
    Max,
    Std,
    // One of PERCENTILES.
    Percentile(f64),
}

impl Statistic {
    pub(super) fn named(word: &str) -> Result<Self, InvalidQuantity> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "avg" | "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            "std" => Self::Std,
            "median" => Self::Percentile(50.0),
            lower => {
                let unknown = || InvalidQuantity::Statistic { word: word.to_owned() };
                let digits = lower.strip_prefix('p').ok_or_else(unknown)?;
                let p: f64 = digits.parse().map_err(|_| unknown())?;
                let known = PERCENTILES.iter().find(|known| (*known - p).abs() < 1e-9);
                Self::Percentile(*known.ok_or_else(unknown)?)
            }
        })
    }

    /// `mean`, `p95`, `p99_9`.
    pub(super) fn name_in_files(self) -> &'static str {
        const NAMES: [&str; PERCENTILES.len()] =
            ["p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p97", "p99", "p99_9"];
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Std => "std",
            Self::Percentile(p) => {
                let place = PERCENTILES.iter().position(|known| (known - p).abs() < 1e-9);
                NAMES[place.expect("it is one of them")]
            }
        }
    }

    pub(super) fn of(self, distribution: &Distribution) -> Option<f64> {
        match self {
            Self::Mean => Some(distribution.mean),
            Self::Min => Some(distribution.min),
            Self::Max => Some(distribution.max),
            Self::Std => Some(distribution.std),
            Self::Percentile(p) => distribution.percentile(p),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Std => f.write_str("std"),
            Self::Percentile(p) => write!(f, "p{p}"),
        }
    }
}

/// `p1, p5, …, p99.9`.
pub(super) fn percentiles() -> String {
    PERCENTILES.map(|p| format!("p{p}")).join(", ")
}
