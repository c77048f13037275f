//! The run's clock: monotonic nanoseconds since the start, anchored once on the wall clock.

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

/// A moment of a run, in nanoseconds since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `ns` nanoseconds after the start of the run.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start of the run.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start of the run.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time passed since `earlier`; zero if that lies after this moment.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds since `earlier`, negative if that lies after this moment.
    pub fn ms_since(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / 1e6
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }
}

impl std::ops::Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(earlier)))
    }
}

/// The same moment, the start of the run, on two clocks: what lays another program's log beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`, the clock of kernel logs; absent where there is none.
    pub monotonic_ns: Option<u64>,
}

impl Anchor {
    /// Milliseconds by which the wall clock was set since `earlier`; absent where it was not: a clock that
    /// is slewed gains or loses 0.05 % at most, and two readings differ by a little.
    pub fn step_ms_since(self, earlier: Self) -> Option<f64> {
        const SLEW: f64 = 5e-4;
        const READING_MS: f64 = 1.0;
        let passed = self.monotonic_ns?.saturating_sub(earlier.monotonic_ns?) as f64 / 1e6;
        let step = (self.wall_ns as f64 - earlier.wall_ns as f64) / 1e6 - passed;
        (step.abs() > READING_MS + passed * SLEW).then_some(step)
    }
}

/// The one clock of a run.
///
/// It is tokio's, so that tests on paused time can move it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    anchor: Anchor,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        // Three clocks cannot be read at once, and the thread may be put aside between them: the
        // tightest of several tries is right to well under a microsecond.
        let tries = (0..16).map(|_| {
            let start = Instant::now();
            let anchor = Anchor { wall_ns: wall_ns(), monotonic_ns: monotonic_ns() };
            (start.elapsed(), Self { start, anchor })
        });
        tries
            .min_by_key(|(took, _)| *took)
            .map(|(_, clock)| clock)
            .expect("there were several tries")
    }

    /// The clock of a run that began at `anchor`, in this process or in an earlier one: by the wall clock,
    /// which alone outlives a machine's restart.
    pub fn going_on(anchor: Anchor) -> Self {
        let here = Self::start();
        let passed = Duration::from_nanos(here.anchor.wall_ns.saturating_sub(anchor.wall_ns));
        // A start that this clock cannot express is as good as none.
        match here.start.checked_sub(passed) {
            Some(start) => Self { start, anchor },
            None => here,
        }
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    /// The moment of `at`; the start if that lies before it.
    pub fn moment(&self, at: Instant) -> Moment {
        Moment(nanos(at.saturating_duration_since(self.start)))
    }

    /// The instant of `moment`.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.start + Duration::from_nanos(moment.0)
    }

    /// The start of the run on the wall clock and on the monotonic one.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }
}

/// Saturates after 584 years.
fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn wall_ns() -> u64 {
    // A wall clock before 1970 anchors at 0 rather than stops a run.
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

#[cfg(unix)]
fn monotonic_ns() -> Option<u64> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).ok().map(|t| nanos(Duration::from(t)))
}

#[cfg(not(unix))]
fn monotonic_ns() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_follow_the_paused_clock() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now(), Moment::from_nanos(1_500_000_000));
        assert_eq!(clock.instant(clock.now()), Instant::now());
    }

    #[test]
    fn differences_saturate_and_milliseconds_keep_their_sign() {
        let (a, b) = (Moment::from_nanos(1_000_000), Moment::from_nanos(3_500_000));
        assert_eq!(b.since(a), Duration::from_micros(2_500));
        assert_eq!(a.since(b), Duration::ZERO);
        assert!((a.ms_since(b) + 2.5).abs() < 1e-12);
    }

    #[test]
    fn a_clock_goes_on_where_an_earlier_one_began() {
        let anchor = Clock::start().anchor();
        let earlier = Anchor { wall_ns: anchor.wall_ns - 90_000_000_000, ..anchor };
        let clock = Clock::going_on(earlier);
        assert_eq!(clock.anchor(), earlier);
        assert!(clock.now() >= Moment::from_nanos(90_000_000_000));
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_is_slewed() {
        let earlier = Anchor { wall_ns: 5_000_000_000, monotonic_ns: Some(0) };
        let later = |passed_ms: u64, wall_ms: u64| {
            let monotonic_ns = Some(passed_ms * 1_000_000);
            let later = Anchor { wall_ns: 5_000_000_000 + wall_ms * 1_000_000, monotonic_ns };
            later.step_ms_since(earlier)
        };
        assert_eq!(later(1_000, 1_000), None);
        assert_eq!(later(100_000, 100_050), None);
        assert_eq!(later(1_000, 3_000), Some(2_000.0));
        assert_eq!(later(2_000, 0), Some(-2_000.0));
        let unknown = Anchor { monotonic_ns: None, ..earlier };
        assert_eq!(unknown.step_ms_since(earlier), None);
    }

    #[test]
    fn the_anchor_is_the_present() {
        let anchor = Clock::start().anchor();
        assert!(anchor.wall_ns > 1_700_000_000_000_000_000);
        assert_eq!(anchor.monotonic_ns.is_some(), cfg!(unix));
    }
}
