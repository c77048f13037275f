//! Plans: what to measure, as files, flags and defaults say it together.
//!
//! ```text
//! plan.yaml ─► read ─► Document ─┐
//! flags ─────────────► Node ─────┼─► layer ─► Layered ─► resolve ─► Settings
//! environment ───────────────────┘             │ one tree, each value with its Origin
//!                                              └─ Problems: everything that is wrong, with its line
//! ```
//!
//! A plan is a tree whose values know where they came from; [`PlanFile`] is its typed form, and the source
//! of the [`schema`]. Variables of the environment are put in between the two, so that what is recorded
//! keeps their names.

mod checks;
mod defaults;
mod document;
mod file;
mod input;
mod labels;
mod layers;
mod matrix;
mod mix;
mod node;
mod overlay;
mod preset;
mod problems;
mod recordings;
mod resolve;
mod scenario;
mod substitute;
mod sweep;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod typed;
mod values;

pub use document::{Document, Format, read};
pub use file::{
    ArrivalPattern, BackendName, CancelFile, ColumnsFile, ConcurrencyCounts, ConcurrencyRampFile,
    CorpusName, EndpointType, EngineName, ExportName, FindFile, GateFile, GoalsFile, HistoryName,
    ImagesFile, InputFile, IslCounts, LimitsFile, LoadFile, MatrixName, OrderName, OutputFile,
    PassFile, PickName, PlanFile, PrefixFile, PullName, RateRampFile, ReuseName, SamplingName,
    Shape, SuiteName, TargetFile, TelemetryFile, ThinkTimePattern, ToolChoiceName, Up, UpFile,
    VERSION, WorkloadFile, schema,
};
pub use labels::{GoalText, Goodput as GoodputLimits, Label, Labels, Simulate, SimulateFile};
pub use layers::{Layered, document_of, layer};
pub use matrix::{Category, Cell, cells};
pub use mix::{KindFile, MixFile};
pub use node::{Content, Entry, Node, Origin};
pub use preset::PresetName;
pub use problems::{Problem, Problems};
pub use resolve::resolve;
pub use scenario::Scenario;
pub use substitute::{Environment, names_variable};
pub use sweep::{Sweep, split};
pub use values::{
    Address, Auto, Change, Count, Deviation, GpuDevices, GpuRequest, GpuTelemetry, Pair, PerSecond,
    Percent, Period, Positive, ServerMetrics, Several, Size, Time, TokenLimit, Tokens, Value,
    Words,
};
