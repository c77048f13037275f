//! How a request ended.

use std::{fmt, str::FromStr};

/// How a request ended. A failed request is data: it is kept, counted and shown, never dropped.
///
/// Latency statistics take [`Outcome::Ok`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A 2xx status, at least one generated token or a result, the dialect's terminal marker, no error object
    /// and a clean end.
    Ok,
    /// The server answered with this status, which is not 2xx.
    Http(u16),
    /// The server answered 429.
    RateLimited,
    /// The host name has no address.
    Dns,
    /// Nobody listens at the address.
    Refused,
    /// No connection within the limit.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// No response head within the limit.
    HeadersTimeout,
    /// No generated token within the limit.
    FirstTokenTimeout,
    /// The gap between two generated tokens exceeded the limit.
    IdleTimeout,
    /// The whole request exceeded the limit.
    TotalTimeout,
    /// The server, or something between, reset the connection.
    Reset,
    /// The answer ended before its end: no terminal marker, or a body cut short.
    Truncated,
    /// The stream carried an error object, whatever its status said.
    InBandError,
    /// Something in the answer does not parse.
    Malformed,
    /// A complete answer without a single generated token, or a result with nothing in it.
    Empty,
    /// An event, a head or an answer beyond its bound.
    Oversize,
    /// Given up by us, at the end of the grace period or because the user stopped the run.
    Cancelled,
    /// This machine could not send it: no file descriptor, port or memory left.
    Client,
}

impl Outcome {
    /// Whether the request succeeded.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Whether the request failed. One that we cancelled neither failed nor succeeded.
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Cancelled)
    }

    /// Whether there was no server to send to.
    pub const fn is_unreachable(self) -> bool {
        matches!(self, Self::Dns | Self::Refused | Self::ConnectTimeout | Self::Tls)
    }

    /// Whether the same request may succeed when it is sent again.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::RateLimited | Self::Http(500..=599) | Self::Reset)
            || self.is_unreachable()
    }

    /// Whether requests that ended so were sent to a server that is not there: none succeeded, and one could
    /// not reach it.
    pub fn nobody_answered(outcomes: impl IntoIterator<Item = Self>) -> bool {
        let mut is_unreachable = false;
        for outcome in outcomes {
            if outcome.is_ok() {
                return false;
            }
            is_unreachable |= outcome.is_unreachable();
        }
        is_unreachable
    }
}

const NAMED: [(Outcome, &str); 18] = [
    (Outcome::Ok, "ok"),
    (Outcome::RateLimited, "rate_limited"),
    (Outcome::Dns, "dns"),
    (Outcome::Refused, "refused"),
    (Outcome::ConnectTimeout, "connect_timeout"),
    (Outcome::Tls, "tls"),
    (Outcome::HeadersTimeout, "headers_timeout"),
    (Outcome::FirstTokenTimeout, "first_token_timeout"),
    (Outcome::IdleTimeout, "idle_timeout"),
    (Outcome::TotalTimeout, "total_timeout"),
    (Outcome::Reset, "reset"),
    (Outcome::Truncated, "truncated"),
    (Outcome::InBandError, "in_band_error"),
    (Outcome::Malformed, "malformed"),
    (Outcome::Empty, "empty"),
    (Outcome::Oversize, "oversize"),
    (Outcome::Cancelled, "cancelled"),
    (Outcome::Client, "client"),
];

/// The name used in files and on screen: `ok`, `http_503`, `idle_timeout`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Http(status) = self {
            return write!(f, "http_{status}");
        }
        let name = NAMED.iter().find(|(outcome, _)| outcome == self).map_or("unknown", |(_, n)| n);
        f.pad(name)
    }
}

/// A word that names no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no outcome of a request")]
pub struct UnknownOutcome(pub String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        if let Some(status) = word.strip_prefix("http_").and_then(|s| s.parse().ok()) {
            return Ok(Self::Http(status));
        }
        let named = NAMED.iter().find(|(_, name)| *name == word);
        named.map(|(outcome, _)| *outcome).ok_or_else(|| UnknownOutcome(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for outcome in NAMED.iter().map(|(o, _)| *o).chain([Outcome::Http(503)]) {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
        assert!("http_".parse::<Outcome>().is_err());
        assert!("".parse::<Outcome>().is_err());
    }

    #[test]
    fn what_we_cancelled_is_neither_success_nor_failure() {
        assert!(!Outcome::Cancelled.is_ok() && !Outcome::Cancelled.is_failure());
        assert!(Outcome::Empty.is_failure() && Outcome::Http(404).is_failure());
    }
}
