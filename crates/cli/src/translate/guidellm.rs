//! GuideLLM: `kind=…,key=value` since 0.7, flags of their own before.

use serde_json::{Map, Value};

use super::{
    Tool,
    line::{Known, Line, Means, many, one, switch},
    ours::Ours,
};

pub(super) const GUIDELLM: Tool = Tool {
    name: "guidellm run",
    calls: &[&["guidellm", "benchmark", "run"], &["guidellm", "benchmark"], &["guidellm", "run"]],
    flags: FLAGS,
    families: &[("--disable-console", "left out: --ui none shows nothing while measuring")],
    finish,
};

const FLAGS: &[Known] = &[
    one(&["--backend"], Means::Own),
    one(&["--profile", "--rate-type"], Means::Own),
    many(&["--rate"], Means::Own),
    one(&["--constraint"], Means::Own),
    one(&["--data"], Means::Own),
    one(&["--tokenizer", "--processor"], Means::Own),
    one(&["--seed", "--random-seed"], Means::Own),
    one(&["--output"], Means::Own),
    one(&["--output-path", "--output-dir", "--outputs"], Means::Needless),
    one(&["--target"], Means::Own),
    one(&["--model"], Means::Own),
    one(&["--request-type", "--request-format"], Means::Own),
    one(&["--backend-type"], Means::Needless),
    one(
        &["--backend-args", "--backend-kwargs"],
        Means::Missing("left out: see -H and --extra-inputs"),
    ),
    one(&["--max-seconds"], Means::As("--benchmark-duration")),
    one(&["--max-requests"], Means::As("--request-count")),
    one(
        &["--max-errors", "--max-error-rate"],
        Means::Missing(
            "left out: failed requests are counted, and many of them end a run by themselves",
        ),
    ),
    one(
        &["--warmup-percent", "--warmup", "--cooldown", "--cooldown-percent"],
        Means::Missing("left out: see --warmup-request-count; nothing is cut off at the end"),
    ),
    one(
        &["--config", "--scenario", "-c"],
        Means::Missing("left out: see --workload, and `inferbench explain workloads`"),
    ),
    one(&["--data-column-mapper"], Means::Own),
    one(
        &[
            "--data-preprocessor",
            "--data-finalizer",
            "--data-loader",
            "--data-args",
            "--data-sampler",
        ],
        Means::Missing("left out: see `inferbench dataset`, and --prompt-column and its like"),
    ),
    one(&["--metrics", "--sample-requests"], Means::Needless),
    switch(
        &[
            "--disable-progress",
            "--disable-console",
            "--disable-console-interactive",
            "--disable-console-outputs",
            "--display-scheduler-stats",
        ],
        Means::Needless,
    ),
];

fn finish(line: &Line, ours: &mut Ours) {
    server(line, ours);
    let data: Vec<Map<String, Value>> = line.values("--data").map(pairs).collect();
    for data in &data {
        workload(data, line, ours);
    }
    if data.len() > 1 {
        ours.note("several --data: a run of ours has one, or a mix of lengths with --seq-dist");
    }
    profile(line, ours);
    for limit in line.values("--constraint").map(pairs) {
        constraint(&limit, ours);
    }
    if let Some(seed) = line.value("--seed") {
        ours.set("--random-seed", &text(&pairs(seed), "value").unwrap_or_else(|| seed.to_owned()));
    }
    if let Some(tokenizer) = line.value("--tokenizer") {
        let name = text(&pairs(tokenizer), "model").unwrap_or_else(|| tokenizer.to_owned());
        ours.set("--tokenizer", &name);
    }
    for output in line.values("--output").map(pairs) {
        match text(&output, "kind").as_deref() {
            Some("csv") => ours.set("--export", "csv"),
            Some("html" | "plot") => ours.note("no pages or pictures are made here"),
            _ => {}
        }
    }
}

/// `kind=a,key=b`, a JSON object, or a word that is the kind itself.
fn pairs(given: &str) -> Map<String, Value> {
    let given = given.trim();
    if given.starts_with('{') {
        return match serde_json::from_str(given) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
    }
    if !given.contains('=') {
        return Map::from_iter([("kind".to_owned(), given.into())]);
    }
    let mut fields = Map::new();
    for pair in bench_harness::plan::split(given, ',') {
        if let Some((key, value)) = pair.split_once('=') {
            set(&mut fields, key.trim(), value);
        }
    }
    fields
}

/// `a.b=c` is `{"a": {"b": "c"}}`.
fn set(fields: &mut Map<String, Value>, key: &str, value: &str) {
    match key.split_once('.') {
        Some((section, key)) => {
            let section = fields.entry(section).or_insert_with(|| Map::new().into());
            if let Value::Object(section) = section {
                set(section, key, value);
            }
        }
        None => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            fields.insert(key.to_owned(), value);
        }
    }
}

/// A field as a flag has it; several with commas.
fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    };
    match fields.get(key)? {
        Value::Array(items) => {
            let words: Vec<String> = items.iter().filter_map(word).collect();
            Some(words.join(","))
        }
        value => word(value),
    }
}

fn server(line: &Line, ours: &mut Ours) {
    let backend = line.value("--backend").map(pairs).unwrap_or_default();
    if text(&backend, "kind").is_some_and(|kind| kind == "vllm_python") {
        ours.note("vllm_python measures the engine without a server: start one, `inferbench run --up vllm:MODEL`");
    }
    let target = text(&backend, "target").or_else(|| line.value("--target").map(str::to_owned));
    match target {
        // Ours add the API's path to the address.
        Some(url) => ours.set("--url", url.trim_end_matches('/').trim_end_matches("/v1")),
        None => ours.set("--url", "http://localhost:8000"),
    }
    if let Some(model) =
        text(&backend, "model").or_else(|| line.value("--model").map(str::to_owned))
    {
        ours.set("--model", &model);
    }
    let format = text(&backend, "request_format");
    match format.as_deref().or(line.value("--request-type")) {
        None | Some("/v1/chat/completions" | "chat_completions") => {
            ours.set("--endpoint-type", "chat");
        }
        Some("/v1/completions" | "text_completions") => ours.set("--endpoint-type", "completions"),
        Some("/v1/responses") => ours.set("--endpoint-type", "responses"),
        Some("/v1/embeddings" | "embeddings") => ours.set("--endpoint-type", "embeddings"),
        Some("/pooling") => {
            ours.set("--endpoint-type", "embeddings");
            ours.set("--endpoint", "/pooling");
        }
        Some(other) => ours.note(format!("{other}: an API that is not measured here")),
    }
    if backend.contains_key("api_key") {
        ours.api_key();
    }
    let extras = backend.get("extras").and_then(Value::as_object);
    let part = |name: &str| extras.and_then(|extras| extras.get(name)).and_then(Value::as_object);
    for (field, value) in part("body").into_iter().flatten() {
        ours.set("--extra-inputs", &format!("{field}:{value}"));
    }
    for (name, value) in part("headers").into_iter().flatten() {
        ours.header(name, value.as_str().unwrap_or_default());
    }
}

fn workload(data: &Map<String, Value>, line: &Line, ours: &mut Ours) {
    let has = |key: &str| text(data, key);
    let is_made_up = data.contains_key("prompt_tokens")
        || has("kind").is_some_and(|kind| kind == "synthetic_text");
    if is_made_up && has("path").is_none() {
        let flags = [
            ("prompt_tokens", "--isl"),
            ("prompt_tokens_stdev", "--isl-stddev"),
            ("output_tokens", "--osl"),
            ("output_tokens_stdev", "--osl-stddev"),
            ("turns", "--turns"),
            ("prefix_tokens", "--prefix-prompt-length"),
            ("prefix_count", "--num-prefix-prompts"),
        ];
        for (key, flag) in flags {
            if let Some(value) = has(key).filter(|_| !ours.has(flag)) {
                ours.set(flag, &value);
            }
        }
        for key in data.keys().filter(|key| key.contains("tool_")) {
            ours.note(format!(
                "{key}: left out: `--suite tools` asks questions that call functions"
            ));
        }
        return;
    }
    match has("kind").as_deref() {
        Some("json_file" | "csv_file" | "text_file" | "parquet_file" | "file") => {
            file(has("path"), line, ours);
        }
        Some("trace_synthetic" | "mooncake" | "weka") => {
            file(has("path"), line, ours);
            ours.switch("--fixed-schedule");
            ours.note("a trace is one of Mooncake's, BurstGPT's or Azure's: its columns have their names there");
        }
        Some("huggingface") => match has("source")
            .filter(|source| source.contains(".json") || source.contains(".csv"))
        {
            Some(path) => file(Some(path), line, ours),
            None => ours.note(format!(
                "{}: nothing is downloaded here; fetch it and give --input-file FILE",
                has("source").unwrap_or_default()
            )),
        },
        Some("synthetic_image") => {
            let sides = [
                ("width", "--image-width"),
                ("height", "--image-height"),
                ("images_per_request", "--image-count"),
            ];
            for (key, flag) in sides {
                has(key).into_iter().for_each(|value| ours.set(flag, &value));
            }
            if !ours.has("--image-count") {
                ours.set("--image-count", "1");
            }
            if let Some(tokens) = has("output_tokens").filter(|_| !ours.has("--osl")) {
                ours.set("--osl", &tokens);
            }
        }
        Some(path) if path.contains('.') => file(Some(path.to_owned()), line, ours),
        Some(other) => ours.note(format!("--data {other}: not sent here")),
        None => {}
    }
}

fn file(path: Option<String>, line: &Line, ours: &mut Ours) {
    let Some(path) = path else { return };
    if ours.value("--endpoint-type") == Some("embeddings") {
        return ours.note(format!("{path}: left out: texts to embed are made up here"));
    }
    ours.set("--input-file", &path);
    let mapping = line.value("--data-column-mapper").map(pairs).unwrap_or_default();
    let columns = mapping.get("column_mappings").and_then(Value::as_object);
    let column = columns.and_then(|columns| text(columns, "text_column"));
    column.into_iter().for_each(|column| ours.set("--prompt-column", &column));
}

fn profile(line: &Line, ours: &mut Ours) {
    let profile = line.value("--profile").map(pairs).unwrap_or_default();
    let rates: Vec<&str> = line.values("--rate").collect();
    let rates = (!rates.is_empty()).then(|| rates.join(","));
    let has = |key: &str| text(&profile, key);
    match has("kind").as_deref() {
        Some("synchronous") => ours.set("--concurrency", "1"),
        Some("concurrent") => {
            if let Some(streams) = has("streams").or(rates) {
                ours.set("--concurrency", &streams);
            }
        }
        Some("throughput") => {
            let most = has("max_concurrency").or(rates).unwrap_or_else(|| "512".to_owned());
            ours.set("--concurrency", &most);
            ours.note("GuideLLM sends all that it may at once; here that many are in flight");
        }
        Some(kind @ ("constant" | "async" | "poisson")) => {
            let pattern = if kind == "poisson" { "poisson" } else { "constant" };
            ours.set("--arrival-pattern", pattern);
            match has("rate").or(rates) {
                Some(rate) => ours.set("--request-rate", &rate),
                None => ours.note("there is no rate: give --request-rate"),
            }
            has("max_concurrency").into_iter().for_each(|most| ours.set("--concurrency", &most));
        }
        Some("replay") => {
            if !ours.has("--input-file") {
                ours.note("a replay needs its trace: give --input-file FILE --fixed-schedule");
                return;
            }
            ours.switch("--fixed-schedule");
            // Theirs stretches time, ours speeds it up.
            if let Some(scale) = has("time_scale").and_then(|scale| scale.parse::<f64>().ok())
                && scale > 0.0
                && (scale - 1.0).abs() > f64::EPSILON
            {
                ours.set("--speed-up", &format!("{}", 1.0 / scale));
            }
        }
        Some("sweep") | None => {
            ours.set("--concurrency", "1..512");
            ours.note(
                "GuideLLM's sweep goes over rates between one request at a time and all at once; ours doubles the \
                 concurrency until more brings nothing",
            );
        }
        Some(other) => ours.note(format!("--profile {other}: not one of ours")),
    }
    if let Some(duration) = has("rampup_duration") {
        let flag = match ours.has("--request-rate") {
            true => "--request-rate-ramp-duration",
            false => "--concurrency-ramp-duration",
        };
        ours.set(flag, &duration);
    }
    for key in ["warmup", "cooldown"] {
        if profile.contains_key(key) {
            ours.note(format!(
                "{key} in --profile: left out: --warmup-request-count says how much is not counted"
            ));
        }
    }
}

fn constraint(limit: &Map<String, Value>, ours: &mut Ours) {
    match text(limit, "kind").as_deref() {
        Some("max_duration") => {
            text(limit, "seconds").into_iter().for_each(|s| ours.set("--benchmark-duration", &s));
        }
        Some("max_requests") => {
            text(limit, "count").into_iter().for_each(|n| ours.set("--request-count", &n));
        }
        Some("over_saturation") => ours.switch("--stop-on-saturation"),
        Some(other) => ours.note(format!(
            "{other}: left out: failed requests are counted, and many of them end a run by themselves"
        )),
        None => {}
    }
}
