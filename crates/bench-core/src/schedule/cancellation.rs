//! Requests that are given up on purpose, as by users who lose patience.

use std::time::Duration;

/// A share of the requests, and after how long these are given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cancellation {
    ratio: f64,
    after: Duration,
}

/// A number that is no share.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no share of requests: give a number from 0 (none) to 1 (all)")]
pub struct InvalidRatio(pub f64);

impl Cancellation {
    /// Gives up `ratio` of the requests, each `after` so long from its beginning, connection set-up included.
    ///
    /// # Errors
    ///
    /// If the ratio is not within 0 and 1.
    pub fn new(ratio: f64, after: Duration) -> Result<Self, InvalidRatio> {
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self { ratio, after })
        } else {
            Err(InvalidRatio(ratio))
        }
    }

    /// The share of requests that are given up.
    pub const fn ratio(&self) -> f64 {
        self.ratio
    }

    /// When such a request is given up, counted from its beginning.
    pub const fn after(&self) -> Duration {
        self.after
    }

    /// Whether request `n` is given up: the same seed always gives up the same ones.
    pub fn cancels(&self, seed: u64, n: u64) -> bool {
        // The upper 53 bits are all that a float in 0..1 can hold.
        let share = (hash(seed, n) >> 11) as f64 / (1_u64 << 53) as f64;
        share < self.ratio
    }
}

/// The n-th number of a SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014) whose state is the mixed
/// seed: seeds that are neighbours choose nothing alike.
fn hash(seed: u64, n: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    mix(mix(seed).wrapping_add(n.wrapping_mul(GOLDEN)))
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancellation(ratio: f64) -> Cancellation {
        Cancellation::new(ratio, Duration::from_secs(2)).unwrap()
    }

    #[test]
    fn a_ratio_is_a_share() {
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Cancellation::new(bad, Duration::ZERO).is_err(), "{bad}");
        }
        let words = Cancellation::new(1.5, Duration::ZERO).unwrap_err().to_string();
        assert_eq!(words, "1.5 is no share of requests: give a number from 0 (none) to 1 (all)");
        assert_eq!((cancellation(0.5).ratio(), cancellation(0.5).after().as_secs()), (0.5, 2));
    }

    #[test]
    fn the_share_that_is_given_up_is_the_one_asked_for() {
        const N: u64 = 200_000;
        for (ratio, seed) in [(0.0, 1), (0.01, 2), (0.3, 3), (0.5, u64::MAX), (0.99, 0), (1.0, 4)] {
            let cancellation = cancellation(ratio);
            let given_up = (0..N).filter(|n| cancellation.cancels(seed, *n)).count();
            let deviation = (ratio * (1.0 - ratio) / N as f64).sqrt();
            let found = given_up as f64 / N as f64;
            assert!((found - ratio).abs() <= 4.0 * deviation, "{found}, not {ratio}");
        }
    }

    /// Pairs of neighbouring requests, and of neighbouring seeds, are both given up as often as if one
    /// had nothing to do with the other.
    #[test]
    fn neighbours_are_independent() {
        const N: u64 = 200_000;
        let cancellation = cancellation(0.5);
        let both = |neighbour: &dyn Fn(u64) -> bool| {
            (0..N).filter(|n| cancellation.cancels(9, *n) && neighbour(*n)).count() as f64
        };
        let deviation = (N as f64 * 0.25 * 0.75).sqrt();
        for found in
            [both(&|n| cancellation.cancels(9, n + 1)), both(&|n| cancellation.cancels(10, n))]
        {
            assert!((found - N as f64 / 4.0).abs() < 4.0 * deviation, "{found}");
        }
    }
}
