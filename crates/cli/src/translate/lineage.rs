//! AIPerf, and GenAI-Perf, which it comes from.

use super::{
    Tool,
    line::{Known, Line, Means, many, one, switch},
    ours::Ours,
};

pub(super) const AIPERF: Tool = Tool {
    name: "aiperf profile",
    calls: &[&["aiperf", "profile"]],
    flags: FLAGS,
    families: FAMILIES,
    finish: |line, ours| finish(line, ours, "AIPerf"),
};

pub(super) const GENAI_PERF: Tool = Tool {
    name: "genai-perf profile",
    calls: &[&["genai-perf", "profile"]],
    flags: FLAGS,
    families: FAMILIES,
    finish: |line, ours| finish(line, ours, "GenAI-Perf"),
};

pub(super) const GENAI_PERF_ANALYZE: Tool = Tool {
    name: "genai-perf analyze",
    calls: &[&["genai-perf", "analyze"]],
    flags: FLAGS,
    families: FAMILIES,
    finish: |line, ours| {
        finish(line, ours, "GenAI-Perf");
        swept(line, ours);
    },
};

const FAMILIES: &[(&str, &str)] = &[
    ("--audio-", "left out: nothing is spoken here"),
    ("--video-", "left out: no films are sent here"),
    ("--zmq-", "left out: there are no processes here that would have to talk"),
    ("--otel-", "left out: results are files here; see --export"),
    ("--mlflow-", "left out: results are files here; see --export"),
    ("--wandb-", "left out: results are files here; see --export"),
    ("--accuracy-", "left out: see `inferbench run --suite` and --grader"),
    ("--synthesis-", "left out: traces are replayed as they are, --speed-up apart"),
    ("--warmup-", "left out: the warm-up has the load of what is measured"),
    ("--rankings-", "left out: see --documents and --query-tokens"),
    ("--server-profiler", "left out: the server's own profiler is not started from here"),
    ("--reset-kv-cache", "left out: --flush-cache is for that"),
];

const PRINTS: Means = Means::Needless;

const FLAGS: &[Known] = &[
    many(&["--model", "-m", "--model-names"], Means::Own),
    one(&["--model-selection-strategy"], Means::Own),
    many(&["--url", "-u", "--endpoint-url"], Means::Own),
    one(&["--url-strategy"], Means::Needless),
    one(&["--endpoint-type"], Means::Own),
    one(&["--endpoint", "--custom-endpoint"], Means::Own),
    one(&["--service-kind"], Means::Needless),
    one(&["--backend"], Means::Own),
    switch(&["--streaming"], Means::Own),
    one(&["--api-key"], Means::Own),
    many(&["--header", "-H"], Means::Own),
    many(&["--extra-inputs"], Means::As("--extra-inputs")),
    one(&["--request-timeout-seconds"], Means::As("--request-timeout-seconds")),
    one(&["--wait-for-model-timeout"], Means::As("--wait-ready")),
    one(&["--wait-for-model-mode", "--wait-for-model-interval"], Means::Needless),
    one(&["--connection-reuse-strategy"], Means::As("--connection-reuse")),
    switch(
        &["--use-legacy-max-tokens"],
        Means::Missing("the field is the one that the server takes"),
    ),
    switch(&["--use-server-token-count"], Means::Needless),
    one(
        &["--transport", "--request-content-type", "--session-header"],
        Means::Missing("left out: requests are JSON over HTTP"),
    ),
    // Load.
    one(&["--concurrency"], Means::As("--concurrency")),
    one(&["--request-rate"], Means::As("--request-rate")),
    one(&["--request-rate-mode", "--arrival-pattern"], Means::As("--arrival-pattern")),
    one(&["--arrival-smoothness", "--vllm-burstiness"], Means::Own),
    one(&["--request-count", "--num-requests"], Means::As("--request-count")),
    one(&["--benchmark-duration"], Means::As("--benchmark-duration")),
    one(&["--benchmark-grace-period"], Means::As("--benchmark-grace-period")),
    one(&["--measurement-interval", "-p"], Means::Own),
    one(
        &["--stability-percentage", "-s"],
        Means::Missing(
            "left out: give --converge PERCENT to repeat until the mean is known so well",
        ),
    ),
    one(&["--warmup-request-count", "--num-warmup-requests"], Means::As("--warmup-request-count")),
    one(&["--warmup-duration"], Means::As("--warmup-duration")),
    one(&["--concurrency-ramp-duration"], Means::As("--concurrency-ramp-duration")),
    one(&["--request-rate-ramp-duration"], Means::As("--request-rate-ramp-duration")),
    one(&["--request-cancellation-rate"], Means::As("--request-cancellation-rate")),
    one(&["--request-cancellation-delay"], Means::As("--request-cancellation-delay")),
    one(&["--num-profile-runs"], Means::As("--repeat")),
    one(&["--profile-run-cooldown-seconds"], Means::As("--cooldown")),
    // What is sent.
    one(&["--isl", "--synthetic-input-tokens-mean", "--prompt-input-tokens-mean"], Means::Own),
    one(
        &["--isl-stddev", "--synthetic-input-tokens-stddev", "--prompt-input-tokens-stddev"],
        Means::As("--isl-stddev"),
    ),
    one(&["--osl", "--output-tokens-mean"], Means::Own),
    one(&["--osl-stddev", "--output-tokens-stddev"], Means::As("--osl-stddev")),
    switch(&["--output-tokens-mean-deterministic"], Means::Is("--force-osl")),
    one(&["--sequence-distribution", "--seq-dist"], Means::As("--seq-dist")),
    one(&["--random-seed"], Means::As("--random-seed")),
    one(&["--input-file"], Means::Own),
    one(&["--custom-dataset-type"], Means::Own),
    one(&["--public-dataset", "--input-dataset"], Means::Own),
    one(&["--dataset-sampling-strategy"], Means::As("--dataset-sampling-strategy")),
    one(
        &[
            "--conversation-num",
            "--num-conversations",
            "--num-sessions",
            "--num-dataset-entries",
            "--num-prompts",
        ],
        Means::Own,
    ),
    switch(&["--fixed-schedule"], Means::Is("--fixed-schedule")),
    switch(&["--fixed-schedule-auto-offset"], Means::Own),
    one(
        &["--fixed-schedule-start-offset", "--fixed-schedule-end-offset"],
        Means::Missing("left out: a schedule is sent whole; cut the file"),
    ),
    one(&["--session-concurrency"], Means::Own),
    one(&["--session-turns-mean", "--conversation-turn-mean"], Means::Own),
    one(&["--session-turns-stddev", "--conversation-turn-stddev"], Means::Own),
    one(&["--session-turn-delay-mean", "--conversation-turn-delay-mean"], Means::Own),
    one(
        &[
            "--session-turn-delay-stddev",
            "--conversation-turn-delay-stddev",
            "--session-delay-ratio",
            "--conversation-turn-delay-ratio",
        ],
        Means::Missing("left out: see --think-time-pattern"),
    ),
    one(&["--prefix-prompt-length"], Means::As("--prefix-prompt-length")),
    one(&["--num-prefix-prompts", "--prefix-prompt-pool-size"], Means::As("--num-prefix-prompts")),
    one(&["--shared-system-prompt-length"], Means::As("--shared-system-prompt-length")),
    one(&["--user-context-prompt-length"], Means::As("--user-context-prompt-length")),
    one(&["--batch-size-text", "--batch-size", "-b"], Means::Own),
    one(&["--batch-size-image", "--image-batch-size"], Means::As("--image-count")),
    one(&["--image-width-mean"], Means::As("--image-width")),
    one(&["--image-height-mean"], Means::As("--image-height")),
    one(
        &["--image-width-stddev", "--image-height-stddev", "--image-format"],
        Means::Missing("left out: all pictures are PNG of one size"),
    ),
    one(
        &["--batch-size-audio", "--audio-batch-size"],
        Means::Missing("left out: nothing is spoken here"),
    ),
    one(&["--tokenizer"], Means::Own),
    one(
        &["--tokenizer-revision"],
        Means::Missing("left out: nothing is downloaded; name a file or folder"),
    ),
    switch(&["--tokenizer-trust-remote-code"], Means::Needless),
    one(&["--cache-bust"], Means::Missing("left out: --cache-bust has no kinds here")),
    one(&["--num-payloads"], Means::Needless),
    // Goals, and what is watched.
    many(&["--goodput"], Means::Own),
    many(&["--gpu-telemetry"], Means::Own),
    many(&["--server-metrics"], Means::Own),
    many(&["--server-metrics-urls", "--server-metrics-url"], Means::Own),
    switch(&["--no-gpu-telemetry"], Means::Own),
    switch(&["--no-server-metrics"], Means::Own),
    // What comes of it.
    one(&["--artifact-dir", "--output-artifact-dir"], Means::As("--artifact-dir")),
    one(&["--profile-export-file", "--profile-export-prefix"], PRINTS),
    one(&["--export-level", "--slice-duration"], PRINTS),
    switch(&["--generate-plots", "--auto-plot"], Means::Missing("left out: nothing is drawn here")),
    switch(&["--enable-checkpointing"], PRINTS),
    switch(&["--verbose", "-v", "-vv"], PRINTS),
    one(&["--ui", "--ui-type", "--log-level"], PRINTS),
    one(
        &[
            "--workers-max",
            "--max-workers",
            "--workers-min",
            "--record-processors",
            "--record-processor-service-count",
            "--num-threads",
        ],
        PRINTS,
    ),
    one(
        &["--config", "-f", "--checkpoint-dir"],
        Means::Missing("left out: a plan of ours is another one"),
    ),
    // `genai-perf analyze`.
    one(&["--sweep-type"], Means::Own),
    one(&["--sweep-range"], Means::Own),
    one(&["--sweep-list"], Means::Own),
];

/// Where both ask unless told otherwise.
const ADDRESS: &str = "localhost:8000";

/// What more than a name differs.
fn finish(line: &Line, ours: &mut Ours, tool: &str) {
    server(line, ours, tool);
    let is_text = api(line, ours, tool);
    if is_text && !line.has("--streaming") {
        ours.switch("--no-streaming");
        ours.note(format!(
            "{tool} has answers sent whole unless told to --streaming; without --no-streaming there is a time to \
             first token"
        ));
    }
    load(line, ours, tool);
    workload(line, ours, tool, is_text);
    watched(line, ours);
}

fn server(line: &Line, ours: &mut Ours, tool: &str) {
    let mut urls = line.values("--url");
    ours.set("--url", urls.next().unwrap_or(ADDRESS));
    urls.for_each(|url| ours.set("--replica", url));
    let models: Vec<&str> = line.values("--model").flat_map(|models| models.split(',')).collect();
    if let Some(model) = models.first() {
        ours.set("--model", model);
    }
    if models.len() > 1 {
        ours.note(format!(
            "{tool} spreads requests over {} models; here a target has one: give the others as --target NAME=URL,\
             model=MODEL, to compare them",
            models.len()
        ));
    }
    if line.has("--api-key") {
        ours.api_key();
    }
    for header in line.values("--header") {
        match header.split_once(':') {
            Some((name, value)) => ours.header(name, value),
            None => ours.note("a header without a colon was left out"),
        }
    }
}

/// Which API it is; whether its answers are text.
fn api(line: &Line, ours: &mut Ours, tool: &str) -> bool {
    let usual = ["v1/chat/completions", "/v1/chat/completions"];
    if let Some(path) = line.value("--endpoint").filter(|path| !usual.contains(path)) {
        let slash = if path.starts_with('/') || path.contains("://") { "" } else { "/" };
        ours.set("--endpoint", &format!("{slash}{path}"));
    }
    let kind = line.value("--endpoint-type").or(line.value("--backend")).unwrap_or("chat");
    let ours_is = match kind {
        "chat" | "multimodal" | "vision" | "image_retrieval" => "chat",
        "completions" => "completions",
        "responses" => "responses",
        "embeddings" => "embeddings",
        "rankings" | "nim_rankings" | "cohere_rankings" | "hf_tei_rankings" => "rerank",
        "generate" | "huggingface_generate" | "triton_generate" | "tensorrtllm" | "vllm" => {
            ours.note(format!(
                "{tool}'s {kind} is Triton's or the engine's own API: --endpoint-type generate asks the engine that is \
                 found there"
            ));
            "generate"
        }
        other => {
            ours.note(format!(
                "--endpoint-type {other}: not one of ours; describe the server in a template and give --engine custom \
                 --template FILE (see docs/templates)"
            ));
            return true;
        }
    };
    ours.set("--endpoint-type", ours_is);
    !matches!(ours_is, "embeddings" | "rerank")
}

fn load(line: &Line, ours: &mut Ours, tool: &str) {
    if let Some(smoothness) = line.value("--arrival-smoothness") {
        if !ours.has("--arrival-pattern") {
            ours.set("--arrival-pattern", "gamma");
        }
        ours.set("--arrival-smoothness", smoothness);
    }
    if let Some(ms) = line.value("--measurement-interval") {
        ours.set("--benchmark-duration", &format!("{ms}ms"));
        ours.note(format!(
            "{tool} repeats its interval until three are alike; here one is measured"
        ));
    }
    if let Some(sessions) = line.value("--session-concurrency") {
        ours.set("--concurrency", sessions);
        ours.set("--concurrency-counts", "sessions");
    }
    if !ours.has("--warmup-request-count") && !ours.has("--warmup-duration") {
        ours.note(format!(
            "{tool} does not warm up unless told to; here that is done, and left out with --warmup-request-count 0"
        ));
    }
}

fn workload(line: &Line, ours: &mut Ours, tool: &str, is_text: bool) {
    let has_file = is_text && input(line, ours, tool);
    if !is_text && line.has("--input-file") {
        ours.note("--input-file: left out: texts to embed or to rank are made up here");
    }
    if let Some(entries) = line.value("--conversation-num") {
        match has_file {
            true => ours.set("--num-conversations", entries),
            false => ours.note(format!(
                "{tool} makes {entries} prompts and sends them again and again; here each request has one of its own"
            )),
        }
    }
    turns(line, ours);
    match line.value("--batch-size-text") {
        Some(texts) if ours.value("--endpoint-type") == Some("rerank") => {
            ours.set("--documents", texts);
        }
        Some(texts) if !is_text => ours.set("--batch-size-text", texts),
        Some(texts) if texts != "1" => {
            ours.note(format!("--batch-size-text {texts}: left out: each request has one prompt"));
        }
        _ => {}
    }
    match line.value("--isl") {
        Some(tokens) => ours.set("--isl", tokens),
        // The tools' default.
        None if !has_file && !ours.has("--seq-dist") => ours.set("--isl", "550"),
        None => {}
    }
    match line.value("--osl") {
        Some(tokens) => ours.set("--osl", tokens),
        None if is_text && !has_file && !ours.has("--seq-dist") => ours.note(format!(
            "{tool} lets the model say how long answers are; here 128 tokens are asked for: --osl says another number"
        )),
        None => {}
    }
    if let Some(tokenizer) = line.value("--tokenizer") {
        match tokenizer {
            "builtin" => ours.set("--tokenizer", "o200k_base"),
            name => ours.set("--tokenizer", name),
        }
    }
    let limits: Vec<&str> = line.values("--goodput").collect();
    if !limits.is_empty() {
        ours.set("--goodput", &limits.join(" "));
    }
}

/// Whether what is sent stands in a file.
fn input(line: &Line, ours: &mut Ours, tool: &str) -> bool {
    if let Some(name) = line.value("--public-dataset") {
        ours.note(format!(
            "{name}: nothing is downloaded here; fetch it and give --input-file FILE"
        ));
    }
    let Some(file) = line.value("--input-file") else { return false };
    if let Some(kinds) = file.strip_prefix("synthetic:") {
        ours.note(format!(
            "{tool} makes {kinds} up; here --documents and --query-tokens say how many"
        ));
        return false;
    }
    ours.set("--input-file", file.strip_prefix("payload:").unwrap_or(file));
    if let Some(kind) = line.value("--custom-dataset-type") {
        match kind {
            "single_turn" | "multi_turn" | "random_pool" => {
                ours.set("--custom-dataset-type", "aiperf");
            }
            "mooncake_trace" | "mooncake-trace" => ours.set("--custom-dataset-type", "mooncake"),
            "sharegpt" => ours.set("--custom-dataset-type", "sharegpt"),
            "raw_payload" | "inputs_json" => ours.set("--custom-dataset-type", "aiperf-inputs"),
            other => ours.note(format!("--custom-dataset-type {other}: left to be found out")),
        }
    }
    if line.has("--fixed-schedule-auto-offset") {
        ours.switch("--fixed-schedule");
    }
    true
}

fn turns(line: &Line, ours: &mut Ours) {
    if let Some(mean) = line.value("--session-turns-mean") {
        match line.value("--session-turns-stddev").filter(|deviation| *deviation != "0") {
            Some(deviation) => ours.set("--turns", &format!("{mean}±{deviation}")),
            None => ours.set("--turns", mean),
        }
    }
    if let Some(ms) = line.value("--session-turn-delay-mean") {
        ours.set("--think-time", &format!("{ms}ms"));
    }
}

fn watched(line: &Line, ours: &mut Ours) {
    let is_address = |text: &&str| text.contains("://") || text.contains(':');
    // GenAI-Perf's are those of a DCGM exporter.
    let gpus = line.values("--gpu-telemetry").chain(line.values("--server-metrics-urls"));
    let mut gpus = gpus.filter(is_address);
    if let Some(url) = gpus.next() {
        ours.set("--gpu-telemetry", &format!("dcgm={url}"));
    }
    if gpus.next().is_some() {
        ours.note("GPUs are read from one exporter: give each host's GPUs to a target of its own");
    }
    if line.has("--no-gpu-telemetry") {
        ours.set("--gpu-telemetry", "off");
    }
    if let Some(url) = line.values("--server-metrics").find(is_address) {
        ours.set("--server-metrics", url);
    }
    if line.has("--no-server-metrics") {
        ours.set("--server-metrics", "off");
    }
}

/// What `genai-perf analyze` sweeps.
fn swept(line: &Line, ours: &mut Ours) {
    let values = match (line.value("--sweep-list"), line.value("--sweep-range")) {
        (Some(list), _) => list.to_owned(),
        (None, Some(range)) => match range.split(':').collect::<Vec<_>>()[..] {
            [from, to] => format!("{from}..{to}"),
            [from, to, step] => format!("{from}..{to}:{step}"),
            _ => return ours.note(format!("--sweep-range {range}: not understood")),
        },
        (None, None) => "1..1024".to_owned(),
    };
    match line.value("--sweep-type").unwrap_or("concurrency") {
        "concurrency" => ours.set("--concurrency", &values),
        "request_rate" => ours.set("--request-rate", &values),
        "input_sequence_length" => {
            ours.retain(|flag| flag != "--isl");
            ours.set("--isl", &values);
        }
        "num_dataset_entries" => {
            ours.note("prompts are not sent twice here: there is no number of them to sweep");
        }
        other => ours.note(format!("--sweep-type {other}: not one of ours")),
    }
}
