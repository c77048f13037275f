//! A model, as far as its memory goes.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::{
    KvCache, Parameters, Precision, Quantization,
    config::{Config, Known},
    gguf::{self, Gguf},
    kv_cache::Heads,
    safetensors,
};

/// What a model is, as its files tell it, or its number of parameters alone.
#[derive(Clone, Debug)]
pub struct Model {
    /// What to call it.
    pub name: String,
    /// How many numbers it consists of, or why that is not known.
    pub parameters: Result<u64, String>,
    /// The same by what they are for, where `config.json` tells.
    pub parts: Option<Parameters>,
    /// The weights that are there.
    pub weights: Option<Weights>,
    /// What its KV cache holds, or why that is not known.
    pub kv_cache: Result<KvCache, String>,
    /// Tokens of prompt and answer that it was made for.
    pub context_tokens: Option<u64>,
    /// Heads of its attention, which several GPUs divide among them.
    pub attention_heads: Option<u64>,
    /// How its weights are quantized.
    pub quantization: Option<Quantization>,
    /// How weights are stored that are not quantized.
    pub precision: Option<Precision>,
    /// What is computed at once, for each token.
    pub(super) shape: Option<Shape>,
    /// Whether it is one for llama.cpp.
    pub is_gguf: bool,
    /// What is to be said of it beside.
    pub notes: Vec<String>,
}

/// Weights that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// What they take; `None` where files are missing and nothing tells.
    pub bytes: Option<u64>,
    /// Numbers of which they consist, unless some share a byte.
    pub parameters: Option<u64>,
    /// Files that they consist of.
    pub files: usize,
    /// Those of them that are not there.
    pub missing: usize,
    /// What says so.
    pub from: &'static str,
}

/// Numbers that are held for each token while a layer computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Between layers.
    pub(super) hidden: u64,
    /// Within them, of what several GPUs divide among them.
    pub(super) within: u64,
    /// Within them, of what each GPU has in full.
    pub(super) within_each: u64,
    /// At the end, of those tokens alone that an answer goes on from.
    pub(super) vocabulary: u64,
}

/// Why nothing can be said of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Nothing is there: name another one.
    #[error(
        "{} is neither a folder nor a .gguf file, nor a number of parameters such as 7B or 8x7B", path.display()
    )]
    NotFound {
        /// What was named.
        path: PathBuf,
    },
    /// The folder holds no model: name another one, or download its `config.json`.
    #[error("{} holds neither a config.json nor a .gguf file", path.display())]
    NoModel {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds several models: name one of them.
    #[error("{} holds several models: {}", folder.display(), Names(names))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// Their files.
        names: Vec<String>,
    },
    /// A file cannot be read: see to its rights.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be: download it anew.
    #[error("{} cannot be used: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

struct Names<'n>(&'n [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl ModelError {
    pub(super) fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), what: what.into() }
    }
}

impl Model {
    /// The model in a folder with a `config.json`, or in a `.gguf` file; else one of so many parameters, such as `7B`.
    ///
    /// # Errors
    ///
    /// When there is none, or its files are not what they should be.
    pub fn named(model: &Path) -> Result<Self, ModelError> {
        let text = model.to_str().unwrap_or_default();
        match parameters(text) {
            _ if model.is_dir() => Self::in_folder(model),
            _ if model.is_file() => Self::in_file(model),
            Some(parameters) => Ok(Self::of_parameters(text, parameters)),
            None => Err(ModelError::NotFound { path: model.to_owned() }),
        }
    }

    fn in_file(path: &Path) -> Result<Self, ModelError> {
        let is_config = path.file_name().is_some_and(|name| name == "config.json");
        match path.parent() {
            Some(folder) if is_config => Self::in_folder(folder),
            _ => Ok(Self::of_gguf(&Gguf::read(path)?, name_of(path))),
        }
    }

    fn in_folder(folder: &Path) -> Result<Self, ModelError> {
        match Config::read(folder)? {
            Some(config) => Self::of_config(&config, folder),
            None => match gguf::in_folder(folder)? {
                Some(file) => Ok(Self::of_gguf(&Gguf::read(&file)?, name_of(&file))),
                None => Err(ModelError::NoModel { path: folder.to_owned() }),
            },
        }
    }

    fn of_config(config: &Config, folder: &Path) -> Result<Self, ModelError> {
        let counted = Parameters::of(config)?;
        let weights = safetensors::weights(folder)?;
        let stored = weights.as_ref().and_then(|weights| weights.parameters);
        let kv_cache = KvCache::of(config)?;
        let context =
            config.needed(&["max_position_embeddings", "n_positions", "max_sequence_length"])?;
        let quantization = Quantization::of(folder, Some(config))?;
        let heads = Heads::of(config)?.ok();
        let notes = notes(config, weights.as_ref(), quantization.as_ref());
        let parameters = counted.as_ref().map(Parameters::total).map_err(String::clone);
        let from_files = stored.filter(|_| quantization.is_none());
        Ok(Self {
            name: name_of(folder),
            parameters: from_files.map_or(parameters, Ok),
            shape: Shape::of(config)?,
            parts: counted.ok(),
            weights,
            kv_cache,
            context_tokens: context.ok(),
            attention_heads: heads.map(|heads| heads.attention),
            quantization,
            precision: config.dtype().and_then(|dtype| dtype.parse().ok()),
            is_gguf: false,
            notes,
        })
    }

    fn of_gguf(gguf: &Gguf, name: String) -> Self {
        let mut notes = Vec::new();
        if gguf.missing > 0 {
            notes.push(format!("{} of its {} files are not there", gguf.missing, gguf.parts));
        }
        let is_whole = gguf.missing == 0;
        let why = "not all files are there".to_owned();
        let kv_cache = gguf.kv_cache();
        if kv_cache.as_ref().is_ok_and(|cache| cache.layers_of_state > 0) {
            notes.push(OF_STATE.to_owned());
        }
        Self {
            name,
            parameters: if is_whole { Ok(gguf.parameters) } else { Err(why) },
            parts: None,
            weights: Some(Weights {
                bytes: is_whole.then_some(gguf.weights_bytes),
                parameters: is_whole.then_some(gguf.parameters),
                files: usize::try_from(gguf.parts).unwrap_or(usize::MAX),
                missing: usize::try_from(gguf.missing).unwrap_or(usize::MAX),
                from: "GGUF",
            }),
            kv_cache,
            context_tokens: gguf.context_tokens(),
            attention_heads: gguf.number("attention.head_count"),
            quantization: gguf.quantization(),
            precision: gguf.file_type().and_then(|kind| kind.parse().ok()),
            shape: Shape::of_gguf(gguf),
            is_gguf: true,
            notes,
        }
    }

    fn of_parameters(name: &str, parameters: Number) -> Self {
        let mut notes = Vec::new();
        if parameters.is_of_experts {
            notes.push(format!(
                "{name} is counted as if experts shared nothing: Mixtral 8x7B, say, has 46.7 billion, not 56"
            ));
        }
        Self {
            name: name.to_owned(),
            parameters: Ok(parameters.count),
            parts: None,
            weights: None,
            kv_cache: Err(
                "a number of parameters does not tell the KV cache: its config.json does"
                    .to_owned(),
            ),
            context_tokens: None,
            attention_heads: None,
            quantization: None,
            precision: None,
            shape: None,
            is_gguf: false,
            notes,
        }
    }
}

/// Said of a model with layers whose state does not grow.
const OF_STATE: &str = "layers of linear attention or Mamba keep a state of one size for each sequence, which is not counted";

fn notes(
    config: &Config,
    weights: Option<&Weights>,
    quantization: Option<&Quantization>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let cache: Known<KvCache> = KvCache::of(config).unwrap_or_else(|error| Err(error.to_string()));
    if cache.is_ok_and(|cache| cache.layers_of_state > 0) {
        notes.push(OF_STATE.to_owned());
    }
    if let Some(Weights { files, missing: missing @ 1.., .. }) = weights {
        notes.push(format!("{missing} of its {files} files are not there"));
    }
    if config.value(&["index_topk"]).is_some() {
        notes.push(
            "what its indexer of sparse attention keeps of each token is not counted".to_owned(),
        );
    }
    let predicts = config.number(&["num_nextn_predict_layers"]).ok().flatten().unwrap_or_default();
    if predicts > 0 && weights.is_some() {
        notes.push(
            "its files have layers for speculative decoding, too, which are loaded for that alone"
                .to_owned(),
        );
    }
    if let Some(known) = quantization.filter(|known| known.weights.is_none() && weights.is_none()) {
        notes.push(format!("how much a weight takes is not known of `{}`", known.label));
    }
    notes
}

impl Shape {
    fn of(config: &Config) -> Result<Option<Self>, ModelError> {
        let number = |names: &[&str]| config.number(names).map(Option::unwrap_or_default);
        let hidden = config.needed(&["hidden_size", "n_embd", "d_model"])?;
        let vocabulary = config.needed(&["vocab_size"])?;
        let (Ok(hidden), Ok(vocabulary)) = (hidden, vocabulary) else { return Ok(None) };
        let dense = number(&["intermediate_size", "n_inner", "ffn_dim"])?;
        let dense = if dense == 0 { hidden.saturating_mul(4) } else { dense };
        // What each of the experts that a token goes to takes in, gives out, and has between.
        let routed = number(&["num_experts_per_tok", "experts_per_token", "moe_topk"])?;
        let expert = number(&["moe_intermediate_size"])?;
        let expert = if expert == 0 { dense } else { expert };
        let (within, within_each) = match routed {
            0 => (dense.saturating_mul(3), 0),
            routed => {
                (routed.saturating_mul(expert.saturating_mul(3)), routed.saturating_mul(hidden))
            }
        };
        Ok(Some(Self { hidden, within, within_each, vocabulary }))
    }

    fn of_gguf(gguf: &Gguf) -> Option<Self> {
        let within = gguf.number("feed_forward_length").unwrap_or_default().saturating_mul(3);
        let (hidden, vocabulary) = (gguf.number("embedding_length")?, gguf.vocabulary()?);
        Some(Self { hidden, within, within_each: 0, vocabulary })
    }
}

/// A number of parameters, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    count: u64,
    /// Whether it is a product, as `8x7B`.
    is_of_experts: bool,
}

/// `7B`, `0.5b`, `8x7B`, `350M`, `1T`, `7000000000`.
fn parameters(text: &str) -> Option<Number> {
    let text = text.trim().to_ascii_lowercase();
    let (experts, each) = match text.split_once('x') {
        Some((experts, each)) => (experts.parse::<u32>().ok()?, each),
        None => (1, text.as_str()),
    };
    let (digits, unit) = match each.char_indices().next_back()? {
        (at, 'k') => (&each[..at], 1e3),
        (at, 'm') => (&each[..at], 1e6),
        (at, 'b') => (&each[..at], 1e9),
        (at, 't') => (&each[..at], 1e12),
        _ => (each, 1.0),
    };
    let is_number = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = digits.parse().ok().filter(|_| is_number)?;
    let count = number * unit * f64::from(experts);
    // A single number is a model that nobody means.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1e3..=1e15")]
    let count = (1e3..=1e15).contains(&count).then_some(count.round() as u64)?;
    Some(Number { count, is_of_experts: experts > 1 })
}

/// What to call the model at a path: its file or folder, of Hugging Face's cache the name on the hub.
fn name_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let of_hub = path.ancestors().find_map(|folder| {
        folder.file_name()?.to_str()?.strip_prefix("models--").map(|name| name.replace("--", "/"))
    });
    let last = path.file_name().map(|name| name.to_string_lossy().into_owned());
    of_hub.or(last).unwrap_or_else(|| "/".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_parameters_are_read_as_people_write_them() {
        for (text, count) in [
            ("7B", 7_000_000_000),
            ("70b", 70_000_000_000),
            ("0.5B", 500_000_000),
            ("350M", 350_000_000),
            ("1T", 1_000_000_000_000),
            ("8x7B", 56_000_000_000),
            ("8030261248", 8_030_261_248),
        ] {
            let read = parameters(text).unwrap();
            assert_eq!((read.count, read.is_of_experts), (count, text.contains('x')), "{text}");
        }
        for nonsense in [
            "", "b", "7", "x", "x7B", "8x", "-7B", "7e9B", "inf", "nan", "9e999", "1.2.3B", "7é",
            "99999T",
        ] {
            assert_eq!(parameters(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_model_of_the_hub_is_called_as_there() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("/c/hub/models--Qwen--Qwen3-8B/snapshots/0a1b"), "Qwen/Qwen3-8B");
        assert_eq!(name("/models/llama"), "llama");
        assert_eq!(name("/models/a.Q4_K_M.gguf"), "a.Q4_K_M.gguf");
    }
}
