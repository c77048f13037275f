//! Logs of engines, version by version, and what they tell; whence they are says `tests/data/README.md`.

use bench_containers::{
    EngineName::{self, Custom, LlamaCpp, Nim, Ollama, Sglang, TrtLlm, Vllm},
    log::{self, Value},
};
use proptest::prelude::*;

/// A log's name, its engine, its text, and all that it tells: numbers and texts.
type Told = (
    &'static str,
    EngineName,
    &'static str,
    &'static [(&'static str, f64)],
    &'static [(&'static str, &'static str)],
);

const TOLD: [Told; 15] = [
    (
        "vllm-0.6.6",
        Vllm,
        include_str!("../data/logs/vllm-0.6.6.log"),
        &[
            ("context_length_tokens", 8_192.0),
            ("graph_capture_gib", 0.33),
            ("graph_capture_s", 16.0),
            ("init_s", 22.93),
            ("kv_block_tokens", 16.0),
            ("kv_cache_blocks", 63_290.0),
            ("kv_cache_gib", 61.81),
            ("kv_cache_tokens", 1_012_640.0),
            ("max_concurrency", 123.61),
            ("max_concurrency_tokens", 8_192.0),
            ("model_memory_gib", 7.5123),
            ("spec_acceptance_ratio", 0.642),
            ("weights_gib", 7.51),
        ],
        &[("dtype", "bfloat16"), ("engine_version", "vllm 0.6.6"), ("kv_cache_dtype", "auto")],
    ),
    (
        "vllm-0.9.2",
        Vllm,
        include_str!("../data/logs/vllm-0.9.2.log"),
        &[
            ("compile_s", 39.71),
            ("context_length_tokens", 32_768.0),
            ("graph_capture_gib", 0.62),
            ("graph_capture_s", 23.0),
            ("init_s", 73.02),
            ("kv_cache_gib", 60.02),
            ("kv_cache_tokens", 873_952.0),
            ("max_concurrency", 26.67),
            ("max_concurrency_tokens", 32_768.0),
            ("model_load_s", 5.104_921),
            ("model_memory_gib", 8.7934),
            ("spec_acceptance_length_tokens", 2.4),
            ("spec_acceptance_ratio", 1_100.0 / 2_800.0),
            ("spec_accepted_tokens", 1_100.0),
            ("spec_drafted_tokens", 2_800.0),
            ("weights_load_s", 4.52),
        ],
        &[
            ("attention_backend", "Flash Attention"),
            ("dtype", "bfloat16"),
            ("engine_version", "vllm 0.9.2"),
            ("kv_cache_dtype", "fp8"),
            ("quantization", "fp8"),
        ],
    ),
    (
        "vllm-0.15.1",
        Vllm,
        include_str!("../data/logs/vllm-0.15.1.log"),
        &[
            ("compile_s", 18.03),
            ("context_length_tokens", 131_072.0),
            ("graph_capture_gib", 1.21),
            ("graph_capture_s", 18.0),
            ("init_s", 47.42),
            ("kv_cache_gib", 35.4),
            ("kv_cache_tokens", 1_030_912.0),
            ("max_concurrency", 15.53),
            ("max_concurrency_tokens", 131_072.0),
            ("model_load_s", 22.512_904),
            ("model_memory_gib", 33.12),
            ("weights_load_s", 20.93),
        ],
        &[
            ("attention_backend", "FLASH_ATTN"),
            ("dtype", "bfloat16"),
            ("engine_version", "vllm 0.15.1"),
            ("kv_cache_dtype", "auto"),
            ("quantization", "mxfp4"),
        ],
    ),
    (
        "vllm-0.32.0",
        Vllm,
        include_str!("../data/logs/vllm-0.32.0.log"),
        &[
            ("context_length_tokens", 4_096.0),
            ("init_s", 25.6),
            ("kv_cache_gib", 1.0),
            ("kv_cache_tokens", 524_288.0),
            ("max_concurrency", 128.0),
            ("max_concurrency_tokens", 4_096.0),
            ("spec_acceptance_length_tokens", 2.57),
            ("spec_acceptance_ratio", 31_571.0 / 64_955.0),
            ("spec_accepted_tokens", 31_571.0),
            ("spec_drafted_tokens", 64_955.0),
            ("weights_load_s", 0.02),
        ],
        &[("dtype", "bfloat16"), ("engine_version", "vllm 0.32.0"), ("kv_cache_dtype", "auto")],
    ),
    (
        "vllm-0.33.0",
        Vllm,
        include_str!("../data/logs/vllm-0.33.0.log"),
        &[
            ("compile_s", 8.25),
            ("context_length_tokens", 40_960.0),
            ("graph_capture_gib", 0.81),
            ("graph_capture_s", 6.0),
            ("init_s", 18.1),
            ("kv_cache_gib", 88.3),
            ("kv_cache_tokens", 723_392.0),
            ("max_concurrency", 17.66),
            ("max_concurrency_tokens", 40_960.0),
            ("model_load_s", 22.750_001),
            ("model_memory_gib", 33.5),
            ("spec_acceptance_length_tokens", 1.9),
            ("spec_acceptance_ratio", 0.45),
            ("spec_accepted_tokens", 1_800.0),
            ("spec_drafted_tokens", 4_000.0),
            ("weights_load_s", 19.5),
        ],
        &[
            ("attention_backend", "FLASHINFER"),
            ("dtype", "bfloat16"),
            ("engine_version", "vllm 0.33.0"),
            ("kv_cache_dtype", "fp8_e4m3"),
            ("quantization", "fp8"),
        ],
    ),
    (
        "sglang-0.4.6",
        Sglang,
        include_str!("../data/logs/sglang-0.4.6.log"),
        &[
            ("context_length_tokens", 131_072.0),
            ("graph_capture_gib", 2.31),
            ("graph_capture_s", 10.04),
            ("kv_cache_gib", 5.14),
            ("kv_cache_tokens", 33_620.0),
            ("model_memory_gib", 65.88),
        ],
        &[("attention_backend", "fa3"), ("dtype", "bfloat16")],
    ),
    (
        "sglang-0.5.23",
        Sglang,
        include_str!("../data/logs/sglang-0.5.23.log"),
        &[
            ("context_length_tokens", 4_096.0),
            ("kv_cache_gib", 0.08),
            ("kv_cache_tokens", 40_000.0),
            ("weights_load_s", 0.05),
        ],
        &[("attention_backend", "torch_native"), ("kv_cache_dtype", "bfloat16")],
    ),
    (
        "sglang-0.5.23-eagle",
        Sglang,
        include_str!("../data/logs/sglang-0.5.23-eagle.log"),
        &[
            ("context_length_tokens", 40_960.0),
            ("graph_capture_gib", 1.5),
            ("graph_capture_s", 6.25),
            ("kv_cache_gib", 110.0),
            ("kv_cache_tokens", 780_000.0),
            ("model_memory_gib", 9.75),
            ("spec_acceptance_length_tokens", 2.5),
            ("weights_load_s", 4.0),
        ],
        &[("attention_backend", "fa3"), ("kv_cache_dtype", "bfloat16"), ("quantization", "fp8")],
    ),
    (
        "trtllm-1.1.0rc3-spark",
        TrtLlm,
        include_str!("../data/logs/trtllm-1.1.0rc3-spark.log"),
        &[
            ("context_length_tokens", 86_720.0),
            ("kv_cache_gib", 5.95),
            ("kv_cache_tokens", 86_720.0),
            ("model_load_s", 49.14),
            ("model_memory_gib", 63.52),
            ("weights_gib", 63.32),
        ],
        &[
            ("attention_backend", "TRTLLM"),
            ("engine_version", "trtllm 1.1.0rc3"),
            ("kv_cache_dtype", "auto"),
        ],
    ),
    (
        "nim-1.0.0",
        Nim,
        include_str!("../data/logs/nim-1.0.0.log"),
        &[("kv_cache_gib", 5.0), ("kv_cache_tokens", 40_960.0), ("weights_gib", 8_706.0 / 1_024.0)],
        &[("nim_profile", "tensorrt_llm-h100-fp8-tp1-throughput"), ("nim_version", "1.0.0")],
    ),
    (
        "nim-2.0.0",
        Nim,
        include_str!("../data/logs/nim-2.0.0.log"),
        &[
            ("context_length_tokens", 131_072.0),
            ("init_s", 30.75),
            ("kv_cache_gib", 52.3),
            ("kv_cache_tokens", 428_448.0),
            ("max_concurrency", 3.27),
            ("max_concurrency_tokens", 131_072.0),
            ("model_load_s", 11.25),
            ("model_memory_gib", 14.99),
            ("weights_load_s", 9.5),
        ],
        &[
            ("dtype", "bfloat16"),
            ("engine_version", "vllm 0.15.1"),
            ("kv_cache_dtype", "auto"),
            ("nim_profile", "vllm-bf16-tp1-pp1"),
            ("nim_version", "2.0.0"),
        ],
    ),
    (
        "llama.cpp-b4589",
        LlamaCpp,
        include_str!("../data/logs/llama.cpp-b4589.log"),
        &[
            ("context_length_tokens", 4_096.0),
            ("kv_cache_gib", 1.0625),
            ("kv_cache_tokens", 16_384.0),
            ("model_memory_gib", 4.5),
            ("weights_gib", 4.5),
        ],
        &[
            ("engine_version", "llamacpp 4589"),
            ("kv_cache_dtype", "q8_0"),
            ("quantization", "Q4_K - Medium"),
        ],
    ),
    (
        "llama.cpp-0.5.0-dev",
        LlamaCpp,
        include_str!("../data/logs/llama.cpp-0.5.0-dev.log"),
        &[
            ("context_length_tokens", 4_096.0),
            ("kv_cache_gib", 0.031_25),
            ("kv_cache_tokens", 16_384.0),
            ("model_memory_gib", 11.52 / 1_024.0),
            ("weights_gib", 11.52 / 1_024.0),
        ],
        &[("kv_cache_dtype", "f16"), ("quantization", "F16")],
    ),
    (
        "llama.cpp-0.7.0",
        LlamaCpp,
        include_str!("../data/logs/llama.cpp-0.7.0.log"),
        &[
            ("context_length_tokens", 4_096.0),
            ("kv_cache_gib", 0.015_625),
            ("kv_cache_tokens", 8_192.0),
            ("model_memory_gib", 11.52 / 1_024.0),
            ("weights_gib", 11.52 / 1_024.0),
        ],
        &[("engine_version", "llamacpp 11669"), ("kv_cache_dtype", "f16"), ("quantization", "F16")],
    ),
    (
        "ollama-0.21.2",
        Ollama,
        include_str!("../data/logs/ollama-0.21.2.log"),
        &[("kv_cache_gib", 1.5), ("model_load_s", 3.25), ("model_memory_gib", 7.5)],
        &[("engine_version", "ollama 0.21.2")],
    ),
];

/// All logs, all of servers that came up.
pub(crate) fn texts() -> impl Iterator<Item = &'static str> {
    TOLD.iter().map(|told| told.2).chain([QUIET])
}

/// One of a llama-server that says little.
const QUIET: &str = include_str!("../data/logs/llama.cpp-0.5.0-dev-quiet.log");

#[test]
fn logs_tell_exactly_what_they_say() {
    for (log, engine, text, numbers, texts) in TOLD {
        for engine in [Some(engine), Some(Custom), None] {
            let told = log::facts(engine, text.lines());
            let names: Vec<_> = told.iter().map(|fact| fact.name).collect();
            let mut expected: Vec<_> = numbers.iter().map(|(name, _)| *name).collect();
            expected.extend(texts.iter().map(|(name, _)| *name));
            expected.sort_unstable();
            assert_eq!(names, expected, "{log} as of {engine:?}: {told:#?}");
            for fact in &told {
                let is_so = match &fact.value {
                    Value::Number(told) => numbers
                        .iter()
                        .any(|(name, number)| *name == fact.name && (told - number).abs() < 1e-9),
                    Value::Text(told) => texts.contains(&(fact.name, told)),
                };
                assert!(is_so, "{log}: {fact:?}");
                assert!(fact.line.len() <= 410 && !fact.line.is_empty(), "{log}: {fact:?}");
            }
        }
    }
}

#[test]
fn lines_of_another_engine_tell_nothing() {
    for (log, engine, text, ..) in TOLD {
        let other = if engine == Vllm { LlamaCpp } else { Vllm };
        let told = log::facts(Some(other), text.lines());
        assert!(engine == Nim || told.is_empty(), "{log}: {told:?}");
    }
}

#[test]
fn a_line_that_once_meant_something_else_is_taken_only_of_known_versions() {
    let log = include_str!("../data/logs/vllm-0.9.2.log");
    let told = |log: &str| {
        let facts = log::facts(Some(Vllm), log.lines());
        facts.into_iter().find(|fact| fact.name == "spec_acceptance_length_tokens")
    };
    assert!(told(log).is_some());
    assert_eq!(told(&log.replace("0.9.2", "0.8.5.post1")), None);
    let without_version = log.lines().filter(|line| !line.contains("0.9.2"));
    assert_eq!(told(&without_version.collect::<Vec<_>>().join("\n")), None);
}

#[test]
fn the_last_start_of_a_log_counts() {
    let first = include_str!("../data/logs/vllm-0.33.0.log");
    let second = include_str!("../data/logs/vllm-0.9.2.log");
    let both = log::facts(None, first.lines().chain(second.lines()));
    assert_eq!(both, log::facts(None, second.lines()));
}

#[test]
fn a_quiet_llama_server_tells_its_slots_and_what_was_accepted() {
    let told: Vec<_> = log::facts(Some(LlamaCpp), QUIET.lines())
        .into_iter()
        .filter_map(|fact| Some((fact.name, fact.number()?)))
        .collect();
    let expected = [
        ("context_length_tokens", 4_096.0),
        ("kv_cache_tokens", 16_384.0),
        ("spec_acceptance_ratio", 81.0 / 321.0),
        ("spec_accepted_tokens", 81.0),
        ("spec_drafted_tokens", 321.0),
    ];
    assert_eq!(told, expected);
}

#[test]
fn starts_go_from_step_to_step() {
    for (log, steps) in [
        (
            "vllm-0.6.6",
            "loading weights, profiling memory, allocating KV cache, capturing graphs, warming up, serving",
        ),
        (
            "vllm-0.9.2",
            "loading weights, profiling memory, compiling, profiling memory, allocating KV cache, capturing graphs, \
             warming up, serving",
        ),
        (
            "vllm-0.15.1",
            "loading weights, profiling memory, compiling, profiling memory, allocating KV cache, capturing graphs, \
             warming up, serving",
        ),
        ("vllm-0.32.0", "loading weights, compiling, allocating KV cache, warming up, serving"),
        (
            "vllm-0.33.0",
            "profiling memory, allocating KV cache, capturing graphs, warming up, serving",
        ),
        (
            "sglang-0.4.6",
            "loading weights, allocating KV cache, capturing graphs, warming up, serving",
        ),
        ("sglang-0.5.23", "loading weights, allocating KV cache, warming up, serving"),
        (
            "trtllm-1.1.0rc3-spark",
            "loading weights, profiling memory, allocating KV cache, warming up, capturing graphs, allocating KV cache, \
             capturing graphs, serving",
        ),
        ("nim-1.0.0", "downloading model, loading weights, allocating KV cache, serving"),
        ("nim-2.0.0", "profiling memory, allocating KV cache, warming up, serving"),
        ("llama.cpp-b4589", "loading weights, allocating KV cache, warming up, serving"),
        ("llama.cpp-0.5.0-dev", "loading weights, allocating KV cache, warming up, serving"),
        ("ollama-0.21.2", "serving, downloading model, loading weights, serving"),
    ] {
        let (_, engine, text, ..) = TOLD.into_iter().find(|told| told.0 == log).unwrap();
        let told = text.lines().filter_map(|line| log::milestone(engine, line));
        let mut stages: Vec<_> = told.map(|milestone| milestone.stage).collect();
        stages.dedup();
        assert_eq!(stages.join(", "), steps, "{log}");
    }
}

/// Pieces of lines, which make lines that almost tell something.
fn pieces() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = TOLD.iter().flat_map(|(_, _, text, ..)| text.lines()).collect();
    let cut = (proptest::sample::select(lines), 0.0..1.0_f64, 0.0..1.0_f64);
    cut.prop_map(|(line, from, to)| {
        let chars: Vec<char> = line.chars().collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a place within a line"
        )]
        let at = |share: f64| (share * chars.len() as f64) as usize;
        chars[at(from.min(to))..at(from.max(to))].iter().collect()
    })
}

proptest! {
    #[test]
    fn no_text_is_too_much(lines in proptest::collection::vec(prop_oneof![".*", "\\PC*", pieces()], 0..40)) {
        for (line, engine) in lines.iter().zip(EngineName::ALL.into_iter().cycle()) {
            let share = log::milestone(engine, line).and_then(|milestone| milestone.share);
            prop_assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
        for fact in log::facts(None, lines.iter().map(String::as_str)) {
            prop_assert!(fact.number().is_none_or(|number| number.is_finite() && number >= 0.0));
            prop_assert!(!fact.line.chars().any(char::is_control));
        }
    }

    #[test]
    fn text_that_no_engine_says_tells_nothing(lines in proptest::collection::vec("[ a-zA-Z0-9:.,=_()]{0,200}", 0..40)) {
        prop_assert_eq!(log::facts(None, lines.iter().map(String::as_str)), []);
    }

    #[test]
    fn the_order_of_the_lines_before_makes_no_number_wrong(
        lines in Just(TOLD[1].2.lines().filter(|line| !line.contains("metrics:")).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let told = |lines: &[&str]| log::facts(Some(Vllm), lines.iter().copied());
        let expected = told(&TOLD[1].2.lines().collect::<Vec<_>>());
        for fact in told(&lines) {
            prop_assert!(expected.iter().any(|known| known.name == fact.name && known.value == fact.value));
        }
    }
}
