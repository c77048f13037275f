//! The files of vLLM's multi-turn benchmark, for those who read them already.
//!
//! Source: `benchmarks/multi_turn/benchmark_serving_multi_turn.py` of vLLM 0.33. Names, columns, their order and
//! the layout of the sheets are the tool's; so are its definitions, which differ from ours:
//!
//! - `tpot_ms` is (latency - TTFT) / (tokens after the first chunk), and `latency_ms` ends with `[DONE]`;
//! - `ttft_ms` is that of the first token: of a first chunk of k tokens, less (k - 1) `tpot_ms`, but 0.1 ms at
//!   least;
//! - `output_num_chunks` leaves the first one out.
//!
//! Where the tool is wrong, this is not: the runtime ends with the request that ends last, not with the one that
//! began last.

mod request;
mod statistics;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "xlsx")]
mod xlsx;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use bench_core::Sample;

pub use request::RequestStats;
pub use statistics::{Statistics, Table};

/// What is told of a run beside its requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// The model that was asked for.
    pub model: String,
    /// Requests in flight.
    pub num_clients: usize,
    /// Conversations there were.
    pub num_conversations: usize,
    /// Conversations open at a time; absent where nobody said.
    pub active_conversations: Option<usize>,
    /// What everything random follows from.
    pub seed: u64,
    /// The least tokens of an answer, where asked for.
    pub min_tokens: Option<u32>,
    /// The most.
    pub max_tokens: Option<u32>,
    /// How conversations were generated: names and values, in order.
    pub generation: Vec<(String, String)>,
    /// Shares of the first requests that are left out, each for statistics of its own.
    pub warm_up_shares: Vec<f64>,
    /// How long the first turns took that were asked apart, where they were.
    pub warm_up_runtime_s: Option<f64>,
    /// Whether the time between the turns of a conversation is told.
    pub verbose: bool,
    /// When it began, for the name of the sheets: `22-11-2026_23-15-00`.
    pub began: String,
}

impl Parameters {
    /// The first table: names and values.
    fn table(&self) -> Vec<(String, Cell)> {
        let count = |n: usize| Cell::Number(n as f64);
        let mut table = vec![
            ("model".to_owned(), Cell::Text(self.model.clone())),
            ("num_clients".to_owned(), count(self.num_clients)),
            ("num_conversations".to_owned(), count(self.num_conversations)),
            (
                "active_conversations".to_owned(),
                self.active_conversations.map_or(Cell::Nothing, count),
            ),
            ("seed".to_owned(), Cell::Number(self.seed as f64)),
        ];
        let limits = [("min_tokens", self.min_tokens), ("max_tokens", self.max_tokens)];
        for (name, limit) in limits {
            table.extend(limit.map(|n| (name.to_owned(), Cell::Number(f64::from(n)))));
        }
        table
    }
}

/// What stands in a cell of a table.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Number(f64),
    Text(String),
    Nothing,
}

/// Writes the tables, the requests and, with the feature `xlsx`, the sheets of a point into `directory`.
/// `samples` are those of its measured phase. Nothing is written where none succeeded.
///
/// # Errors
///
/// When the files cannot be written.
pub fn write(
    directory: &Path,
    samples: &[Sample],
    parameters: &Parameters,
) -> io::Result<Vec<PathBuf>> {
    let requests = RequestStats::of(samples);
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let statistics = Statistics::all(&requests, parameters);
    let mut written = Vec::new();
    let name = "multi_turn_statistics.txt";
    written.push(file(directory, name, |out| text::write(out, parameters, &statistics))?);
    written.push(file(directory, "multi_turn_stats.json", |out| {
        serde_json::to_writer_pretty(&mut *out, &requests)?;
        out.write_all(b"\n")
    })?);
    #[cfg(feature = "xlsx")]
    {
        let Parameters { num_clients, began, .. } = parameters;
        let path = directory.join(format!("statistics_{num_clients}_clients__{began}.xlsx"));
        xlsx::write(&path, parameters, &statistics, &requests).map_err(io::Error::other)?;
        written.push(path);
    }
    Ok(written)
}

/// Writes a file named `name`.
fn file(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let path = directory.join(name);
    let mut out = BufWriter::new(File::create(&path)?);
    write(&mut out)?;
    out.flush()?;
    Ok(path)
}
