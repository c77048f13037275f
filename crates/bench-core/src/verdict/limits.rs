//! From where on something speaks against the numbers, and from where on it makes them void.

use crate::stats::sample_floor;

pub(super) const MOST_ERRORS: f64 = 0.01;
pub(super) const LEAST_OUTPUT: f64 = 0.98;
pub(super) const MOST_OUTPUT: f64 = 1.02;
pub(super) const MOST_CUT_OFF: f64 = 0.01;
pub(super) const MOST_UNSENT: f64 = 0.01;
pub(super) const VOID_UNSENT: f64 = 0.10;
pub(super) const MOST_DISAGREEING: f64 = 0.02;
pub(super) const MOST_COALESCED: f64 = 0.05;
pub(super) const VOID_COALESCED: f64 = 0.90;
pub(super) const MOST_UNSTAMPED: f64 = 0.01;
pub(super) const MOST_CPU: f64 = 0.85;
pub(super) const VOID_UNSENDABLE: f64 = 0.01;
pub(super) const MOST_CACHED: f64 = 0.01;
pub(super) const MOST_THROTTLED: f64 = 0.01;
pub(super) const MOST_OTHERS: u32 = 0;
/// What sensors are specified to: ± 5 %.
pub(super) const MOST_ENERGY_DIFFERENCE: f64 = 0.05;
/// Servers count tokens that no client sees, such as the last one of an answer.
pub(super) const MOST_SERVER_DIFFERENCE: f64 = 0.02;
/// A drift of less is none: servers breathe.
pub(crate) const LEAST_DRIFT: f64 = 0.10;
/// Late sends p99 ≤ max(1 ms, 1 % of the median TTFT).
const LATE_MS: f64 = 1.0;
const LATE_SHARE: f64 = 0.01;
const VOID_LATE_MS: f64 = 10.0;
const VOID_LATE_SHARE: f64 = 0.5;
/// Client lag p99 ≤ half the median gap: beyond, reads begin to hold several events, whose moments kernel
/// stamps cannot tell apart. Never a doubt below a fifth of a millisecond, which is a scheduler's tick.
const LAG_SHARE: f64 = 0.5;
const LAG_MS: f64 = 0.2;

/// How late requests may be sent where the median answer begins after `answered_ms`.
pub(super) fn most_late_ms(answered_ms: f64) -> f64 {
    LATE_MS.max(answered_ms * LATE_SHARE)
}

/// From where on late sends make the numbers void.
pub(super) fn void_late_ms(answered_ms: f64) -> f64 {
    VOID_LATE_MS.max(answered_ms * VOID_LATE_SHARE)
}

/// How late arrivals may be read where the median gap is `gap_ms`.
pub(super) fn most_lag_ms(gap_ms: f64) -> f64 {
    LAG_MS.max(gap_ms * LAG_SHARE)
}

/// Successes below which not even the 90th percentile can be quoted.
pub(super) fn floor_of_p90() -> u64 {
    sample_floor(90.0).expect("the table has p90")
}
