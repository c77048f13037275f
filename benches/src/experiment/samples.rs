//! What the product wrote down, read from its files.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Context;
use serde::Deserialize;

/// A run of the product, as its directory tells it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Requests of both phases.
    pub samples: Vec<ProductSample>,
    /// The start of its clock, in nanoseconds of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// User and system time of the process, its start included.
    pub cpu_s: f64,
}

/// One line of `samples.jsonl.zst`: what of it is judged.
#[derive(Clone, Debug, Deserialize)]
pub struct ProductSample {
    /// The id that the server noted, too.
    pub request_id: String,
    /// `warmup` or `measure`.
    pub phase: String,
    /// How it ended.
    pub outcome: String,
    /// When it was to be sent, since the start of the run.
    pub due_ns: u64,
    /// The set-up of its connection, where it needed a new one.
    #[serde(default)]
    pub connect: Option<Connect>,
    /// When it was sent; absent where it never was.
    #[serde(default)]
    pub sent_ns: Option<u64>,
    /// The events of the answer.
    pub arrivals: Arrivals,
}

/// The set-up of a connection.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Connect {
    /// When it began.
    pub began_ns: u64,
    /// When the connection could carry a request.
    pub done_ns: u64,
}

/// The events of an answer, field by field.
#[derive(Clone, Debug, Deserialize)]
pub struct Arrivals {
    /// When each came, since the start of the run.
    pub at_ns: Vec<u64>,
    /// What each carried.
    pub kind: Vec<String>,
    /// From then to the read; null where it was stamped at the read.
    pub lag_ns: Vec<Option<u64>>,
    /// Those that shared a read with another generated event, by position; nothing where none did.
    #[serde(default)]
    pub coalesced: Vec<usize>,
}

#[derive(Deserialize)]
struct RunFile {
    anchor: Anchor,
}

#[derive(Deserialize)]
struct Anchor {
    monotonic_ns: u64,
}

impl ProductSample {
    /// Nanoseconds from due to sent, without the set-up of a connection; `None` where it was not sent.
    pub(super) fn late_ns(&self) -> Option<f64> {
        let connecting = self.connect.map_or(0, |connect| connect.done_ns - connect.began_ns);
        Some(self.sent_ns? as f64 - self.due_ns as f64 - connecting as f64)
    }
}

impl Arrivals {
    /// Whether event `i` shared a read with another generated one.
    pub(super) fn is_coalesced(&self, i: usize) -> bool {
        self.coalesced.contains(&i)
    }
}

impl Run {
    /// Reads a run's directory.
    pub(super) fn read(directory: &Path, cpu_s: f64) -> anyhow::Result<Self> {
        let run: RunFile = serde_json::from_reader(File::open(directory.join("run.json"))?)?;
        let path = directory.join("samples.jsonl.zst");
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        let lines = BufReader::new(zstd::Decoder::new(file)?).lines();
        let samples =
            lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<anyhow::Result<_>>()?;
        Ok(Self { samples, start_ns: run.anchor.monotonic_ns, cpu_s })
    }

    /// Times to first token of the measured requests, in milliseconds.
    pub(super) fn ttft_ms(&self) -> impl Iterator<Item = f64> {
        let measured = self.samples.iter().filter(|s| s.phase == "measure" && s.outcome == "ok");
        measured.filter_map(|sample| {
            let first = sample.arrivals.kind.iter().position(|kind| kind == "content")?;
            Some((sample.arrivals.at_ns[first].checked_sub(sample.sent_ns?)?) as f64 / 1e6)
        })
    }

    /// SSE events of all its answers: the arrivals, and `[DONE]`, which is none.
    pub fn events(&self) -> u64 {
        self.samples.iter().map(|s| s.arrivals.at_ns.len() as u64 + 1).sum()
    }
}
