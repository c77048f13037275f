//! The plan, as it stands in `run.json` and `summary.json`.

use std::{fmt, num::NonZeroUsize};

use bench_core::{Counts, Limits, Load, Phase, Point, Until, WarmUp};
use serde::{Deserialize, Serialize};

use super::is_default;

/// A point of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointLine {
    /// The target's name.
    pub target: String,
    /// What is sent, in a few words.
    pub workload: String,
    /// Which cell of the plan it is, from 0. Points of one cell repeat one another.
    #[serde(default)]
    pub cell: u32,
    /// Which of its cell's repeats it is, from 0.
    #[serde(default)]
    pub repeat: u32,
    /// When requests are sent.
    pub load: LoadLine,
    /// The phase before the measured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUpLine>,
    /// When the measured phase ends.
    pub until: UntilLine,
    /// How long requests in flight may go on after sending has stopped.
    pub grace_s: f64,
    /// What each request may take.
    pub limits: LimitsLine,
    /// How often a failed request is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
    /// Requests that are given up on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<CancellationLine>,
    /// What a good request keeps to, such as `ttft_ms:500 tpot_ms:50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodput: Option<String>,
}

/// Requests that are given up on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancellationLine {
    /// Share of the requests.
    pub ratio: f64,
    /// How long after they were begun.
    pub after_s: f64,
}

impl From<&Point> for PointLine {
    fn from(point: &Point) -> Self {
        Self {
            target: point.target.clone(),
            workload: point.workload.clone(),
            cell: point.cell,
            repeat: point.repeat,
            load: (&point.load).into(),
            warm_up: point.warm_up.as_ref().map(WarmUpLine::from),
            until: (&point.until).into(),
            grace_s: point.grace.as_secs_f64(),
            limits: (&point.limits).into(),
            retries: point.retries,
            cancellation: point.cancellation.as_ref().map(|cancellation| CancellationLine {
                ratio: cancellation.ratio(),
                after_s: cancellation.after().as_secs_f64(),
            }),
            goodput: point.goodput.as_ref().map(ToString::to_string),
        }
    }
}

/// When requests are sent: `"loop": "closed"` or `"loop": "open"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loop", rename_all = "snake_case")]
pub enum LoadLine {
    /// So many in flight, always.
    Closed {
        /// How many.
        concurrency: usize,
        /// Of what; requests if absent.
        #[serde(default, skip_serializing_if = "CountsLine::is_requests")]
        counts: CountsLine,
        /// Sessions that are open at a time, where they take turns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open_sessions: Option<usize>,
        /// How the number is come to, in words; at once if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<String>,
    },
    /// Each session at its time.
    Open {
        /// The schedule, in words for people.
        schedule: String,
        /// The rate that was asked for; absent where a schedule has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests_per_s: Option<f64>,
        /// At most so many sessions at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_in_flight: Option<usize>,
    },
}

/// What a closed loop keeps a number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountsLine {
    /// Requests in flight.
    #[default]
    Requests,
    /// Sessions, also while they wait between two turns.
    Sessions,
    /// Requests, which more open sessions share.
    Turns,
}

impl CountsLine {
    fn is_requests(&self) -> bool {
        *self == Self::Requests
    }
}

impl LoadLine {
    /// So many requests in flight, always.
    pub fn closed(concurrency: usize) -> Self {
        let (counts, open_sessions, ramp) = (CountsLine::Requests, None, None);
        Self::Closed { concurrency, counts, open_sessions, ramp }
    }

    /// What it is a number of, and that number: what a sweep over loads is laid out by. 0 where a
    /// schedule has no rate.
    pub fn place(&self) -> (&'static str, f64) {
        match self {
            Self::Closed { concurrency, .. } => ("users", *concurrency as f64),
            Self::Open { requests_per_s, .. } => ("requests/s", requests_per_s.unwrap_or(0.0)),
        }
    }

    /// How it changes on purpose, in words; `None` of one that is the same from its start to its end.
    pub fn change(&self) -> Option<String> {
        match self {
            Self::Closed { ramp, .. } => ramp.as_ref().map(|ramp| format!("ramp {ramp}")),
            Self::Open { requests_per_s: Some(_), .. } => None,
            Self::Open { schedule, .. } => Some(schedule.clone()),
        }
    }
}

impl From<&Load> for LoadLine {
    fn from(load: &Load) -> Self {
        match load {
            Load::Closed { concurrency, counts, ramp } => Self::Closed {
                concurrency: concurrency.get(),
                counts: match counts {
                    Counts::Requests => CountsLine::Requests,
                    Counts::Sessions => CountsLine::Sessions,
                    Counts::Turns { .. } => CountsLine::Turns,
                },
                open_sessions: match counts {
                    Counts::Turns { open, .. } => Some(open.get()),
                    Counts::Requests | Counts::Sessions => None,
                },
                ramp: ramp.map(|ramp| format!("{} over {} s", ramp.shape, ramp.over.as_secs_f64())),
            },
            Load::Open { schedule, max_in_flight } => Self::Open {
                schedule: schedule.describe(),
                requests_per_s: schedule.rate().map(|rate| rate.as_f64()),
                max_in_flight: max_in_flight.map(NonZeroUsize::get),
            },
        }
    }
}

/// In a few words: `closed loop, 32 users`, `closed loop, 32 users, ramp linear over 5 s` or `open loop, 10.00
/// requests/s`.
impl fmt::Display for LoadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { concurrency, open_sessions, ramp, .. } => {
                let users = if *concurrency == 1 { "user" } else { "users" };
                write!(f, "closed loop, {concurrency} {users}")?;
                if let Some(open) = open_sessions {
                    write!(f, " in {open} conversations")?;
                }
                ramp.iter().try_for_each(|ramp| write!(f, ", ramp {ramp}"))
            }
            Self::Open { requests_per_s: Some(rate), .. } => {
                let decimals = if *rate < 1.0 { 3 } else { 2 };
                write!(f, "open loop, {rate:.decimals$} requests/s")
            }
            Self::Open { requests_per_s: None, schedule, .. } => write!(f, "open loop, {schedule}"),
        }
    }
}

/// The phase before the measured one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmUpLine {
    /// When its requests are sent.
    pub load: LoadLine,
    /// When it ends.
    pub until: UntilLine,
}

impl From<&WarmUp> for WarmUpLine {
    fn from(warm_up: &WarmUp) -> Self {
        Self { load: (&warm_up.load).into(), until: (&warm_up.until).into() }
    }
}

/// When a phase ends: at the first bound reached; an absent one is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UntilLine {
    /// After so many requests, or sessions in an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// After sending for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

impl From<&Until> for UntilLine {
    fn from(until: &Until) -> Self {
        Self {
            requests: until.requests,
            duration_s: until.duration.map(|duration| duration.as_secs_f64()),
        }
    }
}

/// What each request may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsLine {
    /// To connect.
    pub connect_s: f64,
    /// From sending to the response head.
    pub headers_s: f64,
    /// From sending to the first generated event.
    pub first_token_s: f64,
    /// From one generated event to the next.
    pub idle_s: f64,
    /// From sending to the end; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_s: Option<f64>,
}

impl From<&Limits> for LimitsLine {
    fn from(limits: &Limits) -> Self {
        Self {
            connect_s: limits.connect.as_secs_f64(),
            headers_s: limits.headers.as_secs_f64(),
            first_token_s: limits.first_token.as_secs_f64(),
            idle_s: limits.idle.as_secs_f64(),
            total_s: limits.total.map(|total| total.as_secs_f64()),
        }
    }
}

/// A phase of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseLine {
    /// `warmup`.
    WarmUp,
    /// `measure`.
    Measure,
}

impl From<Phase> for PhaseLine {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::WarmUp => Self::WarmUp,
            Phase::Measure => Self::Measure,
        }
    }
}

impl From<PhaseLine> for Phase {
    fn from(phase: PhaseLine) -> Self {
        match phase {
            PhaseLine::WarmUp => Self::WarmUp,
            PhaseLine::Measure => Self::Measure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bench_core::{Arrivals, Paced, Rate, Schedule};

    use super::*;

    fn open(schedule: impl Schedule + 'static) -> String {
        let load = Load::Open { schedule: Arc::new(schedule), max_in_flight: None };
        LoadLine::from(&load).to_string()
    }

    #[test]
    fn loads_are_described_in_words() {
        let rate = |r| Rate::per_second(r).unwrap();
        let closed = |n| LoadLine::closed(n).to_string();
        let ramp = Some("linear over 5 s".to_owned());
        let LoadLine::Closed { concurrency, counts, open_sessions, .. } = LoadLine::closed(32)
        else {
            unreachable!("it is closed")
        };
        let ramped = LoadLine::Closed { concurrency, counts, open_sessions, ramp };
        let (counts, open_sessions) = (CountsLine::Turns, Some(64));
        let shared = LoadLine::Closed { concurrency, counts, open_sessions, ramp: None };
        assert_eq!(shared.to_string(), "closed loop, 32 users in 64 conversations");
        assert_eq!(ramped.change().as_deref(), Some("ramp linear over 5 s"));
        assert_eq!(LoadLine::closed(32).change(), None);
        for (words, expected) in [
            (closed(1), "closed loop, 1 user"),
            (closed(32), "closed loop, 32 users"),
            (ramped.to_string(), "closed loop, 32 users, ramp linear over 5 s"),
            (open(Paced::constant(rate(10.0))), "open loop, 10.00 requests/s"),
            (open(Paced::constant(rate(0.05))), "open loop, 0.050 requests/s"),
            (open(Paced::new(rate(10.0), Arrivals::Poisson, 1, 5)), "open loop, 10.00 requests/s"),
        ] {
            assert_eq!(words, expected);
        }
    }

    #[test]
    fn phases_go_by_the_names_of_bench_core() {
        for phase in [Phase::WarmUp, Phase::Measure] {
            let line = PhaseLine::from(phase);
            assert_eq!(serde_json::to_value(line).unwrap(), phase.as_str());
            assert_eq!(Phase::from(line), phase);
        }
    }
}
