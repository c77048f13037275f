//! What the tool tells of a request.

use std::{collections::HashMap, time::Duration};

use bench_core::Sample;
use serde::Serialize;

/// A request that succeeded, in the tool's names and definitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestStats {
    /// Time to first token.
    pub ttft_ms: f64,
    /// Time per output token after the first chunk; 0 where there is only one chunk.
    pub tpot_ms: f64,
    /// From sending to the end of the stream.
    pub latency_ms: f64,
    /// When it was sent, since the start of the run.
    pub start_time_ms: f64,
    /// Messages that were sent.
    pub input_num_turns: u32,
    /// Their tokens, as counted here.
    pub input_num_tokens: u32,
    /// Tokens of the answer.
    pub output_num_tokens: u32,
    /// Events that it came in, without the first.
    pub output_num_chunks: u32,
    /// Tokens of the first event.
    pub output_num_first_chunk_tokens: u32,
    /// Share of the input tokens that are history, in percent: what may be cached.
    pub approx_cached_percent: f64,
    /// The conversation.
    pub conversation_id: String,
    /// The place of the closed loop that sent it; absent in an open loop.
    pub client_id: Option<u32>,
    /// Since the turn before was sent: told on demand, in the tables alone.
    #[serde(skip)]
    pub time_between_user_turns_sec: Option<f64>,
}

impl RequestStats {
    /// The requests among `samples` that succeeded and whose tokens are known, in the order of sending.
    pub fn of(samples: &[Sample]) -> Vec<Self> {
        let mut requests: Vec<Self> = samples.iter().filter_map(Self::new).collect();
        requests.sort_by(|a, b| a.start_time_ms.total_cmp(&b.start_time_ms));
        tell_time_between_turns(&mut requests);
        requests
    }

    /// When it ended, since the start of the run.
    pub fn end_time_ms(&self) -> f64 {
        self.start_time_ms + self.latency_ms
    }

    fn new(sample: &Sample) -> Option<Self> {
        if !sample.outcome.is_ok() {
            return None;
        }
        let (sent, done) = (sample.sent?, sample.done?);
        let first = sample.first_generated()?;
        // The tool has a tokenizer count the text; a server's count stands in where none did.
        let counted = sample.counted_tokens.or_else(|| sample.output_tokens().map(|(n, _)| n));
        let output = counted?;
        let chunks = u32::try_from(sample.generated().count()).unwrap_or(u32::MAX);
        // Of one chunk, it holds everything.
        let in_first = if chunks == 1 { output } else { first.known_tokens().unwrap_or(1) };
        let (latency, until_first) = (ms(done.since(sent)), ms(first.at.since(sent)));
        let after_first = output.saturating_sub(in_first);
        let is_several = output > 1 && after_first > 0;
        let tpot_ms =
            if is_several { (latency - until_first) / f64::from(after_first) } else { 0.0 };
        let others = f64::from(in_first.saturating_sub(1));
        let ttft_ms =
            if others > 0.0 { (until_first - others * tpot_ms).max(0.1) } else { until_first };
        let input = sample.input_tokens.or_else(|| sample.prompt_tokens()).unwrap_or(0);
        let history = sample.repeated_tokens.unwrap_or(0);
        Some(Self {
            ttft_ms,
            tpot_ms,
            latency_ms: latency,
            start_time_ms: sent.as_nanos() as f64 / 1e6,
            input_num_turns: sample.turn.saturating_mul(2).saturating_add(1),
            input_num_tokens: input,
            output_num_tokens: output,
            output_num_chunks: chunks.saturating_sub(1),
            output_num_first_chunk_tokens: in_first,
            approx_cached_percent: if input > 0 {
                100.0 * f64::from(history) / f64::from(input)
            } else {
                0.0
            },
            conversation_id: sample
                .id
                .as_deref()
                .map_or_else(|| format!("{}", sample.session), str::to_owned),
            client_id: sample.place,
            time_between_user_turns_sec: None,
        })
    }
}

/// Notes how long after the turn before each of `requests`, which are in order, was sent.
pub(super) fn tell_time_between_turns(requests: &mut [RequestStats]) {
    let mut before: HashMap<String, f64> = HashMap::new();
    for request in requests {
        let start = request.start_time_ms;
        let last = before.insert(request.conversation_id.clone(), start);
        request.time_between_user_turns_sec = last.map(|last| (start - last) / 1e3);
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
