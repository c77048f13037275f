//! `events.jsonl`: what happened when, for people and for other programs' logs to be laid beside.

use serde::{Deserialize, Serialize};

use super::{AnchorLine, PhaseLine, PointLine, ReasonLine, State};

/// Something that happened in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// When it was written down, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Points are named by their number, which their samples bear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A point began.
    PointBegan {
        /// Its number: 0 for the first one.
        point: u32,
        /// What is to be measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        planned: Option<Box<PointLine>>,
    },
    /// A phase of it began.
    PhaseBegan {
        /// Of which point.
        point: u32,
        /// Which.
        phase: PhaseLine,
    },
    /// A phase ended; every sample of it is on the disk.
    PhaseEnded {
        /// Of which point.
        point: u32,
        /// Which.
        phase: PhaseLine,
    },
    /// A point ended.
    PointEnded {
        /// Which.
        point: u32,
        /// Whether its numbers can be trusted.
        trust: String,
        /// What speaks against them.
        warnings: Vec<ReasonLine>,
        /// Why it could not be measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// The run goes on after it was broken off, in another process. Moments count from the same start.
    RunResumed {
        /// The start of the run on the clocks of this process.
        anchor: AnchorLine,
        /// The version of inferbench that goes on.
        inferbench: String,
    },
    /// The run ended by itself or was stopped. A run that was killed has no such line.
    RunEnded {
        /// How.
        state: State,
    },
}
