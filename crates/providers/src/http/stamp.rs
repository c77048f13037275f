//! From the kernel's receive stamps to moments of the run.

use bench_core::{Clock, Moment, Stamp};

/// Which clock tells when bytes came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stamping {
    /// The kernel's receive stamps where the platform has them, else the time of the read.
    #[default]
    Kernel,
    /// The time of the read: what a client without such stamps would report.
    Read,
}

/// Converts the stamps of one socket.
///
/// The kernel stamps with the wall clock, which may be set at any time. Its distance from the run's clock
/// is therefore looked at with every read: if it has changed by more than a clock is ever slewed, a stamp
/// from before the change means nothing, and the time of the read is taken in its place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StampClock {
    /// Wall clock − run clock in nanoseconds, and the moment of the last look.
    ///
    /// The run clock is read first, so that a look errs to one side: a thread put aside between the two
    /// sees a distance that is too great. The least seen is right; it may grow only as fast as a clock
    /// is slewed.
    distance: Option<(i128, Moment)>,
    /// Wall time before which stamps are not believed.
    believed_from: u64,
    /// The last stamp given: bytes do not come before those in front of them.
    last: Moment,
}

/// Two clocks cannot be read at once: an honest look may err by this much.
const JITTER_NS: i128 = 100_000;
/// NTP slews at most 500 millionths: a nanosecond in this many.
const SLEW: i128 = 2_000;

impl StampClock {
    /// The stamp of bytes that the kernel received at `wall` (0: it did not say), read now.
    pub(super) fn convert(&mut self, wall: u64, clock: Clock) -> Stamp {
        let (mut now, mut wall_now) = (clock.now(), realtime());
        if !self.is_steady(now, wall_now) {
            // Perhaps this thread was put aside between the two: look again before judging.
            (now, wall_now) = (clock.now(), realtime());
        }
        self.judge(wall, now, wall_now)
    }

    fn judge(&mut self, wall: u64, now: Moment, wall_now: u64) -> Stamp {
        let seen = seen_distance(now, wall_now);
        let distance = match self.distance {
            Some((before, _)) if self.is_steady(now, wall_now) => {
                seen.min(before + self.slew_until(now))
            }
            Some(_) => {
                self.believed_from = wall_now;
                seen
            }
            None => seen,
        };
        self.distance = Some((distance, now));
        let believed = wall > 0 && wall >= self.believed_from;
        let at = u64::try_from(i128::from(wall) - distance).ok().map(Moment::from_nanos);
        match at.filter(|at| believed && *at <= now) {
            Some(at) => {
                self.last = self.last.max(at);
                Stamp { at: self.last, lag: Some(now.since(self.last)) }
            }
            None => {
                self.last = now;
                Stamp::of_read(now)
            }
        }
    }

    fn is_steady(&self, now: Moment, wall_now: u64) -> bool {
        self.distance.is_none_or(|(before, _)| {
            (seen_distance(now, wall_now) - before).abs() <= JITTER_NS + self.slew_until(now)
        })
    }

    /// How far the distance may have grown since the last look.
    fn slew_until(&self, now: Moment) -> i128 {
        let passed =
            self.distance.map_or(0, |(_, at)| now.as_nanos().saturating_sub(at.as_nanos()));
        i128::from(passed) / SLEW
    }
}

fn seen_distance(now: Moment, wall_now: u64) -> i128 {
    i128::from(wall_now) - i128::from(now.as_nanos())
}

#[cfg(unix)]
fn realtime() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |t| nanos(t.tv_sec(), t.tv_nsec()))
}

#[cfg(not(unix))]
fn realtime() -> u64 {
    0
}

/// Nanoseconds of a kernel time; 0 for one before 1970.
#[cfg(unix)]
pub(super) fn nanos(seconds: impl TryInto<u64>, nanoseconds: impl TryInto<u64>) -> u64 {
    let (s, ns) = (seconds.try_into().unwrap_or(0), nanoseconds.try_into().unwrap_or(0));
    s.saturating_mul(1_000_000_000).saturating_add(ns)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// The wall clock at the start of the run.
    const WALL: u64 = 1_800_000_000 * SECOND;

    fn at(ns: u64) -> Moment {
        Moment::from_nanos(ns)
    }

    #[test]
    fn a_late_read_keeps_the_moment_of_arrival() {
        let mut clock = StampClock::default();
        let stamp = clock.judge(WALL + SECOND, at(SECOND + 10_000_000), WALL + SECOND + 10_000_000);
        assert_eq!(stamp, Stamp { at: at(SECOND), lag: Some(Duration::from_millis(10)) });
    }

    #[test]
    fn a_thread_put_aside_between_the_clocks_moves_no_stamp() {
        let mut clock = StampClock::default();
        clock.judge(WALL + SECOND, at(SECOND), WALL + SECOND);
        // 80 us passed between reading the one clock and the other.
        let read = SECOND + 10_000_000;
        let stamp = clock.judge(WALL + read - 5_000, at(read), WALL + read + 80_000);
        let error = stamp.at.as_nanos().abs_diff(read - 5_000);
        assert!(error <= 5_000, "{error} ns: no more than a slew of 10 ms");
    }

    #[test]
    fn stamps_do_not_run_backwards() {
        let mut clock = StampClock::default();
        let first = clock.judge(WALL + SECOND + 500, at(SECOND + 900), WALL + SECOND + 900);
        let second = clock.judge(WALL + SECOND + 400, at(SECOND + 950), WALL + SECOND + 950);
        assert!(second.at >= first.at && second.lag.is_some());
    }

    #[test]
    fn no_stamp_and_a_stamp_of_the_future_are_the_time_of_the_read() {
        let mut clock = StampClock::default();
        for wall in [0, WALL + 9 * SECOND] {
            assert_eq!(clock.judge(wall, at(SECOND), WALL + SECOND), Stamp::of_read(at(SECOND)));
        }
    }

    #[test]
    fn stamps_from_before_the_clock_was_set_are_not_believed() {
        for step in [-3_600_000_i64, -5, 5, 3_600_000] {
            let wall_at = |ns: u64| (WALL + ns).saturating_add_signed(step * 1_000_000);
            let mut clock = StampClock::default();
            assert!(clock.judge(WALL + SECOND, at(SECOND), WALL + SECOND).lag.is_some());
            // Received at 2 s by the old clock, read after it was set.
            let read = 2 * SECOND + 1_000_000;
            assert_eq!(
                clock.judge(WALL + 2 * SECOND, at(read), wall_at(read)).lag,
                None,
                "{step} ms"
            );
            // Received and read by the new one.
            let read = 3 * SECOND;
            let lag = clock.judge(wall_at(read - 1_000), at(read), wall_at(read)).lag;
            assert_eq!(lag, Some(Duration::from_micros(1)), "{step} ms");
        }
    }

    #[test]
    fn a_slewed_clock_is_no_set_clock() {
        let mut clock = StampClock::default();
        for second in 1..100 {
            let (now, wall) = (second * SECOND, WALL + second * (SECOND + 400_000));
            assert!(clock.judge(wall - 5_000, at(now), wall).lag.is_some(), "second {second}");
        }
    }
}
