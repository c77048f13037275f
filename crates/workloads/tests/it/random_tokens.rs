//! The random prompts of other tools, against those that they were recorded to make.

use std::{fs, num::NonZeroUsize, sync::Arc};

use bench_workloads::{
    Approximate, RandomCorpus, RandomTokens, RandomTokensError, Tokenizer, load_tokenizer,
};
use serde_json::Value;

use crate::data;

fn recorded(file: &str) -> Value {
    serde_json::from_slice(&fs::read(data(file)).unwrap()).unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// A test tokenizer with the configuration that the tools were given.
fn tokenizer(name: &str, configs: &Value) -> Arc<dyn Tokenizer> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::copy(data(&format!("{name}.json")), &path).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), configs[name].to_string()).unwrap();
    load_tokenizer(path).unwrap()
}

fn corpus(name: &str, recorded: &Value, file: &str) -> RandomCorpus {
    match (name, file) {
        (_, "vllm_random.json") => RandomCorpus::VllmRandom,
        ("random-ids", _) => RandomCorpus::SglangRandomIds,
        _ => {
            let texts = recorded["texts"].as_array().unwrap().iter();
            let texts = texts.map(|text| text.as_str().unwrap().to_owned()).collect();
            RandomCorpus::SglangRandom { texts }
        }
    }
}

fn check(file: &str) {
    let recorded = recorded(file);
    for case in recorded["cases"].as_array().unwrap() {
        let tokenizer = tokenizer(case["tokenizer"].as_str().unwrap(), &recorded["configs"]);
        let expected = case["prompts"].as_array().unwrap();
        let config = RandomTokens {
            corpus: corpus(case["corpus"].as_str().unwrap(), &recorded, file),
            input_len: number(&recorded["input_len"]),
            output_len: number(&recorded["output_len"]),
            range_ratio: case["range_ratio"].as_f64().unwrap(),
            prefix_len: number(&case["prefix_len"]),
            count: NonZeroUsize::new(expected.len()).unwrap(),
            seed: case["seed"].as_u64().unwrap(),
        };
        let prompts = config.prompts(&*tokenizer).unwrap();
        assert_eq!(prompts.len(), expected.len());
        for (prompt, expected) in prompts.iter().zip(expected) {
            let text = &prompt.messages[0].content;
            let (name, seed) = (&case["tokenizer"], config.seed);
            assert_eq!(*text, expected[0].as_str().unwrap(), "{name}, seed {seed}");
            assert_eq!(prompt.output_tokens, Some(number(&expected[2])));
            assert_eq!(prompt.input_tokens, Some(tokenizer.count(text)));
            if config.corpus == RandomCorpus::VllmRandom {
                assert_eq!(prompt.input_tokens, Some(number(&expected[1])));
            }
        }
    }
}

#[test]
fn prompts_are_those_of_vllm() {
    check("vllm_random.json");
}

#[test]
fn prompts_are_those_of_sglang() {
    check("sglang_random.json");
}

#[test]
fn what_a_tool_would_refuse_is_refused() {
    let recorded = recorded("vllm_random.json");
    let tokenizer = tokenizer("byte_level", &recorded["configs"]);
    let config = RandomTokens {
        corpus: RandomCorpus::VllmRandom,
        input_len: 10,
        output_len: 10,
        range_ratio: 0.0,
        prefix_len: 0,
        count: NonZeroUsize::MIN,
        seed: 0,
    };
    let sglang = RandomTokens { corpus: RandomCorpus::SglangRandomIds, ..config.clone() };
    let cases = [
        (RandomTokens { range_ratio: 1.0, ..config.clone() }, "from 0 to less than 1"),
        (RandomTokens { range_ratio: f64::NAN, ..config.clone() }, "NaN is no range ratio of vLLM"),
        (RandomTokens { input_len: 1, ..config.clone() }, "the tokenizer adds 1, and the range"),
        (RandomTokens { input_len: u32::MAX, ..config.clone() }, "give 10000000 or less"),
        (RandomTokens { range_ratio: 1.1, ..sglang.clone() }, "1.1 is no range ratio of SGLang"),
        (RandomTokens { prefix_len: 1, ..sglang.clone() }, "have no prefix"),
        (RandomTokens { seed: 1 << 32, ..sglang }, "4294967296 is no seed of SGLang"),
    ];
    for (config, part) in cases {
        let error = config.prompts(&*tokenizer).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = config.prompts(&Approximate).unwrap_err();
    assert!(matches!(error, RandomTokensError::NoIds { .. }), "{error}");
}
