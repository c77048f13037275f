//! guidellm: `benchmarks.json`, with a point for each benchmark.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    ImportError, Report, Tool, genai_perf,
    point::{Draft, Statistics},
    raw::{self, Exchange},
    text::{Number, Text},
};
use crate::LoadLine;

/// Reads `benchmarks.json`.
pub(super) fn read(text: &Text) -> Result<Report, ImportError> {
    let file: File = text.only()?;
    let Some(first) = file.benchmarks.first() else {
        return Err(ImportError::Incomplete {
            path: text.path.clone(),
            tool: Tool::Guidellm,
            what: "has no benchmark that ended",
        });
    };
    let backend =
        |key: &str| Some(first.config.pointer(&format!("/backend/{key}"))?.as_str()?.to_owned());
    let mut report = Report {
        version: file.metadata.guidellm_version,
        created: first.start_time.0.and_then(timestamp),
        model: backend("model"),
        url: backend("target"),
        ..Report::default()
    };
    for benchmark in &file.benchmarks {
        let (point, detailed) = benchmark.point();
        report.points.push(point);
        report.note(match detailed {
            true => "distributions were computed from the single requests",
            false => {
                "single requests are not told: tpot_ms is left out, as guidellm's time per output token \
                 has the first token in it and its inter token latency is weighted by tokens"
            }
        });
        if detailed {
            report.note(raw::ONE_READ_NOTE);
        } else {
            report.note(
                "where single requests are not told, e2e_ms ends when the connection was done with, \
                 and percentiles are values that occurred, a missing one being 0",
            );
        }
    }
    report.note(
        "moments are by the wall clock, and begin before the connection is set up, where a new one \
         was needed",
    );
    report.note(
        "throughputs are means over the measured time, in which requests may have begun before it",
    );
    Ok(report)
}

#[derive(Deserialize)]
struct File {
    metadata: Metadata,
    benchmarks: Vec<Benchmark>,
}

#[derive(Deserialize)]
struct Metadata {
    guidellm_version: Option<String>,
}

#[derive(Deserialize)]
struct Benchmark {
    #[serde(default)]
    config: Value,
    metrics: Metrics,
    #[serde(default)]
    requests: ByStatus<Vec<Request>>,
    #[serde(default)]
    start_time: Number,
    #[serde(default)]
    duration: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    request_totals: ByStatus<Number>,
    requests_per_second: ByStatus<Distribution>,
    request_concurrency: ByStatus<Distribution>,
    request_latency: ByStatus<Distribution>,
    prompt_token_count: ByStatus<Distribution>,
    output_token_count: ByStatus<Distribution>,
    time_to_first_token_ms: ByStatus<Distribution>,
    time_to_first_output_token_ms: ByStatus<Distribution>,
    output_tokens_per_second: ByStatus<Distribution>,
    tokens_per_second: ByStatus<Distribution>,
}

/// Something for each way that a request can end; absent where none ended so.
#[derive(Deserialize)]
struct ByStatus<T> {
    successful: Option<T>,
    incomplete: Option<T>,
    errored: Option<T>,
}

impl<T> Default for ByStatus<T> {
    fn default() -> Self {
        Self { successful: None, incomplete: None, errored: None }
    }
}

#[derive(Deserialize)]
struct Distribution {
    #[serde(default)]
    mean: Number,
    #[serde(default)]
    std_dev: Number,
    #[serde(default)]
    min: Number,
    #[serde(default)]
    max: Number,
    #[serde(default)]
    count: Number,
    #[serde(default)]
    percentiles: BTreeMap<String, Number>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    info: RequestFacts,
    #[serde(default)]
    prompt_tokens: Number,
    #[serde(default)]
    output_tokens: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestFacts {
    timings: Timings,
    error: Option<String>,
}

/// In seconds since the Unix epoch.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Timings {
    request_start: Number,
    first_token_iteration: Number,
    first_output_token_iteration: Number,
    last_token_iteration: Number,
    request_end: Number,
}

/// What the first and the last token of a request tell.
const COMPUTED: [&str; 12] = [
    "ttft_ms",
    "ttfo_ms",
    "tpot_ms",
    "e2e_ms",
    "tps_user",
    "e2e_tps_user",
    "prefill_tps",
    "decode_tps",
    "osl",
    "isl",
    "prefill_concurrency",
    "decode_concurrency",
];

impl Benchmark {
    /// The point, and whether it was computed from single requests.
    fn point(&self) -> (Draft, bool) {
        let Metrics { request_totals: totals, .. } = &self.metrics;
        let mut point = Draft::new(self.load(), String::new());
        point.ok = totals.successful.and_then(Number::count);
        point.failed = totals.errored.and_then(Number::count);
        point.cancelled = totals.incomplete.and_then(Number::count);
        for request in self.requests.errored.iter().flatten() {
            point.said(request.info.error.as_deref().unwrap_or_default(), 1);
        }
        self.add_stated(&mut point);
        let requests = self.requests.successful.as_deref().unwrap_or_default();
        // guidellm may keep a sample of the requests only.
        let detailed = !requests.is_empty() && point.ok == Some(requests.len() as u64);
        if detailed {
            let exchanges = requests.iter().filter_map(Request::exchange);
            point.computed(&raw::summarize(exchanges), &COMPUTED);
        }
        point.describe_lengths();
        (point, detailed)
    }

    fn add_stated(&self, point: &mut Draft) {
        let metrics = &self.metrics;
        for (id, status, factor) in [
            ("ttft_ms", &metrics.time_to_first_token_ms, 1.0),
            ("ttfo_ms", &metrics.time_to_first_output_token_ms, 1.0),
            ("e2e_ms", &metrics.request_latency, 1e3),
            ("isl", &metrics.prompt_token_count, 1.0),
            ("osl", &metrics.output_token_count, 1.0),
        ] {
            let some = status.successful.as_ref();
            // Nothing but zeros is how guidellm writes what it did not measure.
            if let Some(distribution) = some.filter(|d| d.max.0.is_some_and(|max| max > 0.0)) {
                point.statistics(id, distribution.statistics(factor));
            }
        }
        for (id, status) in [
            ("rps", &metrics.requests_per_second),
            ("output_tps", &metrics.output_tokens_per_second),
            ("total_tps", &metrics.tokens_per_second),
            ("concurrency", &metrics.request_concurrency),
        ] {
            point.value(id, status.successful.as_ref().and_then(|d| d.mean.0));
        }
        point.value("window_s", self.duration.0);
    }

    fn load(&self) -> LoadLine {
        let strategy = self.config.get("strategy").unwrap_or(&Value::Null);
        let number = |key: &str| strategy.get(key).and_then(Value::as_f64);
        let users = |n| genai_perf::load_of(n, None).unwrap_or_else(genai_perf::unknown_load);
        match strategy.get("type_").and_then(Value::as_str).unwrap_or_default() {
            "synchronous" => users(Some(1.0)),
            "concurrent" => users(number("streams")),
            "throughput" => users(number("max_concurrency")),
            name => LoadLine::Open {
                schedule: name.to_owned(),
                requests_per_s: number("rate"),
                max_in_flight: None,
            },
        }
    }
}

impl Distribution {
    fn statistics(&self, factor: f64) -> Statistics {
        let mut statistics = Statistics::default().counted(self.count.count());
        let scaled = |number: &Number| number.0.map(|value| value * factor);
        for (name, number) in
            [("mean", &self.mean), ("std", &self.std_dev), ("min", &self.min), ("max", &self.max)]
        {
            statistics.set(name, scaled(number));
        }
        for (name, number) in &self.percentiles {
            // `p05` is the fifth, `p001` the tenth part of the first.
            let name = match name.as_str() {
                "p01" => "p1",
                "p05" => "p5",
                "p999" => "p99_9",
                name => name,
            };
            statistics.set(name, scaled(number));
        }
        statistics
    }
}

impl Request {
    fn exchange(&self) -> Option<Exchange> {
        let timings = &self.info.timings;
        let sent = timings.request_start.0?;
        let after = |moment: Number| moment.0.map(|moment| moment - sent);
        Some(Exchange {
            sent,
            first: after(timings.first_token_iteration),
            first_output: after(timings.first_output_token_iteration),
            last: after(timings.last_token_iteration).or(after(timings.request_end)),
            input_tokens: self.prompt_tokens.count(),
            output_tokens: self.output_tokens.count(),
            ..Exchange::default()
        })
    }
}

fn timestamp(seconds: f64) -> Option<Timestamp> {
    const MOST_S: f64 = 2e11;
    #[expect(clippy::cast_possible_truncation, reason = "the range is looked at first")]
    let ms = (0.0..MOST_S).contains(&seconds).then_some((seconds * 1e3) as i64)?;
    Timestamp::from_millisecond(ms).ok()
}
