//! What is known of public models, held against what is estimated of them.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{config::Config, *};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name)
}

fn model(name: &str) -> Model {
    Model::named(&folder(name)).unwrap()
}

fn bf16() -> Precision {
    "bf16".parse().unwrap()
}

fn estimate(model: &Model, asked: &AskedMemory) -> Estimate {
    Estimate::of(model, asked).unwrap()
}

#[test]
fn public_models_have_the_parameters_that_their_cards_state() {
    for (name, stated, within) in [
        ("llama-2-7b", 6_738_415_616_u64, 0.001),
        ("llama-3.1-8b", 8_030_261_248, 0.001),
        ("llama-3.1-70b", 70_553_706_496, 0.001),
        ("qwen2.5-0.5b", 494_032_768, 0.001),
        ("qwen3-30b-a3b", 30_532_122_624, 0.001),
        ("mixtral-8x7b", 46_702_792_704, 0.001),
        ("deepseek-v3", 671_026_419_200, 0.001),
        ("gemma-2-9b", 9_241_705_984, 0.001),
        ("gemma-3-4b", 4_300_079_472, 0.01),
        ("gemma-3-12b", 12_187_325_040, 0.01),
        ("gpt-oss-20b", 20_914_757_184, 0.01),
        ("gpt-oss-120b", 116_829_156_672, 0.01),
        ("kimi-k2-thinking", 1_026_000_000_000, 0.01),
    ] {
        let counted = model(name).parameters.unwrap();
        let off = counted as f64 / stated as f64 - 1.0;
        assert!(off.abs() < within, "{name}: {counted} of {stated}, {:.2} % off", off * 100.0);
    }
}

#[test]
fn a_token_takes_what_its_layers_keep_of_it() {
    for (name, bytes_per_token) in [
        ("llama-2-7b", 32 * 2 * 32 * 128 * 2),
        ("llama-3.1-8b", 131_072),
        ("llama-3.1-70b", 327_680),
        ("qwen3-30b-a3b", 98_304),
        ("mixtral-8x7b", 131_072),
        ("deepseek-v3", 576 * 61 * 2),
        // Of these, only layers without a window grow.
        ("gemma-2-9b", 21 * 2 * 8 * 256 * 2),
        ("gemma-3-12b", 8 * 2 * 8 * 256 * 2),
        ("gemma-3-4b", 5 * 2 * 4 * 256 * 2),
        ("gpt-oss-20b", 12 * 2 * 8 * 64 * 2),
        ("gpt-oss-120b", 18 * 2 * 8 * 64 * 2),
        ("qwen3-next-80b-a3b", 12 * 2 * 2 * 256 * 2),
    ] {
        let cache = model(name).kv_cache.unwrap();
        assert_eq!(cache.bytes_per_token(bf16(), 1), bytes_per_token, "{name}");
    }
    let fp8 = "fp8".parse().unwrap();
    assert_eq!(model("llama-3.1-8b").kv_cache.unwrap().bytes_per_token(fp8, 1), 65_536);
}

#[test]
fn layers_with_a_window_keep_no_more_than_that() {
    let cache = model("gpt-oss-20b").kv_cache.unwrap();
    let layer = 2 * 8 * 64 * 2;
    let sequence = |tokens| cache.bytes_per_sequence(bf16(), 1, tokens);
    assert_eq!(sequence(100), 24 * layer * 100);
    assert_eq!(sequence(10_000), 12 * layer * 10_000 + 12 * layer * 128);
    assert_eq!(model("qwen3-next-80b-a3b").kv_cache.unwrap().layers_of_state, 36);
}

#[test]
fn gpus_divide_heads_among_them_but_nothing_latent() {
    let on = |name: &str, gpus| model(name).kv_cache.unwrap().bytes_per_token(bf16(), gpus);
    assert_eq!(on("llama-3.1-8b", 4), 131_072 / 4);
    assert_eq!(on("llama-3.1-8b", 8), 131_072 / 8);
    assert_eq!(on("llama-3.1-8b", 16), 131_072 / 8, "a head is not divided");
    assert_eq!(on("deepseek-v3", 8), 576 * 61 * 2);
}

#[test]
fn weights_take_what_checkpoints_are_large() {
    let bytes = |name: &str, precision: Option<&str>| {
        let asked = AskedMemory {
            precision: precision.map(|name| name.parse().unwrap()),
            ..AskedMemory::default()
        };
        estimate(&model(name), &asked).weights.unwrap().bytes
    };
    // The `total_size` of their indices.
    for (name, total_size) in [
        ("llama-3.1-8b", 16_060_522_496),
        ("llama-3.1-70b", 141_107_412_992),
        ("qwen3-30b-a3b", 61_064_245_248),
        ("mixtral-8x7b", 93_405_585_408),
        ("gpt-oss-20b", 13_761_264_768),
        ("gpt-oss-120b", 65_248_815_744_u64),
    ] {
        let off = bytes(name, None) as f64 / total_size as f64 - 1.0;
        assert!(off.abs() < 0.01, "{name}: {:.2} % off", off * 100.0);
    }
    // llama.cpp's table of Llama 3.1 8B, in GiB.
    for (precision, gib) in [("q4_k_m", 4.58), ("q8_0", 7.95), ("q6_k", 6.14), ("f16", 14.96)] {
        let off = bytes("llama-3.1-8b", Some(precision)) as f64 / (gib * 1.073_741_824e9) - 1.0;
        assert!(off.abs() < 0.005, "{precision}: {:.2} % off", off * 100.0);
    }
    // RedHatAI's Meta-Llama-3.1-8B-Instruct-FP8, and hugging-quants' AWQ-INT4: embeddings and output keep 16 bits.
    for (precision, total_size) in [("fp8", 9.08e9), ("awq", 5.73e9)] {
        let off = bytes("llama-3.1-8b", Some(precision)) as f64 / total_size - 1.0;
        assert!(off.abs() < 0.01, "{precision}: {:.2} % off", off * 100.0);
    }
    // DeepSeek-V3's files have 688.6 GB, 14 billion parameters of speculative decoding in them.
    let deepseek = bytes("deepseek-v3", None) as f64;
    assert!((0.96..1.0).contains(&(deepseek / 688.6e9)), "{deepseek}");
    // nvidia/Qwen3-30B-A3B-NVFP4 is 18.1 GB.
    let nvfp4 = bytes("qwen3-30b-a3b-nvfp4", None) as f64;
    assert!((nvfp4 / 18.1e9 - 1.0).abs() < 0.03, "{nvfp4}");
}

#[test]
fn a_model_whose_layers_are_not_counted_says_why() {
    let unknown = model("qwen3-next-80b-a3b");
    assert!(unknown.parameters.as_ref().unwrap_err().contains("linear attention"));
    let estimate = estimate(&unknown, &AskedMemory::default());
    assert!(estimate.weights.unwrap_err().contains("linear attention"));
    assert_eq!((estimate.total_bytes, estimate.rule_of_thumb_bytes), (None, None));
    assert!(unknown.notes[0].contains("state of one size"));
}

#[test]
fn the_rule_of_thumb_is_two_and_a_half_times_the_weights() {
    let asked = AskedMemory { precision: "fp16".parse().ok(), ..AskedMemory::default() };
    let of_number = estimate(&Model::named("7B".as_ref()).unwrap(), &asked);
    assert_eq!(of_number.weights.unwrap().bytes, 14_000_000_000);
    assert_eq!(of_number.rule_of_thumb_bytes, Some(35_000_000_000));
    // What it stands for: Llama 2 7B, which has a head of keys and values for each of attention, with 32 Ki tokens.
    let asked = AskedMemory { concurrency: 8, gpu: "A100 80GB".parse().ok(), ..asked };
    let (low, high) = estimate(&model("llama-2-7b"), &asked).total_bytes.unwrap();
    assert!(low < 35_000_000_000 && high > 32_000_000_000, "{low}..{high}");
}

fn on(name: &str, gpu: &str, asked: &AskedMemory) -> Placement {
    let asked = AskedMemory { gpu: gpu.parse().ok(), ..asked.clone() };
    estimate(&model(name), &asked).placement.unwrap()
}

#[test]
fn a_model_fits_where_it_is_known_to() {
    let context = |tokens| AskedMemory { context_tokens: Some(tokens), ..AskedMemory::default() };
    for (name, gpu, gpus) in [
        ("llama-3.1-8b", "L4", 1),
        ("llama-3.1-8b", "RTX 5090", 1),
        ("llama-3.1-70b", "H100", 4),
        ("llama-3.1-70b", "H200", 2),
        ("mixtral-8x7b", "H100", 2),
        ("gpt-oss-120b", "B200", 1),
        ("gpt-oss-20b", "L40S", 1),
        ("deepseek-v3", "H200", 8),
        ("deepseek-v3", "H100", 16),
    ] {
        let placement = on(name, gpu, &context(8_192));
        assert_eq!((placement.gpus, placement.verdict), (gpus, Verdict::Fits), "{name} on {gpu}");
    }
    let one = AskedMemory { gpus: Some(1), ..context(8_192) };
    assert_eq!(on("llama-3.1-70b", "H200", &one).verdict, Verdict::DoesNotFit);
    assert_eq!(on("llama-3.1-70b", "H100", &one).verdict, Verdict::DoesNotFit);
    let whole = AskedMemory { gpus: Some(1), ..AskedMemory::default() };
    assert_eq!(on("llama-3.1-8b", "L4", &whole).verdict, Verdict::DoesNotFit, "131,072 tokens");
}

#[test]
fn what_fits_at_a_time_fills_the_memory() {
    let asked = AskedMemory { context_tokens: Some(8_192), ..AskedMemory::default() };
    let fits = |concurrency, context_tokens| {
        let asked = AskedMemory { concurrency, context_tokens, gpus: Some(1), ..asked.clone() };
        on("llama-3.1-8b", "H100", &asked).verdict == Verdict::Fits
    };
    let most = on("llama-3.1-8b", "H100", &asked).sequences.unwrap();
    assert!(fits(most, Some(8_192)) && !fits(most + 1, Some(8_192)), "{most}");
    let asked = AskedMemory { concurrency: 16, gpus: Some(1), ..asked.clone() };
    let longest = on("llama-3.1-8b", "H100", &asked).longest_context_tokens.unwrap();
    assert!(fits(16, Some(longest)) && !fits(16, Some(longest + 1)), "{longest}");
    let alone = on("llama-3.1-8b", "H100", &AskedMemory::default());
    assert_eq!(alone.longest_context_tokens, Some(131_072), "what the model was made for");
}

#[test]
fn where_the_runtime_decides_it_is_tight() {
    let asked =
        AskedMemory { context_tokens: Some(4_096), gpus: Some(1), ..AskedMemory::default() };
    let verdict = |gib: f64| on("llama-3.1-8b", &format!("{gib}GiB"), &asked).verdict;
    assert_eq!(verdict(16.0), Verdict::DoesNotFit);
    assert_eq!(verdict(19.0), Verdict::Tight);
    assert_eq!(verdict(24.0), Verdict::Fits);
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let error = |asked: AskedMemory| {
        let asked = AskedMemory { gpu: "H100".parse().ok(), ..asked };
        Estimate::of(&model("llama-3.1-8b"), &asked).unwrap_err()
    };
    let three = error(AskedMemory { gpus: Some(3), ..AskedMemory::default() });
    assert_eq!(three, EstimateError::Indivisible { heads: 32, gpus: 3 });
    for utilization in [0.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        error(AskedMemory { utilization: Some(utilization), ..AskedMemory::default() });
    }
    error(AskedMemory { context_tokens: Some(0), ..AskedMemory::default() });
    error(AskedMemory { concurrency: 0, ..AskedMemory::default() });
}

#[test]
fn quantization_is_told_by_the_files() {
    for (name, label, weights, kv_cache) in [
        ("qwen3-30b-a3b-nvfp4", "nvfp4", "nvfp4", Some("fp8")),
        ("deepseek-v3", "fp8", "fp8", None),
        ("gpt-oss-20b", "mxfp4", "mxfp4", None),
        ("kimi-k2-thinking", "w4a16", "int4", None),
    ] {
        let found = detect_quantization(&folder(name)).unwrap().unwrap();
        assert_eq!((found.label.as_str(), found.weights.unwrap().name()), (label, weights));
        assert_eq!(found.kv_cache.map(Precision::name), kv_cache, "{name}");
    }
    assert_eq!(detect_quantization(&folder("llama-3.1-8b")).unwrap(), None);
    let asked = AskedMemory::default();
    let cache = estimate(&model("qwen3-30b-a3b-nvfp4"), &asked).kv_cache.unwrap();
    assert_eq!((cache.precision.name(), cache.bytes_per_token), ("fp8", 49_152));
}

/// How a `quantization_config` is understood.
fn quantized(config: &Value) -> (String, Option<&'static str>, Option<&'static str>) {
    let config = Config::of(json!({"model_type": "llama", "quantization_config": config}));
    let known = Quantization::of("nowhere".as_ref(), Some(&config)).unwrap().unwrap();
    (known.label, known.weights.map(Precision::name), known.kv_cache.map(Precision::name))
}

#[test]
fn each_maker_has_its_own_words_for_it() {
    let group = |weights: Value, inputs: Value| json!({"g": {"weights": weights, "input_activations": inputs}});
    let compressed = |groups: Value, format: &str| json!({"quant_method": "compressed-tensors", "format": format, "config_groups": groups});
    let float = |bits: u64| json!({"num_bits": bits, "type": "float"});
    let int = |bits: u64| json!({"num_bits": bits, "type": "int"});
    for (config, label, weights) in [
        (json!({"quant_method": "awq", "bits": 4, "group_size": 128}), "awq-int4", Some("int4")),
        (json!({"quant_method": "gptq", "bits": 8}), "gptq-int8", Some("int8")),
        (json!({"quant_method": "gptq", "bits": 3}), "gptq-int3", None),
        (json!({"quant_method": "auto-round", "bits": 4}), "auto-round-int4", Some("int4")),
        (
            json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}),
            "bnb-nf4",
            Some("nf4"),
        ),
        (json!({"quant_method": "bitsandbytes", "load_in_8bit": true}), "bnb-int8", Some("int8")),
        (compressed(group(float(8), float(8)), "float-quantized"), "fp8", Some("fp8")),
        (compressed(group(int(8), int(8)), "int-quantized"), "w8a8", Some("int8")),
        (compressed(group(int(4), Value::Null), "pack-quantized"), "w4a16", Some("int4")),
        (compressed(group(float(4), float(4)), "nvfp4-pack-quantized"), "nvfp4", Some("nvfp4")),
        (json!({"quant_method": "modelopt", "quant_algo": "FP8"}), "fp8", Some("fp8")),
        (json!({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}), "mixed", None),
        (json!({"quant_method": "exl3", "bits": 4}), "exl3-4bit", None),
        (json!({"quant_method": "\u{1b}[31m;rm"}), "--31m-rm", None),
        (json!({}), "unknown", None),
    ] {
        let (found, of_weights, _) = quantized(&config);
        assert_eq!((found.as_str(), of_weights), (label, weights), "{config}");
    }
    let scheme = json!({"num_bits": 8, "type": "float"});
    let with_cache = json!({"quant_method": "compressed-tensors", "kv_cache_scheme": scheme});
    assert_eq!(quantized(&with_cache).2, Some("fp8"));
}

/// A folder with a `config.json`.
fn with_config(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), text).unwrap();
    folder
}

#[test]
fn a_hostile_config_is_an_error_or_unknown_and_never_more() {
    let usual = json!({
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "vocab_size": 128, "intermediate_size": 128, "num_experts": 2,
    });
    let text = |name: &str, value: Value| {
        let mut config = usual.clone();
        config[name] = value;
        config.to_string()
    };
    let names = [
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "vocab_size",
        "intermediate_size",
        "num_key_value_heads",
        "head_dim",
        "kv_lora_rank",
        "sliding_window",
        "num_experts",
        "max_position_embeddings",
        "first_k_dense_replace",
    ];
    for name in names {
        for value in [
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!("64"),
            json!([1]),
            json!({}),
            json!(0.5),
        ] {
            let folder = with_config(&text(name, value.clone()));
            let error = Model::named(folder.path()).unwrap_err().to_string();
            assert!(error.contains(name), "{name} of {value}: {error}");
        }
        for value in [json!(0), json!(1), json!(null), json!(1_u64 << 31)] {
            let folder = with_config(&text(name, value));
            let model = Model::named(folder.path()).unwrap();
            let asked = AskedMemory {
                gpu: "H100".parse().ok(),
                context_tokens: Some(u64::MAX),
                concurrency: u64::MAX,
                ..AskedMemory::default()
            };
            let _ = Estimate::of(&model, &asked).unwrap();
        }
    }
    for broken in ["", "[]", "{", "NaN", "{\"hidden_size\": NaN}", &"[".repeat(100_000), "\u{0}"] {
        assert!(matches!(
            Model::named(with_config(broken).path()),
            Err(ModelError::Malformed { .. })
        ));
    }
    let all_at_most: Value =
        names.iter().map(|name| ((*name).to_owned(), json!(1_u64 << 31))).collect();
    let model = Model::named(with_config(&all_at_most.to_string()).path()).unwrap();
    assert!(model.parameters.is_err() && model.kv_cache.is_err());
}

#[test]
fn a_file_larger_than_any_is_not_read() {
    let folder = with_config("{}");
    let file = fs::File::create(folder.path().join("config.json")).unwrap();
    file.set_len(1 << 30).unwrap();
    let error = Model::named(folder.path()).unwrap_err().to_string();
    assert!(error.contains("larger than 16 MiB"), "{error}");
}

/// A file of safetensors with such a header, and so many bytes behind it.
fn safetensors(header: &Value, bytes: usize) -> Vec<u8> {
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &vec![0; bytes]].concat()
}

fn tensor(dtype: &str, shape: &[u64], begin: u64, end: u64) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})
}

#[test]
fn weights_that_are_there_are_taken_as_they_are() {
    let folder = with_config(&fs::read_to_string(folder("llama-3.1-8b/config.json")).unwrap());
    let at = |name: &str| folder.path().join(name);
    let weights = || Model::named(folder.path()).map(|model| model.weights);
    assert_eq!(weights().unwrap(), None);

    let header = json!({
        "__metadata__": {"format": "pt"},
        "a": tensor("BF16", &[10, 10], 0, 200),
        "b": tensor("F32", &[5], 200, 220),
    });
    fs::write(at("model.safetensors"), safetensors(&header, 220)).unwrap();
    fs::write(at("consolidated.safetensors"), safetensors(&header, 220)).unwrap();
    let found = weights().unwrap().unwrap();
    assert_eq!((found.bytes, found.parameters, found.files), (Some(220), Some(105), 1));
    let estimate = estimate(&Model::named(folder.path()).unwrap(), &AskedMemory::default());
    let of_weights = estimate.weights.unwrap();
    assert!(of_weights.is_exact && of_weights.bytes == 220);

    fs::write(at("model.safetensors"), safetensors(&header, 100)).unwrap();
    assert!(weights().unwrap_err().to_string().contains("cut off: it has 100 of 220 bytes"));
    fs::write(at("model.safetensors"), u64::MAX.to_le_bytes()).unwrap();
    assert!(weights().unwrap_err().to_string().contains("cut off"));
    fs::write(at("model.safetensors"), b"abc").unwrap();
    assert!(weights().unwrap_err().to_string().contains("cut off"));

    let packed = json!({"a": tensor("I32", &[10], 0, 40), "b": tensor("F16", &[2], 40, 44)});
    fs::write(at("model.safetensors"), safetensors(&packed, 44)).unwrap();
    let found = weights().unwrap().unwrap();
    assert_eq!(
        (found.bytes, found.parameters),
        (Some(44), None),
        "several numbers share an element"
    );
}

#[test]
fn an_index_tells_what_is_to_be_there() {
    let folder = with_config(&fs::read_to_string(folder("llama-3.1-8b/config.json")).unwrap());
    let index = |files: &[&str]| {
        let map: Value = files.iter().map(|file| ((*file).to_owned(), json!(file))).collect();
        let index = json!({"metadata": {"total_size": 16_060_522_496_u64}, "weight_map": map});
        fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
        Model::named(folder.path())
    };
    let model = index(&["model-1.safetensors", "model-2.safetensors"]).unwrap();
    let weights = model.weights.as_ref().unwrap();
    assert_eq!((weights.bytes, weights.missing), (Some(16_060_522_496), 2));
    assert!(model.notes.iter().any(|note| note.contains("2 of its 2 files are not there")));
    for elsewhere in ["../model.safetensors", "/etc/passwd", "a/../../b", ""] {
        let error = index(&[elsewhere]).unwrap_err().to_string();
        assert!(error.contains("elsewhere"), "{elsewhere}: {error}");
    }
}
