//! How long each token takes.

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};

use crate::{
    conditions::Stretch,
    config::{Config, LONGEST},
    generation::Generation,
};

/// The delays of one answer's tokens, in order.
///
/// The first is (ttft + p·u) / v, p the time of prefill for each of u tokens that are not in the cache, v the
/// speed, and longer while the server is cold; the others are itl / v. All are stretched by load and heat.
/// With jitter each is d·(1 + j·z): d that delay, j the jitter, z normal with mean 0 and deviation 1, cut to
/// -3..=3; never less than zero.
#[derive(Debug)]
pub(crate) struct Delays {
    first: Duration,
    further: Duration,
    jitter: f64,
    rng: Xoshiro256PlusPlus,
}

impl Delays {
    /// The delays of the `number`-th request, which asks for `generation`.
    pub(crate) fn new(config: &Config, number: u64, generation: &Generation) -> Self {
        // Any odd factor keeps the seeds of different requests apart; this one spreads them well.
        let seed = config.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let is_cold = number < u64::from(config.cold_requests);
        let cold = if is_cold { config.cold_factor } else { 1.0 };
        let new_tokens = generation.prompt_tokens - generation.cached_tokens.unwrap_or(0);
        let first = config.ttft.saturating_add(config.prefill_per_token.saturating_mul(new_tokens));
        Self {
            first: stretched(first, cold / config.speed),
            further: stretched(config.itl, config.speed.recip()),
            jitter: config.jitter,
            rng,
        }
    }

    /// From the request to the first token.
    pub(crate) fn first(&mut self, stretch: Option<Stretch>) -> Duration {
        let first = stretch.map_or(self.first, |stretch| stretched(self.first, stretch.first));
        self.jittered(first)
    }

    /// From one token to the `count`-th after it.
    pub(crate) fn further(&mut self, count: u32, stretch: Option<Stretch>) -> Duration {
        let further =
            stretch.map_or(self.further, |stretch| stretched(self.further, stretch.further));
        if self.jitter == 0.0 {
            return further.saturating_mul(count);
        }
        (0..count).map(|_| self.jittered(further)).fold(Duration::ZERO, Duration::saturating_add)
    }

    fn jittered(&mut self, delay: Duration) -> Duration {
        if self.jitter == 0.0 {
            return delay;
        }
        let z: f64 = StandardNormal.sample(&mut self.rng);
        delay.mul_f64((1.0 + self.jitter * z.clamp(-3.0, 3.0)).max(0.0))
    }
}

/// At most [`LONGEST`].
fn stretched(delay: Duration, factor: f64) -> Duration {
    // Even infinitely often.
    if delay.is_zero() {
        return delay;
    }
    let stretched = Duration::try_from_secs_f64(delay.as_secs_f64() * factor);
    stretched.unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::{Delivery, Endpoint, Finish};

    const ITL: Duration = Duration::from_millis(10);

    fn generation(prompt_tokens: u32, cached_tokens: Option<u32>) -> Generation {
        Generation {
            endpoint: Endpoint::Chat,
            results: Box::default(),
            prompt_tokens,
            cached_tokens,
            output_tokens: 1,
            says: None,
            finish: Finish::Length,
            delivery: Delivery::Whole,
        }
    }

    fn new(config: &Config, number: u64) -> Delays {
        Delays::new(config, number, &generation(1, None))
    }

    fn delays(jitter: f64, seed: u64, number: u64) -> Vec<f64> {
        let config = Config { itl: ITL, jitter, seed, ..Config::default() };
        let mut delays = new(&config, number);
        (0..10_000).map(|_| delays.further(1, None).as_secs_f64() * 1e3).collect()
    }

    #[test]
    fn without_jitter_delays_are_exact() {
        let mut delays = new(&Config { itl: ITL, ..Config::default() }, 7);
        assert_eq!(delays.first(None), Duration::from_millis(50));
        assert_eq!(delays.further(3, None), Duration::from_millis(30));
        assert_eq!(delays.further(0, None), Duration::ZERO);
    }

    #[test]
    fn prefill_counts_the_tokens_that_are_not_cached() {
        let prefill_per_token = Duration::from_millis(2);
        let check = |prompt, cached, expected| {
            let config = Config { prefill_per_token, ..Config::default() };
            let first = Delays::new(&config, 0, &generation(prompt, cached)).first(None);
            assert_eq!(first, Duration::from_millis(expected), "{prompt}, {cached:?} cached");
        };
        check(0, None, 50);
        check(100, None, 250);
        check(100, Some(0), 250);
        check(100, Some(96), 58);
    }

    #[test]
    fn a_faster_server_is_faster_throughout() {
        let prefill_per_token = Duration::from_millis(10);
        let config = Config { itl: ITL, prefill_per_token, speed: 1.25, ..Config::default() };
        let mut delays = new(&config, 0);
        assert_eq!(delays.first(None), Duration::from_millis(48));
        assert_eq!(delays.further(2, None), Duration::from_millis(16));
    }

    #[test]
    fn a_cold_server_is_slow_to_its_first_tokens() {
        let config = Config { itl: ITL, cold_requests: 2, cold_factor: 3.0, ..Config::default() };
        let first = |number| new(&config, number).first(None).as_millis();
        assert_eq!([first(0), first(1), first(2)], [150, 150, 50]);
        assert_eq!(new(&config, 0).further(1, None), ITL);
    }

    #[test]
    fn delays_are_stretched_before_they_are_jittered() {
        let config = Config { itl: ITL, ..Config::default() };
        let stretch = Some(Stretch { first: 2.0, further: 4.0 });
        assert_eq!(new(&config, 0).first(stretch), Duration::from_millis(100));
        assert_eq!(new(&config, 0).further(2, stretch), Duration::from_millis(80));
        let config = Config { jitter: 0.3, ..config };
        let plain = new(&config, 0).further(1, None).as_secs_f64();
        let longer = new(&config, 0).further(1, stretch).as_secs_f64();
        assert!((longer - 4.0 * plain).abs() < 1e-8, "{longer} s, {plain} s");
    }

    #[test]
    fn no_delay_overflows() {
        let config = Config {
            ttft: Duration::MAX,
            itl: Duration::MAX,
            prefill_per_token: Duration::MAX,
            speed: 1e-300,
            jitter: 1.0,
            ..Config::default()
        };
        let stretch = Some(Stretch { first: f64::MAX, further: f64::INFINITY });
        let mut delays = Delays::new(&config, 0, &generation(u32::MAX, None));
        assert!(delays.first(stretch) <= 4 * LONGEST);
        assert!(delays.further(1_000, stretch) <= 4_000 * LONGEST);
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
