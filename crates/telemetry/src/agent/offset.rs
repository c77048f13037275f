//! How far another host's clock is from ours.

use std::time::Duration;

use bench_core::Moment;
use tokio::time::Instant;

/// The run's clock, as far as a source can tell it: each read has a moment, and begins a little later.
#[derive(Debug, Default)]
pub(super) struct OwnClock {
    start: Option<Instant>,
}

impl OwnClock {
    /// A read at `at` begins now.
    pub(super) fn read_at(&mut self, at: Moment) {
        let Some(start) = Instant::now().checked_sub(Duration::from_nanos(at.as_nanos())) else {
            return;
        };
        // The least is that of the read which began soonest.
        self.start = Some(self.start.map_or(start, |known| known.min(start)));
    }

    /// This moment, in nanoseconds.
    pub(super) fn now_ns(&self) -> u64 {
        let start = self.start.unwrap_or_else(Instant::now);
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What was found by asking for the other's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Offset {
    /// What is added to the other's nanoseconds to have ours.
    ns: i128,
    /// How far off that may be: the other took its time at some moment between question and answer.
    bound_ns: u64,
    /// When it was asked, by our clock.
    pub(super) at_ns: u64,
}

impl Offset {
    /// The other's clock showed `other_ns` after `sent_ns` and before `got_ns` of ours.
    pub(super) fn new(sent_ns: u64, other_ns: u64, got_ns: u64) -> Self {
        let trip = got_ns.saturating_sub(sent_ns);
        let at_ns = sent_ns + trip / 2;
        Self { ns: i128::from(at_ns) - i128::from(other_ns), bound_ns: trip.div_ceil(2), at_ns }
    }

    /// The tighter of two.
    pub(super) fn or_tighter(self, other: Self) -> Self {
        if other.bound_ns < self.bound_ns { other } else { self }
    }

    /// The other's moment `ns` on our clock.
    pub(super) fn moment(&self, ns: u64) -> Moment {
        let ours = (i128::from(ns) + self.ns).clamp(0, i128::from(u64::MAX));
        Moment::from_nanos(u64::try_from(ours).unwrap_or(u64::MAX))
    }

    pub(super) fn ms(&self) -> f64 {
        self.ns as f64 / 1e6
    }

    pub(super) fn bound_ms(&self) -> f64 {
        self.bound_ns as f64 / 1e6
    }

    /// How much faster our clock goes than the other's since `earlier`, in millionths; `None` while that is
    /// within what neither can tell.
    pub(super) fn drift_ppm(&self, earlier: &Self) -> Option<f64> {
        let grown = (self.ns - earlier.ns) as f64;
        let passed = self.at_ns.saturating_sub(earlier.at_ns) as f64;
        let unsure = (self.bound_ns + earlier.bound_ns) as f64;
        (grown.abs() > unsure && passed > 0.0).then_some(grown / passed * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_lies_within_the_bound_however_a_trip_is_split() {
        // The other's clock is 5 000 behind.
        for (there, back) in [(10, 10), (0, 20), (20, 0), (7, 500)] {
            let (sent, taken) = (100_000, 100_000 + there);
            let offset = Offset::new(sent, taken - 5_000, taken + back);
            let off = (offset.ns - 5_000).unsigned_abs();
            assert!(off <= u128::from(offset.bound_ns), "{there} and {back}: {offset:?}");
            assert_eq!(offset.bound_ns, (there + back).div_ceil(2));
        }
    }

    #[test]
    fn the_quickest_answer_is_taken() {
        let (slow, quick) = (Offset::new(0, 0, 100), Offset::new(200, 0, 210));
        assert_eq!(slow.or_tighter(quick), quick);
        assert_eq!(quick.or_tighter(slow), quick);
    }

    #[test]
    fn moments_stay_on_the_clock_whatever_the_other_says() {
        let offset = Offset::new(1_000, 500, 1_000);
        assert_eq!(offset.moment(600), Moment::from_nanos(1_100));
        assert_eq!(offset.moment(u64::MAX), Moment::from_nanos(u64::MAX));
        let behind = Offset::new(0, 1_000, 0);
        assert_eq!(behind.moment(10), Moment::from_nanos(0));
    }

    #[test]
    fn drift_is_told_once_it_can_be_told_from_chance() {
        let first = Offset::new(0, 0, 20_000);
        let later = Offset::new(1_000_000_000, 999_950_000, 1_000_020_000);
        let drift = later.drift_ppm(&first).unwrap();
        assert!((drift - 50.0).abs() < 0.1, "{drift}");
        let unsure = Offset::new(1_000_000_000, 999_990_000, 1_000_020_000);
        assert_eq!(unsure.drift_ppm(&first), None);
        assert_eq!(first.drift_ppm(&first), None);
    }
}
