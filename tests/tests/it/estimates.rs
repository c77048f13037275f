//! `estimate`: whether a model fits, before anything is started.

use std::{fs, path::Path};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::program::{Call, Place};

/// Of Llama 3.1 8B, what counts.
const LLAMA: &str = r#"{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "torch_dtype": "bfloat16", "tie_word_embeddings": false}"#;

/// A folder with that, and `estimate` with `words`.
fn of_llama(place: &Place, words: &str) -> Call {
    let folder = place.path().join("llama-3.1-8b");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), LLAMA).unwrap();
    place.inferbench("estimate llama-3.1-8b").words(words)
}

fn as_json(call: Call) -> Value {
    serde_json::from_str(&call.words("--json").exits(0).stdout).unwrap()
}

#[test]
fn a_model_is_held_against_a_gpu() {
    let place = Place::new();
    let page = of_llama(&place, "--gpu H100 --context 8192 -c 64").exits(0).stdout;
    assert_snapshot!(page, @r"
    llama-3.1-8b: 8.03 billion parameters, bf16

                          GB            GiB
    weights            16.06          14.96   counted
    KV cache           68.72          64.00   64 x 8192 tokens of 131072 B, bf16
    runtime          2.4-5.4        2.2-5.0   assumed
    total          87.2-90.2      81.2-84.0

    on 2 x H100 80GB of 79.6 GiB, of which a server may take 92 %: 73.3 GiB
      it fits: it takes 41.7-44.2 GiB of each
      sequences of 8192 tokens at a time: 122
      longest context of 64 at a time: 15646 tokens

    weights    8.03 billion parameters x 2 B (16 bits)
    KV cache   2 B x (32 layers x 2 x 8 KV heads x 128) for a token
    runtime    800 MiB for a batch of 8192 tokens, 1252 MiB to draw 1024 (vLLM's defaults), and 1 to 3 GiB for CUDA's context, kernels and captured graphs
    rule       2.5 x the weights at 16 bits: 40.1 GB (of 7B, 14 GB of weights and about 35 GB in all)
    ");
    let said = as_json(of_llama(&place, "--gpu H100 --context 8192 -c 64"));
    assert_eq!(said["parameters"], 8_029_995_008_u64);
    assert_eq!(said["kv_cache"]["bytes_per_token"], 131_072);
    assert_eq!(said["weights_bytes"], 2 * 8_029_995_008_u64);
    let placement = &said["placement"];
    assert_eq!((&placement["verdict"], &placement["gpus"]), (&json!("fits"), &json!(2)));
    let one = as_json(of_llama(&place, "--gpu L4 --gpus 1"));
    assert_eq!(one["placement"]["verdict"], "does_not_fit");
}

#[test]
fn a_number_of_parameters_has_its_rule_of_thumb() {
    let place = Place::new();
    let page = place.inferbench("estimate 7B --precision fp16 --gpu A100").exits(0).stdout;
    assert_snapshot!(page, @r"
    7B: 7.00 billion parameters, fp16

                          GB            GiB
    weights            14.00          13.04   counted
    KV cache         unknown        unknown
    runtime          1.1-3.2        1.0-3.0   assumed
    total            unknown        unknown

    on 1 x A100 80GB of 80.0 GiB, of which a server may take 92 %: 73.6 GiB
      it fits by the rule below: without its KV cache, it takes 14.0-16.0 GiB

    weights    7.00 billion parameters x 2 B (16 bits)
    KV cache   a number of parameters does not tell the KV cache: its config.json does
    runtime    1 to 3 GiB for CUDA's context, kernels and captured graphs
    rule       2.5 x the weights at 16 bits: 35.0 GB (of 7B, 14 GB of weights and about 35 GB in all)
    ");
}

#[test]
fn where_there_is_no_gpu_common_ones_are_told() {
    let said = as_json(of_llama(&Place::new(), ""));
    let common = said["common"].as_array().unwrap();
    assert!(said["placement"].is_null() && common.len() == 8, "{said}");
    assert!(common.iter().any(|entry| entry == &json!({"gpu": "H100 80GB", "gpus": 1})), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn this_machines_gpus_are_asked() {
    let gpus = |script, words: &str| {
        let driver = fake_nvml::Installed::new(script).unwrap();
        let path = driver.folder().to_str().unwrap().to_owned();
        as_json(of_llama(&Place::new(), words).env("LD_LIBRARY_PATH", &path))
    };
    let said = gpus(fake_nvml::Script::h200(2), "");
    let placement = &said["placement"];
    assert_eq!((&placement["gpu"], &placement["gpus"]), (&json!("NVIDIA H200"), &json!(1)));
    assert_eq!(placement["gpu_memory_bytes"], 141_u64 << 30);
    assert!(said["notes"].to_string().contains("of GPU 0, processes use 101376 MiB"), "{said}");
    // No more than there are: it would fit on four.
    let said = gpus(fake_nvml::Script::h200(2), "--context 131072 -c 30");
    assert_eq!(
        (&said["placement"]["gpus"], &said["placement"]["verdict"]),
        (&json!(2), &json!("does_not_fit"))
    );
    let said = gpus(fake_nvml::Script::gb10(), "--gpu auto");
    assert_eq!(said["placement"]["unified_memory"], true);
    assert!(said["notes"].to_string().contains("from which all programs take"), "{said}");
}

#[test]
fn a_model_that_was_downloaded_goes_by_its_name() {
    let place = Place::new();
    let snapshot = place.path().join("hub/models--a--llama/snapshots/0a1b");
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(snapshot.join("config.json"), LLAMA).unwrap();
    let hub = place.path().join("hub");
    let call = |model: &str| {
        let call = place.inferbench("estimate").arg(model).words("--gpu H200");
        call.env("HF_HUB_CACHE", hub.to_str().unwrap())
    };
    assert_eq!(as_json(call("a/llama"))["model"], "a/llama");
    let missing = call("a/other").exits(2).stderr;
    assert!(
        missing.contains("[IB304]") && missing.contains("`hf download a/other config.json`"),
        "{missing}"
    );
}

#[test]
fn what_cannot_be_is_said_so() {
    let place = Place::new();
    for (words, says) in [
        ("--gpus 3 --gpu H100", "32 heads of attention cannot be divided among 3 GPUs"),
        ("--gpu TPU", "`TPU` is no GPU that is known"),
        ("--precision fp3", "`fp3` is no precision"),
        ("--context 0", "the context cannot be 0"),
        ("-c 0", "the number of sequences cannot be 0"),
        ("--gpu-memory-utilization 1.5", "the share of a GPU's memory cannot be 1.5"),
    ] {
        let said = of_llama(&place, words).exits(2).stderr;
        assert!(said.contains(says), "{words}: {said}");
    }
    let broken = |text: &str| {
        fs::write(place.path().join("llama-3.1-8b/config.json"), text).unwrap();
        place.inferbench("estimate llama-3.1-8b").exits(2).stderr
    };
    assert!(broken(&LLAMA.replace("4096", "-1")).contains("`hidden_size` cannot be -1"));
    assert!(broken("{").contains("it is no JSON"));
    assert!(broken(&"[".repeat(1 << 20)).contains("cannot be used"));
    let said = place.inferbench("estimate").arg(Path::new("no\u{1b}[31m/such")).exits(2).stderr;
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
