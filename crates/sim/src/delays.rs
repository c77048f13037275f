//! How long each token takes.

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};

use crate::config::Config;

/// The delays of one answer's tokens, in order.
///
/// With jitter a delay is d·(1 + j·z): d the configured delay, j the jitter, z normal with mean 0 and
/// deviation 1, cut to -3..=3; never less than zero.
#[derive(Debug)]
pub(crate) struct Delays {
    ttft: Duration,
    itl: Duration,
    jitter: f64,
    rng: Xoshiro256PlusPlus,
}

impl Delays {
    /// The delays of the `number`-th request.
    pub(crate) fn new(config: &Config, number: u64) -> Self {
        // Any odd factor keeps the seeds of different requests apart; this one spreads them well.
        let seed = config.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { ttft: config.ttft, itl: config.itl, jitter: config.jitter, rng }
    }

    /// From the request to the first token.
    pub(crate) fn first(&mut self) -> Duration {
        self.jittered(self.ttft)
    }

    /// From one token to the `count`-th after it.
    pub(crate) fn further(&mut self, count: u32) -> Duration {
        if self.jitter == 0.0 {
            return self.itl * count;
        }
        (0..count).map(|_| self.jittered(self.itl)).sum()
    }

    fn jittered(&mut self, delay: Duration) -> Duration {
        if self.jitter == 0.0 {
            return delay;
        }
        let z: f64 = StandardNormal.sample(&mut self.rng);
        delay.mul_f64((1.0 + self.jitter * z.clamp(-3.0, 3.0)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITL: Duration = Duration::from_millis(10);

    fn delays(jitter: f64, seed: u64, number: u64) -> Vec<f64> {
        let config = Config { itl: ITL, jitter, seed, ..Config::default() };
        let mut delays = Delays::new(&config, number);
        (0..10_000).map(|_| delays.further(1).as_secs_f64() * 1e3).collect()
    }

    #[test]
    fn without_jitter_delays_are_exact() {
        let mut delays = Delays::new(&Config { itl: ITL, ..Config::default() }, 7);
        assert_eq!(delays.first(), Duration::from_millis(50));
        assert_eq!(delays.further(3), Duration::from_millis(30));
        assert_eq!(delays.further(0), Duration::ZERO);
    }

    #[test]
    fn jitter_has_the_spread_it_is_asked_for() {
        let delays = delays(0.2, 1, 0);
        let n = delays.len() as f64;
        let mean = delays.iter().sum::<f64>() / n;
        let deviation = (delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean - 10.0).abs() < 0.1, "mean {mean} ms");
        assert!((deviation - 2.0).abs() < 0.1, "deviation {deviation} ms");
        assert!(delays.iter().all(|d| (4.0 - 1e-6..=16.0 + 1e-6).contains(d)), "beyond 3 sigma");
    }

    #[test]
    fn the_largest_jitter_gives_no_negative_delay() {
        assert!(delays(1.0, 1, 0).contains(&0.0));
    }

    #[test]
    fn delays_follow_from_seed_and_request() {
        assert_eq!(delays(0.5, 1, 2), delays(0.5, 1, 2));
        assert_ne!(delays(0.5, 1, 2), delays(0.5, 1, 3));
        assert_ne!(delays(0.5, 1, 2), delays(0.5, 2, 2));
    }
}
