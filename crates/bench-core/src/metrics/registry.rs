//! The registry: each metric's name, unit, direction, meaning and formula, in one table.
//!
//! The definitions are inferbench's own; where another tool has the same one under another name, the
//! entry says so. genai-perf's and AIPerf's are those of genai-perf 0.0.16 and AIPerf 0.13, vLLM's those
//! of `vllm bench serve` 0.33.

use super::{aggregate::Aggregate, formulas};
use crate::Sample;

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: it describes.
    Neither,
}

/// What a metric is computed from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Each successful request gives one value, or none.
    Request(fn(&Sample) -> Option<f64>),
    /// Each gap between generated events of a successful request gives a value.
    Chunk,
    /// Each gap gives a value for each token in the event that ends it.
    Token,
    /// Each arrival that the kernel stamped gives a value.
    Arrival,
    /// The whole phase gives one value, or none.
    Phase(fn(&Aggregate) -> Option<f64>),
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in files, its unit included.
    pub id: &'static str,
    /// Its name on screen.
    pub title: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which way it improves.
    pub better: Better,
    /// From which event to which, and what is left out.
    pub definition: &'static str,
    /// What other tools call the same: (tool, name).
    pub elsewhere: &'static [(&'static str, &'static str)],
    /// Where it comes from.
    pub source: Source,
}

impl Metric {
    /// Its value for one request; `None` where it has none, or is not taken per request.
    pub fn of(&self, sample: &Sample) -> Option<f64> {
        match self.source {
            Source::Request(formula) => formula(sample),
            Source::Chunk | Source::Token | Source::Arrival | Source::Phase(_) => None,
        }
    }
}

/// Two metrics are the same if their ids are.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// All metrics, in the order in which they are shown.
pub fn registry() -> &'static [Metric] {
    &REGISTRY
}

/// The metric with this id.
pub fn metric(id: &str) -> Option<&'static Metric> {
    REGISTRY.iter().find(|m| m.id == id)
}

static REGISTRY: [Metric; 55] = [
    Metric {
        id: "ttft_ms",
        title: "Time to first token",
        unit: "ms",
        better: Better::Lower,
        definition: "first event that carries content, reasoning or a tool call, minus sent. Role-only, \
                     empty and usage events do not count; connection set-up is not in it, nor what the server says \
                     it took to load the model",
        elsewhere: &[("AIPerf", "time_to_first_token (with connection set-up)"), ("vLLM", "ttft")],
        source: Source::Request(formulas::ttft_ms),
    },
    Metric {
        id: "ttfo_ms",
        title: "Time to first output token",
        unit: "ms",
        better: Better::Lower,
        definition: "first event outside the reasoning channel that carries something generated, minus sent",
        elsewhere: &[
            ("AIPerf", "time_to_first_output_token"),
            ("genai-perf", "time_to_first_token"),
        ],
        source: Source::Request(formulas::ttfo_ms),
    },
    Metric {
        id: "ttst_ms",
        title: "Time to second token",
        unit: "ms",
        better: Better::Lower,
        definition: "second generated event minus the first; needs two that came in different reads",
        elsewhere: &[("AIPerf", "time_to_second_token"), ("genai-perf", "time_to_second_token")],
        source: Source::Request(formulas::ttst_ms),
    },
    Metric {
        id: "tool_call_ms",
        title: "Time to first tool call",
        unit: "ms",
        better: Better::Lower,
        definition: "last piece of the first tool call that was complete, minus sent: from then on the function can be \
                     called. What an answer that ended at its length had begun last is not complete",
        elsewhere: &[],
        source: Source::Request(formulas::tool_call_ms),
    },
    Metric {
        id: "tpot_ms",
        title: "Time per output token",
        unit: "ms",
        better: Better::Lower,
        definition: "(last - first generated event) / (OSL - tokens of the first event), one value a \
                     request; needs a later token that came in another read",
        elsewhere: &[
            ("AIPerf", "inter_token_latency"),
            ("genai-perf", "inter_token_latency"),
            ("vLLM", "tpot"),
        ],
        source: Source::Request(formulas::tpot_ms),
    },
    Metric {
        id: "itl_ms",
        title: "Inter token latency",
        unit: "ms",
        better: Better::Lower,
        definition: "gap before an event / tokens in the event, once for each token, pooled over requests; \
                     only where the tokens of each event are known",
        elsewhere: &[("SGLang", "itl")],
        source: Source::Token,
    },
    Metric {
        id: "icl_ms",
        title: "Inter chunk latency",
        unit: "ms",
        better: Better::Lower,
        definition: "every gap between generated events, pooled over requests; events that shared a read \
                     are left out and counted in coalesced_ratio",
        elsewhere: &[("AIPerf", "inter_chunk_latency"), ("vLLM", "itl")],
        source: Source::Chunk,
    },
    Metric {
        id: "e2e_ms",
        title: "Request latency",
        unit: "ms",
        better: Better::Lower,
        definition: "last generated event minus sent; usage and the end marker after it are not in it. Of \
                     embeddings and rankings, which come whole: the last of the answer minus sent",
        elsewhere: &[
            ("AIPerf", "request_latency"),
            ("genai-perf", "request_latency"),
            ("vLLM", "e2el"),
        ],
        source: Source::Request(formulas::e2e_ms),
    },
    Metric {
        id: "ttft_due_ms",
        title: "Time to first token from due",
        unit: "ms",
        better: Better::Lower,
        definition: "first generated event minus the moment the request was due: shows what a late client \
                     or a full queue hides (coordinated omission)",
        elsewhere: &[],
        source: Source::Request(formulas::ttft_due_ms),
    },
    Metric {
        id: "e2e_due_ms",
        title: "Request latency from due",
        unit: "ms",
        better: Better::Lower,
        definition: "last generated event minus the moment the request was due",
        elsewhere: &[("AIPerf", "effective_latency")],
        source: Source::Request(formulas::e2e_due_ms),
    },
    Metric {
        id: "queue_ms",
        title: "Client queue time",
        unit: "ms",
        better: Better::Lower,
        definition: "sent minus due: how late the client was, connection set-up included",
        elsewhere: &[("AIPerf", "credit_to_start_latency")],
        source: Source::Request(formulas::queue_ms),
    },
    Metric {
        id: "connect_ms",
        title: "Connection set-up",
        unit: "ms",
        better: Better::Lower,
        definition: "name look-up, TCP and TLS, of requests that needed a new connection",
        elsewhere: &[("AIPerf", "http_req_connecting")],
        source: Source::Request(formulas::connect_ms),
    },
    Metric {
        id: "model_load_ms",
        title: "Loading of the model",
        unit: "ms",
        better: Better::Lower,
        definition: "as the server says of each request; left out of the time to first token",
        elsewhere: &[("Ollama", "load_duration")],
        source: Source::Request(formulas::model_load_ms),
    },
    Metric {
        id: "server_queue_ms",
        title: "Queue of the server",
        unit: "ms",
        better: Better::Lower,
        definition: "waiting for a place among the requests that run, as the server says of each",
        elsewhere: &[("vLLM", "queue_time_ms"), ("SGLang", "queue_time")],
        source: Source::Request(formulas::server_queue_ms),
    },
    Metric {
        id: "server_prefill_ms",
        title: "Prefill on the server",
        unit: "ms",
        better: Better::Lower,
        definition: "reading the prompt up to the first token, as the server says of each request",
        elsewhere: &[("llama.cpp", "prompt_ms"), ("Ollama", "prompt_eval_duration")],
        source: Source::Request(formulas::server_prefill_ms),
    },
    Metric {
        id: "server_decode_ms",
        title: "Decode on the server",
        unit: "ms",
        better: Better::Lower,
        definition: "generating the tokens after the prompt, as the server says of each request",
        elsewhere: &[
            ("llama.cpp", "predicted_ms"),
            ("Ollama", "eval_duration"),
            ("vLLM", "generation_time_ms"),
        ],
        source: Source::Request(formulas::server_decode_ms),
    },
    Metric {
        id: "tps_user",
        title: "Output tokens/s per user",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "1000 / tpot_ms",
        elsewhere: &[
            ("AIPerf", "output_token_throughput_per_user"),
            ("genai-perf", "output_token_throughput_per_user"),
        ],
        source: Source::Request(formulas::tps_user),
    },
    Metric {
        id: "e2e_tps_user",
        title: "Output tokens/s per user, first token included",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "OSL / request latency",
        elsewhere: &[("AIPerf", "e2e_output_token_throughput")],
        source: Source::Request(formulas::e2e_tps_user),
    },
    Metric {
        id: "prefill_tps",
        title: "Prefill tokens/s",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "ISL / time to first token",
        elsewhere: &[("AIPerf", "prefill_throughput_per_user")],
        source: Source::Request(formulas::prefill_tps),
    },
    Metric {
        id: "decode_tps",
        title: "Decode tokens/s",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "OSL / (last - first generated event)",
        elsewhere: &[],
        source: Source::Request(formulas::decode_tps),
    },
    Metric {
        id: "osl",
        title: "Output tokens",
        unit: "tokens",
        better: Better::Neither,
        definition: "tokens generated, reasoning included: the server's usage, else counted by the \
                     tokenizer, else the number of generated events. Embeddings and rankings have none",
        elsewhere: &[
            ("AIPerf", "output_sequence_length"),
            ("genai-perf", "output_sequence_length"),
        ],
        source: Source::Request(formulas::osl),
    },
    Metric {
        id: "isl",
        title: "Input tokens",
        unit: "tokens",
        better: Better::Neither,
        definition: "tokens of the prompt: the server's usage (chat template included), else as counted \
                     when the prompt was made",
        elsewhere: &[("AIPerf", "input_sequence_length"), ("genai-perf", "input_sequence_length")],
        source: Source::Request(formulas::isl),
    },
    Metric {
        id: "reasoning_tokens",
        title: "Reasoning tokens",
        unit: "tokens",
        better: Better::Neither,
        definition: "tokens of the reasoning channel, where the server counts them",
        elsewhere: &[("AIPerf", "reasoning_token_count")],
        source: Source::Request(formulas::reasoning_tokens),
    },
    Metric {
        id: "accuracy",
        title: "Accuracy",
        unit: "ratio",
        better: Better::Higher,
        definition: "answers that were as expected / answers of successful requests from which a text was \
                     expected. Requests that failed are in neither: they are shown beside it as not answered",
        elsewhere: &[("lm-evaluation-harness", "acc, exact_match")],
        source: Source::Request(formulas::text_correct),
    },
    Metric {
        id: "answer_f1",
        title: "F1 of the answer",
        unit: "score",
        better: Better::Higher,
        definition: "harmonic mean of precision and recall of the answer's words against the expected ones, without \
                     case, punctuation and articles; only of answers that are graded by the rule f1",
        elsewhere: &[("SQuAD", "F1")],
        source: Source::Request(formulas::score),
    },
    Metric {
        id: "tool_call_accuracy",
        title: "Accuracy of tool calls",
        unit: "ratio",
        better: Better::Higher,
        definition: "answers whose tool calls were those expected, names and arguments, in any order and none beside / \
                     answers of successful requests from which calls, or none, were expected",
        elsewhere: &[("BFCL", "AST accuracy (with alternatives for values)")],
        source: Source::Request(formulas::calls_correct),
    },
    Metric {
        id: "tool_name_accuracy",
        title: "Accuracy of tool names",
        unit: "ratio",
        better: Better::Higher,
        definition: "the same, whatever the arguments",
        elsewhere: &[],
        source: Source::Request(formulas::names_correct),
    },
    Metric {
        id: "client_lag_ms",
        title: "Client lag",
        unit: "ms",
        better: Better::Lower,
        definition: "read minus kernel stamp, of every arrival: how busy this machine was. Kernel stamps \
                     keep it out of the other metrics",
        elsewhere: &[],
        source: Source::Arrival,
    },
    Metric {
        id: "output_tps",
        title: "Output token throughput",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "output tokens of successful requests / measured window (first request sent to last \
                     generated event of a successful request)",
        elsewhere: &[
            ("AIPerf", "output_token_throughput"),
            ("genai-perf", "output_token_throughput"),
            ("vLLM", "output_throughput"),
        ],
        source: Source::Phase(Aggregate::output_tps),
    },
    Metric {
        id: "input_tps",
        title: "Input token throughput",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "input tokens of successful requests / measured window",
        elsewhere: &[],
        source: Source::Phase(Aggregate::input_tps),
    },
    Metric {
        id: "total_tps",
        title: "Total token throughput",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "input and output tokens of successful requests / measured window",
        elsewhere: &[("AIPerf", "total_token_throughput"), ("vLLM", "total_token_throughput")],
        source: Source::Phase(Aggregate::total_tps),
    },
    Metric {
        id: "peak_output_tps",
        title: "Peak output token throughput",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "most output tokens that arrived within one second, in steps of 10 ms; needs a \
                     window of a second",
        elsewhere: &[("vLLM", "max_output_tokens_per_s (whole seconds)")],
        source: Source::Phase(Aggregate::peak_output_tps),
    },
    Metric {
        id: "rps",
        title: "Request throughput",
        unit: "requests/s",
        better: Better::Higher,
        definition: "successful requests / measured window",
        elsewhere: &[
            ("AIPerf", "request_throughput"),
            ("genai-perf", "request_throughput (failed ones included)"),
            ("vLLM", "request_throughput"),
        ],
        source: Source::Phase(Aggregate::rps),
    },
    Metric {
        id: "steady_output_tps",
        title: "Output token throughput, steady",
        unit: "tokens/s",
        better: Better::Higher,
        definition: "output tokens that arrived within the steady window / its length, in steps of 10 ms; needs a \
                     window of a second. Ramp and drain are left out",
        elsewhere: &[],
        source: Source::Phase(Aggregate::steady_output_tps),
    },
    Metric {
        id: "steady_rps",
        title: "Request throughput, steady",
        unit: "requests/s",
        better: Better::Higher,
        definition: "successful requests that ended within the steady window / its length; needs a window of a \
                     second",
        elsewhere: &[],
        source: Source::Phase(Aggregate::steady_rps),
    },
    Metric {
        id: "goodput_rps",
        title: "Goodput",
        unit: "requests/s",
        better: Better::Higher,
        definition: "successful requests that keep to every limit of --goodput / measured window",
        elsewhere: &[("AIPerf", "goodput"), ("vLLM", "request_goodput")],
        source: Source::Phase(Aggregate::goodput_rps),
    },
    Metric {
        id: "good_ratio",
        title: "Good requests",
        unit: "ratio",
        better: Better::Higher,
        definition: "requests that keep to every limit of --goodput / (failed + successful) requests",
        elsewhere: &[("AIPerf", "good_request_fraction (of successful ones)")],
        source: Source::Phase(Aggregate::good_ratio),
    },
    Metric {
        id: "concurrency",
        title: "Requests in flight",
        unit: "requests",
        better: Better::Neither,
        definition: "time from sent to done within the measured window, summed over all requests / the window",
        elsewhere: &[("AIPerf", "effective_concurrency")],
        source: Source::Phase(Aggregate::concurrency),
    },
    Metric {
        id: "prefill_concurrency",
        title: "Requests in prefill",
        unit: "requests",
        better: Better::Neither,
        definition: "time from sent to the first generated event, summed / measured window",
        elsewhere: &[],
        source: Source::Phase(Aggregate::prefill_concurrency),
    },
    Metric {
        id: "decode_concurrency",
        title: "Requests in decode",
        unit: "requests",
        better: Better::Neither,
        definition: "time from the first to the last generated event, summed / measured window",
        elsewhere: &[],
        source: Source::Phase(Aggregate::decode_concurrency),
    },
    Metric {
        id: "repeated_ratio",
        title: "Repeated prompt tokens",
        unit: "ratio",
        better: Better::Neither,
        definition: "share of the prompt tokens that repeat, from the beginning on, what was sent before: the \
                     conversation so far, or a prefix that prompts share. What a prefix cache can serve",
        elsewhere: &[("vLLM multi-turn", "approx_cached_percent")],
        source: Source::Phase(Aggregate::repeated_ratio),
    },
    Metric {
        id: "prefix_hit_ratio",
        title: "Cached prompt tokens",
        unit: "ratio",
        better: Better::Neither,
        definition: "share of the prompt tokens that the server says it had cached",
        elsewhere: &[],
        source: Source::Phase(Aggregate::prefix_hit_ratio),
    },
    Metric {
        id: "energy_j",
        title: "GPU energy",
        unit: "J",
        better: Better::Lower,
        definition: "power of all GPUs of the target, integrated over the measured window by trapezoids; absent unless each was watched throughout",
        elsewhere: &[("AIPerf", "total_gpu_energy")],
        source: Source::Phase(Aggregate::energy_j),
    },
    Metric {
        id: "gpu_power_w",
        title: "GPU power",
        unit: "W",
        better: Better::Neither,
        definition: "GPU energy / measured window",
        elsewhere: &[("AIPerf", "average_gpu_power")],
        source: Source::Phase(Aggregate::gpu_power_w),
    },
    Metric {
        id: "gpu_idle_power_w",
        title: "GPU power, idle",
        unit: "W",
        better: Better::Neither,
        definition: "mean power of all GPUs before the warm-up, while nothing is asked of the server",
        elsewhere: &[],
        source: Source::Phase(Aggregate::gpu_idle_power_w),
    },
    Metric {
        id: "j_per_output_token",
        title: "Energy per output token",
        unit: "J/token",
        better: Better::Lower,
        definition: "GPU energy / output tokens of successful requests; what the GPUs draw anyway is in it",
        elsewhere: &[("AIPerf", "energy_per_output_token (mJ)")],
        source: Source::Phase(Aggregate::j_per_output_token),
    },
    Metric {
        id: "net_j_per_output_token",
        title: "Energy per output token above idle",
        unit: "J/token",
        better: Better::Lower,
        definition: "(GPU energy - idle power * measured window) / output tokens of successful requests",
        elsewhere: &[],
        source: Source::Phase(Aggregate::net_j_per_output_token),
    },
    Metric {
        id: "j_per_request",
        title: "Energy per request",
        unit: "J/request",
        better: Better::Lower,
        definition: "GPU energy / successful requests",
        elsewhere: &[],
        source: Source::Phase(Aggregate::j_per_request),
    },
    Metric {
        id: "j_per_good_request",
        title: "Energy per good request",
        unit: "J/request",
        better: Better::Lower,
        definition: "GPU energy / requests that keep to every limit of --goodput",
        elsewhere: &[],
        source: Source::Phase(Aggregate::j_per_good_request),
    },
    Metric {
        id: "tps_per_w",
        title: "Output tokens/s per watt",
        unit: "tokens/s/W",
        better: Better::Higher,
        definition: "output tokens/s / GPU power",
        elsewhere: &[("AIPerf", "output_tps_per_watt")],
        source: Source::Phase(Aggregate::tps_per_w),
    },
    Metric {
        id: "error_ratio",
        title: "Failed requests",
        unit: "ratio",
        better: Better::Lower,
        definition: "failed / (failed + successful) requests; those cancelled by the client are neither",
        elsewhere: &[("AIPerf", "request_error_rate (percent)")],
        source: Source::Phase(Aggregate::error_ratio),
    },
    Metric {
        id: "coalesced_ratio",
        title: "Coalesced chunks",
        unit: "ratio",
        better: Better::Lower,
        definition: "share of gaps whose end is unknown because several events came in one read",
        elsewhere: &[],
        source: Source::Phase(Aggregate::coalesced_ratio),
    },
    Metric {
        id: "window_s",
        title: "Measured window",
        unit: "s",
        better: Better::Neither,
        definition: "first request sent to last generated event of a successful request",
        elsewhere: &[("AIPerf", "benchmark_duration"), ("vLLM", "duration")],
        source: Source::Phase(Aggregate::window_s),
    },
    Metric {
        id: "steady_s",
        title: "Steady window",
        unit: "s",
        better: Better::Neither,
        definition: "in a closed loop from the first to the last moment at which as many requests are in flight as \
                     asked for; in an open loop from the first end of a request to the last sending; needs a second",
        elsewhere: &[],
        source: Source::Phase(Aggregate::steady_s),
    },
    Metric {
        id: "requests_ok",
        title: "Successful requests",
        unit: "requests",
        better: Better::Neither,
        definition: "requests whose outcome is ok",
        elsewhere: &[
            ("AIPerf", "request_count"),
            ("genai-perf", "request_count"),
            ("vLLM", "completed"),
        ],
        source: Source::Phase(Aggregate::requests_ok),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_end_in_their_unit() {
        let ids: BTreeSet<_> = registry().iter().map(|m| m.id).collect();
        assert_eq!(ids.len(), registry().len());
        for m in registry() {
            let suffix = match m.unit {
                "ms" => "_ms",
                "s" => "_s",
                _ => "",
            };
            assert!(m.id.ends_with(suffix), "{} is in {}", m.id, m.unit);
            assert!(!m.definition.is_empty());
        }
        assert_eq!(metric("ttft_ms").map(|m| m.title), Some("Time to first token"));
        assert!(metric("nothing").is_none());
    }
}
