//! `vllm bench serve`, vLLM's client in Rust, and SGLang's `bench_serving`, which are of one family:
//! an object for each run, and arrays with a value for each request where details were asked for.

mod notes;
mod scalar;

use std::collections::BTreeMap;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

use self::scalar::Scalar;

use super::{
    ImportError, Report, Tool,
    point::{Draft, Statistics},
    raw::{self, Exchange},
    text::{Number, Text},
};
use crate::LoadLine;

/// Reads one run, or several that stand one after the other.
pub(super) fn read(text: &Text, tool: Tool) -> Result<Report, ImportError> {
    let mut report = Report::default();
    for (run, scalars) in text.values::<Run>().zip(text.values::<BTreeMap<String, Scalar>>()) {
        let (run, scalars) = (run?, scalars?);
        let (point, computed) = run.point(tool, &scalars);
        for note in notes::notes(tool, &run, &point, computed) {
            report.note(note);
        }
        report.points.push(point);
        report.model = report.model.or_else(|| run.model());
        report.created = report.created.or_else(|| run.date.as_deref().and_then(local_time));
        if let Some(server) = &run.server_info {
            report.engine = Some("sglang".to_owned());
            report.engine_version = word(server, "version");
        }
    }
    Ok(report)
}

/// A run, as far as it is of use here. Times are in seconds but for those whose name says `ms`.
#[derive(Deserialize)]
struct Run {
    date: Option<String>,
    backend: Option<String>,
    model_id: Option<String>,
    dataset_name: Option<String>,
    server_info: Option<Value>,
    #[serde(default)]
    request_rate: Value,
    #[serde(default)]
    burstiness: Number,
    #[serde(default)]
    max_concurrency: Number,
    #[serde(default)]
    accept_length: Number,
    #[serde(default)]
    input_lens: Vec<Number>,
    #[serde(default)]
    output_lens: Vec<Number>,
    #[serde(default)]
    ttfts: Vec<Number>,
    #[serde(default)]
    itls: Vec<Vec<Number>>,
    #[serde(default)]
    latencies: Vec<Number>,
    #[serde(default)]
    start_times: Vec<Number>,
    #[serde(default)]
    errors: Vec<Option<String>>,
}

/// What single requests were told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Computed {
    /// None is told.
    Nothing,
    /// What came after each was sent.
    Requests,
    /// When each was sent, too.
    WithThePhase,
}

/// What can be computed of requests whose moments after sending are told.
const OF_REQUESTS: [&str; 12] = [
    "ttft_ms",
    "ttst_ms",
    "tpot_ms",
    "icl_ms",
    "coalesced_ratio",
    "e2e_ms",
    "tps_user",
    "e2e_tps_user",
    "prefill_tps",
    "decode_tps",
    "osl",
    "isl",
];

/// What needs the moment of sending as well.
const OF_THE_PHASE: [&str; 4] =
    ["concurrency", "prefill_concurrency", "decode_concurrency", "peak_output_tps"];

impl Run {
    /// The point, and what of it was computed from single requests.
    fn point(&self, tool: Tool, scalars: &BTreeMap<String, Scalar>) -> (Draft, Computed) {
        let mut point = Draft::new(self.load(), String::new());
        let number = |key: &str| scalars.get(key).and_then(|scalar| scalar.0.0);
        let count = |key: &str| scalars.get(key).and_then(|scalar| scalar.0.count());
        point.ok = count("completed");
        let asked = count("num_prompts").zip(point.ok).map(|(asked, ok)| asked.saturating_sub(ok));
        point.failed = count("failed").or(asked).or_else(|| self.count_errors());
        for message in self.errors.iter().flatten().filter(|message| !message.is_empty()) {
            point.said(message, 1);
        }
        self.add_stated(&mut point, tool, scalars);
        point.value("window_s", number("duration"));
        point.value("rps", number("request_throughput"));
        point.value("output_tps", number("output_throughput"));
        let total = number("total_token_throughput").or_else(|| number("total_throughput"));
        point.value("total_tps", total);
        point.value("concurrency", number("concurrency"));
        let is_long = number("duration").is_some_and(|s| s >= 1.0);
        point.value("peak_output_tps", number("max_output_tokens_per_s").filter(|_| is_long));
        for (id, total) in [("isl", "total_input_tokens"), ("osl", "total_output_tokens")] {
            let ok = point.ok.filter(|ok| *ok > 0);
            let mut statistics = Statistics::default().counted(ok);
            statistics.set("mean", number(total).zip(ok).map(|(total, ok)| total / ok as f64));
            point.statistics(id, statistics);
        }
        let computed = self.add_computed(&mut point, tool);
        point.describe_lengths();
        if let Some(dataset) = &self.dataset_name {
            point.workload = format!("{dataset} {}", point.workload);
        }
        (point, computed)
    }

    /// Distributions by the statistics that are stated. One of nothing but zeros is none: that is how a
    /// value looks which was not measured.
    fn add_stated(&self, point: &mut Draft, tool: Tool, scalars: &BTreeMap<String, Scalar>) {
        let gaps = if self.is_gap_per_token(tool) { "itl_ms" } else { "icl_ms" };
        let of_all = point.ok.filter(|ok| *ok > 0);
        for (theirs, ours, count) in [
            ("_ttft_ms", "ttft_ms", of_all),
            ("_tpot_ms", "tpot_ms", None),
            ("_itl_ms", gaps, None),
            ("_e2el_ms", "e2e_ms", of_all),
            ("_e2e_latency_ms", "e2e_ms", of_all),
        ] {
            let mut statistics = Statistics::default().counted(count);
            let mut is_zero = true;
            for (key, scalar) in scalars {
                let Some(name) = key.strip_suffix(theirs) else { continue };
                let name = if name == "median" { "p50".to_owned() } else { name.replace('.', "_") };
                statistics.set(&name, scalar.0.0);
                is_zero &= scalar.0.0.is_none_or(|value| value <= 0.0);
            }
            if !is_zero {
                point.statistics(ours, statistics);
            }
        }
    }

    /// Whether `itl` has a value for each token, rather than for each chunk.
    fn is_gap_per_token(&self, tool: Tool) -> bool {
        let speaks_openai = self.backend.as_deref().is_some_and(|b| b.starts_with("sglang-oai"));
        let speculates = self.accept_length.0.is_some_and(|length| length > 0.0);
        tool == Tool::Sglang && (self.is_native() || speaks_openai && speculates)
    }

    /// Whether SGLang's own protocol was spoken, which tells the tokens of each chunk.
    fn is_native(&self) -> bool {
        matches!(self.backend.as_deref(), Some("sglang" | "sglang-native"))
    }

    /// Puts our formulas to the single requests, if they are there.
    fn add_computed(&self, point: &mut Draft, tool: Tool) -> Computed {
        if self.ttfts.is_empty() || self.ttfts.len() != self.output_lens.len() {
            return Computed::Nothing;
        }
        let per_token = tool == Tool::Sglang && self.is_native();
        let exchanges = (0..self.ttfts.len()).filter_map(|i| self.exchange(i, per_token));
        let summary = raw::summarize(exchanges);
        point.computed(&summary, &OF_REQUESTS);
        if per_token {
            point.computed(&summary, &["itl_ms"]);
            point.remove("icl_ms");
        }
        if self.start_times.len() != self.ttfts.len() {
            return Computed::Requests;
        }
        point.computed(&summary, &OF_THE_PHASE);
        Computed::WithThePhase
    }

    fn exchange(&self, i: usize, token_per_event: bool) -> Option<Exchange> {
        let at = |values: &[Number]| values.get(i).and_then(|number| number.0);
        let tokens = |values: &[Number]| values.get(i).and_then(|number| number.count());
        let failed = self.errors.get(i).is_some_and(|e| e.as_ref().is_some_and(|e| !e.is_empty()));
        let output_tokens = tokens(&self.output_lens).filter(|n| *n > 0 && !failed)?;
        let gaps: Vec<f64> = self.itls.get(i).into_iter().flatten().filter_map(|n| n.0).collect();
        let last = at(&self.latencies).filter(|_| gaps.is_empty());
        Some(Exchange {
            sent: at(&self.start_times).unwrap_or(0.0),
            first: at(&self.ttfts).filter(|s| *s > 0.0),
            gaps,
            last,
            token_per_event,
            input_tokens: tokens(&self.input_lens),
            output_tokens: Some(output_tokens),
            ..Exchange::default()
        })
    }

    fn count_errors(&self) -> Option<u64> {
        let failed = self.errors.iter().flatten().filter(|message| !message.is_empty());
        (!self.errors.is_empty()).then(|| failed.count() as u64)
    }

    fn load(&self) -> LoadLine {
        let most = self.max_concurrency.count().and_then(|n| usize::try_from(n).ok());
        if let Some(rate) = self.request_rate.as_f64().filter(|rate| *rate > 0.0) {
            let burstiness = self.burstiness.0.filter(|b| (*b - 1.0).abs() > f64::EPSILON);
            let schedule = burstiness.map_or("Poisson".to_owned(), |b| format!("gamma, shape {b}"));
            return LoadLine::Open { schedule, requests_per_s: Some(rate), max_in_flight: most };
        }
        match (self.request_rate.as_str(), most) {
            (Some("trace"), _) => open("the times of a trace", most),
            (_, Some(concurrency)) => LoadLine::closed(concurrency),
            (_, None) => open("all at once", None),
        }
    }

    fn model(&self) -> Option<String> {
        let server = self.server_info.as_ref();
        let served = || word(server?, "served_model_name").or(word(server?, "model_path"));
        self.model_id.clone().or_else(served)
    }
}

fn open(schedule: &str, max_in_flight: Option<usize>) -> LoadLine {
    LoadLine::Open { schedule: schedule.to_owned(), requests_per_s: None, max_in_flight }
}

fn word(object: &Value, key: &str) -> Option<String> {
    object.get(key)?.as_str().map(str::to_owned)
}

/// `20261122-093320`, which is local time; taken for UTC, as its zone is not told.
fn local_time(date: &str) -> Option<Timestamp> {
    let moment = civil::DateTime::strptime("%Y%m%d-%H%M%S", date).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
