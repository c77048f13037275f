//! What a user may set, resolved from plan and flags, with nothing looked up yet.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use bench_containers::{Asked, Hooks, Recipe};
use bench_core::{
    Arrivals, Cancellation, ConcurrencyRamp, Counts, Goal, Goodput, Limits, Quantity, RateCurve,
};
use bench_providers::{Api, Endpoint, Engine, Secret, Stamping, Transport};
use bench_report::gate::Limit;
use bench_workloads::{
    DatasetFile, History, Images, Length, Mix, Prefix, RandomCorpus, Rule, Sampling, ThinkTime,
    ToolUse,
};
use serde_json::{Map, Value};

use crate::plan::{GpuDevices, GpuTelemetry, ServerMetrics};

/// What a user may set. Units are in the types; what is `None` is chosen by [`prepare`](crate::prepare).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to call the run.
    pub name: String,
    /// What everything random follows from.
    pub seed: u64,
    /// Load threads; if `None`, one for each core, less one where there are more than two.
    pub threads: Option<NonZeroUsize>,
    /// The servers to measure, at least one. Passes of one server are targets of their own, next to each
    /// other and of the same name.
    pub targets: Vec<TargetSettings>,
    /// What to send, at least one.
    pub workloads: Vec<WorkloadSettings>,
    /// When to send, at least one.
    pub loads: Vec<LoadSettings>,
    /// How often each cell is measured.
    pub repeats: Repeats,
    /// In which order.
    pub order: Order,
    /// How long to leave a server alone between two points.
    pub cool_down: Duration,
    /// How many requests to measure; if `None` and there is no duration, max(100, 20 × concurrency), or as
    /// many as arrive in 20 s.
    pub requests: Option<u64>,
    /// How long to measure.
    pub duration: Option<Duration>,
    /// How long requests in flight may go on after that.
    pub grace: Duration,
    /// Requests of the warm-up; if `None` and it has no duration, max(4, concurrency).
    pub warm_up: Option<u64>,
    /// How long to warm up.
    pub warm_up_duration: Option<Duration>,
    /// Whether servers are told to forget the prompts that they have cached, before each point.
    pub flush_cache: bool,
    /// How often a failed request is tried again.
    pub retries: u32,
    /// Who is told how servers come up, and may stop waiting for them.
    pub hooks: Hooks,
    /// What to send instead of synthetic prompts; there is one workload then.
    pub input: Option<InputSettings>,
    /// Whose random tokens prompts are made of, and how far their lengths scatter; English text if `None`.
    pub random: Option<(RandomCorpus, f64)>,
    /// Tokens that all random prompts begin with.
    pub random_prefix: u32,
    /// What prompts have beside their lengths, where they are more than single questions.
    pub talks: Option<TalkSettings>,
    /// Time between an answer and the next turn; what was recorded if `None`.
    pub think_time: Option<ThinkTime>,
    /// Whether input tokens are those of prompts in the model's chat template.
    pub counts_template: bool,
    /// Share of requests that are questions with known answers instead.
    pub canary: Option<f64>,
    /// Whether the warm-up is the first turn of each conversation.
    pub warm_up_step: bool,
    /// Requests that are given up on purpose.
    pub cancel: Option<Cancellation>,
    /// Whether prompts are sent as token ids.
    pub token_ids: bool,
    /// The models' tokenizer: a file or its folder.
    pub tokenizer: Option<PathBuf>,
    /// What a request may take.
    pub limits: Limits,
    /// Which clock tells when bytes came.
    pub stamping: Stamping,
    /// How GPUs, host and server are watched meanwhile.
    pub telemetry: TelemetrySettings,
    /// What each point is asked to keep to.
    pub goals: Goals,
    /// Whether the loads are candidates among which the highest is sought that meets every goal, rather
    /// than loads that are all measured.
    pub find: Option<FindSettings>,
    /// What the run is to be compared with when it ends.
    pub gate: GateSettings,
    /// Where directories of runs go.
    pub artifacts: PathBuf,
    /// What to write beside the results.
    pub exports: Vec<Export>,
    /// Whether samples keep what the server said.
    pub keep_text: bool,
    /// Whether the files of [`Export::MultiTurn`] tell the time between turns.
    pub tells_turn_gaps: bool,
    /// Shares of the first requests that the files of [`Export::MultiTurn`] leave out, each in a table of its own.
    pub left_out_shares: Vec<f64>,
    /// The command line, free of secrets, for the record.
    pub command: Vec<String>,
    /// The plan as it was asked for, secrets by their names, for the record, from which a run goes on.
    pub plan: Value,
}

impl Settings {
    /// Whether the server's own tokenizer counts prompts. A file of that name is meant by `./server`.
    pub fn asks_server(&self) -> bool {
        self.tokenizer.as_deref() == Some(Path::new("server"))
    }

    /// One request at a time, 1024 tokens in and 128 out, at the server that is found.
    pub fn new() -> Self {
        Self {
            name: "chat".to_owned(),
            seed: 42,
            threads: None,
            targets: vec![TargetSettings::new(Server::Find)],
            workloads: vec![WorkloadSettings::default()],
            loads: vec![LoadSettings::concurrency(NonZeroUsize::MIN)],
            repeats: Repeats { most: NonZeroU32::MIN, converge: None },
            order: Order::default(),
            cool_down: Duration::from_secs(2),
            requests: None,
            duration: None,
            grace: Duration::from_secs(30),
            warm_up: None,
            warm_up_duration: None,
            flush_cache: false,
            retries: 0,
            hooks: Hooks::default(),
            input: None,
            random: None,
            random_prefix: 0,
            talks: None,
            think_time: None,
            counts_template: false,
            canary: None,
            warm_up_step: false,
            cancel: None,
            token_ids: false,
            tokenizer: None,
            limits: Limits::default(),
            stamping: Stamping::default(),
            telemetry: TelemetrySettings::default(),
            goals: Goals::default(),
            find: None,
            gate: GateSettings::default(),
            artifacts: PathBuf::from("artifacts"),
            exports: Vec::new(),
            keep_text: false,
            tells_turn_gaps: false,
            left_out_shares: Vec::new(),
            command: Vec::new(),
            plan: Value::Null,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// How GPUs, host and server are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// From one reading of the GPUs to the next.
    pub interval: Duration,
    /// From one reading of the server's metrics to the next.
    pub server_interval: Duration,
    /// Whether this host and this process are watched.
    pub host: bool,
    /// How long GPUs are watched before anything is sent.
    pub idle: Duration,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            server_interval: Duration::from_millis(500),
            host: true,
            idle: Duration::from_secs(3),
        }
    }
}

/// A server to measure, and how to ask it.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    /// What results call it; the model's name if `None`.
    pub name: Option<String>,
    /// Which pass over the target it is, in words such as `quantization nvfp4`.
    pub pass: Option<String>,
    /// What else is known of it, such as `gpu: H200`.
    pub labels: BTreeMap<String, String>,
    /// Where it is.
    pub server: Server,
    /// Other addresses of the same server.
    pub replicas: Vec<Endpoint>,
    /// Which model; the only one it has if `None`.
    pub model: Option<String>,
    /// Which kind of server it is; found out if `None`.
    pub engine: Option<Engine>,
    /// Which of its APIs.
    pub api: Api,
    /// Another path than that API's.
    pub path: Option<String>,
    /// Whether answers are streamed; results never are.
    pub streaming: bool,
    /// Whether answers are made as long as asked for; if `None`, where the engine is known to do so.
    pub force_osl: Option<bool>,
    /// More fields of the body.
    pub extra_body: Map<String, Value>,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The key, and where it came from.
    pub api_key: Option<(Secret, String)>,
    /// How connections are set up; whose clock tells when bytes came is the run's to say.
    pub transport: Transport,
    /// How long to wait for a server that is not ready.
    pub wait_ready: Duration,
    /// What reads its GPUs.
    pub gpu_telemetry: GpuTelemetry,
    /// Which GPUs are its; those that its processes are on, or all, if `None`.
    pub gpu_devices: Option<GpuDevices>,
    /// Where its own metrics are.
    pub server_metrics: ServerMetrics,
    /// The token of the agent on its host.
    pub agent_token: Option<Secret>,
    /// Tokens of prompt and answer together that it takes; if `None`, what the server says.
    pub context_length: Option<u32>,
    /// The server's log, to be searched for what it says of its memory.
    pub server_log: Option<PathBuf>,
    /// GPUs that it runs on.
    pub gpus: Option<u32>,
}

impl TargetSettings {
    /// Streamed chat with `server`.
    pub fn new(server: Server) -> Self {
        Self {
            name: None,
            pass: None,
            labels: BTreeMap::new(),
            server,
            replicas: Vec::new(),
            model: None,
            engine: None,
            api: Api::default(),
            path: None,
            streaming: true,
            force_osl: None,
            extra_body: Map::new(),
            headers: Vec::new(),
            api_key: None,
            transport: Transport::default(),
            wait_ready: Duration::ZERO,
            gpu_telemetry: GpuTelemetry::Auto,
            gpu_devices: None,
            server_metrics: ServerMetrics::Auto,
            agent_token: None,
            context_length: None,
            server_log: None,
            gpus: None,
        }
    }
}

/// Which server to measure.
#[derive(Clone, Debug)]
pub enum Server {
    /// One on this machine's well-known ports; the simulator if there is none.
    Find,
    /// The one at this address.
    At(Endpoint),
    /// The built-in simulator.
    Simulator(bench_sim::Config),
    /// One that is started for the run, and stopped once it is measured.
    Up(Box<UpSettings>),
}

/// A server to start.
#[derive(Clone, Debug, PartialEq)]
pub struct UpSettings {
    /// How its engine is started.
    pub recipe: Recipe,
    /// What is asked of that recipe.
    pub asked: Asked,
    /// Of NIM: which of its profiles, by id, by name or by a rule.
    pub profile: Option<String>,
}

/// What to send: synthetic prompts, of which each API takes what it knows.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadSettings {
    /// Its name: of a matrix, such as `1024/1024`, of a preset, such as `chat`, of a scenario, such as
    /// `D(100,1000)`, or of a mix of presets.
    pub label: Option<String>,
    /// Which kind it is in a matrix: `balanced`, `prefill-heavy` or `decode-heavy`.
    pub category: Option<String>,
    /// Input tokens; of each text, where a request has several.
    pub isl: Length,
    /// Output tokens; the server decides if `None`. Not asked of APIs whose answers are results.
    pub osl: Option<Length>,
    /// Prompts of several kinds, instead of those of this length; of APIs that generate.
    pub mix: Option<Mix>,
    /// Images beside the text of a request.
    pub images: Option<Images>,
    /// Texts of a request for embeddings.
    pub batch_size: NonZeroUsize,
    /// Documents of a request to rerank.
    pub documents: NonZeroUsize,
    /// Tokens of its query.
    pub query: Length,
}

impl Default for WorkloadSettings {
    fn default() -> Self {
        Self {
            label: None,
            category: None,
            isl: Length::fixed(1024).expect("1024 is a length"),
            osl: Some(Length::fixed(128).expect("128 is a length")),
            mix: None,
            images: None,
            batch_size: NonZeroUsize::MIN,
            documents: NonZeroUsize::new(10).expect("10 is not 0"),
            query: Length::fixed(32).expect("32 is a length"),
        }
    }
}

/// Where it comes from what is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    /// A file, and how to read it.
    File(DatasetFile),
    /// GSM8K's questions.
    Gsm8k(PathBuf),
    /// MMLU's questions.
    Mmlu(PathBuf),
    /// The built-in questions about tools.
    Tools(ToolUse),
    /// The built-in questions with short answers.
    Canary,
}

impl fmt::Display for InputSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(DatasetFile { path, .. }) | Self::Gsm8k(path) | Self::Mmlu(path) => {
                path.display().fmt(f)
            }
            Self::Tools(_) => f.write_str("tools"),
            Self::Canary => f.write_str("canary"),
        }
    }
}

/// What to send instead of synthetic prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSettings {
    /// Where it comes from.
    pub source: InputSource,
    /// What everything drawn follows from.
    pub seed: u64,
    /// How answers are compared with what is expected, where nothing else says it.
    pub grader: Rule,
    /// In which order its entries are taken.
    pub sampling: Sampling,
    /// Whether they begin again; if `None`, where requests or a time are given and nothing has several turns.
    pub loops: Option<bool>,
    /// Whether each conversation begins with words that no other one has.
    pub cache_bust: bool,
    /// Whose answers conversations go on with.
    pub history: History,
    /// Messages of a conversation at most.
    pub max_messages: Option<usize>,
    /// Tokens to ask for, instead of what was recorded.
    pub output: OutputLimits,
}

/// Conversations that are made up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TalkSettings {
    /// Turns of each.
    pub turns: Length,
    /// What they begin with.
    pub prefix: Prefix,
    /// Which share of the tokens is to be shared, instead of what `prefix` says of that.
    pub hit_ratio: Option<f64>,
}

/// Tokens to ask for in each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputLimits {
    /// What the file says.
    #[default]
    Recorded,
    /// As many as the server likes.
    Unlimited,
    /// Between so many and so many.
    Between(u32, u32),
}

/// When requests are sent.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadSettings {
    /// So many in flight, always.
    Closed {
        /// How many.
        concurrency: NonZeroUsize,
        /// Of what.
        counts: Counts,
        /// How the number is come to.
        ramp: Option<ConcurrencyRamp>,
    },
    /// At a rate, whatever the server does.
    Open {
        /// How fast they come.
        curve: RateCurve,
        /// How they scatter.
        arrivals: Arrivals,
        /// At most so many in flight.
        max_in_flight: Option<NonZeroUsize>,
    },
    /// At the moments that stand in the input.
    Recorded {
        /// How much faster.
        speed_up: f64,
        /// At most so many in flight.
        max_in_flight: Option<NonZeroUsize>,
    },
    /// When others were sent.
    Trace {
        /// Their times.
        timestamps: Vec<Duration>,
        /// How much faster.
        speed_up: f64,
        /// At most so many in flight.
        max_in_flight: Option<NonZeroUsize>,
    },
}

impl LoadSettings {
    /// `concurrency` requests in flight, always.
    pub const fn concurrency(concurrency: NonZeroUsize) -> Self {
        Self::Closed { concurrency, counts: Counts::Requests, ramp: None }
    }
}

/// How often each cell is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeats {
    /// At most.
    pub most: NonZeroU32,
    /// When fewer do.
    pub converge: Option<Converge>,
}

/// When repeats suffice.
#[derive(Clone, Debug, PartialEq)]
pub struct Converge {
    /// Of what.
    pub quantity: Quantity,
    /// The greatest half width of its 95 % confidence interval, as a share of its mean.
    pub ratio: f64,
}

/// In which order cells are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Every cell once, then every cell again, the targets taking turns at going first: what changes with
    /// time then hits all alike.
    #[default]
    Interleaved,
    /// Target by target, and each cell with all its repeats.
    InOrder,
}

/// What each point is asked to keep to.
#[derive(Clone, Debug, Default)]
pub struct Goals {
    /// Goals of a point.
    pub slo: Vec<Goal>,
    /// What a good request keeps to.
    pub goodput: Option<Goodput>,
    /// End a point that misses a goal, after so long.
    pub abort: Option<Duration>,
    /// Leave out loads beyond one that saturates the server or misses a goal.
    pub stop_on_saturation: bool,
}

/// How the highest load is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindSettings {
    /// Probes of a load on which the answer rests.
    pub probes: NonZeroU32,
}

/// What a run is to be compared with when it ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateSettings {
    /// The run to compare with.
    pub baseline: Option<String>,
    /// What must not change by more; if there are none, what a gate goes by where nothing is asked for.
    pub fail_if: Vec<Limit>,
    /// Changes below this share are none.
    pub noise: f64,
}

/// A file format of other tools, or for them, written beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Export {
    /// genai-perf's CSV and JSON.
    GenaiPerf,
    /// A row for each number.
    Csv,
    /// The files of vLLM's multi-turn benchmark, and the conversations with their answers.
    MultiTurn,
    /// A row for each series of readings, and one for each reading.
    TelemetryCsv,
    /// What AIPerf keeps of the GPUs and the server that it watches.
    AiperfTelemetry,
}
