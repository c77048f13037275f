//! Keeps runs: one directory a run, append-only samples, summaries.
//!
//! ```text
//! artifacts/7Q4K-chat/
//!   run.json              what was to be measured, with what, where: written first
//!   samples.jsonl.zst     a line for each request, in order of ending
//!   readings.jsonl.zst    a line for each telemetry value, if there are any
//!   events.jsonl          points, phases, doubts
//!   summary.json          the metrics of each point: written anew whenever a point ends
//!   notes.json            tags and remarks of its owner, if there are any
//! ```
//!
//! [`RunDirectory`] makes the directory and finds its files, [`RunLog`] is the sink that writes them,
//! [`read_samples`] and [`summarize`] read them back. The files can be read without this crate, with
//! `zstdcat` and `jq`: moments are nanoseconds since the start of the run, units stand in the names, and
//! each format is a type in this crate whose fields are documented: [`RunFile`], [`SampleLine`],
//! [`ReadingLine`], [`EventLine`], [`SummaryFile`]. All of them change together, and [`FORMAT_VERSION`]
//! with them.
//!
//! [`import`] reads the results of other tools as such runs, without samples: what is not known of them is
//! absent, and a distribution of which only some statistics are told is a [`MetricLine::Partial`].
//!
//! `History` (feature `history`) knows all runs below a root and finds them by reference, [`pack()`] and
//! [`unpack`] carry one elsewhere, [`repair()`] makes one whole again that was killed.
//!
//! A process that is killed loses at most the last second: what came since is in memory, as the price of
//! whole compressed frames, and nothing is synced to the disk before a phase ends, as the price of not
//! holding up a run. A file may therefore end anywhere; every reader here stops at the tear and
//! [says](Records::torn) how much is missing. A run that was killed is known by its summary: there is
//! none, or its state is [`State::Unfinished`].

mod directory;
mod error;
mod format;
mod frames;
#[cfg(feature = "history")]
mod history;
mod id;
pub mod import;
mod log;
mod pack;
mod records;
mod repair;
mod summarize;

pub use directory::RunDirectory;
pub use error::{ChangeError, ReadError, StoreError};
pub use format::{
    AnchorLine, ArrivalKindLine, ArrivalLines, CancellationLine, ComparedLine, ConnectLine,
    CountsLine, DriftLine, ErrorLine, EstimateLine, EventKind, EventLine, FORMAT_VERSION,
    FactsLine, GoalLine, GpuLine, LimitsLine, LoadLine, MalformedSample, MetricLine, NoteLine,
    NotesFile, PartialDistribution, PhaseLine, PointLine, PointSummary, ReadingLine, ReasonLine,
    ReconciledLine, RepeatedLine, RunFile, SaidLine, SampleLine, SeriesLine, ServerTimesLine,
    SourceLine, State, SummaryFile, TelemetryLine, ToolCallLine, TtftLine, UntilLine, UsageLine,
    WarmUpLine, is_below_floor,
};
#[cfg(feature = "history")]
pub use history::{Entry, Headline, History, RemoveError, ResolveError, RunState};
pub use id::new_id;
pub use log::RunLog;
pub use pack::{Importable, PackError, adopt, pack, packed_name, recognize, unpack};
pub use records::{Records, TornTail, read_readings, read_samples};
pub use repair::{RepairError, Repaired, RepairedFile, RepairedSummary, repair};
pub use summarize::{Recomputed, planned_points, summarize};
