//! Whose file it is, by what stands in it.

use std::{collections::BTreeMap, fmt};

use serde::de::IgnoredAny;

use super::{ImportError, text::Text};

/// A tool whose results can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tool {
    /// NVIDIA's genai-perf.
    GenaiPerf,
    /// NVIDIA's AIPerf.
    Aiperf,
    /// vLLM's `vllm bench serve`.
    VllmBenchServe,
    /// vLLM's client in Rust.
    VllmBench,
    /// SGLang's `bench_serving`.
    Sglang,
    /// vLLM project's guidellm.
    Guidellm,
    /// SGLang project's genai-bench.
    GenaiBench,
}

const NAMES: [(Tool, &str); 7] = [
    (Tool::GenaiPerf, "genai-perf"),
    (Tool::Aiperf, "AIPerf"),
    (Tool::VllmBenchServe, "vllm bench serve"),
    (Tool::VllmBench, "vllm-bench"),
    (Tool::Sglang, "SGLang bench_serving"),
    (Tool::Guidellm, "guidellm"),
    (Tool::GenaiBench, "genai-bench"),
];

impl Tool {
    /// All their names, for a message.
    pub(super) fn all() -> String {
        NAMES.map(|(_, name)| name).join(", ")
    }

    /// The name that its makers give it.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(tool, _)| *tool == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tool's results.
    Results(Tool),
    /// genai-perf's table, which knows less than the file of its name in JSON.
    GenaiPerfTable,
    /// AIPerf's table.
    AiperfTable,
    /// AIPerf's requests, a line each.
    AiperfRequests,
    /// What genai-bench was asked to do.
    GenaiBenchExperiment,
}

impl Kind {
    pub(super) fn tool(self) -> Tool {
        match self {
            Self::Results(tool) => tool,
            Self::GenaiPerfTable => Tool::GenaiPerf,
            Self::AiperfTable | Self::AiperfRequests => Tool::Aiperf,
            Self::GenaiBenchExperiment => Tool::GenaiBench,
        }
    }
}

/// What the file is by its content; `None` if nothing known.
///
/// # Errors
///
/// When it looks like JSON and its first value does not parse.
pub(super) fn recognise(text: &Text) -> Result<Option<Kind>, ImportError> {
    let start = text.start();
    if start.starts_with(b"Metric,") {
        let header = start.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let has_sum = header.split(|byte| *byte == b',').any(|column| column == b"sum");
        return Ok(Some(if has_sum { Kind::AiperfTable } else { Kind::GenaiPerfTable }));
    }
    if !start.starts_with(b"{") {
        return Ok(None);
    }
    let keys: BTreeMap<String, IgnoredAny> = text.first()?;
    Ok(of_keys(|key| keys.contains_key(key)))
}

fn of_keys(has: impl Fn(&str) -> bool) -> Option<Kind> {
    let results = |tool| Some(Kind::Results(tool));
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    let all = |keys: &[&str]| keys.iter().all(|key| has(key));
    if all(&["benchmarks", "metadata"]) {
        results(Tool::Guidellm)
    } else if all(&["aggregated_metrics", "individual_request_metrics"]) {
        results(Tool::GenaiBench)
    } else if all(&["benchmark_version", "api_backend"]) {
        Some(Kind::GenaiBenchExperiment)
    } else if all(&["metadata", "metrics"]) {
        Some(Kind::AiperfRequests)
    } else if all(&["duration", "completed", "request_throughput"]) {
        match has("model_id") {
            true if has("steady_state") => results(Tool::VllmBench),
            true => results(Tool::VllmBenchServe),
            false if any(&["total_throughput", "mean_e2e_latency_ms"]) => results(Tool::Sglang),
            false => None,
        }
    } else if has("input_config") && any(&["request_latency", "request_throughput"]) {
        // AIPerf took over genai-perf's layout; only it says when it ran.
        match any(&["aiperf_version", "start_time", "was_cancelled"]) {
            true => results(Tool::Aiperf),
            false => results(Tool::GenaiPerf),
        }
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &str, expected: Option<Kind>) {
        let keys: Vec<&str> = keys.split(' ').collect();
        assert_eq!(of_keys(|key| keys.contains(&key)), expected, "{keys:?}");
    }

    #[test]
    fn a_tool_is_known_by_its_keys() {
        let results = |tool| Some(Kind::Results(tool));
        for (keys, expected) in [
            ("metadata config benchmarks", results(Tool::Guidellm)),
            ("duration completed request_throughput model_id", results(Tool::VllmBenchServe)),
            (
                "duration completed request_throughput model_id steady_state",
                results(Tool::VllmBench),
            ),
            ("duration completed request_throughput total_throughput", results(Tool::Sglang)),
            ("input_config request_latency", results(Tool::GenaiPerf)),
            ("input_config request_latency start_time", results(Tool::Aiperf)),
            ("metadata metrics error", Some(Kind::AiperfRequests)),
            ("aggregated_metrics individual_request_metrics", results(Tool::GenaiBench)),
            ("duration completed request_throughput", None),
            ("format_version id points", None),
            ("", None),
        ] {
            check(keys, expected);
        }
    }
}
