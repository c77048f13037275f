//! Arrivals as they were once recorded.

use std::time::Duration;

use super::{Schedule, nanoseconds};

/// The arrivals of a recording, counted from its first one.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Nanoseconds, which never fall.
    offsets: Vec<u64>,
    speed_up: f64,
}

/// Timestamps that are no trace, or a speed that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidTrace {
    /// There is no timestamp.
    #[error("a trace needs at least one timestamp")]
    Empty,
    /// A timestamp is earlier than the one before it.
    #[error(
        "timestamp {place} of the trace, {at:?}, is earlier than the one before it, {before:?}"
    )]
    Backwards {
        /// Which timestamp, from 1.
        place: usize,
        /// That timestamp.
        at: Duration,
        /// The one before it.
        before: Duration,
    },
    /// The trace cannot be played at this speed.
    #[error("{0} is no speed: a trace is played faster (above 1) or slower (between 0 and 1)")]
    Speed(f64),
}

impl Trace {
    /// The offsets of `timestamps` from the first one, divided by `speed_up`.
    ///
    /// # Errors
    ///
    /// If there are none, if they go backwards, or if the speed is not finite and above 0.
    pub fn new(timestamps: &[Duration], speed_up: f64) -> Result<Self, InvalidTrace> {
        if !(speed_up.is_finite() && speed_up > 0.0) {
            return Err(InvalidTrace::Speed(speed_up));
        }
        let first = *timestamps.first().ok_or(InvalidTrace::Empty)?;
        for (pair, place) in timestamps.windows(2).zip(2..) {
            if let &[before, at] = pair
                && at < before
            {
                return Err(InvalidTrace::Backwards { place, at, before });
            }
        }
        let offsets = timestamps.iter().map(|at| faster(nanoseconds(*at - first), speed_up));
        Ok(Self { offsets: offsets.collect(), speed_up })
    }
}

#[expect(clippy::float_cmp, reason = "exactly 1 needs no division")]
fn faster(ns: u64, speed_up: f64) -> u64 {
    if speed_up == 1.0 {
        return ns;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and a speed is positive"
    )]
    let ns = (ns as f64 / speed_up).round() as u64;
    ns
}

impl Schedule for Trace {
    fn due(&self, n: u64) -> Option<Duration> {
        let offset = self.offsets.get(usize::try_from(n).ok()?)?;
        Some(Duration::from_nanos(*offset))
    }

    #[expect(clippy::float_cmp, reason = "a speed of exactly 1 is not worth a word")]
    fn describe(&self) -> String {
        let arrivals = self.offsets.len();
        let last = self.offsets.last().map_or(Duration::ZERO, |ns| Duration::from_nanos(*ns));
        let seconds = last.as_secs_f64();
        let plural = if arrivals == 1 { "" } else { "s" };
        let words = format!("trace of {arrivals} arrival{plural} over {seconds:.1} s");
        if self.speed_up == 1.0 {
            words
        } else {
            format!("{words}, at {} times its speed", self.speed_up)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(trace: &Trace) -> Vec<Duration> {
        (0..).map_while(|n| trace.due(n)).collect()
    }

    #[test]
    fn a_trace_begins_at_its_first_timestamp_and_goes_as_fast_as_told() {
        let stamps = [10 * SECOND, 10 * SECOND, 11 * SECOND, 25 * SECOND];
        for (speed_up, expected, words) in [
            (1.0, [0, 0, 1_000, 15_000], "trace of 4 arrivals over 15.0 s"),
            (4.0, [0, 0, 250, 3_750], "trace of 4 arrivals over 3.8 s, at 4 times its speed"),
            (0.5, [0, 0, 2_000, 30_000], "trace of 4 arrivals over 30.0 s, at 0.5 times its speed"),
        ] {
            let trace = Trace::new(&stamps, speed_up).unwrap();
            assert_eq!(due(&trace), expected.map(Duration::from_millis), "{speed_up}");
            assert_eq!((trace.describe().as_str(), trace.rate()), (words, None));
            assert_eq!(trace.due(u64::MAX), None);
        }
        let one = Trace::new(&[7 * SECOND], 1.0).unwrap();
        assert_eq!(due(&one), [Duration::ZERO]);
        assert_eq!(one.describe(), "trace of 1 arrival over 0.0 s");
    }

    #[test]
    fn what_is_no_trace_is_said() {
        let stamps = [SECOND, 3 * SECOND, 2 * SECOND, SECOND];
        for (stamps, speed_up, expected) in [
            (
                &stamps[..],
                1.0,
                "timestamp 3 of the trace, 2s, is earlier than the one before it, 3s",
            ),
            (&[], 1.0, "a trace needs at least one timestamp"),
            (
                &stamps[..1],
                0.0,
                "0 is no speed: a trace is played faster (above 1) or slower (between 0 and 1)",
            ),
        ] {
            assert_eq!(Trace::new(stamps, speed_up).unwrap_err().to_string(), expected);
        }
        for speed_up in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Trace::new(&stamps[..1], speed_up), Err(InvalidTrace::Speed(_))));
        }
    }

    proptest! {
        #[test]
        fn a_trace_never_goes_backwards(
            gaps in prop::collection::vec(0_u64..u64::MAX / 8, 1..20), speed_up in 1e-9_f64..1e9,
        ) {
            let stamps = gaps.iter().scan(Duration::ZERO, |at, gap| {
                *at += Duration::from_nanos(*gap);
                Some(*at)
            });
            let stamps: Vec<_> = stamps.collect();
            let due = due(&Trace::new(&stamps, speed_up).unwrap());
            prop_assert!(due.len() == stamps.len() && due.is_sorted() && due[0] == Duration::ZERO);
        }
    }
}
