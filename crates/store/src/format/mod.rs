//! What the files hold: a module for each format, and one function into it from what it keeps.
//!
//! None of these types takes part in a measurement. They may differ from those of bench-core, and stay
//! as they are when those change.

mod event;
mod notes;
mod partial;
mod plan;
mod reading;
mod repeated;
mod run;
mod sample;
mod summary;
mod telemetry;

pub use event::{EventKind, EventLine, NoteLine, SaidLine};
pub use notes::NotesFile;
pub use partial::PartialDistribution;
pub use plan::{
    CancellationLine, CountsLine, LimitsLine, LoadLine, PhaseLine, PointLine, UntilLine, WarmUpLine,
};
pub use reading::ReadingLine;
pub use repeated::{EstimateLine, RepeatedLine};
pub use run::{AnchorLine, RunFile};
pub use sample::{
    ArrivalKindLine, ArrivalLines, ConnectLine, MalformedSample, SampleLine, ServerTimesLine,
    ToolCallLine, UsageLine,
};
pub use summary::{
    DriftLine, ErrorLine, FactsLine, GoalLine, MetricLine, PointSummary, ReasonLine, State,
    SummaryFile, is_below_floor,
};
pub use telemetry::{
    ComparedLine, GpuLine, ReconciledLine, SeriesLine, SourceLine, TelemetryLine, TtftLine,
};

/// The version of all formats together. A reader takes its own and all earlier ones.
///
/// It is for changes that an older reader would misunderstand. A field that is added is none: readers
/// pass over what they do not know.
pub const FORMAT_VERSION: u32 = 1;

/// Whether a field says no more than one that is left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
