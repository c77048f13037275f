//! Numbers about numbers: what values say together, how sure that is, and whether it differs.
//!
//! | question | answer |
//! |---|---|
//! | how are values distributed? | [`Distribution`], [`Durations`] |
//! | how sure is a mean of repeats, and are they enough? | [`Repeats`], [`Converge`] |
//! | how sure is a median or a p99 of requests? | [`bootstrap_interval`], [`bootstrap_difference`] |
//! | is one set greater than another? | [`mann_whitney`] |
//! | did a metric change, by as much as matters? | [`Comparison`], [`Word`] |
//! | did a phase drift, and was it warm? | [`drift()`], [`warm_up_too_short`] |
//! | which values stand apart? | [`outliers()`] |
//!
//! All of it is pure, and nothing is random but by a seed. A function that cannot answer, for there are too few
//! values or one of them is not finite, says `None`: it leaves no value out to come to a number.

mod bootstrap;
mod change;
mod distribution;
mod drift;
mod durations;
mod interval;
mod outliers;
mod rank;
mod ratio;
mod repeats;
mod resample;
mod shifts;
mod student;
mod word;

pub use bootstrap::{Bootstrap, Difference, RESAMPLES, bootstrap_difference, bootstrap_interval};
pub use change::{Change, Comparison};
pub use distribution::{Distribution, PERCENTILES, percentile, sample_floor};
pub use drift::{DRIFT_ALPHA, DRIFT_RATIO, Drift, drift, warm_up_too_short};
pub use durations::Durations;
pub use interval::Interval;
pub use outliers::outliers;
pub use rank::{RankTest, mann_whitney};
pub use repeats::{Converge, LEVEL, Repeats};
pub use resample::Statistic;
pub use word::Word;
