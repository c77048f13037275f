//! How a closed loop begins.

use std::time::Duration;

use super::RampShape;

/// A closed loop whose places begin to send one after another, and not all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyRamp {
    /// When all of them send.
    pub over: Duration,
    /// How their number grows.
    pub shape: RampShape,
}

impl ConcurrencyRamp {
    /// When place `place`, counted from 0, of `of` begins to send, counted from the start of the phase.
    ///
    /// After t of T, N·t/T places have begun (linear) or N^(t/T) (exponential), but never less than one:
    /// place i begins at T·i/N or at T·ln(i + 1)/ln N.
    pub fn begins(&self, place: u64, of: u64) -> Duration {
        if place == 0 {
            return Duration::ZERO;
        }
        let share = match self.shape {
            RampShape::Linear => place as f64 / of as f64,
            RampShape::Exponential => (place as f64).ln_1p() / (of as f64).ln(),
        };
        // A place beyond the last one, or of none, is no longer kept waiting than the last.
        if share < 1.0 { self.over.mul_f64(share).min(self.over) } else { self.over }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn begins(shape: RampShape, over: u64, of: u64) -> Vec<u128> {
        let ramp = ConcurrencyRamp { over: Duration::from_secs(over), shape };
        (0..of).map(|place| ramp.begins(place, of).as_millis()).collect()
    }

    #[test]
    fn places_begin_one_after_another() {
        use RampShape::{Exponential, Linear};
        for (shape, over, of, expected) in [
            (Linear, 10, 5, &[0, 2_000, 4_000, 6_000, 8_000][..]),
            (Exponential, 30, 8, &[0, 10_000, 15_849, 20_000, 23_219, 25_849, 28_073, 30_000]),
            (Linear, 10, 1, &[0]),
            (Exponential, 10, 1, &[0]),
            (Linear, 0, 3, &[0, 0, 0]),
            (Exponential, 0, 3, &[0, 0, 0]),
        ] {
            assert_eq!(begins(shape, over, of), expected, "{shape} over {over} s, {of} places");
        }
    }

    proptest! {
        #[test]
        fn no_place_begins_before_the_one_before_it(
            seconds: u64, exponential: bool, place in 0..u64::MAX, of in any::<u64>(),
        ) {
            let shape = if exponential { RampShape::Exponential } else { RampShape::Linear };
            let ramp = ConcurrencyRamp { over: Duration::from_secs(seconds), shape };
            prop_assert!(ramp.begins(place, of) <= ramp.begins(place + 1, of));
            prop_assert!(ramp.begins(place, of) <= ramp.over);
            let near = place % 100;
            prop_assert!(ramp.begins(near, 100) <= ramp.begins(near + 1, 100));
        }
    }
}
