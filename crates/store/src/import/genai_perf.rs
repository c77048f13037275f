//! genai-perf: `profile_export_genai_perf.json`, and what it shares with its table and with AIPerf.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    ImportError, Report,
    point::{Draft, Statistics},
    text::{Number, Text},
};
use crate::LoadLine;

/// Reads `profile_export_genai_perf.json`.
pub(super) fn read(text: &Text) -> Result<Report, ImportError> {
    let file: Map<String, Value> = text.only()?;
    let config = file.get("input_config").unwrap_or(&Value::Null);
    let load = load(config).unwrap_or_else(unknown_load);
    let mut point = point(&records(&file), load);
    if config.pointer("/endpoint/streaming").and_then(Value::as_bool) == Some(false) {
        // An answer that comes as a whole has a first token only by name.
        STREAMED.iter().for_each(|id| point.remove(id));
    }
    if let Some(workload) = workload(config) {
        point.workload = workload;
    }
    let model = config.pointer("/model_names/0").or_else(|| config.pointer("/model/0"));
    let url = config.pointer("/endpoint/url").or_else(|| config.get("url"));
    let word = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
    let mut report = Report { model: word(model), url: word(url), ..Report::default() };
    report.points.push(point);
    report.notes.extend(NOTES.map(str::to_owned));
    Ok(report)
}

/// What only a stream tells.
const STREAMED: [&str; 4] = ["ttfo_ms", "ttst_ms", "tpot_ms", "tps_user"];

/// What to know about genai-perf's numbers, wherever they stand.
pub(super) const NOTES: [&str; 4] = [
    "ttfo_ms is genai-perf's time_to_first_token, which passes over the reasoning channel; it does not \
     measure ttft_ms",
    "osl, isl and tpot_ms are by genai-perf's own tokenizer over the text, not by the server's usage",
    "events that came in one read count as one response in ttst_ms",
    "rps counts requests that had no answer too; how many failed is not told",
];

/// The statistics under a tag, by genai-perf's names for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) unit: String,
    pub(super) statistics: BTreeMap<String, f64>,
}

impl Record {
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.statistics.get(name).copied()
    }

    /// By our names, and in milliseconds where it is a time.
    pub(super) fn statistics(&self, count: Option<u64>) -> Statistics {
        let factor = match self.unit.as_str() {
            "ns" => 1e-6,
            "us" => 1e-3,
            "s" | "sec" => 1e3,
            _ => 1.0,
        };
        let mut statistics = Statistics::default().counted(count);
        for (name, value) in &self.statistics {
            statistics.set(if name == "avg" { "mean" } else { name }, Some(value * factor));
        }
        statistics
    }
}

/// Those entries of the file that are metrics.
pub(super) fn records(file: &Map<String, Value>) -> BTreeMap<String, Record> {
    let record = |value: &Value| {
        let object = value.as_object()?;
        let unit = object.get("unit")?.as_str()?.to_owned();
        let numbers = object.iter().filter_map(|(name, n)| Some((name.clone(), n.as_f64()?)));
        Some(Record { unit, statistics: numbers.collect() })
    };
    file.iter().filter_map(|(tag, value)| Some((tag.clone(), record(value)?))).collect()
}

/// The point that genai-perf's metrics make.
pub(super) fn point(records: &BTreeMap<String, Record>, load: LoadLine) -> Draft {
    let mut point = Draft::new(load, String::new());
    let value = |tag: &str| records.get(tag).and_then(|record| record.get("avg"));
    let count = value("request_count").map(|n| Number(Some(n)));
    point.ok = count.and_then(|count| count.count());
    for (tag, id) in [
        ("time_to_first_token", "ttfo_ms"),
        ("time_to_second_token", "ttst_ms"),
        ("request_latency", "e2e_ms"),
        ("inter_token_latency", "tpot_ms"),
        ("output_token_throughput_per_user", "tps_user"),
        ("output_sequence_length", "osl"),
        ("input_sequence_length", "isl"),
        // As tables of the first releases call them.
        ("num_output_token", "osl"),
        ("num_input_token", "isl"),
    ] {
        // Answers of one token are in no statistic of gaps: its count is not known.
        let count = point.ok.filter(|_| matches!(id, "ttfo_ms" | "e2e_ms" | "osl" | "isl"));
        if let Some(record) = records.get(tag) {
            point.statistics(id, record.statistics(count));
        }
    }
    point.value("output_tps", value("output_token_throughput"));
    point.value("rps", value("request_throughput"));
    point.describe_lengths();
    point
}

/// What stands for a load that is not told.
pub(super) fn unknown_load() -> LoadLine {
    LoadLine::Open { schedule: "not told".to_owned(), requests_per_s: None, max_in_flight: None }
}

/// So many users, or so many requests a second.
pub(super) fn load_of(concurrency: Option<f64>, rate: Option<f64>) -> Option<LoadLine> {
    let users = concurrency.and_then(|n| Number(Some(n)).count());
    let users = users.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
        let schedule = "not told".to_owned();
        let requests_per_s = Some(rate);
        return Some(LoadLine::Open { schedule, requests_per_s, max_in_flight: users });
    }
    users.map(LoadLine::closed)
}

fn load(config: &Value) -> Option<LoadLine> {
    // Releases before 0.0.9 wrote their arguments down without sections.
    let stimulus = config.pointer("/perf_analyzer/stimulus").unwrap_or(config);
    let number = |key: &str| stimulus.get(key).and_then(Value::as_f64);
    load_of(number("concurrency"), number("request_rate"))
}

fn workload(config: &Value) -> Option<String> {
    let mean = |path: &str| config.pointer(path).and_then(Value::as_f64).filter(|n| *n > 0.0);
    let isl = mean("/input/synthetic_tokens/mean")?;
    let osl = mean("/input/output_tokens/mean").map_or("open".to_owned(), |n| n.to_string());
    Some(format!("synthetic ISL {isl} OSL {osl}"))
}
