//! `events.jsonl`: what happened when, for people and for other programs' logs to be laid beside.

use std::time::Duration;

use bench_core::{Moment, Said, SourceNote};
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
    /// A telemetry source had something to say that is no number.
    SourceNote(NoteLine),
    /// The run ended by itself or was stopped. A run that was killed has no such line.
    RunEnded {
        /// How.
        state: State,
    },
}

/// What a telemetry source had to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteLine {
    /// Which source.
    pub source: String,
    /// Of which one of several that it watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When, in nanoseconds since the start of the run.
    pub noted_at_ns: u64,
    /// What.
    #[serde(flatten)]
    pub said: SaidLine,
}

/// What a telemetry source can have to say, as [`Said`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum SaidLine {
    /// What it watches.
    Is {
        /// Which property.
        what: String,
        /// Which value it has.
        text: String,
    },
    /// A value that it cannot give.
    Absent {
        /// The name of its readings.
        name: String,
        /// Why.
        why: String,
    },
    /// Something happened to what it watches.
    Happened {
        /// What.
        what: String,
    },
    /// What it watches is gone.
    Lost {
        /// Why.
        why: String,
    },
    /// It could not be read.
    Failed {
        /// Why.
        why: String,
        /// Whether it is not tried again.
        fatal: bool,
    },
    /// It can be read again.
    Recovered {
        /// Nanoseconds during which it could not.
        failed_for_ns: u64,
    },
}

impl NoteLine {
    /// The line of `note`; `None` for what this version does not know.
    pub(crate) fn of(note: &SourceNote) -> Option<Self> {
        let said = match note.said.clone() {
            Said::Is { what, text } => SaidLine::Is { what: what.into_owned(), text },
            Said::Absent { name, why } => SaidLine::Absent { name: name.into_owned(), why },
            Said::Happened { what } => SaidLine::Happened { what },
            Said::Lost { why } => SaidLine::Lost { why },
            Said::Failed { why, fatal } => SaidLine::Failed { why, fatal },
            Said::Recovered { failed_for } => {
                let failed_for_ns = u64::try_from(failed_for.as_nanos()).unwrap_or(u64::MAX);
                SaidLine::Recovered { failed_for_ns }
            }
            _ => return None,
        };
        Some(Self {
            source: note.source.to_string(),
            instance: note.instance.as_deref().map(str::to_owned),
            noted_at_ns: note.at.as_nanos(),
            said,
        })
    }
}

impl From<NoteLine> for SourceNote {
    fn from(line: NoteLine) -> Self {
        let said = match line.said {
            SaidLine::Is { what, text } => Said::Is { what: what.into(), text },
            SaidLine::Absent { name, why } => Said::Absent { name: name.into(), why },
            SaidLine::Happened { what } => Said::Happened { what },
            SaidLine::Lost { why } => Said::Lost { why },
            SaidLine::Failed { why, fatal } => Said::Failed { why, fatal },
            SaidLine::Recovered { failed_for_ns } => {
                Said::Recovered { failed_for: Duration::from_nanos(failed_for_ns) }
            }
        };
        Self {
            source: line.source.into(),
            instance: line.instance.map(Into::into),
            at: Moment::from_nanos(line.noted_at_ns),
            said,
        }
    }
}
