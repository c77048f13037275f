//! The metrics of a point.

use std::collections::BTreeMap;

use super::{
    registry::{Metric, registry},
    turns::TurnSummary,
};
use crate::{
    EarlyEnd, Moment, Outcome, Telemetry, TokenSource,
    stats::{Distribution, Drift},
};

/// What a metric came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Many values, and how they are distributed.
    Distribution(Distribution),
    /// One value.
    Value(f64),
}

/// What is known of a phase beside its metrics: what the verdict is given on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// When the first request was sent.
    pub began: Moment,
    /// When the last generated event of a successful request came.
    pub ended: Moment,
    /// Where output token counts come from: the worst source used.
    pub output_token_source: Option<TokenSource>,
    /// Share of arrivals that the kernel stamped.
    pub kernel_stamped_ratio: Option<f64>,
    /// Output tokens received / asked for.
    pub delivered_output_ratio: Option<f64>,
    /// Share of requests whose server count and own count of output tokens differ by more than 2 %;
    /// absent where only one is known.
    pub disagreeing_ratio: Option<f64>,
    /// How late requests were sent, connection set-up left out, at the 99th percentile.
    pub late_ms_p99: Option<f64>,
    /// Whether requests were sent at scheduled times.
    pub open_loop: bool,
    /// Samples that did not reach the sinks in time, because their channel was full.
    pub delayed_samples: u64,
    /// Times that a load thread wanted to send and the workload had nothing ready.
    pub starved: u64,
    /// Requests in flight that were given up because the grace period was over, or the run was aborted.
    pub cut_off: u64,
    /// Requests that were due and never sent, because too many others were in flight until the grace period
    /// was over.
    pub unsent: u64,
    /// Attempts at requests that had failed before.
    pub retried: u64,
    /// Requests that were sent again because their kept connection was found closed.
    pub resent: u64,
    /// Requests that failed, all attempts at them, although something was expected of their answers.
    pub unanswered: u64,
    /// Processor cores that this process used.
    pub client_cpu_cores: Option<f64>,
    /// Processor cores there are.
    pub cores: Option<f64>,
    /// Share of prompt tokens that the server had cached although no request repeats them on purpose, where it
    /// says so.
    pub cached_ratio: Option<f64>,
    /// How the second half went otherwise than the first, if it notably did.
    pub drift: Option<Drift>,
    /// How the first requests went otherwise than the later ones, if they notably did.
    pub cold_start: Option<Drift>,
    /// Milliseconds by which somebody set this machine's clock.
    pub clock_step_ms: Option<f64>,
    /// Why the phase was ended early.
    pub early_end: Option<EarlyEnd>,
    /// Share of the time for which a GPU was throttled; of several GPUs, the one that was most.
    pub gpu_throttled_ratio: Option<f64>,
    /// The most processes that were seen on a GPU beside the server.
    pub gpu_other_processes: Option<u32>,
    /// By how much power over time and a GPU's own count of its energy differ; of several, where it is most.
    pub energy_difference: Option<f64>,
    /// GPUs that were lost while they were watched.
    pub gpus_lost: u64,
    /// How often the server's counters began anew, because it was started again.
    pub server_restarts: u32,
    /// By which share the server finished more requests than this client can have sent it, or, below 0, fewer than
    /// succeeded; 0 where it did neither, absent where it does not say.
    pub server_requests_difference: Option<f64>,
    /// The same of output tokens.
    pub server_output_difference: Option<f64>,
    /// Processor cores that reading the telemetry took, which are among the client's.
    pub telemetry_cpu_cores: Option<f64>,
    /// Readings that did not reach the sinks, because their channel was full; absent where no source was
    /// read.
    pub dropped_readings: Option<u64>,
}

/// The metrics of the measured phase of a point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many requests ended how.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// What failed requests said, and how often; the first fifty different ones.
    pub errors: BTreeMap<(Outcome, String), u64>,
    /// What the verdict is given on.
    pub facts: Facts,
    /// Each metric that exists for these requests, in the registry's order.
    pub figures: Vec<(&'static Metric, Figure)>,
    /// The same turn by turn, where requests are turns of conversations.
    pub turns: Vec<TurnSummary>,
    /// What the sources of telemetry said meanwhile.
    pub telemetry: Telemetry,
}

impl Facts {
    /// These facts, if what is known as a tokenizer's count is an approximate one's.
    #[must_use]
    pub fn counted_approximately(self) -> Self {
        match self.output_token_source {
            Some(TokenSource::Tokenizer) => {
                Self { output_token_source: Some(TokenSource::Approximate), ..self }
            }
            _ => self,
        }
    }
}

impl Summary {
    /// What metric `id` came to.
    pub fn figure(&self, id: &str) -> Option<&Figure> {
        debug_assert!(registry().iter().any(|m| m.id == id), "no metric is called {id}");
        self.figures.iter().find(|(metric, _)| metric.id == id).map(|(_, figure)| figure)
    }

    /// The distribution of metric `id`, if it has one.
    pub fn distribution(&self, id: &str) -> Option<&Distribution> {
        match self.figure(id)? {
            Figure::Distribution(distribution) => Some(distribution),
            Figure::Value(_) => None,
        }
    }

    /// The value of metric `id`, if it is a single one.
    pub fn value(&self, id: &str) -> Option<f64> {
        match self.figure(id)? {
            Figure::Value(value) => Some(*value),
            Figure::Distribution(_) => None,
        }
    }

    /// Requests that succeeded.
    pub fn succeeded(&self) -> u64 {
        self.outcomes.get(&Outcome::Ok).copied().unwrap_or(0)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_failure()).map(|(_, n)| n).sum()
    }

    /// Requests that this machine could not send.
    pub fn unsendable(&self) -> u64 {
        self.outcomes.get(&Outcome::Client).copied().unwrap_or(0)
    }

    /// Requests that ended, however.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }
}
