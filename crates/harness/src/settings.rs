//! What a user may set, with nothing looked up yet.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use bench_core::{Limits, Rate};
use bench_providers::{Endpoint, Secret, Stamping, openai::Api};
use bench_workloads::Length;
use serde_json::{Map, Value};

/// Which server to measure.
#[derive(Clone, Debug)]
pub enum Server {
    /// One on this machine's well-known ports; the simulator if there is none.
    Find,
    /// The one at this address.
    At(Endpoint),
    /// The built-in simulator.
    Simulator(bench_sim::Config),
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadSettings {
    /// So many in flight, always.
    Concurrency(NonZeroUsize),
    /// At a rate, whatever the server does.
    Rate {
        /// Requests per second.
        rate: Rate,
        /// How they are spread.
        arrivals: Arrivals,
        /// At most so many in flight.
        max_in_flight: Option<NonZeroUsize>,
    },
}

/// How requests at a rate are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arrivals {
    /// As from many independent users.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// A file format of other tools, or for them, written beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Export {
    /// genai-perf's CSV and JSON.
    GenaiPerf,
    /// A row for each number.
    Csv,
}

/// What a user may set. Units are in the types; what is `None` is chosen by [`prepare`](crate::prepare).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to call the run.
    pub name: String,
    /// Which server.
    pub server: Server,
    /// Which model; the only one it has if `None`.
    pub model: Option<String>,
    /// Which of its APIs.
    pub api: Api,
    /// Another path than that API's.
    pub path: Option<String>,
    /// Whether answers are streamed.
    pub streaming: bool,
    /// Whether answers are made as long as asked for; if `None`, where the engine is known to do so.
    pub force_osl: Option<bool>,
    /// More fields of the body.
    pub extra_body: Map<String, Value>,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The key, and where it came from.
    pub api_key: Option<(Secret, String)>,
    /// How long to wait for a server that is not ready.
    pub wait_ready: Duration,
    /// When requests are sent.
    pub load: LoadSettings,
    /// How many to measure; if `None` and there is no duration, max(100, 20 × concurrency), or as many as
    /// arrive in 20 s.
    pub requests: Option<u64>,
    /// How long to measure.
    pub duration: Option<Duration>,
    /// How long requests in flight may go on after that.
    pub grace: Duration,
    /// Requests of the warm-up; if `None`, max(4, concurrency).
    pub warm_up: Option<u64>,
    /// Input tokens.
    pub isl: Length,
    /// Output tokens.
    pub osl: Length,
    /// The model's tokenizer: a file or its folder.
    pub tokenizer: Option<PathBuf>,
    /// What everything random follows from.
    pub seed: u64,
    /// Load threads; if `None`, one for each core, less one where there are more than two.
    pub threads: Option<NonZeroUsize>,
    /// What a request may take.
    pub limits: Limits,
    /// Which clock tells when bytes came.
    pub stamping: Stamping,
    /// Where directories of runs go.
    pub artifacts: PathBuf,
    /// What to write beside the results.
    pub exports: Vec<Export>,
    /// The command line, free of secrets, for the record.
    pub command: Vec<String>,
}

impl Settings {
    /// One request at a time, 1024 tokens in and 128 out, at the server that is found.
    pub fn new() -> Self {
        Self {
            name: "chat".to_owned(),
            server: Server::Find,
            model: None,
            api: Api::default(),
            path: None,
            streaming: true,
            force_osl: None,
            extra_body: Map::new(),
            headers: Vec::new(),
            api_key: None,
            wait_ready: Duration::ZERO,
            load: LoadSettings::Concurrency(NonZeroUsize::MIN),
            requests: None,
            duration: None,
            grace: Duration::from_secs(30),
            warm_up: None,
            isl: Length::fixed(1024).expect("1024 is a length"),
            osl: Length::fixed(128).expect("128 is a length"),
            tokenizer: None,
            seed: 42,
            threads: None,
            limits: Limits::default(),
            stamping: Stamping::default(),
            artifacts: PathBuf::from("artifacts"),
            exports: Vec::new(),
            command: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
