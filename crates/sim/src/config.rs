//! What is simulated.

use std::{io, time::Duration};

use crate::{fault::Fault, said::Answers};

/// Longest time that a configuration may name: sums of them then stay far from overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Tokens in a block of the KV cache, as by default in vLLM.
pub(crate) const BLOCK_TOKENS: u32 = 16;

/// What the server simulates.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// From the request admitted to the first token. 50 ms by default.
    ///
    /// A request is admitted once it has been read, unless
    /// [`max_running`](Self::max_running) others are served.
    pub ttft: Duration,
    /// From one token to the next. 10 ms by default.
    ///
    /// Where several tokens leave in one write (see [`tokens_per_chunk`](Self::tokens_per_chunk) and
    /// [`events_per_write`](Self::events_per_write)), the first write is still due at `ttft`, each
    /// further one after as many `itl` as it carries tokens: the pace per token stays the same.
    pub itl: Duration,
    /// Standard deviation of each token's delay as a share of that delay, in 0..=1. 0 by default.
    ///
    /// Delays are drawn from a normal distribution, cut at three standard deviations and at zero.
    pub jitter: f64,
    /// Seed of the jitter and of what fails. 0 by default.
    ///
    /// The n-th request for completion to arrive has the same delays in each run with the same seed.
    pub seed: u64,
    /// Most requests that are served at once, by all threads together, at least 1; further ones wait,
    /// first come first served. As many as come by default.
    ///
    /// A server kept full serves R / (ttft + (m − 1)·itl(R)) requests a second: R this limit, m tokens
    /// in each answer, itl(n) as [`slowdown`](Self::slowdown) says. A place is free from the moment at
    /// which the last token is due, so this holds however late the tokens are sent. A client that
    /// leaves gives its place away; an answer that stalls keeps it until then.
    pub max_running: Option<u32>,
    /// By what share of itself `itl` grows with each further request that is served, at least 0: with n
    /// of them, itl(n) = itl·(1 + s·(n − 1)). 0 by default.
    ///
    /// All of them together then have n / itl(n) tokens a second, which approaches 1 / (s·itl). The
    /// knee, where throughput by latency is best, is at n = 1/s − 1, with half of that throughput.
    /// n is taken when the token before is due, and counts those that wait for their first token.
    pub slowdown: f64,
    /// Added to `ttft` for each token of the prompt that is not in the prefix cache. 0 by default.
    pub prefill_per_token: Duration,
    /// What `ttft`, `itl` and `prefill_per_token` are divided by, above 0: 1.03 is a server that is 3 %
    /// faster. 1 by default.
    pub speed: f64,
    /// Whether prompts are remembered, in blocks of 16 tokens, at most [`kv_blocks`](Self::kv_blocks) of
    /// them, and what is remembered is said as `cached_tokens`. They are not by default.
    pub prefix_cache: bool,
    /// Blocks of 16 tokens in the KV cache that `/metrics` and the start-up log tell of, at least 1.
    /// 8192 by default. It holds up no request.
    pub kv_blocks: u32,
    /// A pause in which the server neither sends nor takes anything. None by default.
    pub freeze: Option<Freeze>,
    /// By what share of themselves all delays grow with each minute since the first request for
    /// completion, at least 0. 0 by default.
    pub drift: f64,
    /// How many requests for completion, from the first, find the server cold. 0 by default.
    pub cold_requests: u32,
    /// How many times longer a cold server takes to the first token, at least 1. 1 by default.
    pub cold_factor: f64,
    /// Name of the only model; requests that name another are refused. `simulated` by default.
    pub model: String,
    /// Most tokens of prompt and answer together, at least 1. 131 072 by default.
    pub context_length: u32,
    /// When the role event of a chat stream is sent. With the first token by default.
    pub role: Role,
    /// Tokens in each content event, at least 1. 1 by default.
    pub tokens_per_chunk: u32,
    /// Content events in each write, at least 1. 1 by default.
    pub events_per_write: u32,
    /// Tokens of an answer whose request does not say, at least 1. 16 by default.
    pub default_max_tokens: u32,
    /// Operating system threads, at least 1. 1 by default.
    pub threads: usize,
    /// The share of the tokens asked for that each answer holds, rounded, at least one token; above 0, at
    /// most 1. 1 by default. A shorter answer ends with `finish_reason` `stop`.
    pub osl_ratio: f64,
    /// How many times the tokens of the answer the usage states, rounded, at least 0. 1 by default.
    pub usage_ratio: f64,
    /// What is answered to questions, right or wrong. Nothing that was asked, by default.
    pub answers: Answers,
    /// What goes wrong. Nothing by default.
    pub fault: Fault,
    /// The share of requests for completion that the fault strikes, in 0..=1, drawn by seed; status 500
    /// where no fault is chosen. With 0, the default, the fault strikes them all.
    pub fail_ratio: f64,
    /// Whether the moments of sending are kept as [`Truth`](crate::Truth). They are by default.
    pub record: bool,
    /// Most moments kept, counting one for each request and each content event: the oldest requests
    /// are forgotten beyond. 1 000 000 by default, some 20 MB.
    pub record_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttft: Duration::from_millis(50),
            itl: Duration::from_millis(10),
            jitter: 0.0,
            seed: 0,
            max_running: None,
            slowdown: 0.0,
            prefill_per_token: Duration::ZERO,
            speed: 1.0,
            prefix_cache: false,
            kv_blocks: 8_192,
            freeze: None,
            drift: 0.0,
            cold_requests: 0,
            cold_factor: 1.0,
            model: "simulated".to_owned(),
            context_length: 131_072,
            role: Role::default(),
            tokens_per_chunk: 1,
            events_per_write: 1,
            default_max_tokens: 16,
            threads: 1,
            osl_ratio: 1.0,
            usage_ratio: 1.0,
            answers: Answers::new(),
            fault: Fault::default(),
            fail_ratio: 0.0,
            record: true,
            record_limit: 1_000_000,
        }
    }
}

impl Config {
    /// Names all the mistakes at once.
    ///
    /// # Errors
    ///
    /// When a value is not one of those that are documented.
    pub fn check(&self) -> io::Result<()> {
        let is_share = |ratio: f64| (0.0..=1.0).contains(&ratio);
        let is_finite_from = |least: f64, value: f64| value.is_finite() && value >= least;
        let Freeze { at, lasts } = self.freeze.unwrap_or_default();
        let times = [self.ttft, self.itl, self.prefill_per_token, at, lasts];
        let rules = [
            (times.iter().all(|time| *time <= LONGEST), "no time may be longer than a year"),
            (is_share(self.jitter), "jitter must lie in 0..=1"),
            (self.max_running != Some(0), "max_running must be at least 1"),
            (is_finite_from(0.0, self.slowdown), "slowdown must be a number of at least 0"),
            (is_finite_from(f64::MIN_POSITIVE, self.speed), "speed must be a number above 0"),
            (self.kv_blocks >= 1, "kv_blocks must be at least 1"),
            (is_finite_from(0.0, self.drift), "drift must be a number of at least 0"),
            (is_finite_from(1.0, self.cold_factor), "cold_factor must be a number of at least 1"),
            (
                is_share(self.osl_ratio) && self.osl_ratio > 0.0,
                "osl_ratio must be above 0, at most 1",
            ),
            (is_finite_from(0.0, self.usage_ratio), "usage_ratio must be a number of at least 0"),
            (is_share(self.fail_ratio), "fail_ratio must lie in 0..=1"),
            (self.context_length >= 1, "context_length must be at least 1"),
            (self.tokens_per_chunk >= 1, "tokens_per_chunk must be at least 1"),
            (self.events_per_write >= 1, "events_per_write must be at least 1"),
            (self.default_max_tokens >= 1, "default_max_tokens must be at least 1"),
            (self.threads >= 1, "threads must be at least 1"),
            (self.fault.is_valid(), "the status of a fault must lie in 400..=599"),
        ];
        let mistakes: Vec<&str> =
            rules.into_iter().filter(|(holds, _)| !holds).map(|(_, mistake)| mistake).collect();
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, mistakes.join(", ")))
    }
}

/// A pause in which nothing is sent and no request is taken; what falls due meanwhile is sent at its end.
///
/// It is the front end that pauses, as if to collect garbage: requests admitted before go on, and their
/// tokens keep their schedule. Requests that arrive meanwhile count from its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freeze {
    /// When it begins, from the first request for completion.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// When the role event of a chat stream, which carries no token, is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// As soon as the request has been read: a client that takes it for a token is found out.
    Early,
    /// In the same write as the first token, as vLLM does.
    #[default]
    WithFirstToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_all_mistakes_are_named() {
        assert!(Config::default().check().is_ok());
        let wrong =
            Config { jitter: f64::NAN, threads: 0, fault: Fault::Status(200), ..Config::default() };
        let error = wrong.check().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "jitter must lie in 0..=1, threads must be at least 1, \
             the status of a fault must lie in 400..=599"
        );
    }

    #[test]
    fn each_mistake_is_named() {
        let check = |config: Config, mistake: &str| {
            assert_eq!(config.check().unwrap_err().to_string(), mistake);
        };
        let config = Config::default;
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        check(Config { itl: days(367), ..config() }, "no time may be longer than a year");
        let freeze = Some(Freeze { at: days(1), lasts: Duration::MAX });
        check(Config { freeze, ..config() }, "no time may be longer than a year");
        check(Config { max_running: Some(0), ..config() }, "max_running must be at least 1");
        for slowdown in [-0.1, f64::NAN, f64::INFINITY] {
            let mistake = "slowdown must be a number of at least 0";
            check(Config { slowdown, ..config() }, mistake);
        }
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            check(Config { speed, ..config() }, "speed must be a number above 0");
        }
        check(Config { kv_blocks: 0, ..config() }, "kv_blocks must be at least 1");
        check(Config { drift: -0.1, ..config() }, "drift must be a number of at least 0");
        check(
            Config { cold_factor: 0.5, ..config() },
            "cold_factor must be a number of at least 1",
        );
        for osl_ratio in [0.0, 1.1, f64::NAN] {
            check(Config { osl_ratio, ..config() }, "osl_ratio must be above 0, at most 1");
        }
        check(
            Config { usage_ratio: -1.0, ..config() },
            "usage_ratio must be a number of at least 0",
        );
        check(Config { fail_ratio: 2.0, ..config() }, "fail_ratio must lie in 0..=1");
    }
}
