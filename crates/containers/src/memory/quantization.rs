//! How a model's weights are quantized, as its files say.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    ModelError, Precision,
    config::Config,
    gguf::{self, Gguf},
    stored,
};

/// Of a `hf_quant_config.json`: one of a mixture names each layer.
const MOST_BYTES: u64 = 16 << 20;

/// How the weights of a model are quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// What to call it: `nvfp4`, `fp8`, `awq-int4`, `gptq-int8`, `w4a16`, `q4_k_m`. As told by the files where it is none
    /// that is known, in letters, digits, `-`, `_` and `.` alone.
    pub label: String,
    /// What made it, as its files call that: `modelopt`, `compressed-tensors`, `gguf`.
    pub method: String,
    /// How most weights are stored; `None` where that is not known.
    pub weights: Option<Precision>,
    /// How the KV cache is to be stored, where the files say so.
    pub kv_cache: Option<Precision>,
    /// What is not quantized: patterns of modules' names.
    pub left_out: Vec<String>,
}

/// How the model in a folder, or in a GGUF file, is quantized; `None` where it is not. Reads no weights.
///
/// # Errors
///
/// When a file that would say so cannot be read, or is not what it should be.
pub fn detect_quantization(model: &Path) -> Result<Option<Quantization>, ModelError> {
    if model.is_file() {
        return Ok(Gguf::read(model)?.quantization());
    }
    let config = Config::read(model)?;
    match Quantization::of(model, config.as_ref())? {
        None if config.is_none() => match gguf::in_folder(model)? {
            Some(file) => Ok(Gguf::read(&file)?.quantization()),
            None => Ok(None),
        },
        found => Ok(found),
    }
}

impl Quantization {
    /// Of a folder and the `config.json` in it.
    pub(super) fn of(folder: &Path, config: Option<&Config>) -> Result<Option<Self>, ModelError> {
        let stated = config.and_then(|config| {
            ["quantization_config", "compression_config"]
                .iter()
                .find_map(|name| config.anywhere(name)?.as_object())
        });
        let path = folder.join("hf_quant_config.json");
        let beside: Option<Value> = stored::read_json(&path, MOST_BYTES)?;
        let beside = beside.as_ref().and_then(|value| value.get("quantization")?.as_object());
        // ModelOpt's own file says what config.json repeats, with the KV cache besides.
        Ok(match (beside, stated) {
            (Some(beside), _) => Self::of_modelopt(beside),
            (None, Some(stated)) => Self::stated(stated),
            (None, None) => None,
        })
    }

    fn stated(stated: &Map<String, Value>) -> Option<Self> {
        let method = text(stated, "quant_method").unwrap_or("unknown");
        if method == "modelopt" || stated.contains_key("quant_algo") {
            return Self::of_modelopt(stated);
        }
        let bits =
            ["bits", "w_bit", "num_bits"].iter().find_map(|name| stated.get(*name)?.as_u64());
        let (label, weights) = match method {
            "fp8" | "fbgemm_fp8" => ("fp8".to_owned(), known("fp8")),
            "mxfp4" => ("mxfp4".to_owned(), known("mxfp4")),
            "awq" | "gptq" | "auto-round" | "gptq_marlin" | "awq_marlin" => of_bits(method, bits),
            "bitsandbytes" => of_bitsandbytes(stated),
            "compressed-tensors" | "compressed_tensors" => return Some(Self::compressed(stated)),
            _ => (with_bits(method, bits), None),
        };
        Some(Self {
            label: plain(&label),
            method: plain(method),
            weights,
            kv_cache: None,
            left_out: left_out(stated),
        })
    }

    fn of_modelopt(stated: &Map<String, Value>) -> Option<Self> {
        let algorithm = text(stated, "quant_algo")?.to_ascii_uppercase();
        let (label, weights) = match algorithm.as_str() {
            "NVFP4" | "W4A8_NVFP4_FP8" | "W4A16_NVFP4" => ("nvfp4", known("nvfp4")),
            "NVFP4_AWQ" => ("nvfp4-awq", known("nvfp4")),
            "MXFP4" | "W4A8_MXFP4_FP8" => ("mxfp4", known("mxfp4")),
            "MXFP8" => ("mxfp8", known("mxfp8")),
            "FP8" | "FP8_PB_WO" | "FP8_PER_CHANNEL_PER_TOKEN" => ("fp8", known("fp8")),
            "W4A16_AWQ" | "INT4_AWQ" => ("awq-int4", known("int4")),
            "W4A8_AWQ" => ("w4a8-awq", known("int4")),
            "W8A8_SQ_PER_CHANNEL" | "INT8_SQ" => ("int8-sq", known("int8")),
            "MIXED_PRECISION" => ("mixed", None),
            other => (other, None),
        };
        let kv_cache = text(stated, "kv_cache_quant_algo")
            .and_then(|name| name.parse().ok())
            .or_else(|| scheme(stated.get("kv_cache_scheme")?));
        Some(Self {
            label: plain(label),
            method: "modelopt".to_owned(),
            weights,
            kv_cache,
            left_out: left_out(stated),
        })
    }

    fn compressed(stated: &Map<String, Value>) -> Self {
        let groups = stated.get("config_groups").and_then(Value::as_object);
        let group = groups.and_then(|groups| groups.values().next());
        let weights = group.and_then(|group| group.get("weights"));
        let inputs =
            group.and_then(|group| group.get("input_activations")).filter(|v| !v.is_null());
        let format = text(stated, "format").unwrap_or_default();
        let bits = |of: Option<&Value>| of.and_then(|value| value.get("num_bits")?.as_u64());
        let is_float = weights.and_then(|weights| weights.get("type")?.as_str()) == Some("float");
        let weights = weights.filter(|_| bits(weights).is_some());
        let inputs = inputs.and_then(|inputs| bits(Some(inputs))).unwrap_or(16);
        let (label, weights) = match (bits(weights), is_float) {
            _ if format.contains("nvfp4") => ("nvfp4".to_owned(), known("nvfp4")),
            _ if format.contains("mxfp4") => ("mxfp4".to_owned(), known("mxfp4")),
            _ if format.contains("mxfp8") => ("mxfp8".to_owned(), known("mxfp8")),
            (Some(8), true) => ("fp8".to_owned(), known("fp8")),
            (Some(4), true) => ("nvfp4".to_owned(), known("nvfp4")),
            (Some(8), false) => (format!("w8a{inputs}"), known("int8")),
            (Some(4), false) => (format!("w4a{inputs}"), known("int4")),
            (Some(bits), _) => (format!("w{bits}a{inputs}"), None),
            (None, _) => ("compressed-tensors".to_owned(), None),
        };
        Self {
            label: plain(&label),
            method: "compressed-tensors".to_owned(),
            weights,
            kv_cache: stated.get("kv_cache_scheme").and_then(scheme),
            left_out: left_out(stated),
        }
    }

    /// Of a GGUF file, by the name of its kind.
    pub(super) fn of_gguf(label: &str) -> Self {
        Self {
            label: plain(label),
            method: "gguf".to_owned(),
            weights: label.parse().ok(),
            kv_cache: None,
            left_out: Vec::new(),
        }
    }

    /// Whether it leaves out a part of every layer: `self_attn`, `mlp` or `experts`.
    pub(super) fn leaves_out(&self, part: &str) -> bool {
        // MXFP4 of transformers is of experts alone.
        if self.method == "mxfp4" && part != "experts" {
            return true;
        }
        let names = |pattern: &String| match part {
            "self_attn" => pattern.contains("self_attn"),
            // Dense layers and shared experts, but neither routers (`mlp.gate`) nor experts.
            "mlp" => pattern.contains("shared_expert") || pattern.contains("_proj"),
            _ => pattern.contains("mlp.experts"),
        };
        self.left_out.iter().any(|pattern| names(pattern) && !pattern.contains("layernorm"))
    }
}

fn text<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str()
}

fn known(name: &str) -> Option<Precision> {
    name.parse().ok()
}

fn of_bits(method: &str, bits: Option<u64>) -> (String, Option<Precision>) {
    let method = method.trim_end_matches("_marlin");
    let weights = match bits {
        Some(8) => known("int8"),
        Some(4) => known("int4"),
        _ => None,
    };
    let label = bits.map(|bits| format!("{method}-int{bits}"));
    (label.unwrap_or_else(|| method.to_owned()), weights)
}

fn with_bits(method: &str, bits: Option<u64>) -> String {
    bits.map_or_else(|| method.to_owned(), |bits| format!("{method}-{bits}bit"))
}

fn of_bitsandbytes(stated: &Map<String, Value>) -> (String, Option<Precision>) {
    let is = |name: &str| stated.get(name).and_then(Value::as_bool) == Some(true);
    match text(stated, "bnb_4bit_quant_type") {
        kind if is("load_in_4bit") => (format!("bnb-{}", kind.unwrap_or("fp4")), known("nf4")),
        _ if is("load_in_8bit") => ("bnb-int8".to_owned(), known("int8")),
        _ => ("bitsandbytes".to_owned(), None),
    }
}

/// How a scheme of compressed-tensors stores the KV cache.
fn scheme(scheme: &Value) -> Option<Precision> {
    match (scheme.get("num_bits")?.as_u64()?, scheme.get("type")?.as_str()?) {
        (8, "float") => known("fp8"),
        (8, "int") => known("int8"),
        (4, "float") => known("nvfp4"),
        _ => None,
    }
}

fn left_out(stated: &Map<String, Value>) -> Vec<String> {
    const NAMES: [&str; 4] =
        ["exclude_modules", "ignore", "modules_to_not_convert", "ignored_layers"];
    let lists = NAMES.iter().filter_map(|name| stated.get(*name)?.as_array());
    let names = lists.flatten().filter_map(Value::as_str);
    names.filter(|name| name.len() < 512).map(str::to_owned).collect()
}

/// What a file says, fit to be a label.
fn plain(label: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    label.chars().take(40).map(letter).collect::<String>().to_ascii_lowercase()
}
