//! What this client measured beside what the server counted meanwhile.

use super::Summary;
use crate::{ServerHistogram, ServerTime, TokenSource, reading};

/// Something that client and server both know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SharedFigure {
    /// Requests that succeeded; on the server's side those that it finished.
    Requests,
    /// Tokens of their prompts.
    PromptTokens,
    /// Tokens of their answers.
    OutputTokens,
    /// The mean time to first token.
    Ttft,
    /// The mean gap between tokens.
    Itl,
    /// The mean, over requests, of the time between their tokens.
    Tpot,
    /// The mean time of a whole request.
    E2e,
}

/// One thing as client and server know it, over the measured window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// What it is.
    pub what: SharedFigure,
    /// What this client says.
    pub client: f64,
    /// What the server says.
    pub server: f64,
}

/// What the time to first token consists of, in milliseconds: means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TtftParts {
    /// As this client measured it.
    pub client_ms: f64,
    /// As the server says.
    pub server_ms: f64,
    /// Of the server's, the wait for a place.
    pub queue_ms: Option<f64>,
    /// Of the server's, the time from a place to the first token.
    pub prefill_ms: Option<f64>,
}

/// What client and server both know of a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciliation {
    /// Each thing that both know.
    pub rows: Vec<Compared>,
    /// What the time to first token consists of, where both know it.
    pub ttft: Option<TtftParts>,
}

impl SharedFigure {
    /// Its name on screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::PromptTokens => "prompt tokens",
            Self::OutputTokens => "output tokens",
            Self::Ttft => "mean time to first token",
            Self::Itl => "mean inter token latency",
            Self::Tpot => "mean time per output token",
            Self::E2e => "mean request latency",
        }
    }

    /// Its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::PromptTokens | Self::OutputTokens => "tokens",
            Self::Ttft | Self::Itl | Self::Tpot | Self::E2e => "ms",
        }
    }
}

impl Compared {
    /// By which share of the client's value the server's is more; less is below 0.
    pub fn difference(&self) -> f64 {
        (self.server - self.client) / self.client
    }
}

impl TtftParts {
    /// What lies between the server's time to first token and this client's.
    pub const RESIDUAL: &str =
        "network, HTTP and tokenizing before the server's clock starts, and this client";

    /// The client's less the server's: see [`Self::RESIDUAL`]. Below 0 where requests that the client does not count,
    /// such as failed ones, took longer than the others.
    pub fn residual_ms(&self) -> f64 {
        self.client_ms - self.server_ms
    }
}

impl Reconciliation {
    /// What client and server both know of a point; `None` where they have nothing in common, as where the server
    /// was not watched.
    ///
    /// Only what the server's counters say that were read before the window and after it, and did not begin anew.
    pub fn of(summary: &Summary) -> Option<Self> {
        let rows: Vec<_> = [counts(summary), times(summary)].concat();
        (!rows.is_empty()).then(|| Self { rows, ttft: ttft(summary) })
    }

    /// What both say of `what`.
    pub fn row(&self, what: SharedFigure) -> Option<Compared> {
        self.rows.iter().find(|row| row.what == what).copied()
    }

    /// By which share the server counted more of `what`, or less, than the requests of `summary` can explain: 0
    /// where it did not. A request that failed, was given up or was sent again may count with the server or not.
    pub(crate) fn unexplained(&self, summary: &Summary, what: SharedFigure) -> Option<f64> {
        let row = self.row(what)?;
        let (ok, sent) = (summary.succeeded(), summary.requests() + summary.facts.resent);
        let most = row.client * (sent as f64 / ok as f64);
        // The one that ended last may not be counted yet.
        let one = row.client / ok as f64;
        let unexplained = match row.server {
            server if server > most + one => (server - most) / most,
            server if server < row.client - one => row.difference(),
            _ => 0.0,
        };
        unexplained.is_finite().then_some(unexplained)
    }
}

fn counts(summary: &Summary) -> Vec<Compared> {
    let ok = summary.succeeded();
    // Of all that succeeded, or it is not their sum.
    let tokens = |id| summary.distribution(id).filter(|d| d.count == ok).map(|d| d.sum);
    let is_guess = |source| matches!(source, TokenSource::Approximate | TokenSource::Chunks);
    let is_counted = !summary.facts.output_token_source.is_none_or(is_guess);
    let known = [
        (SharedFigure::Requests, reading::SERVER_REQUESTS, Some(ok as f64)),
        (SharedFigure::PromptTokens, reading::SERVER_PROMPT_TOKENS, tokens("isl")),
        (
            SharedFigure::OutputTokens,
            reading::SERVER_OUTPUT_TOKENS,
            tokens("osl").filter(|_| is_counted),
        ),
    ];
    let both = known.into_iter().filter_map(|(what, name, client)| {
        let client = client.filter(|client| *client > 0.0)?;
        Some(Compared { what, client, server: summary.telemetry.exact_increase(name)? })
    });
    both.collect()
}

fn times(summary: &Summary) -> Vec<Compared> {
    let known = [
        (SharedFigure::Ttft, "ttft_ms", ServerTime::Ttft),
        (SharedFigure::Itl, "itl_ms", ServerTime::Itl),
        (SharedFigure::Tpot, "tpot_ms", ServerTime::Tpot),
        (SharedFigure::E2e, "e2e_ms", ServerTime::E2e),
    ];
    let both = known.into_iter().filter_map(|(what, id, time)| {
        let client = client_ms(summary, id)?;
        Some(Compared { what, client, server: server_ms(summary, time)? })
    });
    both.collect()
}

fn ttft(summary: &Summary) -> Option<TtftParts> {
    Some(TtftParts {
        client_ms: client_ms(summary, "ttft_ms")?,
        server_ms: server_ms(summary, ServerTime::Ttft)?,
        queue_ms: server_ms(summary, ServerTime::Queue),
        prefill_ms: server_ms(summary, ServerTime::Prefill),
    })
}

fn client_ms(summary: &Summary, id: &str) -> Option<f64> {
    let mean = summary.distribution(id)?.mean;
    Some(mean).filter(|mean| *mean > 0.0)
}

fn server_ms(summary: &Summary, time: ServerTime) -> Option<f64> {
    Some(ServerHistogram::of(&summary.telemetry, time)?.mean_s() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        Moment, Outcome, Reading, Watched,
        metrics::{Facts, Figure, metric},
        stats::Distribution,
    };

    /// 40 requests of 138 prompt and 64 output tokens, and a server whose counters grew by `grew`.
    fn summary(grew: &[(&'static str, f64)], outcomes: &[(Outcome, u64)]) -> Summary {
        let figure = |id, value: f64| {
            let values = Distribution::of(&mut [value; 40]).map(Figure::Distribution);
            (metric(id).unwrap(), values.unwrap())
        };
        let mut watched = Watched::default();
        for (name, by) in grew {
            for (s, value) in [(1, 100.0), (3, 100.0 + by)] {
                watched.add(&Reading {
                    source: "server".into(),
                    name: (*name).into(),
                    instance: None,
                    at: Moment::from_nanos(s * 1_000_000_000),
                    value,
                });
            }
        }
        let (from, to) = (Moment::from_nanos(1_500_000_000), Moment::from_nanos(2_500_000_000));
        Summary {
            outcomes: BTreeMap::from_iter(outcomes.iter().copied()),
            facts: Facts { output_token_source: Some(TokenSource::Usage), ..Facts::default() },
            figures: vec![
                figure("ttft_ms", 90.0),
                figure("osl", 64.0),
                figure("isl", 138.0),
                figure("tpot_ms", 4.0),
            ],
            telemetry: watched.telemetry(from, to),
            ..Summary::default()
        }
    }

    const ALL_OK: &[(Outcome, u64)] = &[(Outcome::Ok, 40)];

    fn unexplained(name: &'static str, grew: f64, outcomes: &[(Outcome, u64)]) -> f64 {
        let summary = summary(&[(name, grew)], outcomes);
        let what = match name {
            reading::SERVER_REQUESTS => SharedFigure::Requests,
            _ => SharedFigure::OutputTokens,
        };
        Reconciliation::of(&summary).unwrap().unexplained(&summary, what).unwrap()
    }

    #[test]
    fn what_both_know_is_compared() {
        let server = [
            (reading::SERVER_REQUESTS, 40.0),
            (reading::SERVER_PROMPT_TOKENS, 5_520.0),
            (reading::SERVER_OUTPUT_TOKENS, 2_560.0),
            ("server_ttft_s_sum", 0.96),
            ("server_ttft_s_count", 40.0),
            ("server_queue_s_sum", 0.4),
            ("server_queue_s_count", 40.0),
            ("server_itl_s_sum", 5.0),
            ("server_itl_s_count", 2_520.0),
        ];
        let both = Reconciliation::of(&summary(&server, ALL_OK)).unwrap();
        let titles: Vec<_> = both.rows.iter().map(|row| row.what.title()).collect();
        assert_eq!(
            titles,
            ["requests", "prompt tokens", "output tokens", "mean time to first token"],
            "the gaps are known to the server alone, the time per token to this client"
        );
        assert!(both.rows[..3].iter().all(|row| row.difference().abs() < 1e-12));
        let ttft = both.ttft.unwrap();
        assert!((ttft.server_ms - 24.0).abs() < 1e-9 && (ttft.residual_ms() - 66.0).abs() < 1e-9);
        assert!((ttft.queue_ms.unwrap() - 10.0).abs() < 1e-9 && ttft.prefill_ms.is_none());
    }

    #[test]
    fn without_a_server_that_tells_there_is_nothing_to_compare() {
        assert_eq!(Reconciliation::of(&summary(&[], ALL_OK)), None);
        let anew = summary(&[(reading::SERVER_REQUESTS, -60.0)], ALL_OK);
        assert_eq!(Reconciliation::of(&anew), None, "the counter began anew");
    }

    #[test]
    fn guessed_tokens_and_tokens_of_some_are_not_compared() {
        let mut guessed = summary(&[(reading::SERVER_OUTPUT_TOKENS, 2_560.0)], ALL_OK);
        guessed.facts.output_token_source = Some(TokenSource::Chunks);
        assert_eq!(Reconciliation::of(&guessed), None);
        let of_some = [(Outcome::Ok, 41)];
        let of_some = summary(&[(reading::SERVER_OUTPUT_TOKENS, 2_560.0)], &of_some);
        assert_eq!(Reconciliation::of(&of_some), None);
    }

    #[test]
    fn what_the_server_counted_beyond_this_client_is_unexplained() {
        let cases = [(40.0, 0.0), (41.0, 0.0), (39.0, 0.0), (50.0, 0.25), (30.0, -0.25)];
        for (server, expected) in cases {
            let is = unexplained(reading::SERVER_REQUESTS, server, ALL_OK);
            assert!((is - expected).abs() < 1e-12, "{server}: {is}");
            let is = unexplained(reading::SERVER_OUTPUT_TOKENS, server * 64.0, ALL_OK);
            assert!((is - expected).abs() < 1e-12, "{server} times 64 tokens: {is}");
        }
    }

    #[test]
    fn requests_that_failed_may_count_or_not() {
        let some_failed = [(Outcome::Ok, 40), (Outcome::Truncated, 5), (Outcome::Cancelled, 5)];
        for server in [40.0, 45.0, 50.0] {
            let is = unexplained(reading::SERVER_REQUESTS, server, &some_failed);
            assert!(is.abs() < 1e-12, "{server}: {is}");
        }
        let is = unexplained(reading::SERVER_REQUESTS, 60.0, &some_failed);
        assert!((is - 0.2).abs() < 1e-12, "{is}: ten more than were sent");
    }
}
