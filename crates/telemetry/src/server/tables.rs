//! The engines' names.

use bench_core::{ServerTime, reading};

use super::dialect::{
    Dialect, Metric,
    Over::{self, Highest, HighestAboveZero, Sum},
    Time, Value,
    Which::{All, Not, Only},
};

/// All dialects. Those whose names have a prefix come first: NIM's have none.
pub(super) const DIALECTS: [&Dialect; 6] = [&VLLM, &SGLANG, &TRTLLM, &LLAMACPP, &TRITON, &NIM];

/// vLLM 0.6 and later, also where NIM or Triton runs it.
const VLLM: Dialect = Dialect {
    engine: "vllm",
    prefix: "vllm:",
    model: "model_name",
    copies: &[],
    values: &[
        value(reading::SERVER_RUNNING, Sum, &[&[all("num_requests_running")]]),
        value(reading::SERVER_WAITING, Sum, &[&[all("num_requests_waiting")]]),
        value(
            reading::SERVER_KV_CACHE_RATIO,
            Highest,
            &[&[all("kv_cache_usage_perc")], &[all("gpu_cache_usage_perc")]],
        ),
        value(reading::SERVER_PROMPT_TOKENS, Sum, &[&[all("prompt_tokens_total")]]),
        value(reading::SERVER_CACHED_TOKENS, Sum, &[&[all("prompt_tokens_cached_total")]]),
        value(
            reading::SERVER_PREFIX_QUERIED_TOKENS,
            Sum,
            &[&[all("prefix_cache_queries_total")], &[all("gpu_prefix_cache_queries_total")]],
        ),
        value(
            reading::SERVER_PREFIX_HIT_TOKENS,
            Sum,
            &[&[all("prefix_cache_hits_total")], &[all("gpu_prefix_cache_hits_total")]],
        ),
        value(reading::SERVER_OUTPUT_TOKENS, Sum, &[&[all("generation_tokens_total")]]),
        value(reading::SERVER_REQUESTS, Sum, &[&[finished("request_success_total")]]),
        value(reading::SERVER_REQUESTS_ABORTED, Sum, &[&[aborted("request_success_total")]]),
        value(reading::SERVER_PREEMPTIONS, Sum, &[&[all("num_preemptions_total")]]),
        value(reading::SERVER_STEPS, Sum, &[&[all("iteration_tokens_total_count")]]),
        value(reading::SERVER_DRAFTS, Sum, &[&[all("spec_decode_num_drafts_total")]]),
        value(reading::SERVER_DRAFT_TOKENS, Sum, &[&[all("spec_decode_num_draft_tokens_total")]]),
        value(
            reading::SERVER_ACCEPTED_TOKENS,
            Sum,
            &[&[all("spec_decode_num_accepted_tokens_total")]],
        ),
    ],
    times: &[
        time(ServerTime::Ttft, &[all("time_to_first_token_seconds")]),
        // The second is its former name for the gaps between tokens.
        time(
            ServerTime::Itl,
            &[all("inter_token_latency_seconds"), all("time_per_output_token_seconds")],
        ),
        time(ServerTime::Tpot, &[all("request_time_per_output_token_seconds")]),
        time(ServerTime::E2e, &[all("e2e_request_latency_seconds")]),
        time(ServerTime::Queue, &[all("request_queue_time_seconds")]),
        time(ServerTime::Prefill, &[all("request_prefill_time_seconds")]),
        time(ServerTime::Decode, &[all("request_decode_time_seconds")]),
    ],
};

/// SGLang with `--enable-metrics`. It counts an aborted request as processed too.
const SGLANG: Dialect = Dialect {
    engine: "sglang",
    prefix: "sglang:",
    model: "model_name",
    // With metrics of all schedulers each rank of a replica tells the replica's requests.
    copies: &["tp_rank", "pp_rank", "moe_ep_rank", "pid"],
    values: &[
        value(reading::SERVER_RUNNING, Sum, &[&[all("num_running_reqs")]]),
        value(reading::SERVER_WAITING, Sum, &[&[all("num_queue_reqs")]]),
        value(reading::SERVER_KV_CACHE_RATIO, Highest, &[&[all("token_usage")]]),
        value(reading::SERVER_PREFIX_HIT_RATIO, Highest, &[&[all("cache_hit_rate")]]),
        value(reading::SERVER_PROMPT_TOKENS, Sum, &[&[all("prompt_tokens_total")]]),
        value(reading::SERVER_CACHED_TOKENS, Sum, &[&[all("cached_tokens_total")]]),
        value(reading::SERVER_OUTPUT_TOKENS, Sum, &[&[all("generation_tokens_total")]]),
        value(reading::SERVER_REQUESTS, Sum, &[&[all("num_requests_total")]]),
        value(reading::SERVER_REQUESTS_ABORTED, Sum, &[&[all("num_aborted_requests_total")]]),
        // `num_retracted_reqs` is a gauge of the last batch: nothing to add up.
        value(reading::SERVER_PREEMPTIONS, Sum, &[&[all("num_retracted_requests_total")]]),
        value(reading::SERVER_OUTPUT_TPS, Sum, &[&[all("gen_throughput")]]),
        value(reading::SERVER_ACCEPTANCE_LENGTH, HighestAboveZero, &[&[all("spec_accept_length")]]),
        value(reading::SERVER_ACCEPTANCE_RATIO, HighestAboveZero, &[&[all("spec_accept_rate")]]),
    ],
    times: &[
        time(ServerTime::Ttft, &[all("time_to_first_token_seconds")]),
        time(ServerTime::Itl, &[all("inter_token_latency_seconds")]),
        time(
            ServerTime::Tpot,
            &[all("request_time_per_output_token_seconds"), all("time_per_output_token_seconds")],
        ),
        time(ServerTime::E2e, &[all("e2e_request_latency_seconds")]),
        time(ServerTime::Queue, &[all("queue_time_seconds")]),
        time(
            ServerTime::Prefill,
            &[only("per_stage_req_latency_seconds", "stage", &["prefill_forward"])],
        ),
    ],
};

/// TensorRT-LLM's own server, at `/prometheus/metrics`.
const TRTLLM: Dialect = Dialect {
    engine: "trtllm",
    prefix: "trtllm_",
    model: "model_name",
    copies: &[],
    values: &[
        value(reading::SERVER_RUNNING, Sum, &[&[all("num_requests_running")]]),
        value(reading::SERVER_WAITING, Sum, &[&[all("num_requests_waiting")]]),
        value(reading::SERVER_KV_CACHE_RATIO, Highest, &[&[all("kv_cache_utilization")]]),
        value(reading::SERVER_PREFIX_HIT_RATIO, Highest, &[&[all("kv_cache_hit_rate")]]),
        value(reading::SERVER_PROMPT_TOKENS, Sum, &[&[all("prompt_tokens_total")]]),
        value(reading::SERVER_CACHED_TOKENS, Sum, &[&[all("prompt_cached_tokens_total")]]),
        value(reading::SERVER_OUTPUT_TOKENS, Sum, &[&[all("generation_tokens_total")]]),
        value(
            reading::SERVER_REQUESTS,
            Sum,
            &[&[finished("request_success_total")], &[all("num_requests_completed_total")]],
        ),
        value(reading::SERVER_REQUESTS_ABORTED, Sum, &[&[aborted("request_success_total")]]),
        value(reading::SERVER_STEPS, Sum, &[&[all("iteration_latency_seconds_count")]]),
        value(reading::SERVER_DRAFT_TOKENS, Sum, &[&[all("spec_decode_num_draft_tokens_total")]]),
        value(
            reading::SERVER_ACCEPTED_TOKENS,
            Sum,
            &[&[all("spec_decode_num_accepted_tokens_total")]],
        ),
        value(
            reading::SERVER_ACCEPTANCE_LENGTH,
            HighestAboveZero,
            &[&[all("spec_decode_acceptance_length")]],
        ),
    ],
    times: &[
        time(ServerTime::Ttft, &[all("time_to_first_token_seconds")]),
        time(ServerTime::Tpot, &[all("time_per_output_token_seconds")]),
        time(ServerTime::E2e, &[all("e2e_request_latency_seconds")]),
        time(ServerTime::Queue, &[all("request_queue_time_seconds")]),
        time(ServerTime::Prefill, &[all("request_prefill_time_seconds")]),
        time(ServerTime::Decode, &[all("request_decode_time_seconds")]),
    ],
};

/// llama.cpp's server with `--metrics`. It counts no requests. Its means (`predicted_tokens_seconds`,
/// `n_busy_slots_per_decode`) run from its start and say nothing of a measured phase.
const LLAMACPP: Dialect = Dialect {
    engine: "llamacpp",
    prefix: "llamacpp:",
    model: "model",
    copies: &[],
    values: &[
        value(reading::SERVER_RUNNING, Sum, &[&[all("requests_processing")]]),
        value(reading::SERVER_WAITING, Sum, &[&[all("requests_deferred")]]),
        value(reading::SERVER_KV_CACHE_RATIO, Highest, &[&[all("kv_cache_usage_ratio")]]),
        // The first leaves out what the second counts; one without it cannot tell.
        value(
            reading::SERVER_PROMPT_TOKENS,
            Sum,
            &[&[all("prompt_tokens_total"), all("prompt_tokens_cached_total")]],
        ),
        value(reading::SERVER_CACHED_TOKENS, Sum, &[&[all("prompt_tokens_cached_total")]]),
        value(reading::SERVER_OUTPUT_TOKENS, Sum, &[&[all("tokens_predicted_total")]]),
        value(reading::SERVER_STEPS, Sum, &[&[all("n_decode_total")]]),
        value(reading::SERVER_DRAFTS, Sum, &[&[all("spec_decode_num_drafts_total")]]),
        value(reading::SERVER_DRAFT_TOKENS, Sum, &[&[all("spec_decode_num_draft_tokens_total")]]),
        value(
            reading::SERVER_ACCEPTED_TOKENS,
            Sum,
            &[&[all("spec_decode_num_accepted_tokens_total")]],
        ),
        value(reading::SERVER_PREFILL_S, Sum, &[&[all("prompt_seconds_total")]]),
        value(reading::SERVER_DECODE_S, Sum, &[&[all("tokens_predicted_seconds_total")]]),
    ],
    times: &[],
};

/// Triton with TensorRT-LLM behind it. The models of an ensemble each count a request that passes through them,
/// so the one with the most counts.
const TRITON: Dialect = Dialect {
    engine: "triton",
    prefix: "nv_",
    model: "model",
    copies: &[],
    values: &[
        value(
            reading::SERVER_RUNNING,
            Sum,
            &[&[only("trt_llm_request_metrics", "request_type", &["scheduled"])]],
        ),
        value(
            reading::SERVER_WAITING,
            Sum,
            &[
                &[only("trt_llm_request_metrics", "request_type", &["waiting"])],
                &[all("inference_pending_request_count")],
            ],
        ),
        value(
            reading::SERVER_KV_CACHE_RATIO,
            Highest,
            &[&[only("trt_llm_kv_cache_block_metrics", "kv_cache_block_type", &["fraction"])]],
        ),
        value(reading::SERVER_REQUESTS, Highest, &[&[all("inference_request_success")]]),
        value(reading::SERVER_REQUESTS_ABORTED, Highest, &[&[all("inference_request_failure")]]),
    ],
    times: &[],
};

/// NIM 1.x for language models, at `/v1/metrics`.
const NIM: Dialect = Dialect {
    engine: "nim",
    prefix: "",
    model: "model_name",
    copies: &[],
    values: &[
        value(reading::SERVER_RUNNING, Sum, &[&[all("num_requests_running")]]),
        value(reading::SERVER_WAITING, Sum, &[&[all("num_requests_waiting")]]),
        value(reading::SERVER_KV_CACHE_RATIO, Highest, &[&[all("gpu_cache_usage_perc")]]),
        value(reading::SERVER_PROMPT_TOKENS, Sum, &[&[all("prompt_tokens_total")]]),
        value(reading::SERVER_OUTPUT_TOKENS, Sum, &[&[all("generation_tokens_total")]]),
        value(reading::SERVER_REQUESTS, Sum, &[&[all("request_success_total")]]),
        value(reading::SERVER_REQUESTS_ABORTED, Sum, &[&[all("request_failure_total")]]),
    ],
    times: &[
        time(ServerTime::Ttft, &[all("time_to_first_token_seconds")]),
        time(ServerTime::Tpot, &[all("time_per_output_token_seconds")]),
        time(ServerTime::E2e, &[all("e2e_request_latency_seconds")]),
    ],
};

const fn value(reading: &'static str, over: Over, either: &'static [&'static [Metric]]) -> Value {
    Value { reading, over, either }
}

const fn time(time: ServerTime, either: &'static [Metric]) -> Time {
    Time { time, either }
}

const fn all(name: &'static str) -> Metric {
    Metric { name, which: All }
}

const fn only(name: &'static str, label: &'static str, values: &'static [&'static str]) -> Metric {
    Metric { name, which: Only(label, values) }
}

/// Reasons for which a request ends before it is done.
const EARLY: &[&str] = &["abort", "error", "cancelled", "timeout"];

const fn finished(name: &'static str) -> Metric {
    Metric { name, which: Not("finished_reason", EARLY) }
}

const fn aborted(name: &'static str) -> Metric {
    only(name, "finished_reason", EARLY)
}
