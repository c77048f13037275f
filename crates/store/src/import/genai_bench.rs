//! genai-bench: an experiment's folder, with a file for each load.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ImportError, Report,
    genai_perf::{load_of, unknown_load},
    point::{Draft, Statistics},
    raw::{self, Exchange},
    text::{Number, Text},
};

/// Reads one run, and the experiment's metadata where they lie beside.
pub(super) fn read(text: &Text) -> Result<Report, ImportError> {
    let run: Run = text.only()?;
    let mut report = Report::default();
    let (point, detailed) = run.point();
    report.points.push(point);
    report.note(
        "ttft_ms and e2e_ms begin before the connection is set up, which genai-bench does for each \
         request",
    );
    report.note("e2e_ms ends after the end marker, and tpot_ms with it");
    report.note("tpot_ms leaves out answers whose tokens came within a millisecond");
    report.note(
        "throughputs are over genai-bench's run_duration, which begins before the first request",
    );
    report.note(match detailed {
        true => "distributions were computed from the single requests",
        false => "the statistics of the file leave out requests at its beginning and end, and are taken as \
         they are",
    });
    if detailed {
        report.note(raw::ONE_READ_NOTE);
    }
    let beside = text.path.with_file_name("experiment_metadata.json");
    if beside.is_file() {
        let experiment: Experiment = Text::read(&beside)?.only()?;
        report.version = experiment.benchmark_version;
        report.model = experiment.model;
        report.engine = experiment.server_engine;
        report.engine_version = experiment.server_version;
    }
    Ok(report)
}

#[derive(Deserialize)]
struct Experiment {
    benchmark_version: Option<String>,
    model: Option<String>,
    server_engine: Option<String>,
    server_version: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    aggregated_metrics: Aggregated,
    individual_request_metrics: Vec<Request>,
    #[serde(default, rename = "_time_unit")]
    time_unit: Option<String>,
}

#[derive(Deserialize)]
struct Aggregated {
    scenario: Option<String>,
    #[serde(default)]
    num_concurrency: Number,
    #[serde(default)]
    run_duration: Number,
    #[serde(default)]
    mean_output_throughput_tokens_per_s: Number,
    #[serde(default)]
    mean_total_tokens_throughput_tokens_per_s: Number,
    #[serde(default)]
    requests_per_second: Number,
    #[serde(default)]
    num_completed_requests: Number,
    #[serde(default)]
    num_error_requests: Number,
    #[serde(default)]
    stats: BTreeMap<String, BTreeMap<String, Number>>,
}

#[derive(Clone, Deserialize)]
struct Request {
    #[serde(default)]
    ttft: Number,
    #[serde(default)]
    tpot: Number,
    #[serde(default)]
    e2e_latency: Number,
    #[serde(default)]
    num_input_tokens: Number,
    #[serde(default)]
    num_output_tokens: Number,
    #[serde(default)]
    error_code: Number,
    #[serde(default)]
    error_message: Option<String>,
}

impl Run {
    /// The point, and whether it was computed from single requests.
    fn point(&self) -> (Draft, bool) {
        let run = &self.aggregated_metrics;
        let load = load_of(run.num_concurrency.0, None).unwrap_or_else(unknown_load);
        let mut point = Draft::new(load, String::new());
        point.ok = run.num_completed_requests.count();
        point.failed = run.num_error_requests.count();
        for request in self.individual_request_metrics.iter().filter(|r| !r.succeeded()) {
            point.said(request.error_message.as_deref().unwrap_or_default(), 1);
        }
        self.add_stated(&mut point);
        let detailed = self.add_computed(&mut point);
        match &run.scenario {
            Some(scenario) => point.workload.clone_from(scenario),
            None => point.describe_lengths(),
        }
        (point, detailed)
    }

    /// Milliseconds in the unit of the file's times.
    fn ms(&self) -> f64 {
        if self.time_unit.as_deref() == Some("ms") { 1.0 } else { 1e3 }
    }

    fn add_stated(&self, point: &mut Draft) {
        let run = &self.aggregated_metrics;
        for (theirs, id, factor) in [
            ("ttft", "ttft_ms", self.ms()),
            ("tpot", "tpot_ms", self.ms()),
            ("e2e_latency", "e2e_ms", self.ms()),
            ("output_inference_speed", "tps_user", 1.0),
            ("num_input_tokens", "isl", 1.0),
            ("num_output_tokens", "osl", 1.0),
        ] {
            let mut statistics = Statistics::default();
            for (name, number) in run.stats.get(theirs).into_iter().flatten() {
                let name = if name == "stddev" { "std" } else { name };
                statistics.set(name, number.0.map(|value| value * factor));
            }
            point.statistics(id, statistics);
        }
        point.value("window_s", run.run_duration.0);
        point.value("rps", run.requests_per_second.0);
        point.value("output_tps", run.mean_output_throughput_tokens_per_s.0);
        point.value("total_tps", run.mean_total_tokens_throughput_tokens_per_s.0);
    }

    fn add_computed(&self, point: &mut Draft) -> bool {
        let succeeded = self.individual_request_metrics.iter().filter(|r| r.succeeded());
        let succeeded: Vec<&Request> = succeeded.collect();
        if succeeded.is_empty() || self.aggregated() != Some(succeeded.len()) {
            return false;
        }
        let seconds = self.ms() / 1e3;
        let summarize = |requests: &mut dyn Iterator<Item = &Request>| {
            raw::summarize(requests.map(|request| request.exchange(seconds)))
        };
        let all = summarize(&mut succeeded.iter().copied());
        point.computed(&all, &["ttft_ms", "e2e_ms", "e2e_tps_user", "prefill_tps", "osl", "isl"]);
        let timed = summarize(&mut succeeded.iter().copied().filter(|r| r.tpot.0.is_some()));
        point.computed(&timed, &["tpot_ms", "tps_user", "decode_tps"]);
        true
    }

    /// How many requests the statistics are about: their sum over their mean.
    fn aggregated(&self) -> Option<usize> {
        let tokens = self.aggregated_metrics.stats.get("total_tokens")?;
        let of = |name: &str| tokens.get(name)?.0;
        let count = (of("sum")? / of("mean").filter(|mean| *mean > 0.0)?).round();
        usize::try_from(Number(Some(count)).count()?).ok()
    }
}

impl Request {
    fn succeeded(&self) -> bool {
        self.error_code.0.is_none_or(|code| code == 0.0)
    }

    fn exchange(&self, unit_s: f64) -> Exchange {
        let seconds = |number: Number| number.0.map(|value| value * unit_s);
        Exchange {
            first: seconds(self.ttft),
            last: seconds(self.e2e_latency),
            input_tokens: self.num_input_tokens.count(),
            output_tokens: self.num_output_tokens.count(),
            ..Exchange::default()
        }
    }
}
