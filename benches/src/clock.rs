//! The two clocks, in nanoseconds.

use std::sync::LazyLock;

use nix::{
    sys::time::{TimeSpec, TimeValLike},
    time::{ClockId, clock_gettime},
};

/// Nanoseconds of `CLOCK_MONOTONIC`: the clock of every moment written down here.
pub fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds of `CLOCK_REALTIME`: the clock of the kernel's receive stamps.
pub fn realtime_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

/// Moves a receive stamp to the monotonic clock.
///
/// The distance of the two clocks is measured once, not at each stamp: two readings are never at
/// the same moment, so that the same stamp, read twice, would differ by 10 ns, and by milliseconds
/// where the thread is interrupted between them. A program that outlives a step of the wall clock
/// cannot do it this way. `None` when the stamp lies in the future, as after such a step.
pub fn stamp_to_monotonic(stamp: TimeSpec) -> Option<u64> {
    static DISTANCE_NS: LazyLock<u64> = LazyLock::new(realtime_minus_monotonic_ns);
    let moment_ns = nanos(stamp).checked_sub(*DISTANCE_NS)?;
    (moment_ns <= monotonic_ns()).then_some(moment_ns)
}

/// From the one of many tries whose readings lie closest together.
fn realtime_minus_monotonic_ns() -> u64 {
    let tries = (0..100).map(|_| {
        let (before_ns, wall_ns, after_ns) = (monotonic_ns(), realtime_ns(), monotonic_ns());
        let width_ns = after_ns - before_ns;
        (width_ns, wall_ns - (before_ns + width_ns / 2))
    });
    tries.min().expect("100 tries").1
}

/// A moment of either clock as the kernel's structure.
pub fn timespec(ns: u64) -> TimeSpec {
    TimeSpec::nanoseconds(ns.try_into().expect("the year 2262 is far"))
}

fn read(clock: ClockId) -> u64 {
    nanos(clock_gettime(clock).expect("Linux has this clock"))
}

fn nanos(time: TimeSpec) -> u64 {
    time.num_nanoseconds().try_into().expect("clocks start at zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_its_age_on_the_other_clock_and_does_not_waver() {
        let stamp = timespec(realtime_ns() - 5_000_000);
        let moment_ns = stamp_to_monotonic(stamp).unwrap();
        let age_ns = monotonic_ns() - moment_ns;
        assert!((4_900_000..1_000_000_000).contains(&age_ns), "{age_ns}");
        assert!((0..1000).all(|_| stamp_to_monotonic(stamp) == Some(moment_ns)));
    }

    #[test]
    fn a_stamp_from_the_future_is_refused() {
        assert_eq!(stamp_to_monotonic(timespec(realtime_ns() + 1_000_000_000)), None);
    }
}
