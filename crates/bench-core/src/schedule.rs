//! When requests are due.

use std::{fmt, time::Duration};

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Exp1};

/// When requests are due, as offsets from the start of the phase.
///
/// Pure: the same `n` always gives the same answer, and offsets never fall as `n` grows. Every load
/// thread reads the same schedule, each for the numbers that are its own.
pub trait Schedule: fmt::Debug + Send + Sync {
    /// When request `n`, counted from 0, is due; `None` from the end of the schedule on.
    fn due(&self, n: u64) -> Option<Duration>;

    /// The rate that was asked for, if it is one: what drawn arrivals come to is only near it.
    fn rate(&self) -> Option<Rate> {
        None
    }
}

/// Requests per second: finite, from one in a million seconds to a billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// Requests in a million seconds: an integer, so that no schedule drifts.
    per_million_seconds: u64,
}

/// A number that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no rate: give requests per second, from 0.000001 to 1000000000")]
pub struct InvalidRate(pub f64);

impl Rate {
    /// `rate` requests per second, to six decimals.
    ///
    /// # Errors
    ///
    /// If it is out of range or not a number.
    pub fn per_second(rate: f64) -> Result<Self, InvalidRate> {
        if !(1e-6..=1e9).contains(&rate) {
            return Err(InvalidRate(rate));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 1..=1e15 by the check above"
        )]
        let per_million_seconds = (rate * 1e6).round() as u64;
        Ok(Self { per_million_seconds })
    }

    /// Requests per second.
    pub fn as_f64(self) -> f64 {
        self.per_million_seconds as f64 / 1e6
    }
}

/// One request every 1/rate seconds: request n is due at n/rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant(pub Rate);

impl Schedule for Constant {
    fn due(&self, n: u64) -> Option<Duration> {
        // n / (per_million_seconds / 10⁶ s) in nanoseconds, from n itself: a rounded interval would drift.
        let ns = u128::from(n) * 1_000_000_000_000_000 / u128::from(self.0.per_million_seconds);
        u64::try_from(ns).ok().map(Duration::from_nanos)
    }

    fn rate(&self) -> Option<Rate> {
        Some(self.0)
    }
}

/// A Poisson process: gaps are independent and exponentially distributed with mean 1/rate.
///
/// It is never rescaled to a total: k arrivals take k/rate seconds on average, not exactly.
#[derive(Clone, PartialEq, Eq)]
pub struct Poisson {
    rate: Rate,
    /// Nanoseconds: a pure function of n needs the sums of all gaps before.
    offsets: Vec<u64>,
}

impl Poisson {
    /// The first `count` arrivals at `rate`; the same `seed` gives the same ones.
    pub fn new(rate: Rate, seed: u64, count: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mean_ns = 1e9 / rate.as_f64();
        let mut at = 0_u64;
        let offsets = (0..count)
            .map(|_| {
                let gap: f64 = Exp1.sample(&mut random);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a float cast saturates, and the gap is not negative"
                )]
                let gap = (gap * mean_ns).round() as u64;
                at = at.saturating_add(gap);
                at
            })
            .collect();
        Self { rate, offsets }
    }

    /// Arrivals that last at least `duration`, but for one schedule in a billion: the mean, and six
    /// deviations more.
    pub fn arrivals_in(rate: Rate, duration: Duration) -> u64 {
        let mean = rate.as_f64() * duration.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and the mean is not negative"
        )]
        let count = (mean + 6.0 * mean.sqrt() + 16.0).ceil() as u64;
        count
    }
}

impl Schedule for Poisson {
    fn due(&self, n: u64) -> Option<Duration> {
        let offset = self.offsets.get(usize::try_from(n).ok()?)?;
        Some(Duration::from_nanos(*offset))
    }

    fn rate(&self) -> Option<Rate> {
        Some(self.rate)
    }
}

impl fmt::Debug for Poisson {
    /// The number of arrivals, not each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poisson")
            .field("rate", &self.rate)
            .field("arrivals", &self.offsets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};
    use statrs::distribution::{ContinuousCDF, Exp};

    use super::*;

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).unwrap()
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-7, 1e10] {
            assert!(Rate::per_second(bad).is_err(), "{bad}");
        }
        assert!((rate(0.1).as_f64() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_constant_schedule_does_not_drift() {
        let schedule = Constant(rate(3.0));
        assert_eq!(schedule.due(0), Some(Duration::ZERO));
        assert_eq!(schedule.due(1), Some(Duration::from_nanos(333_333_333)));
        assert_eq!(schedule.due(3_000_000), Some(Duration::from_secs(1_000_000)));
        assert_eq!(schedule.due(u64::MAX), None, "beyond 584 years there is nothing to send");
    }

    proptest! {
        #[test]
        fn no_schedule_goes_backwards(per_second in 0.001_f64..1e6, seed: u64, n in 0_u64..500) {
            let poisson = Poisson::new(rate(per_second), seed, 501);
            let constant = Constant(rate(per_second));
            prop_assert!(poisson.due(n) <= poisson.due(n + 1) || poisson.due(n + 1).is_none());
            prop_assert!(constant.due(n) <= constant.due(n + 1));
        }
    }

    #[test]
    fn poisson_gaps_are_exponential_and_repeat_with_the_seed() {
        const N: usize = 20_000;
        let schedule = Poisson::new(rate(250.0), 7, N);
        assert_eq!(schedule, Poisson::new(rate(250.0), 7, N));
        assert_ne!(schedule, Poisson::new(rate(250.0), 8, N));
        assert_eq!(schedule.due(N as u64), None);

        let mut gaps: Vec<f64> =
            schedule.offsets.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e9).collect();
        gaps.sort_by(f64::total_cmp);
        let exponential = Exp::new(250.0).unwrap();
        let n = gaps.len() as f64;
        let ks = gaps.iter().enumerate().map(|(i, gap)| {
            let cdf = exponential.cdf(*gap);
            (cdf - i as f64 / n).abs().max(((i + 1) as f64 / n - cdf).abs())
        });
        // Kolmogorov-Smirnov at alpha = 0.001; the seed is fixed, so this never fails by chance.
        assert!(ks.fold(0.0, f64::max) < 1.95 / n.sqrt());
    }

    #[test]
    fn as_many_arrivals_as_a_duration_needs_last_it() {
        let duration = Duration::from_secs(10);
        let count = Poisson::arrivals_in(rate(40.0), duration);
        for seed in 0..50 {
            let schedule = Poisson::new(rate(40.0), seed, usize::try_from(count).unwrap());
            assert!(schedule.due(count - 1).unwrap() >= duration);
        }
    }
}
