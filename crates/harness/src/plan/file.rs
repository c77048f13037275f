//! What a plan file may say: every key, each of which may be left out.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value as Json};

use super::{
    labels::{GoalText, Goodput, Label, Labels, Simulate},
    sweep::Sweep,
    values::{
        Address, Auto, Count, Deviation, Pair, PerSecond, Percent, Period, Positive, Time, Tokens,
    },
};

/// The version of plans that this program writes.
pub const VERSION: u32 = 1;

/// A plan, as a file or flags say it: what is left out is chosen later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "inferbench plan")]
pub struct PlanFile {
    /// The version of the format: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What to call the run. `chat` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What everything random follows from. 42 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Load threads. One a core by default, less one where there are more than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<Positive>,
    /// The servers to measure; several are compared. Without any, the one that is found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetFile>,
    /// What is sent.
    #[serde(skip_serializing_if = "is_default")]
    pub workload: WorkloadFile,
    /// When it is sent, and for how long.
    #[serde(skip_serializing_if = "is_default")]
    pub load: LoadFile,
    /// What is to be reached.
    #[serde(skip_serializing_if = "is_default")]
    pub goals: GoalsFile,
    /// Seek the highest load of the range that meets every goal, rather than measure each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find: Option<FindFile>,
    /// What a request may take.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: LimitsFile,
    /// When a change since an earlier run is a failure.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: GateFile,
    /// Where results go.
    #[serde(skip_serializing_if = "is_default")]
    pub output: OutputFile,
}

/// A server under test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// What results call it. Its model by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address. Without one, this machine's well-known ports are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Measure the built-in simulator: `true`, or how it behaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Simulate>,
    /// The model to ask for. The only one that the server offers by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which API of the server. `chat` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_type: Option<EndpointType>,
    /// Another path for that API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether answers are streamed; without, there is no time to first token. Yes by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Have answers as long as asked for, by `ignore_eos`. By default where the engine is known to do so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_osl: Option<bool>,
    /// More fields of the request; null takes one away.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra_inputs: Map<String, Json>,
    /// Headers to send. Secrets by name alone: `${TOKEN}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The variable of the environment that holds the API key. By default INFERBENCH_API_KEY,
    /// OPENAI_API_KEY or NGC_API_KEY, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A file that holds the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<String>,
    /// How long to wait for a server that is not ready. 0s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ready: Option<Time>,
    /// The most tokens of prompt and answer together. By default what the server says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<Positive>,
    /// The server's log file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_log: Option<String>,
    /// The GPUs that it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Positive>,
    /// What else is known of it, for tables and charts.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The same target several times over, each with labels of its own, and perhaps another address or
    /// model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassFile>,
}

/// A variant of a target: what is different, and labels, such as `quantization: nvfp4`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(default)]
pub struct PassFile {
    /// Another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Another log file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_log: Option<String>,
    /// More fields of the request.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra_inputs: Map<String, Json>,
    /// Any other key is a label.
    #[serde(flatten)]
    pub labels: Labels,
}

impl<'de> Deserialize<'de> for PassFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PassVisitor)
    }
}

/// By hand: a flattened map would forget where its values stand.
struct PassVisitor;

impl<'de> de::Visitor<'de> for PassVisitor {
    type Value = PassFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section of labels")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<PassFile, A::Error> {
        let mut pass = PassFile::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "url" => pass.url = map.next_value()?,
                "model" => pass.model = map.next_value()?,
                "server_log" => pass.server_log = map.next_value()?,
                "extra_inputs" => pass.extra_inputs = map.next_value()?,
                _ => {
                    let label: Label = map.next_value()?;
                    pass.labels.0.insert(key, label);
                }
            }
        }
        Ok(pass)
    }
}

/// Which API of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadFile {
    /// Input tokens. 1024 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isl: Option<Sweep<Tokens>>,
    /// Output tokens. 128 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub osl: Option<Sweep<Tokens>>,
    /// Standard deviation of the input tokens. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isl_stddev: Option<Deviation>,
    /// Standard deviation of the output tokens. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub osl_stddev: Option<Deviation>,
    /// Pairs of input and output tokens, instead of each isl with each osl.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
    /// Named pairs, instead of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<MatrixName>,
    /// The model's tokenizer: a tokenizer.json or its folder. A built-in, approximate one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
}

/// Which of the named pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatrixName {
    /// Five that most servers can do.
    Core,
    /// Longer ones.
    Extended,
    /// Both.
    All,
}

/// When requests are sent, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoadFile {
    /// So many in flight, always. 1 by default, unless there is a rate or a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Sweep<Positive>>,
    /// What concurrency counts. `requests` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_counts: Option<ConcurrencyCounts>,
    /// Begin with fewer in flight.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency_ramp: ConcurrencyRampFile,
    /// Requests per second, whatever the server does. A concurrency beside it is the most in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_rate: Option<Sweep<PerSecond>>,
    /// How requests at a rate are spread. `poisson` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_pattern: Option<ArrivalPattern>,
    /// How even `gamma` is: 1 is poisson, less comes in clusters. 1 by default.
    #[serde(alias = "burstiness", skip_serializing_if = "Option::is_none")]
    pub smoothness: Option<f64>,
    /// Requests that come at once in a `burst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_size: Option<Positive>,
    /// Begin with another rate.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_ramp: RateRampFile,
    /// A file of rates over time, instead of one: seconds,rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_series: Option<String>,
    /// A file of moments to send at: seconds, one a line, or JSON lines with `timestamp` in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Replay the trace so many times as fast. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_up: Option<f64>,
    /// At most so many in flight, at a rate or by a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<Positive>,
    /// Requests to measure. By default max(100, 20 x concurrency); at a rate, those of 20 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Auto<Positive>>,
    /// How long to measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Period>,
    /// How long requests in flight may go on after that. 30s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Time>,
    /// Requests before the measured ones. By default max(4, concurrency).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Auto<Count>>,
    /// How long to warm up, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_duration: Option<Period>,
    /// The pause between two measurements. 2s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Time>,
    /// How often to measure each point; at most so often where it is to converge. 1 by default, 10 there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Positive>,
    /// Stop repeating when half the width of the 95 % interval is below this share of the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge: Option<Percent>,
    /// Of which metric. `output_tps` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge_on: Option<String>,
    /// Whether targets take turns. `interleaved` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderName>,
    /// Give up some requests, as impatient users do.
    #[serde(skip_serializing_if = "is_default")]
    pub cancel: CancelFile,
}

/// What concurrency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyCounts {
    /// Requests in flight.
    Requests,
    /// Sessions, those that wait between turns, too.
    Sessions,
}

/// How a ramp rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// By as much each second.
    Linear,
    /// By the same factor each second.
    Exponential,
}

/// A concurrency that rises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConcurrencyRampFile {
    /// How long it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Period>,
    /// How it rises. `linear` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// A rate that rises or falls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateRampFile {
    /// Requests per second at first. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PerSecond>,
    /// How long it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Period>,
    /// How it changes. `linear` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// How requests at a rate are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalPattern {
    /// As from many independent users.
    Poisson,
    /// Evenly.
    Constant,
    /// Between the two, or in clusters: see `smoothness`.
    Gamma,
    /// Several at once: see `burst_size`.
    Burst,
}

/// The order of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderName {
    /// Targets take turns, so that what changes with time changes for all.
    Interleaved,
    /// One target after the other.
    InOrder,
}

/// Requests that are given up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelFile {
    /// Which share of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Percent>,
    /// How long after they were sent. 0s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
}

/// What is to be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GoalsFile {
    /// Goals such as `p95(ttft)<500ms`: one that is missed is an exit code of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slo: Vec<GoalText>,
    /// What a good request keeps to: `ttft:500 itl:50`, or a time for each metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodput: Option<Goodput>,
    /// Stop when a goal has been missed for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo_abort: Option<Period>,
    /// Stop a sweep when more load brings no more throughput. Yes by default where the load is swept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_on_saturation: Option<bool>,
}

/// How the highest load is sought: between the least and the most concurrency or rate of `load`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindFile {
    /// How often the loads are measured on which the answer rests. 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Positive>,
    /// By how much loads differ that are told apart. 5% by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Percent>,
}

/// What a request may take; beyond, it fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsFile {
    /// To connect. 10s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Period>,
    /// To the head of the response. 60s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Period>,
    /// To the first token. 300s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Period>,
    /// From one token to the next. 120s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Period>,
    /// To the end. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Period>,
}

/// When a change is a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GateFile {
    /// The run to compare with: an id, a tag, `@baseline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The change of each metric that is too much: `output_tps: -3%`, `p95(ttft): +5%`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fail_if: BTreeMap<String, Percent>,
    /// Smaller changes are noise. 2% by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Percent>,
}

/// Where results go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputFile {
    /// Where directories of runs go; none is ever used twice. `artifacts` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_dir: Option<String>,
    /// Formats to write beside the results.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export: Vec<ExportName>,
}

/// A format to write beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportName {
    /// profile_export_genai_perf.csv and .json.
    GenaiPerf,
    /// metrics.csv, a row for each number.
    Csv,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The JSON Schema of plans, draft 2020-12.
pub fn schema() -> Json {
    schemars::schema_for!(PlanFile).to_value()
}

/// Where a key that is unknown in one section belongs, if it is known in another.
pub(crate) fn elsewhere(key: &str) -> Option<String> {
    let schema = schema();
    let keys = |name: &str| schema["$defs"][name]["properties"].as_object().cloned();
    let sections = [
        ("targets[].", "TargetFile"),
        ("workload.", "WorkloadFile"),
        ("load.", "LoadFile"),
        ("goals.", "GoalsFile"),
        ("find.", "FindFile"),
        ("limits.", "LimitsFile"),
        ("gate.", "GateFile"),
        ("output.", "OutputFile"),
    ];
    if schema["properties"].get(key).is_some() {
        return Some(format!("{key}, at the top of the plan"));
    }
    let found = sections.iter().find(|(_, name)| keys(name).is_some_and(|k| k.contains_key(key)));
    found.map(|(section, _)| format!("{section}{key}"))
}
