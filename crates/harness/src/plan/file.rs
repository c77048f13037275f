//! What a plan file may say: every key, each of which may be left out.

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    labels::{GoalText, Goodput},
    mix::MixFile,
    preset::PresetName,
    scenario::Scenario,
    sweep::Sweep,
    values::{Change, Deviation, Pair, Percent, Period, Positive, Several, Time, Tokens},
};

mod input;
mod load;
mod target;
mod up;

pub use input::{
    ColumnsFile, HistoryName, InputFile, SamplingName, SuiteName, ThinkTimePattern, ToolChoiceName,
};
pub use load::{
    ArrivalPattern, CancelFile, ConcurrencyCounts, ConcurrencyRampFile, LoadFile, OrderName,
    PickName, RateRampFile, Shape,
};
pub use target::{EndpointType, EngineName, PassFile, ReuseName, TargetFile};
pub use up::{BackendName, PullName, Up, UpFile};

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
    /// How GPUs, host and server are watched meanwhile.
    #[serde(skip_serializing_if = "is_default")]
    pub telemetry: TelemetryFile,
    /// When a change since an earlier run is a failure.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: GateFile,
    /// Where results go.
    #[serde(skip_serializing_if = "is_default")]
    pub output: OutputFile,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadFile {
    /// Input tokens; of each text, where a request has several. 1024 by default.
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
    /// Prompts of several kinds in one workload, each with its weight, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<MixFile>,
    /// Workloads that go by a name, such as `chat` or `rag`, instead; with weights, `chat:3,rag:1`, they are mixed
    /// into one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Several<PresetName>>,
    /// Traffic scenarios of genai-bench, such as `N(480,240)/(300,150)`, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Several<Scenario>>,
    /// Images beside the text of each request.
    #[serde(skip_serializing_if = "is_default")]
    pub images: ImagesFile,
    /// Questions with known answers among the requests, such as 2%: how often they are answered well is told beside
    /// the speed. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Percent>,
    /// What prompts are made of. `text` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusName>,
    /// How far the lengths of random prompts scatter, as that tool has it. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_ratio: Option<f64>,
    /// Turns of a conversation: a number, or how it is drawn. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<Tokens>,
    /// Time between an answer and the next turn; of a file, instead of what was recorded. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_time: Option<Time>,
    /// How it scatters. `constant` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_time_pattern: Option<ThinkTimePattern>,
    /// What prompts begin with, beside their own text.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: PrefixFile,
    /// What isl counts. `text` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isl_counts: Option<IslCounts>,
    /// A file of what to send, instead.
    #[serde(skip_serializing_if = "is_default")]
    pub input: InputFile,
    /// Texts in each request for embeddings. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<Positive>,
    /// Documents in each request to rerank. 10 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<Positive>,
    /// Tokens of the query that they are ranked by. 32 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_tokens: Option<Tokens>,
    /// Send prompts as token ids, which some APIs take: completions, and generate of SGLang and llama.cpp. No by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<bool>,
    /// The model's tokenizer: a file, its folder, the name of a downloaded model, cl100k_base or o200k_base, or `server`
    /// to have the server count. A built-in, approximate one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
}

impl WorkloadFile {
    /// Whether prompts are more than single questions.
    pub(super) fn has_talks(&self) -> bool {
        self.turns.is_some() || !is_default(&self.prefix)
    }

    /// The keys that stand in place of `isl` and `osl`, and whether each is there.
    pub(super) fn instead_of_lengths(&self) -> [(&'static str, bool); 5] {
        [
            ("pairs", !self.pairs.is_empty()),
            ("matrix", self.matrix.is_some()),
            ("mix", self.mix.is_some()),
            ("preset", self.preset.is_some()),
            ("scenario", self.scenario.is_some()),
        ]
    }

    /// Whether there are scenarios, and all are of images: lengths are then said as usual.
    pub(super) fn shows_scenarios(&self) -> bool {
        let scenarios = self.scenario.as_ref().map(Several::values);
        scenarios.is_some_and(|scenarios| scenarios.iter().all(Scenario::is_of_images))
    }

    /// Whether something but `isl` and `osl`, with their deviations, says how long prompts and answers are.
    pub(super) fn has_lengths(&self) -> bool {
        let mut instead = self.instead_of_lengths().into_iter().filter(|(_, is_there)| *is_there);
        let says = |key| key != "pairs" && !(key == "scenario" && self.shows_scenarios());
        instead.any(|(key, _)| says(key)) || self.input.is_given()
    }
}

/// What prompts begin with, beside their own text. It comes on top of isl.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixFile {
    /// Tokens of instructions that all prompts have in common. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_tokens: Option<Positive>,
    /// Tokens of a text that several prompts have in common. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_tokens: Option<Positive>,
    /// How many such texts there are; each prompt begins with one of them. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Positive>,
    /// Tokens of a text that each conversation has to itself. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_tokens: Option<Positive>,
    /// Which share of the prompts' tokens is to be such as a prefix cache can serve, instead of shared_tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_ratio: Option<Percent>,
}

/// What prompts are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorpusName {
    /// English text.
    Text,
    /// Random tokens, the same as those of vLLM's `random`.
    VllmRandom,
    /// Random tokens, the same as those of SGLang's `random-ids`.
    SglangRandomIds,
}

/// What the input tokens of a prompt are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IslCounts {
    /// Those of its text.
    Text,
    /// Those of its text in the model's chat template, as the server counts them.
    Templated,
}

/// Images beside a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesFile {
    /// Images in each request. 1 by default, where a size is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Positive>,
    /// Their width in pixels. 512 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<Positive>,
    /// Their height in pixels. 512 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<Positive>,
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
    /// End a point that misses a goal, from so long after its start on.
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

/// How GPUs, host and server are watched while requests are in flight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryFile {
    /// From one reading of the GPUs to the next. 100ms by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Period>,
    /// From one reading of the server's metrics to the next. 500ms by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_interval: Option<Period>,
    /// Whether this host and this process are watched. true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<bool>,
    /// How long the GPUs of a target are watched before anything is sent, for what they draw then. 3s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Time>,
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
    pub fail_if: BTreeMap<String, Change>,
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
    /// In the files of multi-turn, leave out these shares of the first requests, each for a table of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warmup_percentages: Vec<Percent>,
}

/// A format to write beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportName {
    /// profile_export_genai_perf.csv and .json.
    GenaiPerf,
    /// metrics.csv, a row for each number.
    Csv,
    /// The tables, sheets and JSON of vLLM's multi-turn benchmark, and the conversations with their answers.
    MultiTurn,
    /// telemetry.csv, a row for each series of readings, and readings.csv, a row for each reading.
    TelemetryCsv,
    /// AIPerf's gpu_telemetry_export.jsonl, server_metrics_export.csv and .json.
    AiperfTelemetry,
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
    static SCHEMA: LazyLock<Json> = LazyLock::new(schema);
    let schema = &*SCHEMA;
    let keys = |name: &str| schema["$defs"][name]["properties"].as_object().cloned();
    let sections = [
        ("targets[].", "TargetFile"),
        ("workload.", "WorkloadFile"),
        ("workload.images.", "ImagesFile"),
        ("workload.prefix.", "PrefixFile"),
        ("workload.input.", "InputFile"),
        ("workload.input.columns.", "ColumnsFile"),
        ("load.", "LoadFile"),
        ("goals.", "GoalsFile"),
        ("find.", "FindFile"),
        ("limits.", "LimitsFile"),
        ("telemetry.", "TelemetryFile"),
        ("gate.", "GateFile"),
        ("output.", "OutputFile"),
    ];
    if schema["properties"].get(key).is_some() {
        return Some(format!("{key}, at the top of the plan"));
    }
    let found = sections.iter().find(|(_, name)| keys(name).is_some_and(|k| k.contains_key(key)));
    found.map(|(section, _)| format!("{section}{key}"))
}
