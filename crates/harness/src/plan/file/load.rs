//! The section of a plan for the load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        sweep::Sweep,
        values::{Auto, Count, PerSecond, Percent, Period, Positive, Time},
    },
    is_default,
};

/// When requests are sent, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoadFile {
    /// So many in flight, always. 1 by default, unless there is a rate or a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Sweep<Positive>>,
    /// What concurrency counts. `requests` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_counts: Option<ConcurrencyCounts>,
    /// Conversations that are open at a time and take turns at being asked. As many as concurrency by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_conversations: Option<Positive>,
    /// Whose turn is next among them. `round_robin` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_sampling: Option<PickName>,
    /// Begin with fewer in flight.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency_ramp: ConcurrencyRampFile,
    /// Requests per second, whatever the server does. A concurrency beside it is the most in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_rate: Option<Sweep<PerSecond>>,
    /// How requests at a rate are spread. `poisson` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_pattern: Option<ArrivalPattern>,
    /// How even `gamma` is: 1 is poisson, less comes in clusters. 1 by default.
    #[serde(alias = "burstiness", skip_serializing_if = "Option::is_none")]
    pub smoothness: Option<f64>,
    /// Requests that come at once in a `burst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_size: Option<Positive>,
    /// Begin with another rate.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_ramp: RateRampFile,
    /// A file of rates over time, instead of one: seconds,rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_series: Option<String>,
    /// A file of moments to send at: seconds, one a line, or JSON lines with `timestamp` in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Send at the moments that stand in the input file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_schedule: Option<bool>,
    /// Replay these moments so many times as fast. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_up: Option<f64>,
    /// At most so many in flight, at a rate or by a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<Positive>,
    /// Requests to measure. By default max(100, 20 x concurrency); at a rate, those of 20 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Auto<Positive>>,
    /// How long to measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Period>,
    /// How long requests in flight may go on after that. 30s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Time>,
    /// Requests before the measured ones. By default max(4, concurrency).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Auto<Count>>,
    /// How long to warm up, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_duration: Option<Period>,
    /// Warm up with the first turn of each conversation; what is measured goes on from there. No by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_step: Option<bool>,
    /// The pause between two measurements. 2s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Time>,
    /// How often to measure each point; at most so often where it is to converge. 1 by default, 10 there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Positive>,
    /// Stop repeating when half the width of the 95 % interval is below this share of the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge: Option<Percent>,
    /// Of which metric. `output_tps` by default; `rps` where answers have no tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge_on: Option<String>,
    /// Whether targets take turns. `interleaved` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderName>,
    /// Tell servers to forget the prompts that they have cached, before each point. No by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush_cache: Option<bool>,
    /// Try a request that failed again, at most so often: 429, 5xx, and connections that fail before an answer
    /// begins. Every attempt is counted. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Count>,
    /// Give up some requests, as impatient users do.
    #[serde(skip_serializing_if = "is_default")]
    pub cancel: CancelFile,
}

/// What concurrency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyCounts {
    /// Requests in flight.
    Requests,
    /// Sessions, those that wait between turns, too.
    Sessions,
}

/// Whose turn is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PickName {
    /// The conversation that has waited longest.
    RoundRobin,
    /// Any of those that wait.
    Random,
}

/// How a ramp rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// By as much each second.
    Linear,
    /// By the same factor each second.
    Exponential,
}

/// A concurrency that rises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConcurrencyRampFile {
    /// How long it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Period>,
    /// How it rises. `linear` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// A rate that rises or falls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateRampFile {
    /// Requests per second at first. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PerSecond>,
    /// How long it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Period>,
    /// How it changes. `linear` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// How requests at a rate are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalPattern {
    /// As from many independent users.
    Poisson,
    /// Evenly.
    Constant,
    /// Between the two, or in clusters: see `smoothness`.
    Gamma,
    /// Several at once: see `burst_size`.
    Burst,
}

/// The order of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderName {
    /// Targets take turns, so that what changes with time changes for all.
    Interleaved,
    /// One target after the other.
    InOrder,
}

/// Requests that are given up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelFile {
    /// Which share of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Percent>,
    /// How long after they were sent. 0s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
}
