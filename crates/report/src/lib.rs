//! Shows results: console, CSV, JSON, and the files of other tools.
//!
//! - [`console`] shows one point to a person: the verdict in a sentence, the metrics, what speaks
//!   against them.
//! - [`json`] and [`csv`] are inferbench's own formats, for programs and for tables.
//! - [`genai_perf`] writes the files of NVIDIA's GenAI-Perf, for scripts that read those.
//!
//! The console is made from what was measured; the others are made from
//! [`SummaryFile`](bench_store::SummaryFile), so that they can be made of a stored run as well. Nothing
//! here measures, decides or prints: the caller does.
//!
//! What a server says is not trusted. On the console it loses control characters and whatever else
//! moves the cursor or hides text; in CSV a cell that a spreadsheet would run as a formula does not
//! begin like one.

pub mod console;
pub mod csv;
mod export;
pub mod genai_perf;
pub mod json;

pub use export::ExportError;
