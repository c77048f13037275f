//! AIPerf: `profile_export_aiperf.json`, and `profile_export.jsonl` where it lies beside.

mod requests;

use std::collections::BTreeMap;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    ImportError, Report,
    genai_perf::{self, Record},
    point::Draft,
    raw,
    text::{Number, Text},
};
use crate::LoadLine;

/// Reads `profile_export_aiperf.json` and the requests beside it.
pub(super) fn read(text: &Text) -> Result<Report, ImportError> {
    let file: Map<String, Value> = text.only()?;
    let config = file.get("input_config").unwrap_or(&Value::Null);
    let word = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
    let mut report = Report {
        version: word(file.get("aiperf_version")),
        created: file.get("start_time").and_then(Value::as_str).and_then(local_time),
        model: word(
            config.pointer("/models/items/0/name").or(config.pointer("/endpoint/model_names/0")),
        ),
        url: word(config.pointer("/endpoint/urls/0").or(config.pointer("/endpoint/url"))),
        interrupted: file.get("was_cancelled").and_then(Value::as_bool).unwrap_or(false),
        ..Report::default()
    };
    let load = load(config).unwrap_or_else(genai_perf::unknown_load);
    let mut point = stated(&genai_perf::records(&file), load, &mut report);
    add_errors(&file, &mut point);
    report.note(STATED_GAPS);
    if let Some(requests) = requests::beside(text)? {
        add_computed(&requests, &mut point, &mut report)?;
    }
    match workload(config) {
        Some(workload) => point.workload = workload,
        None => point.describe_lengths(),
    }
    report.points.push(point);
    report.note(
        "ttft_ms, ttfo_ms and e2e_ms begin before the connection is set up, where a new one was \
         needed",
    );
    if report.created.is_some() {
        report.note("start_time is local time, and was taken for UTC");
    }
    Ok(report)
}

/// What the file itself says.
fn stated(records: &BTreeMap<String, Record>, load: LoadLine, report: &mut Report) -> Draft {
    let mut point = Draft::new(load, String::new());
    let value = |tag: &str| records.get(tag).and_then(|record| record.get("avg"));
    let count = |tag: &str| Number(value(tag)).count();
    point.ok = count("request_count");
    let ended = count("completed_request_count").zip(point.ok);
    let failed = count("error_request_count");
    point.failed = failed.or(ended.map(|(ended, ok)| ended.saturating_sub(ok)));
    for (tag, id) in [
        ("time_to_first_token", "ttft_ms"),
        ("time_to_second_token", "ttst_ms"),
        ("time_to_first_output_token", "ttfo_ms"),
        ("request_latency", "e2e_ms"),
        ("inter_token_latency", "tpot_ms"),
        ("inter_chunk_latency", "icl_ms"),
        ("output_token_throughput_per_user", "tps_user"),
        ("e2e_output_token_throughput", "e2e_tps_user"),
        ("prefill_throughput_per_user", "prefill_tps"),
        ("output_sequence_length", "osl"),
        ("input_sequence_length", "isl"),
        ("reasoning_token_count", "reasoning_tokens"),
        ("credit_to_start_latency", "queue_ms"),
        ("effective_latency", "e2e_due_ms"),
    ] {
        if let Some(record) = records.get(tag) {
            let count = record.get("count").and_then(|n| Number(Some(n)).count());
            point.statistics(id, record.statistics(count));
        }
    }
    point.value("concurrency", value("effective_concurrency"));
    point.value("window_s", value("benchmark_duration"));
    add_throughputs(records, &mut point, report);
    add_usage(records, &mut point, report);
    point
}

/// Totals over the time from the first request to the last token, as our definitions are; AIPerf's own
/// throughputs are over the whole phase, which is longer.
fn add_throughputs(records: &BTreeMap<String, Record>, point: &mut Draft, report: &mut Report) {
    let value = |tag: &str| records.get(tag).and_then(|record| record.get("avg"));
    let window = value("benchmark_duration").filter(|s| *s > 0.0);
    let rate = |total: Option<f64>| Some(total? / window?);
    let (output, input) = (value("total_osl"), value("total_isl"));
    let tokens = output.zip(input).map(|(output, input)| output + input);
    for (id, total, stated) in [
        ("rps", value("request_count"), "request_throughput"),
        ("output_tps", output, "output_token_throughput"),
        ("total_tps", tokens, "total_token_throughput"),
    ] {
        point.value(id, rate(total).or_else(|| value(stated)));
    }
    if window.is_some() {
        report.note(
            "throughputs are over benchmark_duration, from the first request to the last token; those \
             that AIPerf prints are over the whole phase",
        );
    }
}

/// Counts by the server's usage in place of those by AIPerf's tokenizer, as our definitions are.
fn add_usage(records: &BTreeMap<String, Record>, point: &mut Draft, report: &mut Report) {
    let usage = |tag: &str| {
        let record = records.get(tag)?;
        let count = record.get("count").and_then(|n| Number(Some(n)).count());
        (count == point.ok).then(|| record.statistics(count))
    };
    let (Some(osl), Some(isl)) = (usage("usage_completion_tokens"), usage("usage_prompt_tokens"))
    else {
        report.note("osl, isl and what derives from them are by AIPerf's own tokenizer");
        return;
    };
    point.statistics("osl", osl);
    point.statistics("isl", isl);
    let value = |tag: &str| records.get(tag).and_then(|record| record.get("avg"));
    if let Some(window) = value("benchmark_duration").filter(|s| *s > 0.0) {
        let rate = |tag: &str| value(tag).map(|total| total / window);
        point.value("output_tps", rate("total_usage_completion_tokens"));
        point.value("total_tps", rate("total_usage_total_tokens"));
    }
    report.note(
        "osl, isl and token throughputs are by the server's usage, which AIPerf reports beside its own \
         counts",
    );
    report.note(BY_ITS_TOKENIZER);
}

const BY_ITS_TOKENIZER: &str =
    "tpot_ms, tps_user, e2e_tps_user and prefill_tps are by AIPerf's own tokenizer";

const STATED_GAPS: &str =
    "moments are those of the read: events that came in one read have gaps of nothing in icl_ms";

fn add_errors(file: &Map<String, Value>, point: &mut Draft) {
    for error in file.get("error_summary").and_then(Value::as_array).into_iter().flatten() {
        let details = error.get("error_details").unwrap_or(error);
        let message = details.get("message").and_then(Value::as_str);
        let count = error.get("count").and_then(Value::as_u64);
        if let (Some(message), Some(count)) = (message, count) {
            point.said(message, count);
        }
    }
}

/// What our formulas are put to. `ttfo_ms` rests on the gaps as well, and is taken as stated.
const COMPUTED: [&str; 24] = [
    "ttft_ms",
    "ttst_ms",
    "tpot_ms",
    "icl_ms",
    "coalesced_ratio",
    "e2e_ms",
    "ttft_due_ms",
    "e2e_due_ms",
    "queue_ms",
    "connect_ms",
    "tps_user",
    "e2e_tps_user",
    "prefill_tps",
    "decode_tps",
    "osl",
    "isl",
    "output_tps",
    "total_tps",
    "peak_output_tps",
    "rps",
    "concurrency",
    "prefill_concurrency",
    "decode_concurrency",
    "window_s",
];

fn add_computed(
    requests: &Text,
    point: &mut Draft,
    report: &mut Report,
) -> Result<(), ImportError> {
    let exchanges = requests::read(requests)?;
    if point.ok.is_some_and(|ok| ok != exchanges.len() as u64) {
        report
            .note("profile_export.jsonl has other requests than the summary, and was passed over");
        return Ok(());
    }
    point.ok = Some(exchanges.len() as u64);
    point.computed(&raw::summarize(exchanges), &COMPUTED);
    report.notes.retain(|note| note != BY_ITS_TOKENIZER && note != STATED_GAPS);
    report.note(raw::ONE_READ_NOTE);
    report.note("distributions were computed from the single requests in profile_export.jsonl");
    Ok(())
}

fn load(config: &Value) -> Option<LoadLine> {
    let phases = config.get("phases").and_then(Value::as_array).into_iter().flatten();
    let is_measured = |phase: &&Value| {
        let kind = phase.get("kind").or(phase.get("name")).and_then(Value::as_str);
        kind.is_none_or(|kind| kind != "warmup")
    };
    // Releases before 0.10 had no phases.
    let measured = phases.rev().find(is_measured).or_else(|| config.get("loadgen"))?;
    let number = |key: &str| measured.get(key).and_then(Value::as_f64);
    let rate = number("rate").or_else(|| number("request_rate"));
    genai_perf::load_of(number("concurrency"), rate)
}

fn workload(config: &Value) -> Option<String> {
    let number = |path: &str| config.pointer(path).and_then(Value::as_f64);
    let mean = |which: &str| {
        number(&format!("/datasets/0/prompts/{which}/mean"))
            .or_else(|| number(&format!("/datasets/0/prompts/{which}")))
    };
    let osl = mean("osl").map_or("open".to_owned(), |n| n.to_string());
    Some(format!("synthetic ISL {} OSL {osl}", mean("isl")?))
}

/// `2026-11-22T13:56:56.480303`, which is local time; taken for UTC, as its zone is not told.
fn local_time(text: &str) -> Option<Timestamp> {
    let moment: civil::DateTime = text.parse().ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
