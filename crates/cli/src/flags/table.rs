//! Every key of a plan, and its flag.

use bench_harness::plan::{
    Address, Auto, Change, Count, Deviation, GpuDevices, GpuTelemetry, MixFile, Pair, PerSecond,
    Percent, Period, Positive, PresetName, Scenario, ServerMetrics, Sweep, Time, TokenLimit,
    Tokens, Value, names_variable, split,
};

use crate::values;

/// A flag that sets a key of the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// The key; `target.` stands for every target.
    pub(crate) path: &'static str,
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) visible_aliases: &'static [&'static str],
    pub(crate) value_name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) heading: &'static str,
    pub(super) kind: Kind,
}

/// Says why a text is no value.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// Takes a text apart into a name and a value.
pub(super) type Split = fn(&str) -> Result<(String, String), String>;

/// One of several names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) aliases: &'static [&'static str],
}

/// How values are typed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// One text.
    Text(Check),
    /// One text; a bare number is in percent.
    Percent(Check),
    /// One of several names.
    Choice(&'static [Choice]),
    /// Some of several names, with commas between.
    Choices(&'static [Choice]),
    /// `--flag`, which means this, or `--flag=VALUE`.
    Or(&'static str, Check),
    /// Several, with commas between.
    List(Check),
    /// Several, each with a flag of its own.
    Each(Check),
    /// Names with values, each pair with a flag of its own.
    Entry(Check, Split),
    /// Fields of a request.
    Fields,
    /// Yes, and the flag that says no.
    On(&'static str),
    /// No, and the flag that says yes.
    Off(&'static str),
    /// `--simulate`, or how.
    Simulate,
    /// A server to start.
    Up,
    /// A target.
    Target,
    /// A pass of a target.
    Pass,
}

impl Flag {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Names that it also goes by, as help says.
    const fn or(self, visible_aliases: &'static [&'static str]) -> Self {
        Self { visible_aliases, ..self }
    }

    /// Names that other tools have for it.
    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }
}

/// `name` as plans have it, whatever it was called.
pub(super) fn named<'n>(choices: &'static [Choice], name: &'n str) -> &'n str {
    let is_it = |choice: &&Choice| choice.aliases.contains(&name);
    choices.iter().find(is_it).map_or(name, |choice| choice.name)
}

/// A value of a plan, or a variable that stands for one.
fn value<T: Value>(text: &str) -> Result<(), String> {
    if names_variable(text) { Ok(()) } else { T::parse(text).map(drop) }
}

/// Any text.
fn any(_: &str) -> Result<(), String> {
    Ok(())
}

fn number(text: &str) -> Result<(), String> {
    let is_number = names_variable(text) || text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    if is_number { Ok(()) } else { Err(format!("`{text}` is no number")) }
}

fn seed(text: &str) -> Result<(), String> {
    let is_number = names_variable(text) || text.trim().parse::<u64>().is_ok();
    if is_number { Ok(()) } else { Err(format!("`{text}` is no whole number")) }
}

fn bool(text: &str) -> Result<(), String> {
    let is_bool = names_variable(text) || matches!(text.trim(), "true" | "false");
    if is_bool { Ok(()) } else { Err(format!("`{text}` is neither true nor false")) }
}

fn percents(text: &str) -> Result<(), String> {
    text.split(',').try_for_each(|share| match share.trim().ends_with('%') {
        true => value::<Percent>(share),
        false => Err(format!("`{share}` is no share such as 50%")),
    })
}

fn pairs(text: &str) -> Result<(), String> {
    split(text, ',').into_iter().try_for_each(value::<Pair>)
}

fn presets(text: &str) -> Result<(), String> {
    split(text, ',').into_iter().try_for_each(value::<PresetName>)
}

fn scenarios(text: &str) -> Result<(), String> {
    split(text, ',').into_iter().try_for_each(value::<Scenario>)
}

fn mix(text: &str) -> Result<(), String> {
    if names_variable(text) { Ok(()) } else { MixFile::parse(text).map(drop) }
}

fn header(text: &str) -> Result<(), String> {
    values::header(text).map(drop)
}

fn label(text: &str) -> Result<(), String> {
    split_label(text).map(drop)
}

fn split_label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or_else(|| format!("`{text}` is no `name=value`"))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn change(text: &str) -> Result<(), String> {
    split_label(text).and_then(|(_, change)| value::<Change>(&change))
}

const ENDPOINT_TYPES: &[Choice] = &[
    Choice { name: "chat", help: "/v1/chat/completions", aliases: &["openai-chat", "openai"] },
    Choice { name: "completions", help: "/v1/completions", aliases: &["openai-completions"] },
    Choice { name: "responses", help: "/v1/responses", aliases: &["openai-responses"] },
    Choice { name: "messages", help: "Anthropic's /v1/messages", aliases: &["anthropic"] },
    Choice {
        name: "generate",
        help: "The engine's own for a text, such as SGLang's /generate",
        aliases: &[],
    },
    Choice {
        name: "native_chat",
        help: "The engine's own for a conversation: Ollama's /api/chat",
        aliases: &[],
    },
    Choice {
        name: "embeddings",
        help: "/v1/embeddings: latency and throughput of whole requests",
        aliases: &["openai-embeddings"],
    },
    Choice {
        name: "rerank",
        help: "/v1/rerank, NIM's /v1/ranking: the same",
        aliases: &["rankings", "nim_rankings", "cohere_rankings", "vllm-rerank"],
    },
];

const REUSES: &[Choice] = &[
    Choice { name: "pooled", help: "Any that is open", aliases: &[] },
    Choice { name: "never", help: "None: a connection for each request", aliases: &[] },
    Choice {
        name: "session",
        help: "That of the request's session",
        aliases: &["sticky-user-sessions"],
    },
];

const ENGINES: &[Choice] = &[
    Choice { name: "openai", help: "Any that speaks as OpenAI's servers do", aliases: &[] },
    Choice { name: "vllm", help: "vLLM", aliases: &[] },
    Choice { name: "sglang", help: "SGLang", aliases: &[] },
    Choice { name: "nim", help: "NVIDIA's NIM for LLMs", aliases: &[] },
    Choice { name: "trtllm", help: "trtllm-serve", aliases: &["tensorrt-llm"] },
    Choice { name: "triton", help: "Triton's generate extension", aliases: &[] },
    Choice { name: "llamacpp", help: "llama-server", aliases: &["llama.cpp", "llama-cpp"] },
    Choice { name: "ollama", help: "Ollama", aliases: &[] },
    Choice { name: "anthropic", help: "Anthropic's messages", aliases: &[] },
    Choice {
        name: "custom",
        help: "Any other, as --template describes it",
        aliases: &["template"],
    },
];

const ARRIVALS: &[Choice] = &[
    Choice { name: "poisson", help: "As from many independent users", aliases: &[] },
    Choice { name: "constant", help: "Evenly", aliases: &[] },
    Choice { name: "gamma", help: "As --arrival-smoothness says", aliases: &[] },
    Choice {
        name: "burst",
        help: "Several at once",
        aliases: &["concurrency-burst", "concurrency_burst"],
    },
];

const COUNTS: &[Choice] = &[
    Choice { name: "requests", help: "Requests in flight", aliases: &[] },
    Choice { name: "sessions", help: "Sessions, those that wait between turns, too", aliases: &[] },
];

const SHAPES: &[Choice] = &[
    Choice { name: "linear", help: "By as much each second", aliases: &[] },
    Choice { name: "exponential", help: "By the same factor each second", aliases: &[] },
];

const ORDERS: &[Choice] = &[
    Choice { name: "interleaved", help: "Targets take turns", aliases: &[] },
    Choice { name: "in_order", help: "One target after the other", aliases: &["in-order"] },
];

const PICKS: &[Choice] = &[
    Choice {
        name: "round_robin",
        help: "The conversation that has waited longest",
        aliases: &["round-robin"],
    },
    Choice { name: "random", help: "Any of those that wait", aliases: &[] },
];

const SAMPLINGS: &[Choice] = &[
    Choice { name: "sequential", help: "As they stand", aliases: &[] },
    Choice { name: "shuffle", help: "In an order that is drawn anew for each pass", aliases: &[] },
    Choice { name: "random", help: "Any, each time", aliases: &[] },
];

const HISTORIES: &[Choice] = &[
    Choice { name: "live", help: "The server's", aliases: &[] },
    Choice { name: "recorded", help: "Those in the file", aliases: &["dataset"] },
];

const THINKING: &[Choice] = &[
    Choice { name: "constant", help: "Always the same", aliases: &[] },
    Choice {
        name: "exponential",
        help: "As between requests of many users",
        aliases: &["poisson"],
    },
];

const ISL_COUNTS: &[Choice] = &[
    Choice { name: "text", help: "The text alone", aliases: &[] },
    Choice {
        name: "templated",
        help: "The text in the model's chat template, as the server counts it",
        aliases: &["template", "chat"],
    },
];

const CORPORA: &[Choice] = &[
    Choice { name: "text", help: "English text", aliases: &[] },
    Choice {
        name: "vllm_random",
        help: "Random tokens, those of `vllm bench serve --dataset-name random` with the same --seed",
        aliases: &["vllm-random", "random"],
    },
    Choice {
        name: "sglang_random_ids",
        help: "Random tokens, those of SGLang's bench_serving --dataset-name random-ids with the same --seed",
        aliases: &["sglang-random-ids", "random-ids"],
    },
];

const SUITES: &[Choice] = &[
    Choice {
        name: "tools",
        help: "Questions that are answered by calling functions",
        aliases: &[],
    },
    Choice { name: "canary", help: "Questions with short answers that are known", aliases: &[] },
];

const TOOL_CHOICES: &[Choice] = &[
    Choice { name: "auto", help: "As the model thinks best", aliases: &[] },
    Choice { name: "required", help: "At least one, whichever", aliases: &[] },
    Choice { name: "named", help: "The one that is expected, by its name", aliases: &["function"] },
];

const MATRICES: &[Choice] = &[
    Choice { name: "core", help: "Five pairs, 128 to 1024 tokens", aliases: &[] },
    Choice { name: "extended", help: "Eleven pairs, up to 65536 tokens", aliases: &[] },
    Choice { name: "all", help: "Both", aliases: &[] },
];

const EXPORTS: &[Choice] = &[
    Choice { name: "genai-perf", help: "profile_export_genai_perf.csv and .json", aliases: &[] },
    Choice { name: "csv", help: "metrics.csv, a row for each number", aliases: &[] },
    Choice {
        name: "multi-turn",
        help: "The tables, workbook and JSON of vLLM's multi-turn benchmark, and the conversations with their answers",
        aliases: &["multi_turn"],
    },
    Choice {
        name: "telemetry-csv",
        help: "telemetry.csv, a row for each series of readings, and readings.csv, a row for each reading",
        aliases: &[],
    },
    Choice {
        name: "aiperf-telemetry",
        help: "AIPerf's gpu_telemetry_export.jsonl, server_metrics_export.csv and .json",
        aliases: &[],
    },
];

const fn flag(
    path: &'static str,
    long: &'static str,
    value_name: &'static str,
    kind: Kind,
    help: &'static str,
    heading: &'static str,
) -> Flag {
    let none: &[&str] = &[];
    Flag {
        path,
        long,
        short: None,
        aliases: none,
        visible_aliases: none,
        value_name,
        help,
        heading,
        kind,
    }
}

const fn server(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Server")
}

const fn load(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Load")
}

const fn workload(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Workload")
}

const fn goal(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Goals")
}

const fn watched(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Telemetry")
}

const fn output(
    path: &'static str,
    long: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Flag {
    flag(path, long, value, kind, help, "Output")
}

/// Every key of a plan but its version, in the order of help.
pub(crate) const FLAGS: &[Flag] = &[
    server("target.url", "url", "URL", Kind::Text(any),
        "The server's address [default: look at this machine's well-known ports]")
        .short('u').or(&["base-url"]).also(&["api-base"]),
    server("target.replicas", "replica", "URL", Kind::Each(value::<Address>),
        "Another address of the same server: sessions go to each in turn; repeatable"),
    server("targets", "target", "NAME=URL,...", Kind::Target,
        "A server to compare, with what is its own: `vllm=http://localhost:8000,model=m,gpus=1`, or to start, \
         `vllm=up:MODEL`; other keys are labels; repeatable"),
    server("target.passes", "pass", "LABEL=VALUE,...", Kind::Pass,
        "Measure each target in passes, this one with a label and perhaps another url or model: \
         `quantization=nvfp4,model=m-fp4`; repeatable, once for each pass"),
    server("target.simulate", "simulate", "KEY=VALUE,...", Kind::Simulate,
        "Measure the built-in simulator without looking for a server; `=ttft=20ms,itl=1ms` says how it behaves"),
    server("target.up", "up", "ENGINE:MODEL", Kind::Up,
        "Start the server, and stop it once it is measured: `vllm:Qwen/Qwen3-0.6B,args='--max-model-len 8192'`; see \
         docs/containers"),
    server("target.model", "model", "MODEL", Kind::Text(any),
        "The model to ask for [default: the only one that the server offers]")
        .short('m').or(&["model-names"]),
    server("target.engine", "engine", "ENGINE", Kind::Choice(ENGINES),
        "Which kind of server it is [default: what its answers tell]"),
    server("target.template", "template", "FILE", Kind::Text(any),
        "With --engine custom: the file that says what the server is asked, and where in its answers things are; \
         see docs/templates"),
    server("target.endpoint_type", "endpoint-type", "ENDPOINT_TYPE", Kind::Choice(ENDPOINT_TYPES),
        "Which API of the server [default: chat, where it has that]").also(&["backend"]),
    server("target.endpoint", "endpoint", "PATH", Kind::Text(any),
        "Another path for that API").or(&["custom-endpoint"]),
    server("target.streaming", "streaming", "", Kind::On("no-streaming"),
        "Have answers streamed: what is done anyway"),
    server("target.streaming", "no-streaming", "", Kind::Off("streaming"),
        "Have answers sent whole: there is then no time to first token"),
    server("target.api_key_file", "api-key-file", "FILE", Kind::Text(any),
        "A file that holds the API key [default: INFERBENCH_API_KEY, OPENAI_API_KEY or NGC_API_KEY]"),
    server("target.api_key_env", "api-key-env", "NAME", Kind::Text(any),
        "The variable that holds the API key, if it is another one"),
    server("target.headers", "header", "HEADER", Kind::Entry(header, values::header),
        "A header to send, `Name: value`; secrets as '${NAME}'; repeatable").short('H'),
    server("target.connection_reuse", "connection-reuse", "REUSE", Kind::Choice(REUSES),
        "Whether requests take connections that earlier ones left open [default: pooled]")
        .also(&["connection-reuse-strategy"]),
    server("target.http2", "http2", "BOOL", Kind::Or("true", bool),
        "Speak HTTP/2, where requests share connections [default: HTTP/1.1]"),
    server("target.tls_ca", "tls-ca", "FILE", Kind::Text(any),
        "Certificates to trust in place of the system's, PEM").also(&["cacert"]),
    server("target.tls_insecure", "insecure", "BOOL", Kind::Or("true", bool),
        "Believe whoever answers, whatever its certificate").also(&["tls-insecure"]),
    server("target.source_addresses", "source-address", "ADDRESS", Kind::Each(any),
        "An address of this machine to connect from; repeatable: each has some 28 000 ports"),
    server("target.wait_ready", "wait-ready", "TIME", Kind::Text(value::<Time>),
        "How long to wait for a server that is not ready [default: 0s]")
        .also(&["wait-for-model-timeout", "ready-check-timeout-sec"]),
    server("target.context_length", "context-length", "TOKENS", Kind::Text(value::<Positive>),
        "The most tokens of prompt and answer together [default: what the server says]")
        .also(&["max-model-len"]),
    server("target.server_log", "server-log", "FILE", Kind::Text(any), "The server's log file"),
    server("target.gpus", "gpus", "N", Kind::Text(value::<Positive>), "The GPUs that the server uses"),
    server("target.gpu_devices", "gpu-devices", "GPU,...", Kind::Text(value::<GpuDevices>),
        "Which GPUs are the server's, by number or UUID [default: those that its processes are on, or all]"),
    server("target.labels", "label", "NAME=VALUE", Kind::Entry(label, split_label),
        "What else is known of the server, `gpu=H200`; repeatable"),
    server("limits.total", "request-timeout-seconds", "TIME", Kind::Text(value::<Period>),
        "Limit for a whole request [default: none; 300 s to the first token, 120 s from token to token]")
        .also(&["request-timeout-sec"]),
    server("limits.connect", "connect-timeout", "TIME", Kind::Text(value::<Period>),
        "Limit for connecting [default: 10s]"),
    server("limits.headers", "headers-timeout", "TIME", Kind::Text(value::<Period>),
        "Limit to the head of the response [default: 60s]"),
    server("limits.first_token", "first-token-timeout", "TIME", Kind::Text(value::<Period>),
        "Limit to the first token [default: 300s]"),
    server("limits.idle", "idle-timeout", "TIME", Kind::Text(value::<Period>),
        "Limit from one token to the next [default: 120s]"),

    load("load.concurrency", "concurrency", "N", Kind::Text(value::<Sweep<Positive>>),
        "Requests in flight, always; several are measured one after the other: 1,8,32 or 1..64 [default: 1]")
        .short('c').also(&["max-concurrency", "num-concurrency", "num-clients"]),
    load("load.concurrency_counts", "concurrency-counts", "WHAT", Kind::Choice(COUNTS),
        "What concurrency counts [default: requests]"),
    load("load.concurrency_ramp.over", "concurrency-ramp-duration", "TIME", Kind::Text(value::<Period>),
        "Come to the concurrency in this time"),
    load("load.concurrency_ramp.shape", "concurrency-ramp-shape", "SHAPE", Kind::Choice(SHAPES),
        "How it rises [default: linear]"),
    load("load.request_rate", "request-rate", "PER_SECOND", Kind::Text(value::<Sweep<PerSecond>>),
        "Send so many requests per second, whatever the server does; -c then caps those in flight if given; \
         several: 5,10 or 1..32").short('r'),
    load("load.arrival_pattern", "arrival-pattern", "PATTERN", Kind::Choice(ARRIVALS),
        "How requests at a rate are spread [default: poisson]").also(&["request-rate-mode"]),
    load("load.smoothness", "arrival-smoothness", "NUMBER", Kind::Text(number),
        "How even gamma arrivals are: 1 is poisson, less comes in clusters [default: 1]")
        .or(&["burstiness"]).also(&["vllm-burstiness"]),
    load("load.burst_size", "burst-size", "N", Kind::Text(value::<Positive>),
        "Requests in each burst [default: 8]"),
    load("load.rate_ramp.over", "request-rate-ramp-duration", "TIME", Kind::Text(value::<Period>),
        "Come to the rate in this time"),
    load("load.rate_ramp.from", "request-rate-ramp-from", "PER_SECOND", Kind::Text(value::<PerSecond>),
        "From this rate [default: 1]"),
    load("load.rate_ramp.shape", "request-rate-ramp-shape", "SHAPE", Kind::Choice(SHAPES),
        "How it changes [default: linear]"),
    load("load.rate_series", "rate-series", "FILE", Kind::Text(any),
        "A file of rates over time: seconds,rate"),
    load("load.trace", "trace", "FILE", Kind::Text(any),
        "A file of moments to send at: seconds, one a line, or JSON lines with `timestamp` in milliseconds"),
    load("load.fixed_schedule", "fixed-schedule", "BOOL", Kind::Or("true", bool),
        "Send at the moments that stand in the input file [default: false]").also(&["use-trace-timestamps"]),
    load("load.active_conversations", "max-active-conversations", "N", Kind::Text(value::<Positive>),
        "Conversations of the input file that are open at a time and take turns [default: as many as --concurrency]")
        .or(&["active-conversations"]),
    load("load.conversation_sampling", "conversation-sampling", "ORDER", Kind::Choice(PICKS),
        "Whose turn is next among them [default: round-robin]"),
    load("load.speed_up", "speed-up", "FACTOR", Kind::Text(number),
        "Send by the schedule so many times as fast [default: 1]"),
    load("load.max_in_flight", "max-in-flight", "N", Kind::Text(value::<Positive>),
        "At most so many in flight at a rate or by a schedule"),
    load("load.requests", "request-count", "N", Kind::Text(value::<Auto<Positive>>),
        "Requests to measure [default: max(100, 20 x concurrency); at a rate, those of 20 s]")
        .short('n').or(&["num-requests"]).also(&["num-prompts", "max-num-requests"]),
    load("load.duration", "benchmark-duration", "TIME", Kind::Text(value::<Period>),
        "How long to measure").short('d').or(&["duration"]).also(&["max-time-sec"]),
    load("load.grace", "benchmark-grace-period", "TIME", Kind::Text(value::<Time>),
        "How long requests in flight may go on after that, or after Ctrl-C [default: 30s]"),
    load("load.warmup", "warmup-request-count", "N", Kind::Text(value::<Auto<Count>>),
        "Requests before the measured ones [default: max(4, concurrency)]")
        .also(&["num-warmup-requests", "num-warmups"]),
    load("load.warmup_duration", "warmup-duration", "TIME", Kind::Text(value::<Period>),
        "How long to warm up, instead"),
    load("load.warmup_step", "warmup-step", "BOOL", Kind::Or("true", bool),
        "Warm up with the first turn of each conversation; what is measured goes on from there [default: false]"),
    load("load.repeat", "repeat", "N", Kind::Text(value::<Positive>),
        "How often to measure each point; at most so often with --converge [default: 1; 10 with --converge]")
        .also(&["num-profile-runs"]),
    load("load.converge", "converge", "PERCENT", Kind::Percent(value::<Percent>),
        "Repeat until half the width of the 95 % interval is below this share of the mean"),
    load("load.converge_on", "converge-on", "METRIC", Kind::Text(any),
        "Of which metric [default: output_tps; rps where answers have no tokens]"),
    load("load.cooldown", "cooldown", "TIME", Kind::Text(value::<Time>),
        "The pause between two measurements [default: 2s]").also(&["profile-run-cooldown-seconds"]),
    load("load.order", "order", "ORDER", Kind::Choice(ORDERS),
        "Whether targets take turns [default: interleaved]"),
    load("load.flush_cache", "flush-cache", "BOOL", Kind::Or("true", bool),
        "Have servers forget the prompts that they have cached, before each measurement [default: false]")
        .also(&["reset-kv-cache"]),
    load("load.retry", "retry", "N", Kind::Text(value::<Count>),
        "Try a request again that failed with 429, 5xx or its connection; every attempt counts [default: 0]"),
    load("load.cancel.ratio", "request-cancellation-rate", "PERCENT", Kind::Percent(value::<Percent>),
        "Give up this share of the requests, as impatient users do"),
    load("load.cancel.after", "request-cancellation-delay", "TIME", Kind::Text(value::<Time>),
        "How long after they were begun [default: 0s]"),
    load("threads", "threads", "N", Kind::Text(value::<Positive>),
        "Load threads [default: one a core, less one where there are more than two]"),

    workload("workload.isl", "isl", "TOKENS", Kind::Text(value::<Sweep<Tokens>>),
        "Input tokens, or what they are drawn from: 1024±100, 'uniform(100,500)', 'lognormal(1000,500,max=8000)', \
         'zipf(1.2,4096)', 'poisson(300)'; several are measured one after the other: 128,1024 [default: 1024]")
        .also(&["synthetic-input-tokens-mean", "prompt-input-tokens-mean", "random-input-len"]),
    workload("workload.isl_stddev", "isl-stddev", "TOKENS", Kind::Text(value::<Deviation>),
        "Standard deviation of the input tokens [default: 0]")
        .also(&["synthetic-input-tokens-stddev"]),
    workload("workload.osl", "osl", "TOKENS", Kind::Text(value::<Sweep<Tokens>>),
        "Output tokens, the same [default: 128]")
        .also(&["output-tokens-mean", "random-output-len"]),
    workload("workload.osl_stddev", "osl-stddev", "TOKENS", Kind::Text(value::<Deviation>),
        "Standard deviation of the output tokens [default: 0]").also(&["output-tokens-stddev"]),
    workload("workload.input.file", "input-file", "FILE", Kind::Text(any),
        "What to send instead: conversations (ShareGPT, messages, or a configuration that generates them), prompts \
         in JSON lines, JSON, CSV or Parquet, OpenAI batches, AIPerf's inputs.json, traces").short('i')
        .also(&["dataset-path"]),
    workload("workload.input.format", "custom-dataset-type", "FORMAT", Kind::Text(any),
        "What the file holds [default: found out]").or(&["dataset-type", "input-format"]),
    workload("workload.input.suite", "suite", "NAME", Kind::Choice(SUITES),
        "Built-in questions instead of a file"),
    workload("workload.input.tool_choice", "tool-choice", "CHOICE", Kind::Choice(TOOL_CHOICES),
        "Whether the model has to call a tool, in the suite tools [default: auto]"),
    workload("workload.input.grader", "grader", "RULE", Kind::Text(any),
        "How answers are compared with what is expected: exact, normalised, contains, regex, numeric, choice, json, \
         f1 [default: as the file says, else normalised]"),
    workload("workload.canary", "canary", "PERCENT", Kind::Percent(value::<Percent>),
        "Ask questions with known answers among the requests, and tell how many are answered well"),
    workload("workload.input.limit", "num-conversations", "N", Kind::Text(value::<Positive>),
        "Conversations, lines or rows to read, the first ones [default: all]")
        .or(&["num-dataset-entries"]),
    workload("workload.input.sampling", "dataset-sampling-strategy", "ORDER", Kind::Choice(SAMPLINGS),
        "In which order they are taken [default: sequential]").or(&["dataset-sampling"]),
    workload("workload.input.loops", "dataset-loop", "BOOL", Kind::Or("true", bool),
        "Begin again at the end [default: where a number or a time is given, and nothing has several turns]"),
    workload("workload.input.cache_bust", "cache-bust", "BOOL", Kind::Or("true", bool),
        "Begin each conversation of the file with characters of its own, so that no cache has it [default: false]"),
    workload("workload.corpus", "corpus", "NAME", Kind::Choice(CORPORA),
        "What prompts are made of [default: text]"),
    workload("workload.range_ratio", "random-range-ratio", "RATIO", Kind::Text(number),
        "How far the lengths of such prompts scatter, as that tool has it [default: 0]"),
    workload("workload.input.history", "history", "WHOSE", Kind::Choice(HISTORIES),
        "Whose answers conversations go on with [default: live]"),
    workload("workload.input.max_turns", "max-turns", "N", Kind::Text(value::<Positive>),
        "Messages of a conversation, those of the assistant included; longer ones are cut"),
    workload("workload.turns", "turns", "N", Kind::Text(value::<Tokens>),
        "Turns of a conversation, a number or how it is drawn: 5, 5±2, uniform(2,8) [default: 1]")
        .also(&["session-turns-mean", "multi-turn-num-turns"]),
    workload("workload.prefix.system_tokens", "shared-system-prompt-length", "TOKENS", Kind::Text(value::<Positive>),
        "Tokens of instructions that all prompts have in common, on top of --isl").or(&["system-tokens"]),
    workload("workload.prefix.shared_tokens", "prefix-prompt-length", "TOKENS", Kind::Text(value::<Positive>),
        "Tokens of a text that prompts have in common, on top of --isl").or(&["prefix-tokens"])
        .also(&["random-prefix-len", "prefix-len"]),
    workload("workload.prefix.pool", "num-prefix-prompts", "N", Kind::Text(value::<Positive>),
        "How many such texts there are; each prompt begins with one of them [default: 1]")
        .also(&["prefix-prompt-pool-size"]),
    workload("workload.prefix.own_tokens", "user-context-prompt-length", "TOKENS", Kind::Text(value::<Positive>),
        "Tokens of a text that each conversation has to itself, before its first question"),
    workload("workload.prefix.hit_ratio", "prefix-hit-ratio", "PERCENT", Kind::Percent(value::<Percent>),
        "Which share of the prompts' tokens is to be such as a prefix cache can serve; achieved is what the server says"),
    workload("workload.isl_counts", "isl-counts", "WHAT", Kind::Choice(ISL_COUNTS),
        "What --isl counts [default: text]"),
    workload("workload.think_time", "think-time", "TIME", Kind::Text(value::<Time>),
        "Time between an answer and the next turn, instead of what was recorded")
        .or(&["session-turn-delay-mean"]),
    workload("workload.think_time_pattern", "think-time-pattern", "PATTERN", Kind::Choice(THINKING),
        "How it scatters [default: constant]"),
    workload("workload.input.min_tokens", "limit-min-tokens", "TOKENS", Kind::Text(value::<TokenLimit>),
        "The least tokens of an answer, with --limit-max-tokens; 0: as the file says, less: no limit [default: 0]"),
    workload("workload.input.max_tokens", "limit-max-tokens", "TOKENS", Kind::Text(value::<TokenLimit>),
        "The most tokens of an answer, with --limit-min-tokens [default: 0]"),
    workload("workload.input.columns.prompt", "prompt-column", "NAME", Kind::Text(any),
        "Which column holds the prompt [default: guessed, and said]").also(&["dataset-prompt-column"]),
    workload("workload.input.columns.context", "context-column", "NAME", Kind::Text(any),
        "Which holds what it is about, to be put below the prompt"),
    workload("workload.input.columns.system", "system-column", "NAME", Kind::Text(any),
        "Which holds instructions"),
    workload("workload.input.columns.answer", "answer-column", "NAME", Kind::Text(any),
        "Which holds the recorded answer"),
    workload("workload.input.columns.expected", "expected-column", "NAME", Kind::Text(any),
        "Which holds what the answer should be"),
    workload("workload.input.columns.output_tokens", "output-tokens-column", "NAME", Kind::Text(any),
        "Which holds the number of tokens to ask for"),
    workload("workload.input.columns.id", "id-column", "NAME", Kind::Text(any),
        "Which holds the name of a row"),
    workload("workload.input.block_tokens", "block-tokens", "TOKENS", Kind::Text(value::<Positive>),
        "Tokens of a block that the hash ids of a trace name [default: 512]"),
    workload("workload.batch_size", "batch-size-text", "N", Kind::Text(value::<Positive>),
        "Texts of --isl tokens in each request for embeddings [default: 1]").or(&["batch-size"]).short('b'),
    workload("workload.documents", "documents", "N", Kind::Text(value::<Positive>),
        "Documents of --isl tokens in each request to rerank [default: 10]")
        .also(&["rankings-passages-mean"]),
    workload("workload.query_tokens", "query-tokens", "TOKENS", Kind::Text(value::<Tokens>),
        "Tokens of the query that they are ranked by [default: 32]")
        .also(&["rankings-query-prompt-token-mean"]),
    workload("workload.token_ids", "token-ids", "BOOL", Kind::Or("true", bool),
        "Send prompts as token ids, to completions or generate [default: false]")
        .also(&["tokenize-prompt"]),
    workload("workload.pairs", "pairs", "ISL/OSL,...", Kind::List(pairs),
        "Pairs of input and output tokens, rather than each isl with each osl: 128/128,1024/1024"),
    workload("workload.matrix", "matrix", "NAME", Kind::Choice(MATRICES),
        "Named pairs, with 3 requests each at temperature 0"),
    workload("workload.mix", "seq-dist", "ISL,OSL:WEIGHT;...", Kind::Text(mix),
        "Prompts of several kinds in one workload, each as often as its weight says: '256,128:40;512|20,256:60', with \
         deviations after the |, or as JSON").or(&["mix"]).also(&["sequence-distribution", "seq-distribution"]),
    workload("workload.images.count", "image-count", "N", Kind::Text(value::<Positive>),
        "Images beside the text of each request, no two alike [default: none; 1 with a size]")
        .also(&["image-batch-size", "batch-size-image"]),
    workload("workload.images.width", "image-width", "PIXELS", Kind::Text(value::<Positive>),
        "Their width [default: 512]").also(&["image-width-mean"]),
    workload("workload.images.height", "image-height", "PIXELS", Kind::Text(value::<Positive>),
        "Their height [default: 512]").also(&["image-height-mean"]),
    workload("workload.preset", "workload", "NAME,...", Kind::List(presets),
        "What is usual for a task, input and output tokens drawn from ranges; several are measured one after the \
         other: chat 1024/128, short-chat 50-150/100-500, translation 150-300/150-300, summarization \
         500-2000/100-300, question-answering 200-500/50-200, code-generation 100-500/200-1000, essay \
         50-200/500-2000, classification 100-500/10-50, information-extraction 300-1000/100-500, rag 4000/300, \
         agent 2000/200, long 32000/500; with weights, chat:3,rag:1, they are mixed into one")
        .or(&["preset"]),
    workload("workload.scenario", "traffic-scenario", "SCENARIO,...", Kind::List(scenarios),
        "The same as genai-bench writes it: D(in,out), N(mean,deviation)/(mean,deviation), U(min,max)/(min,max), \
         U(max,max); E(tokens) for embeddings, R(document,query) to rerank, I(width,height[,number]) with images; several are measured one after the \
         other; repeatable").or(&["scenario"]),
    workload("target.force_osl", "force-osl", "BOOL", Kind::Or("true", bool),
        "Have answers as long as asked for, by `ignore_eos` [default: where the engine is known to do so]")
        .also(&["ignore-eos"]),
    workload("workload.tokenizer", "tokenizer", "PATH", Kind::Text(any),
        "The model's tokenizer: a file, its folder, the name of a downloaded model, a built-in one (cl100k_base, \
         o200k_base), or `server` to have the server count [default: a built-in, approximate one]"),
    workload("target.extra_inputs", "extra-inputs", "FIELDS", Kind::Fields,
        "More fields of the request, `name:value` or a JSON object; null takes one away; repeatable")
        .also(&["extra-body"]),
    workload("seed", "random-seed", "N", Kind::Text(seed),
        "What everything random follows from [default: 42]").or(&["seed"]),

    goal("goals.slo", "slo", "GOAL", Kind::Each(any),
        "A goal, such as 'p95(ttft)<500ms'; repeatable"),
    goal("goals.goodput", "goodput", "LIMITS", Kind::Text(any),
        "What a good request keeps to, such as 'ttft:500 itl:50'"),
    goal("goals.slo_abort", "slo-abort", "TIME", Kind::Or("20s", value::<Period>),
        "End a point that misses a goal, from so long after its start on (20s)"),
    goal("goals.stop_on_saturation", "stop-on-saturation", "BOOL", Kind::Or("true", bool),
        "Stop a sweep when more load brings no more throughput [default: true where the load is swept]"),
    goal("find.probes", "probes", "N", Kind::Text(value::<Positive>),
        "Seek the highest load that meets every goal: how often the loads are measured on which the answer \
         rests [default: 3 with `find`]"),
    goal("find.precision", "precision", "PERCENT", Kind::Percent(value::<Percent>),
        "Seek it: by how much loads differ that are told apart [default: 5%]"),
    goal("gate.baseline", "baseline", "RUN", Kind::Text(any),
        "The run to compare with: an id, a tag, @baseline"),
    goal("gate.fail_if", "fail-if", "METRIC=CHANGE", Kind::Entry(change, split_label),
        "A change since the baseline that is too much, 'output_tps=-3%'; repeatable"),
    goal("gate.noise", "noise", "PERCENT", Kind::Percent(value::<Percent>),
        "Smaller changes are noise [default: 2%]"),

    watched("target.gpu_telemetry", "gpu-telemetry", "SOURCE", Kind::Text(value::<GpuTelemetry>),
        "What reads the GPUs: auto, nvml, nvidia-smi, dcgm=URL, agent=URL or off [default: auto: NVML or nvidia-smi, \
         where the server is on this machine]"),
    watched("telemetry.interval", "gpu-interval", "TIME", Kind::Text(value::<Period>),
        "From one reading of the GPUs to the next [default: 100ms]"),
    watched("target.agent_token_env", "agent-token-env", "NAME", Kind::Text(any),
        "The variable that holds the token of the agent [default: INFERBENCH_AGENT_TOKEN]"),
    watched("target.agent_token_file", "agent-token-file", "FILE", Kind::Text(any),
        "A file that holds it"),
    watched("telemetry.idle", "idle-baseline", "TIME", Kind::Text(value::<Time>),
        "How long GPUs are watched before anything is sent, for what they draw then; 0s leaves it out [default: 3s]"),
    watched("target.server_metrics", "server-metrics", "URL", Kind::Text(value::<ServerMetrics>),
        "Where the server's metrics are: auto, off or a URL [default: auto: where servers of its kind have them]"),
    watched("telemetry.server_interval", "server-metrics-interval", "TIME", Kind::Text(value::<Period>),
        "From one reading of the server's metrics to the next [default: 500ms]"),
    watched("telemetry.host", "host-telemetry", "BOOL", Kind::Or("true", bool),
        "Whether this host and this process are watched [default: true]"),

    output("output.artifact_dir", "artifact-dir", "DIR", Kind::Text(any),
        "Where directories of runs go; none is ever used twice [default: artifacts]")
        .also(&["output-artifact-dir", "result-dir"]),
    output("name", "name", "NAME", Kind::Text(any), "What to call the run [default: chat]"),
    output("output.export", "export", "FORMAT", Kind::Choices(EXPORTS), "Also write these files"),
    output("output.warmup_percentages", "warmup-percentages", "PERCENT,...", Kind::List(percents),
        "In the files of multi-turn, leave out these shares of the first requests, each for a table of its own"),
];
