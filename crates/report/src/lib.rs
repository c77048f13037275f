//! Shows and compares results: console, Markdown, CSV, JSON, and the files of other tools.
//!
//! - [`console`] shows one point to a person: the verdict in a sentence, the metrics, what speaks
//!   against them; [`console::sweep`] and [`console::matrix`] show a run of several points.
//! - [`markdown`] makes a card of a run, for a pull request or a forum.
//! - [`compare`] says what changed from one run to another, [`gate`] whether that may pass.
//! - [`json`] and [`csv`] are inferbench's own formats, for programs and for tables.
//! - [`telemetry_csv`] writes what was watched as tables, [`aiperf`] in the files that NVIDIA's AIPerf has for it.
//! - [`genai_perf`] writes the files of NVIDIA's GenAI-Perf, [`multi_turn`] those of vLLM's multi-turn benchmark,
//!   for scripts that read those.
//!
//! The page of one point is made from what was measured; all else is made from what is stored, from
//! [`RunFile`](bench_store::RunFile) and [`SummaryFile`](bench_store::SummaryFile), so that a run can be shown
//! whenever and wherever. Nothing here measures or prints: the caller does.
//!
//! What a server says is not trusted. On the console and in CSV it loses control characters and whatever else
//! moves the cursor or hides text ([`text`]); in JSON that is escaped; in CSV a cell that a spreadsheet would
//! run as a formula does not begin like one.

pub mod aiperf;
mod cells;
pub mod compare;
pub mod console;
pub mod csv;
mod environment;
mod export;
pub mod gate;
pub mod genai_perf;
mod grid;
pub mod json;
pub mod markdown;
mod matrix;
pub mod multi_turn;
mod sweep;
mod telemetry;
pub mod telemetry_csv;
pub mod text;

pub use export::ExportError;
