//! From where on something speaks against the numbers, and from where on it makes them void.

use crate::stats::sample_floor;

pub(super) const MOST_ERRORS: f64 = 0.01;
pub(super) const LEAST_OUTPUT: f64 = 0.98;
pub(super) const MOST_DISAGREEING: f64 = 0.02;
pub(super) const MOST_COALESCED: f64 = 0.05;
pub(super) const VOID_COALESCED: f64 = 0.90;
pub(super) const MOST_UNSTAMPED: f64 = 0.01;
pub(super) const MOST_CPU: f64 = 0.85;
pub(super) const VOID_UNSENT: f64 = 0.01;
pub(super) const MOST_CACHED: f64 = 0.01;
pub(super) const MOST_THROTTLED: f64 = 0.01;
pub(super) const MOST_OTHERS: u32 = 0;
/// Late sends p99 ≤ max(1 ms, 1 % of the median TTFT).
pub(super) const LATE_MS: f64 = 1.0;
pub(super) const LATE_SHARE: f64 = 0.01;
pub(super) const VOID_LATE_MS: f64 = 10.0;
pub(super) const VOID_LATE_SHARE: f64 = 0.5;
/// Client lag p99 ≤ half the median gap: beyond, reads begin to hold several events, whose moments kernel
/// stamps cannot tell apart. Never a doubt below a fifth of a millisecond, which is a scheduler's tick.
pub(super) const LAG_SHARE: f64 = 0.5;
pub(super) const LAG_MS: f64 = 0.2;

/// Successes below which not even the 90th percentile can be quoted.
pub(super) fn floor_of_p90() -> u64 {
    sample_floor(90.0).expect("the table has p90")
}
