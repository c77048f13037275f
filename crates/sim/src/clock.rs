//! `CLOCK_MONOTONIC`: the clock on which two programs of one machine can compare moments.

use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds of `CLOCK_MONOTONIC`; where there is none, since this was first called.
#[cfg(unix)]
pub(crate) fn monotonic_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("POSIX has this clock");
    nanos(Duration::from(now))
}

#[cfg(not(unix))]
pub(crate) fn monotonic_ns() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    nanos(START.get_or_init(Instant::now).elapsed())
}

/// The instant at which [`monotonic_ns`] reads `ns`, or a little before it, never after.
pub(crate) fn instant_at(ns: u64) -> Instant {
    let now = Instant::now();
    now + Duration::from_nanos(ns.saturating_sub(monotonic_ns()))
}

/// Saturates after 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
