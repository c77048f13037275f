//! What is simulated.

use std::{io, time::Duration};

/// What the server simulates.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// From the request fully read to the first token. 50 ms by default.
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
    /// Seed of the jitter. 0 by default.
    ///
    /// The n-th request to arrive has the same delays in each run with the same seed.
    pub seed: u64,
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
    /// What goes wrong. Nothing by default.
    pub fault: Fault,
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
            model: "simulated".to_owned(),
            context_length: 131_072,
            role: Role::default(),
            tokens_per_chunk: 1,
            events_per_write: 1,
            default_max_tokens: 16,
            threads: 1,
            fault: Fault::default(),
            record: true,
            record_limit: 1_000_000,
        }
    }
}

impl Config {
    /// Names all the mistakes at once.
    pub(crate) fn check(&self) -> io::Result<()> {
        let rules = [
            (0.0 <= self.jitter && self.jitter <= 1.0, "jitter must lie in 0..=1"),
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

/// When the role event of a chat stream, which carries no token, is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// As soon as the request has been read: a client that takes it for a token is found out.
    Early,
    /// In the same write as the first token, as vLLM does.
    #[default]
    WithFirstToken,
}

/// What goes wrong with each answer to a request for completion; the other endpoints stay well.
///
/// A fault *after n tokens* strikes when the next token is due, and spares answers of no more than n.
/// An answer that is not streamed fails as a whole at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The connection is closed.
    CloseAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// An error is sent in place of the token: in the stream, or as status 500.
    ErrorAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// Nothing more is sent, and the connection stays open.
    StallAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// Not even the status line is sent, and the connection stays open.
    NeverAnswer,
    /// The request is refused with this status at once, in 400..=599.
    Status(u16),
}

impl Fault {
    fn is_valid(self) -> bool {
        !matches!(self, Self::Status(status) if !(400..=599).contains(&status))
    }
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
}
