//! The files of NVIDIA's GenAI-Perf 0.0.16: same names, rows, columns and number formats.
//!
//! The numbers are ours; where GenAI-Perf's definition differs from that of the metric with the most
//! similar name, the metric with the same definition is taken. Its *time to first token* passes over
//! reasoning and is our time to first *output* token, its *inter token latency* is our time per output
//! token. One thing differs on purpose: request throughput leaves failed requests out.
//!
//! Source: triton-inference-server/perf_analyzer, `genai-perf/genai_perf/export_data`.

mod telemetry;

use std::path::{Path, PathBuf};

use bench_store::{LoadLine, MetricLine, PointSummary};
use serde::Serialize;

use crate::{ExportError, csv, export, text::escaped_json};

/// The name of the CSV file.
pub const CSV_FILE: &str = "profile_export_genai_perf.csv";

/// The name of the JSON file.
pub const JSON_FILE: &str = "profile_export_genai_perf.json";

/// What GenAI-Perf would have been asked for, beside the point itself.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The model asked for.
    pub model: &'a str,
    /// Where.
    pub url: &'a str,
    /// The type of endpoint, such as `chat`.
    pub endpoint_type: &'a str,
    /// The seed of everything random.
    pub seed: u64,
}

/// Writes both files into `directory`.
///
/// # Errors
///
/// When one of them cannot be written.
pub fn write(
    directory: &Path,
    point: &PointSummary,
    input: &Input<'_>,
) -> Result<[PathBuf; 2], ExportError> {
    Ok([
        export::write(directory, CSV_FILE, &csv(point))?,
        export::write(directory, JSON_FILE, &json(point, input))?,
    ])
}

/// A metric as GenAI-Perf has it, and what it is here.
struct Row {
    key: &'static str,
    label: &'static str,
    id: &'static str,
}

const fn row(key: &'static str, label: &'static str, id: &'static str) -> Row {
    Row { key, label, id }
}

/// In the order of the CSV file.
const REQUEST_ROWS: [Row; 7] = [
    row("time_to_first_token", "Time To First Token (ms)", "ttfo_ms"),
    row("time_to_second_token", "Time To Second Token (ms)", "ttst_ms"),
    row("request_latency", "Request Latency (ms)", "e2e_ms"),
    row("inter_token_latency", "Inter Token Latency (ms)", "tpot_ms"),
    row(
        "output_token_throughput_per_user",
        "Output Token Throughput Per User (tokens/sec/user)",
        "tps_user",
    ),
    row("output_sequence_length", "Output Sequence Length (tokens)", "osl"),
    row("input_sequence_length", "Input Sequence Length (tokens)", "isl"),
];

const SYSTEM_ROWS: [Row; 3] = [
    row("output_token_throughput", "Output Token Throughput (tokens/sec)", "output_tps"),
    row("request_throughput", "Request Throughput (per sec)", "rps"),
    row("request_count", "Request Count (count)", "requests_ok"),
];

/// The CSV file's columns, and what they are called here.
const COLUMNS: [(&str, &str); 12] = [
    ("avg", "mean"),
    ("min", "min"),
    ("max", "max"),
    ("p99", "p99"),
    ("p95", "p95"),
    ("p90", "p90"),
    ("p75", "p75"),
    ("p50", "p50"),
    ("p25", "p25"),
    ("p10", "p10"),
    ("p5", "p5"),
    ("p1", "p1"),
];

/// `profile_export_genai_perf.csv`. A metric that does not exist is `N/A`, as there.
pub fn csv(point: &PointSummary) -> String {
    let header = std::iter::once("Metric").chain(COLUMNS.map(|(column, _)| column));
    let request = REQUEST_ROWS.iter().map(|row| {
        let cell = |(_, name): (&str, &str)| cell(point, row, name);
        std::iter::once(row.label.to_owned()).chain(COLUMNS.map(cell)).collect()
    });
    let system =
        SYSTEM_ROWS.iter().map(|row| vec![row.label.to_owned(), cell(point, row, "value")]);
    let request = csv::table(std::iter::once(header.map(str::to_owned).collect()).chain(request));
    let system = csv::table(std::iter::once(vec!["Metric".into(), "Value".into()]).chain(system));
    let telemetry = point.telemetry.as_ref().map_or_else(String::new, telemetry::csv);
    format!("{request}\r\n{system}{telemetry}")
}

fn cell(point: &PointSummary, row: &Row, statistic: &str) -> String {
    let value = point.metrics.get(row.id).and_then(|metric| metric.statistic(statistic));
    value.map_or_else(|| "N/A".to_owned(), two_decimals)
}

/// Python's `{:,.2f}`.
fn two_decimals(value: f64) -> String {
    let plain = format!("{value:.2}");
    let (sign, digits) = plain.split_at(usize::from(plain.starts_with('-')));
    let (whole, decimals) = digits.split_at(digits.len() - 3);
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{decimals}")
}

/// `profile_export_genai_perf.json`. A metric that does not exist is absent, as there.
pub fn json(point: &PointSummary, input: &Input<'_>) -> String {
    let request = |key| statistics(point, key);
    let system = |key, unit| value(point, key, unit);
    let document = Document {
        request_throughput: system("request_throughput", "requests/sec"),
        request_latency: request("request_latency"),
        request_count: system("request_count", "count"),
        time_to_first_token: request("time_to_first_token"),
        time_to_second_token: request("time_to_second_token"),
        inter_token_latency: request("inter_token_latency"),
        output_token_throughput: system("output_token_throughput", "tokens/sec"),
        output_token_throughput_per_user: request("output_token_throughput_per_user"),
        output_sequence_length: request("output_sequence_length"),
        input_sequence_length: request("input_sequence_length"),
        telemetry_stats: point.telemetry.as_ref().and_then(telemetry::json),
        input_config: InputConfig::new(point, input),
    };
    escaped_json(&serde_json::to_string_pretty(&document).expect("every key is a string"))
}

fn metric<'a>(rows: &[Row], point: &'a PointSummary, key: &str) -> Option<&'a MetricLine> {
    let row = rows.iter().find(|row| row.key == key)?;
    point.metrics.get(row.id)
}

/// The units of the JSON file, which are not all those of the CSV file.
fn unit(key: &str) -> &'static str {
    match key {
        "output_token_throughput_per_user" => "tokens/sec/user",
        "output_sequence_length" | "input_sequence_length" => "tokens",
        _ => "ms",
    }
}

fn statistics(point: &PointSummary, key: &str) -> Option<Measured> {
    let metric = metric(&REQUEST_ROWS, point, key)?;
    let statistics = Statistics::of_names(|name| metric.statistic(name))?;
    Some(Measured { unit: unit(key), statistics })
}

fn value(point: &PointSummary, key: &str, unit: &'static str) -> Option<Value> {
    let metric = metric(&SYSTEM_ROWS, point, key)?;
    Some(Value { unit, avg: metric.statistic("value")? })
}

/// In the order in which GenAI-Perf writes it.
#[derive(Serialize)]
struct Document<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_throughput: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_latency: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_count: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_token: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_second_token: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inter_token_latency: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_throughput: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_throughput_per_user: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_sequence_length: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_sequence_length: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry_stats: Option<T>,
    input_config: InputConfig<'a>,
}

#[derive(Serialize)]
struct Measured {
    unit: &'static str,
    #[serde(flatten)]
    statistics: Statistics,
}

#[derive(Serialize)]
struct Statistics {
    avg: f64,
    p1: f64,
    p5: f64,
    p10: f64,
    p25: f64,
    p50: f64,
    p75: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    min: f64,
    max: f64,
    std: f64,
}

impl Statistics {
    /// All of them, by the names that they have here.
    fn of_names(of: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        Some(Self {
            avg: of("mean")?,
            p1: of("p1")?,
            p5: of("p5")?,
            p10: of("p10")?,
            p25: of("p25")?,
            p50: of("p50")?,
            p75: of("p75")?,
            p90: of("p90")?,
            p95: of("p95")?,
            p99: of("p99")?,
            min: of("min")?,
            max: of("max")?,
            std: of("std")?,
        })
    }

    /// Those of a single value.
    fn single(value: f64) -> Self {
        let of = |name: &str| Some(if name == "std" { 0.0 } else { value });
        Self::of_names(of).expect("each has a value")
    }

    /// One of them, by its name in the CSV file.
    fn of(&self, column: &str) -> f64 {
        match column {
            "avg" => self.avg,
            "min" => self.min,
            "max" => self.max,
            "p99" => self.p99,
            "p95" => self.p95,
            "p90" => self.p90,
            "p75" => self.p75,
            "p50" => self.p50,
            "p25" => self.p25,
            "p10" => self.p10,
            "p5" => self.p5,
            "p1" => self.p1,
            _ => self.std,
        }
    }
}

#[derive(Serialize)]
struct Value {
    unit: &'static str,
    avg: f64,
}

/// What GenAI-Perf was asked for: the part of it that has a meaning here.
#[derive(Serialize)]
struct InputConfig<'a> {
    model_names: [&'a str; 1],
    subcommand: &'static str,
    endpoint: Endpoint<'a>,
    perf_analyzer: PerfAnalyzer,
    input: Seed,
    output: Output,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    r#type: &'a str,
    streaming: bool,
    url: &'a str,
}

#[derive(Serialize)]
struct PerfAnalyzer {
    stimulus: Stimulus,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Stimulus {
    Concurrency(usize),
    RequestRate(Option<f64>),
}

#[derive(Serialize)]
struct Seed {
    random_seed: u64,
}

#[derive(Serialize)]
struct Output {
    profile_export_file: &'static str,
}

impl<'a> InputConfig<'a> {
    fn new(point: &PointSummary, input: &Input<'a>) -> Self {
        let stimulus = match point.load {
            LoadLine::Closed { concurrency, .. } => Stimulus::Concurrency(concurrency),
            LoadLine::Open { requests_per_s, .. } => Stimulus::RequestRate(requests_per_s),
        };
        Self {
            model_names: [input.model],
            subcommand: "profile",
            endpoint: Endpoint { r#type: input.endpoint_type, streaming: true, url: input.url },
            perf_analyzer: PerfAnalyzer { stimulus },
            input: Seed { random_seed: input.seed },
            output: Output { profile_export_file: "profile_export.json" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_as_python_does() {
        for (value, expected) in [
            (0.0, "0.00"),
            (-1.0, "-1.00"),
            (23.944, "23.94"),
            (999.994, "999.99"),
            (999.996, "1,000.00"),
            (5_919.16, "5,919.16"),
            (-1_234_567.891, "-1,234,567.89"),
        ] {
            assert_eq!(two_decimals(value), expected);
        }
    }

    #[test]
    fn each_row_is_what_the_registry_says_it_is() {
        for row in REQUEST_ROWS.iter().chain(&SYSTEM_ROWS) {
            let metric = bench_core::metric(row.id).unwrap();
            let same = metric.elsewhere.iter().any(|(tool, name)| {
                *tool == "genai-perf" && name.split(' ').next() == Some(row.key)
            });
            assert!(same, "{} is not {}", row.id, row.key);
        }
    }
}
