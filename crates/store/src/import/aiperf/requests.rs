//! `profile_export.jsonl`: a line for each request.

use serde::Deserialize;
use serde_json::Value;

use crate::import::{
    ImportError,
    raw::Exchange,
    text::{Number, Text},
    tool::{Kind, recognise},
};

/// `profile_export.jsonl` for `profile_export_aiperf.json`.
pub(super) fn beside(text: &Text) -> Result<Option<Text>, ImportError> {
    let name = text.path.file_name().and_then(|name| name.to_str());
    let Some(stem) = name.and_then(|name| name.strip_suffix("_aiperf.json")) else {
        return Ok(None);
    };
    let path = text.path.with_file_name(format!("{stem}.jsonl"));
    if !path.is_file() {
        return Ok(None);
    }
    let requests = Text::read(&path)?;
    Ok((recognise(&requests)? == Some(Kind::AiperfRequests)).then_some(requests))
}

/// The requests that were measured and succeeded.
pub(super) fn read(text: &Text) -> Result<Vec<Exchange>, ImportError> {
    let mut exchanges = Vec::new();
    for line in text.values::<Line>() {
        exchanges.extend(line?.exchange());
    }
    Ok(exchanges)
}

/// A line of `profile_export.jsonl`.
#[derive(Deserialize)]
struct Line {
    metadata: Metadata,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    credit_issued_ns: Number,
    #[serde(default)]
    request_start_ns: Number,
    #[serde(default)]
    benchmark_phase: Option<String>,
    #[serde(default)]
    was_cancelled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    time_to_first_token: Tagged,
    time_to_first_output_token: Tagged,
    request_latency: Tagged,
    inter_chunk_latency: Option<Gaps>,
    http_req_connecting: Tagged,
    output_sequence_length: Tagged,
    input_sequence_length: Tagged,
    usage_completion_tokens: Tagged,
    usage_prompt_tokens: Tagged,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Tagged {
    #[serde(default)]
    value: Number,
}

impl Tagged {
    fn count(self) -> Option<u64> {
        self.value.count()
    }

    fn seconds(self) -> Option<f64> {
        self.value.0.map(|ms| ms / 1e3)
    }
}

#[derive(Deserialize)]
struct Gaps {
    value: Vec<Number>,
}

impl Line {
    /// The request, if it was measured and succeeded.
    fn exchange(&self) -> Option<Exchange> {
        let Self { metadata, metrics, error } = self;
        let measured = metadata.benchmark_phase.as_deref().is_none_or(|phase| phase == "profiling");
        if !measured || metadata.was_cancelled || !error.is_null() {
            return None;
        }
        let gaps = metrics.inter_chunk_latency.iter().flat_map(|gaps| &gaps.value);
        let gaps: Vec<f64> = gaps.filter_map(|gap| gap.0).map(|ms| ms / 1e3).collect();
        let seconds = |ns: Number| ns.0.map(|ns| ns / 1e9);
        Some(Exchange {
            due: seconds(metadata.credit_issued_ns),
            sent: seconds(metadata.request_start_ns)?,
            connect: metrics.http_req_connecting.seconds().filter(|s| *s > 0.0),
            first: metrics.time_to_first_token.seconds(),
            first_output: metrics.time_to_first_output_token.seconds(),
            last: metrics.request_latency.seconds().filter(|_| gaps.is_empty()),
            gaps,
            token_per_event: false,
            input_tokens: metrics
                .usage_prompt_tokens
                .count()
                .or(metrics.input_sequence_length.count()),
            output_tokens: metrics
                .usage_completion_tokens
                .count()
                .or(metrics.output_sequence_length.count()),
        })
    }
}
