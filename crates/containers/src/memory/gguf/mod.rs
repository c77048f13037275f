//! What the header of a GGUF file says of its model. Its layout: docs/gguf.md of ggml-org/ggml.

mod header;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use self::header::Header;
use super::{ModelError, Quantization, kv_cache::KvCache, layers::Layer};

/// Parts of one model.
const MOST_PARTS: u64 = 1_000;

/// The header of a GGUF file.
#[derive(Debug)]
pub(super) struct Gguf {
    values: BTreeMap<String, Kept>,
    /// Bytes of the tensors, in all parts of the model.
    pub(super) weights_bytes: u64,
    /// Numbers of which the tensors consist, in this part.
    pub(super) parameters: u64,
    /// Tokens of its vocabulary.
    words: Option<u64>,
    /// Parts that the model consists of.
    pub(super) parts: u64,
    /// Parts that are not there.
    pub(super) missing: u64,
}

/// A value that is kept.
#[derive(Clone, Debug, PartialEq)]
enum Kept {
    Number(u64),
    Text(String),
    Numbers(Vec<u64>),
    /// How many texts are in a list.
    Words(u64),
}

/// The only GGUF model in a folder, by its first part; `None` where there is none.
pub(super) fn in_folder(folder: &Path) -> Result<Option<PathBuf>, ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: folder.to_owned(), source };
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)?.take(10_000) {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_model = name.ends_with(".gguf") && !name.starts_with("mmproj");
        if is_model && part_of(name).is_none_or(|(_, number, _)| number == 1) {
            found.push(path);
        }
    }
    found.sort_unstable();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => {
            let names = several.iter().filter_map(|path| path.file_name()?.to_str());
            Err(ModelError::Several {
                folder: folder.to_owned(),
                names: names.take(20).map(str::to_owned).collect(),
            })
        }
    }
}

/// `model-00001-of-00003.gguf`: what comes before the number, the number, and of how many.
fn part_of(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, of) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (before, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|c| c.is_ascii_digit());
    (digits(number) && digits(of)).then_some((before, number.parse().ok()?, of.parse().ok()?))
}

impl Gguf {
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let mut gguf = Header::open(path)?.read()?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((before, 1, of)) = part_of(name) else { return Ok(gguf) };
        gguf.parts = of.min(MOST_PARTS);
        for number in 2..=gguf.parts {
            let part = path.with_file_name(format!("{before}-{number:05}-of-{of:05}.gguf"));
            if part.is_file() {
                let part = Header::open(&part)?.read()?;
                gguf.weights_bytes = gguf.weights_bytes.saturating_add(part.weights_bytes);
                gguf.parameters = gguf.parameters.saturating_add(part.parameters);
            } else {
                gguf.missing += 1;
            }
        }
        Ok(gguf)
    }

    /// A number of its architecture, such as `block_count`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.values.get(&self.key(name))? {
            Kept::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The same for each of so many layers, whether it says one for all or one for each.
    fn numbers(&self, name: &str, layers: usize) -> Option<Vec<u64>> {
        match self.values.get(&self.key(name))? {
            Kept::Number(number) => Some(vec![*number; layers]),
            Kept::Numbers(numbers) if numbers.len() == layers => Some(numbers.clone()),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Kept::Text(text) => Some(text),
            _ => None,
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture())
    }

    /// What kind of model it is, such as `llama`.
    pub(super) fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or_default()
    }

    /// How many tokens it knows.
    pub(super) fn vocabulary(&self) -> Option<u64> {
        self.number("vocab_size").or(self.words)
    }

    /// What its weights are, as the header's kind of file says, such as `q4_k_m`.
    pub(super) fn file_type(&self) -> Option<&'static str> {
        let Kept::Number(kind) = self.values.get("general.file_type")? else { return None };
        FILE_TYPES.iter().find(|(number, _)| number == kind).map(|(_, label)| *label)
    }

    /// How its weights are quantized; `None` where they are not, or it does not say.
    pub(super) fn quantization(&self) -> Option<Quantization> {
        let label = self.file_type().filter(|label| !["f32", "f16", "bf16"].contains(label));
        label.map(Quantization::of_gguf)
    }

    /// Tokens that the model was made for.
    pub(super) fn context_tokens(&self) -> Option<u64> {
        self.number("context_length")
    }

    /// What its KV cache holds, or why that is not known.
    pub(super) fn kv_cache(&self) -> Result<KvCache, String> {
        let needed = |name: &str| {
            let number = self.number(name).filter(|number| *number > 0);
            number.ok_or_else(|| format!("the file does not say `{}`", self.key(name)))
        };
        let layers = needed("block_count")?;
        let layers = usize::try_from(layers).ok().filter(|n| *n <= 1 << 12);
        let layers = layers.ok_or("it has more layers than any model")?;
        let window = self.number("attention.sliding_window").filter(|window| *window > 0);
        let kinds = self.numbers("attention.sliding_window_pattern", layers);
        // llama.cpp knows it by the architecture where the file has no list (src/llama-model.cpp). Of one that is not
        // known here all tokens count, which is too much rather than too little.
        let full_each = match self.architecture() {
            "gemma2" | "gpt-oss" => Some(2),
            "gemma3" => Some(6),
            _ => None,
        };
        let layer = |n: usize| match (window, &kinds, full_each) {
            (Some(window), Some(kinds), _) if kinds[n] > 0 => Layer::Window(window),
            (Some(window), None, Some(each)) if !(n + 1).is_multiple_of(each) => {
                Layer::Window(window)
            }
            _ => Layer::Full,
        };
        if let Some(latent) = self.number("attention.kv_lora_rank").filter(|latent| *latent > 0) {
            let rope = self.number("rope.dimension_count").unwrap_or_default();
            let each = (latent.saturating_add(rope), None);
            return Ok(KvCache::grouped((0..layers).map(|n| (layer(n), each))));
        }
        let heads = self.numbers("attention.head_count", layers);
        let heads = heads.ok_or_else(|| format!("no `{}`", self.key("attention.head_count")))?;
        let kv = self.numbers("attention.head_count_kv", layers).unwrap_or_else(|| heads.clone());
        let usual = match heads.iter().max() {
            Some(most) if *most > 0 => self.number("embedding_length").map(|width| width / most),
            _ => None,
        };
        let keys = self.number("attention.key_length").or(usual);
        let values = self.number("attention.value_length").or(usual);
        let (keys, values) =
            keys.zip(values).ok_or_else(|| format!("no `{}`", self.key("embedding_length")))?;
        let each = |n: usize| match kv[n] {
            // Layers without attention have no heads.
            0 => (Layer::State, (0, None)),
            kv => (layer(n), (kv.saturating_mul(keys.saturating_add(values)), Some(kv))),
        };
        Ok(KvCache::grouped((0..layers).map(each)))
    }
}

/// llama.cpp's kinds of files: `llama_ftype` in include/llama.h.
const FILE_TYPES: [(u64, &str); 34] = [
    (0, "f32"),
    (1, "f16"),
    (2, "q4_0"),
    (3, "q4_1"),
    (7, "q8_0"),
    (8, "q5_0"),
    (9, "q5_1"),
    (10, "q2_k"),
    (11, "q3_k_s"),
    (12, "q3_k_m"),
    (13, "q3_k_l"),
    (14, "q4_k_s"),
    (15, "q4_k_m"),
    (16, "q5_k_s"),
    (17, "q5_k_m"),
    (18, "q6_k"),
    (19, "iq2_xxs"),
    (20, "iq2_xs"),
    (21, "q2_k_s"),
    (22, "iq3_xs"),
    (23, "iq3_xxs"),
    (24, "iq1_s"),
    (25, "iq4_nl"),
    (26, "iq3_s"),
    (27, "iq3_m"),
    (28, "iq2_s"),
    (29, "iq2_m"),
    (30, "iq4_xs"),
    (31, "iq1_m"),
    (32, "bf16"),
    (36, "tq1_0"),
    (37, "tq2_0"),
    (38, "mxfp4_moe"),
    (39, "nvfp4"),
];
