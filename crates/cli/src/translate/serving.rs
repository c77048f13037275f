//! `vllm bench serve` and SGLang's `bench_serving`, which comes from it.

use super::{
    Tool,
    line::{Known, Line, Means, many, one, switch},
    ours::Ours,
};

pub(super) const VLLM: Tool = Tool {
    name: "vllm bench serve",
    calls: &[&["vllm", "bench", "serve"], &["benchmark_serving.py"], &["vllm-bench"]],
    flags: FLAGS,
    families: FAMILIES,
    finish: |line, ours| {
        server(line, ours, "8000");
        let seed = line.value("--seed").unwrap_or("0");
        ours.set("--random-seed", seed);
        api(line, ours, line.value("--backend").unwrap_or("openai"));
        load(line, ours, "vLLM");
        vllm_dataset(line, ours);
        if line.has("--ignore-eos") {
            ours.switch("--force-osl");
        }
    },
};

pub(super) const SGLANG: Tool = Tool {
    name: "sglang.bench_serving",
    calls: &[&["sglang.bench_serving"], &["bench_serving.py"], &["sglang.benchmark.serving"]],
    flags: FLAGS,
    families: FAMILIES,
    finish: |line, ours| {
        let backend = line.value("--backend").unwrap_or("sglang");
        let port = match backend {
            "sglang" | "sglang-native" | "sglang-oai" | "sglang-oai-chat" => "30000",
            _ => "8000",
        };
        server(line, ours, port);
        ours.set("--random-seed", line.value("--seed").unwrap_or("1"));
        api(line, ours, backend);
        load(line, ours, "SGLang");
        sglang_dataset(line, ours);
        if !line.has("--disable-ignore-eos") {
            ours.switch("--force-osl");
        }
    },
};

const FAMILIES: &[(&str, &str)] = &[
    ("--hf-", "left out: nothing is downloaded here; fetch the data and give --input-file FILE"),
    ("--random-mm-", "left out: see --image-count, --image-width and --image-height"),
    ("--profile", "left out: the server's own profiler is not started from here"),
    ("--lora", "left out: a target has one model"),
    ("--plot", "left out: nothing is drawn here"),
    ("--spec-bench-", "left out: fetch the data and give --input-file FILE"),
    ("--speed-bench-", "left out: fetch the data and give --input-file FILE"),
    ("--blazedit-", "left out: fetch the data and give --input-file FILE"),
    ("--asr-", "left out: nothing is spoken here"),
    ("--mooncake-", "left out: a trace is given as --input-file, with --speed-up"),
    ("--timed-trace-", "left out: a trace is given as --input-file"),
    ("--timeline-", "left out: nothing is drawn here"),
    ("--bfcl-", "left out: see `inferbench run --suite tools`"),
    ("--gsp-", "left out: see --prefix-prompt-length and --num-prefix-prompts"),
    ("--multi-turn-", "left out: see --turns and --think-time"),
];

const SAMPLING: Means = Means::Own;

const FLAGS: &[Known] = &[
    one(&["--backend", "--endpoint-type"], Means::Own),
    one(&["--base-url"], Means::Own),
    one(&["--host"], Means::Own),
    one(&["--port"], Means::Own),
    one(&["--endpoint"], Means::Own),
    many(&["--header"], Means::Own),
    one(&["--model"], Means::Own),
    one(&["--served-model-name"], Means::Own),
    one(&["--tokenizer"], Means::As("--tokenizer")),
    one(&["--tokenizer-mode"], Means::Needless),
    switch(&["--skip-tokenizer-init", "--trust-remote-code"], Means::Needless),
    switch(&["--insecure"], Means::Is("--insecure")),
    one(&["--label"], Means::As("--name")),
    many(&["--metadata"], Means::Own),
    one(&["--ready-check-timeout-sec"], Means::As("--wait-ready")),
    // Load.
    one(&["--num-prompts"], Means::Own),
    one(&["--max-concurrency"], Means::Own),
    one(&["--request-rate"], Means::Own),
    one(&["--burstiness"], Means::Own),
    one(&["--num-warmups", "--warmup-requests"], Means::As("--warmup-request-count")),
    one(&["--ramp-up-strategy"], Means::Own),
    one(&["--ramp-up-start-rps"], Means::Own),
    one(&["--ramp-up-end-rps"], Means::Own),
    one(&["--num-runs"], Means::As("--repeat")),
    one(&["--sweep-max-concurrency"], Means::As("--concurrency")),
    one(&["--sweep-request-rate"], Means::As("--request-rate")),
    switch(&["--flush-cache", "--reset-prefix-cache"], Means::Is("--flush-cache")),
    one(&["--use-trace-timestamps"], Means::Own),
    switch(&["--dry-run"], Means::Is("--dry-run")),
    // What is sent.
    one(&["--dataset-name"], Means::Own),
    one(&["--dataset-path"], Means::Own),
    one(&["--seed"], Means::Own),
    one(&["--random-input-len", "--random-input", "--input-len"], Means::Own),
    one(&["--random-output-len", "--random-output", "--output-len"], Means::Own),
    one(&["--random-range-ratio"], Means::Own),
    one(&["--random-prefix-len"], Means::Own),
    one(&["--random-batch-size"], Means::Own),
    one(
        &["--sharegpt-output-len", "--custom-output-len", "--sonnet-output-len"],
        Means::As("--osl"),
    ),
    one(&["--sharegpt-context-len"], Means::As("--context-length")),
    one(&["--prefix-repetition-prefix-len"], Means::Own),
    one(&["--prefix-repetition-suffix-len"], Means::Own),
    one(&["--prefix-repetition-num-prefixes"], Means::Own),
    one(&["--prefix-repetition-output-len"], Means::Own),
    one(&["--random-image-count", "--image-count"], Means::As("--image-count")),
    one(&["--image-resolution"], Means::Own),
    one(
        &["--image-format", "--image-content"],
        Means::Missing("left out: all pictures are PNG, each another one"),
    ),
    switch(&["--tokenize-prompt"], Means::Is("--token-ids")),
    switch(&["--custom-ensure-client-side-data", "--enable-multimodal-chat"], Means::Needless),
    switch(&["--self-timed"], Means::Is("--fixed-schedule")),
    one(
        &["--probe-request-rate"],
        Means::Missing("left out: no second load runs beside the first"),
    ),
    one(&["--gsp-num-groups"], Means::Own),
    one(&["--gsp-prompts-per-group"], Means::Own),
    one(&["--gsp-system-prompt-len"], Means::Own),
    one(&["--gsp-question-len"], Means::Own),
    one(&["--gsp-output-len"], Means::Own),
    switch(
        &["--disable-shuffle", "--no-oversample", "--skip-chat-template", "--apply-chat-template"],
        Means::Needless,
    ),
    switch(&["--no-stream", "--disable-stream"], Means::Is("--no-streaming")),
    switch(&["--ignore-eos"], Means::Own),
    switch(&["--disable-ignore-eos"], Means::Own),
    one(&["--extra-body", "--extra-request-body"], Means::As("--extra-inputs")),
    one(&["--temperature"], SAMPLING),
    one(&["--top-p"], SAMPLING),
    one(&["--top-k"], SAMPLING),
    one(&["--min-p"], SAMPLING),
    one(&["--frequency-penalty"], SAMPLING),
    one(&["--presence-penalty"], SAMPLING),
    one(&["--repetition-penalty"], SAMPLING),
    one(&["--logprobs"], SAMPLING),
    one(&["--max-model-len"], Means::As("--context-length")),
    switch(&["--use-beam-search"], Means::Missing("left out: no server here is asked to")),
    // What comes of it.
    many(&["--goodput"], Means::Own),
    one(
        &[
            "--percentile-metrics",
            "--metric-percentiles",
            "--result-filename",
            "--output-file",
            "--request-id-prefix",
            "--tag",
        ],
        Means::Needless,
    ),
    switch(
        &[
            "--save-result",
            "--save-detailed",
            "--append-result",
            "--disable-tqdm",
            "--output-details",
            "--print-requests",
            "--cache-report",
            "--rust-client",
        ],
        Means::Needless,
    ),
    one(&["--result-dir"], Means::As("--artifact-dir")),
];

fn server(line: &Line, ours: &mut Ours, port: &str) {
    match line.value("--base-url") {
        Some(url) => ours.set("--url", url),
        None => {
            let host = line.value("--host").filter(|host| *host != "0.0.0.0");
            let port = line.value("--port").unwrap_or(port);
            ours.set("--url", &format!("http://{}:{port}", host.unwrap_or("127.0.0.1")));
        }
    }
    if let Some(model) = line.value("--served-model-name").or(line.value("--model")) {
        ours.set("--model", model);
        // They count with the model's own.
        if line.has("--served-model-name") && !line.has("--tokenizer") {
            line.value("--model").into_iter().for_each(|model| ours.set("--tokenizer", model));
        }
    }
    for header in line.values("--header") {
        match header.split_once(['=', ':']) {
            Some((name, value)) => ours.header(name, value),
            None => ours.note("a header without a = was left out"),
        }
    }
    for pair in line.values("--metadata") {
        ours.set("--label", pair);
    }
}

fn api(line: &Line, ours: &mut Ours, backend: &str) {
    let path = line.value("--endpoint");
    let kind = match backend {
        _ if path.is_some_and(|path| path.ends_with("/chat/completions")) => "chat",
        "openai-chat" | "sglang-oai-chat" | "vllm-chat" | "lmdeploy-chat" => "chat",
        "openai" | "vllm" | "sglang-oai" | "lmdeploy" | "scalellm" | "tensorrt-llm" | "trt" => {
            "completions"
        }
        "sglang" | "sglang-native" => "generate",
        "openai-embeddings" | "sglang-embedding" | "vllm-pooling" => "embeddings",
        "openai-responses" => "responses",
        "vllm-rerank" => "rerank",
        other => {
            ours.note(format!(
                "--backend {other}: not one of ours; describe the server in a template and give --engine custom \
                 --template FILE (see docs/templates)"
            ));
            return;
        }
    };
    ours.set("--endpoint-type", kind);
    let usual = ["/v1/completions", "/v1/chat/completions", "/v1/responses", "/generate"];
    if let Some(path) = path.filter(|path| !usual.contains(path)) {
        ours.set("--endpoint", path);
    }
}

/// Fields of the request that say how tokens are picked.
const PICKING: [&str; 8] = [
    "--temperature",
    "--top-p",
    "--top-k",
    "--min-p",
    "--frequency-penalty",
    "--presence-penalty",
    "--repetition-penalty",
    "--logprobs",
];

fn load(line: &Line, ours: &mut Ours, tool: &str) {
    // -1 is all that there are.
    let prompts = line.value("--num-prompts").unwrap_or("1000");
    let prompts = (prompts != "-1").then_some(prompts);
    let rate = line.value("--request-rate").filter(|rate| !rate.starts_with("inf"));
    let is_swept = ours.has("--concurrency") || ours.has("--request-rate");
    match (rate, line.value("--max-concurrency")) {
        (Some(rate), most) => {
            ours.set("--request-rate", rate);
            most.into_iter().for_each(|most| ours.set("--concurrency", most));
        }
        (None, Some(most)) => ours.set("--concurrency", most),
        (None, None) if is_swept => {}
        (None, None) => {
            ours.set("--concurrency", prompts.unwrap_or("1000"));
            ours.note(format!(
                "{tool} sends all requests at once where it is given no rate and no concurrency, which measures the \
                 queue: -c 1..64 tells more"
            ));
        }
    }
    prompts.into_iter().for_each(|prompts| ours.set("--request-count", prompts));
    if let Some(burstiness) = line.value("--burstiness").filter(|burstiness| *burstiness != "1.0") {
        ours.set("--arrival-pattern", "gamma");
        ours.set("--arrival-smoothness", burstiness);
    }
    if let Some(shape) = line.value("--ramp-up-strategy") {
        ours.set("--request-rate-ramp-shape", shape);
        let from = line.value("--ramp-up-start-rps");
        from.into_iter().for_each(|from| ours.set("--request-rate-ramp-from", from));
        if let Some(to) = line.value("--ramp-up-end-rps").filter(|_| rate.is_none()) {
            ours.retain(|flag| flag != "--concurrency");
            ours.set("--request-rate", to);
        }
        ours.note(
            "its ramp lasts all the requests; here --request-rate-ramp-duration TIME says how long",
        );
    }
    for flag in PICKING {
        if let Some(value) = line.value(flag) {
            let field = flag.trim_start_matches('-').replace('-', "_");
            ours.set("--extra-inputs", &format!("{field}:{value}"));
        }
    }
    let limits: Vec<&str> = line.values("--goodput").collect();
    if !limits.is_empty() {
        ours.set("--goodput", &limits.join(" "));
    }
    if !ours.has("--warmup-request-count") {
        ours.note(format!(
            "{tool} sends one request before it measures; here there are more, and none with \
             --warmup-request-count 0"
        ));
    }
}

/// Random tokens are the model's own: both tools take its tokenizer unless told another.
fn own_tokenizer(line: &Line, ours: &mut Ours) {
    if !ours.has("--tokenizer") {
        ours.set("--tokenizer", line.value("--model").unwrap_or("server"));
    }
}

fn vllm_dataset(line: &Line, ours: &mut Ours) {
    let all = |name: &str| line.value(name);
    match all("--dataset-name").unwrap_or("random") {
        "random" | "random-mm" => {
            own_tokenizer(line, ours);
            ours.set("--corpus", "vllm_random");
            ours.set("--isl", all("--random-input-len").unwrap_or("1024"));
            ours.set("--osl", all("--random-output-len").unwrap_or("128"));
            if let Some(ratio) = all("--random-range-ratio") {
                ours.set("--random-range-ratio", ratio);
            }
            if let Some(tokens) = all("--random-prefix-len").filter(|tokens| *tokens != "0") {
                ours.set("--prefix-prompt-length", tokens);
            }
            if let Some(texts) = all("--random-batch-size").filter(|texts| *texts != "1") {
                ours.set("--batch-size-text", texts);
            }
        }
        "prefix_repetition" => {
            ours.set("--isl", all("--prefix-repetition-suffix-len").unwrap_or("256"));
            ours.set("--osl", all("--prefix-repetition-output-len").unwrap_or("128"));
            ours.set(
                "--prefix-prompt-length",
                all("--prefix-repetition-prefix-len").unwrap_or("256"),
            );
            ours.set(
                "--num-prefix-prompts",
                all("--prefix-repetition-num-prefixes").unwrap_or("10"),
            );
        }
        name => file(line, ours, name),
    }
}

fn sglang_dataset(line: &Line, ours: &mut Ours) {
    let all = |name: &str| line.value(name);
    match all("--dataset-name").unwrap_or("sharegpt") {
        "random-ids" => {
            own_tokenizer(line, ours);
            ours.set("--corpus", "sglang_random_ids");
            ours.set("--isl", all("--random-input-len").unwrap_or("1024"));
            ours.set("--osl", all("--random-output-len").unwrap_or("1024"));
            ours.set("--random-range-ratio", all("--random-range-ratio").unwrap_or("0"));
        }
        // Pieces of conversations, as long as is asked for.
        "random" => scattered(line, ours),
        "image" => {
            scattered(line, ours);
            picture(line, ours);
        }
        "generated-shared-prefix" => {
            ours.set("--isl", all("--gsp-question-len").unwrap_or("128"));
            ours.set("--osl", all("--gsp-output-len").unwrap_or("256"));
            ours.set("--prefix-prompt-length", all("--gsp-system-prompt-len").unwrap_or("2048"));
            ours.set("--num-prefix-prompts", all("--gsp-num-groups").unwrap_or("64"));
        }
        name => file(line, ours, name),
    }
    if line.value("--use-trace-timestamps").is_some_and(|is| is != "false")
        && ours.has("--input-file")
    {
        ours.switch("--fixed-schedule");
    }
}

/// Lengths from a share of what is asked for up to that, each as likely.
fn scattered(line: &Line, ours: &mut Ours) {
    let ratio = line.value("--random-range-ratio").and_then(|ratio| ratio.parse::<f64>().ok());
    for (theirs, flag) in [("--random-input-len", "--isl"), ("--random-output-len", "--osl")] {
        let tokens = line.value(theirs).unwrap_or("1024");
        match (ratio.unwrap_or(0.0), tokens.parse::<f64>()) {
            (ratio, Ok(most)) if (0.0..1.0).contains(&ratio) => {
                ours.set(flag, &format!("uniform({},{tokens})", (most * ratio).max(1.0).floor()));
            }
            _ => ours.set(flag, tokens),
        }
    }
    if line.has("--tokenize-prompt") {
        own_tokenizer(line, ours);
    }
}

/// Sides of a picture: a name, or height before width.
fn picture(line: &Line, ours: &mut Ours) {
    let resolution = line.value("--image-resolution").unwrap_or("1080p");
    let sides = match resolution {
        "4k" => Some(("3840", "2160")),
        "1080p" => Some(("1920", "1080")),
        "720p" => Some(("1280", "720")),
        "360p" => Some(("640", "360")),
        other => other.split_once('x').map(|(height, width)| (width, height)),
    };
    match sides {
        Some((width, height)) => {
            ours.set("--image-width", width);
            ours.set("--image-height", height);
        }
        None => ours.note(format!("--image-resolution {resolution}: not understood")),
    }
    if !ours.has("--image-count") {
        ours.set("--image-count", "1");
    }
}

/// What stands in a file, and what would be downloaded.
fn file(line: &Line, ours: &mut Ours, name: &str) {
    let kind = match name {
        "sharegpt" => "sharegpt",
        "custom" | "openai" | "custom_mm" | "custom_image" => "",
        "mooncake" | "timed_trace" => "mooncake",
        "burstgpt" => "burstgpt",
        _ => {
            ours.note(format!(
                "--dataset-name {name}: nothing is downloaded here; fetch it and give --input-file FILE"
            ));
            return;
        }
    };
    match line.value("--dataset-path") {
        Some(path) if matches!(ours.value("--endpoint-type"), Some("embeddings" | "rerank")) => {
            ours.note(format!("{path}: left out: texts to embed or to rank are made up here"));
        }
        Some(path) => {
            ours.set("--input-file", path);
            if !kind.is_empty() {
                ours.set("--custom-dataset-type", kind);
            }
        }
        None => ours.note(format!(
            "the {name} data are not downloaded here: fetch them and give --input-file FILE"
        )),
    }
}
