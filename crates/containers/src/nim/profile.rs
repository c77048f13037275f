//! One profile, and what its name says.

use std::{collections::BTreeMap, fmt};

/// A way in which an image can run its model.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// 64 hexadecimal digits: what NIM_MODEL_PROFILE is set to.
    pub id: String,
    /// Such as `tensorrt_llm-h100-fp8-tp2-pp1-latency`.
    pub name: String,
    /// Whether it suits this machine.
    pub fit: Fit,
    /// Such as `vllm`.
    pub backend: Option<String>,
    /// The kind of GPU that it is built for.
    pub gpu: Option<String>,
    /// Such as `fp8`.
    pub precision: Option<String>,
    /// Over how many GPUs each layer is spread.
    pub tensor_parallel: Option<u32>,
    /// Over how many groups of GPUs the layers are spread.
    pub pipeline_parallel: Option<u32>,
    /// What it is made for.
    pub goal: Option<Goal>,
    /// Whether it takes LoRA adapters.
    pub has_lora: bool,
    /// What it requires, as the image says it: `requires >=45 GB/gpu, try --max-model-len=4096 to reduce to >=30 GB/gpu`.
    pub needs: Option<String>,
    /// What it says of itself beside its name, as images for speech do.
    pub tags: BTreeMap<String, String>,
}

/// Whether a profile suits a machine, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It can run.
    Runnable,
    /// It can run once an engine is built for it, at the start.
    Buildable,
    /// Too little of the GPUs' memory is free.
    LowMemory,
    /// Other GPUs, or more of them, are needed.
    Incompatible,
}

impl Fit {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runnable => "compatible",
            Self::Buildable => "buildable",
            Self::LowMemory => "low memory",
            Self::Incompatible => "incompatible",
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a profile is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Short times.
    Latency,
    /// Many requests at once.
    Throughput,
}

impl Goal {
    /// As names have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Latency, Self::Throughput].into_iter().find(|goal| goal.name() == name)
    }
}

const BACKENDS: [&str; 6] = ["vllm", "sglang", "tensorrt_llm", "trtllm", "tensorrt", "triton"];

impl Profile {
    /// The profile of an id, with what its name says:
    /// `<backend>-[<gpu>-]<precision>-tp<N>[-pp<M>][-<goal>][-lora|-feat_lora][-<GB>|-<version>…]`.
    pub(super) fn named(id: &str, name: &str, fit: Fit) -> Self {
        let parts: Vec<_> = name.split('-').collect();
        let backend = parts.first().filter(|first| BACKENDS.contains(first)).copied();
        let rest = parts.get(usize::from(backend.is_some())..).unwrap_or_default();
        let precision = rest.iter().position(|part| is_precision(part));
        let before = precision.and_then(|at| rest.get(..at)).unwrap_or_default();
        let gpu: Vec<_> =
            before.iter().copied().filter(|part| *part != "trtllm_buildable").collect();
        let number =
            |begin: &str| rest.iter().find_map(|part| part.strip_prefix(begin)?.parse().ok());
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            fit,
            backend: backend.map(str::to_owned),
            gpu: (!gpu.is_empty()).then(|| gpu.join("-")),
            precision: precision.and_then(|at| rest.get(at)).map(|&precision| precision.to_owned()),
            tensor_parallel: number("tp"),
            pipeline_parallel: number("pp"),
            goal: rest.iter().find_map(|part| Goal::of(part)),
            has_lora: rest.iter().any(|part| matches!(*part, "lora" | "feat_lora")),
            needs: None,
            tags: BTreeMap::new(),
        }
    }

    /// The profile of an id that says what it is by keys and values: `gpu:h100|mode:str`, or `{'gpu': 'h100'}`.
    pub(super) fn tagged(id: &str, text: &str, fit: Fit) -> Self {
        let plain = text.trim_matches(['{', '}', ' ']);
        let pairs = plain.split(['|', ',']).filter_map(|pair| pair.split_once(':'));
        let bare = |text: &str| text.trim_matches([' ', '\'', '"']).to_owned();
        let tags: BTreeMap<_, _> = pairs.map(|(key, value)| (bare(key), bare(value))).collect();
        let number = |key: &str| tags.get(key).and_then(|value| value.parse().ok());
        Self {
            backend: tags.get("llm_engine").or_else(|| tags.get("backend")).cloned(),
            gpu: tags.get("gpu").cloned(),
            precision: tags.get("precision").cloned(),
            tensor_parallel: number("tp"),
            pipeline_parallel: number("pp"),
            goal: tags.get("profile").and_then(|goal| Goal::of(goal)),
            has_lora: tags.get("feat_lora").is_some_and(|lora| lora == "true"),
            tags,
            ..Self::named(id, text, fit)
        }
    }

    /// How many GPUs it runs on; `None` where it does not say.
    pub fn gpus(&self) -> Option<u32> {
        Some(self.tensor_parallel?.saturating_mul(self.pipeline_parallel.unwrap_or(1)))
    }
}

/// Whether it is a number format, such as `bf16`, `nvfp4`, `int8` or `w4a16`.
fn is_precision(part: &str) -> bool {
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let begins = ["nvfp", "mxfp", "bf", "fp", "int"];
    let is_float = begins.iter().any(|begin| part.strip_prefix(begin).is_some_and(is_number));
    let mixed = part.strip_prefix('w').and_then(|rest| rest.split_once('a'));
    is_float
        || mixed.is_some_and(|(weights, activations)| is_number(weights) && is_number(activations))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a name says, in the order of the fields.
    fn said(name: &str) -> String {
        let profile = Profile::named("", name, Fit::Runnable);
        let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        let number =
            |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
        [
            text(&profile.backend),
            text(&profile.gpu),
            text(&profile.precision),
            number(profile.tensor_parallel),
            number(profile.pipeline_parallel),
            profile.goal.map_or("-", Goal::name).to_owned(),
            if profile.has_lora { "lora" } else { "-" }.to_owned(),
        ]
        .join(" ")
    }

    #[test]
    fn names_say_what_profiles_are() {
        for (name, expected) in [
            ("vllm-fp16-tp1", "vllm - fp16 1 - - -"),
            ("tensorrt_llm-a100-fp16-tp2-latency", "tensorrt_llm a100 fp16 2 - latency -"),
            (
                "tensorrt_llm-l40s-fp16-tp1-throughput-lora",
                "tensorrt_llm l40s fp16 1 - throughput lora",
            ),
            ("vllm-bf16-tp1-pp1-feat_lora-63.0", "vllm - bf16 1 1 - lora"),
            ("tensorrt_llm-trtllm_buildable-bf16-tp8-pp2", "tensorrt_llm - bf16 8 2 - -"),
            ("a100-fp16-tp1-throughput", "- a100 fp16 1 - throughput -"),
            ("vllm", "vllm - - - - - -"),
            ("sglang-h100-bf16-tp8-pp2", "sglang h100 bf16 8 2 - -"),
            (
                "tensorrt_llm-h100_nvl-fp8-tp2-pp1-throughput-lora-lora-2321:10de-35ff79694b24-4",
                "tensorrt_llm h100_nvl fp8 2 1 throughput lora",
            ),
            ("vllm-nvfp4-tp1-pp1-21.0", "vllm - nvfp4 1 1 - -"),
            ("vllm-w4a16-tp1", "vllm - w4a16 1 - - -"),
            ("", "- - - - - - -"),
            ("---", "- - - - - - -"),
        ] {
            assert_eq!(said(name), expected, "{name}");
        }
    }

    #[test]
    fn gpus_are_the_product_of_both_degrees() {
        let gpus = |name: &str| Profile::named("", name, Fit::Runnable).gpus();
        assert_eq!(gpus("sglang-h100-bf16-tp8-pp2"), Some(16));
        assert_eq!(gpus("vllm-bf16-tp2"), Some(2));
        assert_eq!(gpus("vllm"), None);
    }
}
