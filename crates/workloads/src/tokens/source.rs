//! What a name of a tokenizer means: the one place that decides.

use std::{
    env,
    error::Error,
    fmt::{self, Display},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Tokenizer, hub};

/// The vocabularies that come with this crate.
pub(super) const BUILT_IN: [&str; 2] = ["cl100k_base", "o200k_base"];

/// Why there is no tokenizer, by what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Nothing goes by the name: pass another one.
    #[error(
        "no tokenizer at {}: pass a tokenizer.json, the folder that holds it, a model that was downloaded \
         before (org/name), or a built-in vocabulary ({}); nothing is downloaded{}",
        path.display(), BUILT_IN.join(", "), Meant(meant)
    )]
    NotFound {
        /// What was asked for.
        path: PathBuf,
        /// A known name that is nearly the same.
        meant: Option<String>,
    },
    /// A folder is there, but no tokenizer in it: pass another one, or download its tokenizer, too.
    #[error("no tokenizer in {}: it has none of {}", path.display(), Format::FILES)]
    NoneInFolder {
        /// The folder that was looked through.
        path: PathBuf,
    },
    /// The model has not been downloaded, or not with its tokenizer: download it.
    #[error(
        "{model} is neither a file nor a model that was downloaded (looked in {}): get it with \
         `hf download {model} tokenizer.json tokenizer_config.json`, or pass the path of its tokenizer.json{}",
        Folders(looked_in),
        Meant(meant)
    )]
    NotDownloaded {
        /// The model's name.
        model: String,
        /// The caches that were looked through.
        looked_in: Vec<PathBuf>,
        /// A model that is there and has nearly the same name.
        meant: Option<String>,
    },
    /// What lies at the path cannot be used: get the file anew, or pass another one.
    #[error("{} is no usable tokenizer", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// This build reads no such files: use another tokenizer, or the approximate one.
    #[error("{} cannot be read: built without the feature `{feature}`", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The feature that brings what reads it.
        feature: &'static str,
    },
}

/// The end of a message: what was probably meant.
struct Meant<'m>(&'m Option<String>);

impl Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| write!(f, "; did you mean {name}?"))
    }
}

struct Folders<'f>(&'f [PathBuf]);

impl Display for Folders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no folder: neither HF_HUB_CACHE, HF_HOME nor HOME is set");
        }
        let folders: Vec<String> = self.0.iter().map(|path| path.display().to_string()).collect();
        f.write_str(&folders.join(", "))
    }
}

/// The tokenizer that `name` means; what there is at a path comes before what else goes by the name.
///
/// - A file: a `tokenizer.json`; a `vocab.json` beside its `merges.txt`; a `vocab.txt` of a model like BERT; a
///   model of SentencePiece (`tokenizer.model`); a `tekken.json`; or ranks of tiktoken (`*.tiktoken`).
/// - A folder that holds one of them, also as the cache of Hugging Face's Hub keeps a model.
/// - A built-in vocabulary: `cl100k_base`, `o200k_base`.
/// - A model on the Hub, such as `Qwen/Qwen3-8B`, that was downloaded before: looked for in `HF_HUB_CACHE`,
///   `HF_HOME/hub` and the user's `.cache/huggingface/hub`. Nothing is downloaded.
///
/// # Errors
///
/// If there is none, if it cannot be used, or if this build reads no such files.
pub fn load_tokenizer(name: impl AsRef<Path>) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    match Source::of(name.as_ref(), &hub::caches(|variable| env::var_os(variable)))? {
        Source::BuiltIn(name) => built_in(name),
        Source::File(format, path) => format.read(path),
    }
}

/// The chat template that lies beside the tokenizer which `name` means, found as [`load_tokenizer`] finds it.
///
/// # Errors
///
/// If there is no such tokenizer, or no template beside it that can be used. A built-in vocabulary has none.
#[cfg(feature = "templates")]
pub fn load_chat_template(
    name: impl AsRef<Path>,
) -> Result<crate::ChatTemplate, crate::ChatTemplateError> {
    match Source::of(name.as_ref(), &hub::caches(|variable| env::var_os(variable)))? {
        Source::BuiltIn(name) => Err(crate::ChatTemplateError::NotFound { tokenizer: name.into() }),
        Source::File(_, path) => crate::ChatTemplate::beside(&path),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    BuiltIn(&'static str),
    File(Format, PathBuf),
}

impl Source {
    fn of(path: &Path, caches: &[PathBuf]) -> Result<Self, TokenizerError> {
        if path.is_file() {
            return Ok(Self::File(Format::of(path), path.to_owned()));
        }
        if path.is_dir() {
            return Self::in_folder(path);
        }
        let name = path.to_str().unwrap_or_default();
        if let Some(name) = BUILT_IN.into_iter().find(|known| *known == name) {
            return Ok(Self::BuiltIn(name));
        }
        let is_file_name = Format::of_name(name).is_some() || name.ends_with(".json");
        if hub::is_model_name(name) && !is_file_name {
            return Self::in_hub(name, caches);
        }
        Err(TokenizerError::NotFound { path: path.to_owned(), meant: None })
    }

    /// The best of the tokenizers that a folder holds.
    fn in_folder(path: &Path) -> Result<Self, TokenizerError> {
        let snapshot = hub::snapshot(path);
        let folder = snapshot.as_deref().unwrap_or(path);
        let mut names: Vec<String> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        let known = names.iter().filter_map(|name| Some((Format::of_name(name)?, name)));
        match known.min_by_key(|(format, _)| *format) {
            Some((format, name)) => {
                let file = folder.join(name);
                Ok(Self::File(format.seen_in(&file), file))
            }
            None => Err(TokenizerError::NoneInFolder { path: folder.to_owned() }),
        }
    }

    fn in_hub(name: &str, caches: &[PathBuf]) -> Result<Self, TokenizerError> {
        let mut downloaded = caches.iter().map(|cache| hub::folder(cache, name));
        if let Some(folder) = downloaded.find(|folder| folder.is_dir())
            && let Ok(source) = Self::in_folder(&folder)
        {
            return Ok(source);
        }
        let there = caches.iter().flat_map(|cache| hub::models(cache));
        let known = BUILT_IN.into_iter().map(str::to_owned).chain(there);
        let meant = closest(name, known);
        if name.contains('/') || !caches.is_empty() && meant.is_none() {
            let (model, looked_in) = (name.to_owned(), caches.to_vec());
            return Err(TokenizerError::NotDownloaded { model, looked_in, meant });
        }
        Err(TokenizerError::NotFound { path: name.into(), meant })
    }
}

/// How a file says what its tokens are; what comes first is taken first from a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    /// Of Hugging Face's tokenizers: `tokenizer.json`.
    HuggingFace,
    /// Of Mistral's: `tekken.json`.
    Tekken,
    /// Of SentencePiece: `tokenizer.model` and other names.
    SentencePiece,
    /// Pairs in the order that they are merged, beside a vocabulary: `merges.txt`, `vocab.json`.
    Merges,
    /// Tokens in the order that they are merged to: `*.tiktoken`.
    Ranks,
    /// Pieces of words, a line each: `vocab.txt`.
    WordPiece,
}

impl Format {
    const FILES: &str = "tokenizer.json, tekken.json, *.model, vocab.json, *.tiktoken, vocab.txt";

    /// What a file of this name is; `None` if it is none of a tokenizer's.
    fn of_name(name: &str) -> Option<Self> {
        let file = name.rsplit('/').next().unwrap_or_default();
        match file {
            "tokenizer.json" => Some(Self::HuggingFace),
            "vocab.json" => Some(Self::Merges),
            "vocab.txt" => Some(Self::WordPiece),
            name if name.ends_with(".tiktoken") => Some(Self::Ranks),
            name if name.starts_with("tekken") && name.ends_with(".json") => Some(Self::Tekken),
            // Mistral's have a version after it.
            name if name.ends_with(".model") || name.contains(".model.v") => {
                Some(Self::SentencePiece)
            }
            _ => None,
        }
    }

    fn of(path: &Path) -> Self {
        let name = path.to_str().unwrap_or_default();
        Self::of_name(name).unwrap_or(Self::HuggingFace).seen_in(path)
    }

    /// The same, unless the file's first byte says otherwise: the `tokenizer.model` of Llama 3 and of GLM-4
    /// holds ranks, which are text; one of SentencePiece begins with its first piece's tag.
    fn seen_in(self, path: &Path) -> Self {
        const FIRST_PIECE: u8 = 0x0a;
        let first = || {
            let mut first = [0];
            std::io::Read::read_exact(&mut fs::File::open(path).ok()?, &mut first).ok()?;
            Some(first[0])
        };
        match self {
            Self::SentencePiece if first().is_some_and(|byte| byte != FIRST_PIECE) => Self::Ranks,
            _ => self,
        }
    }

    fn read(self, path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
        match self {
            Self::HuggingFace | Self::SentencePiece | Self::Merges | Self::WordPiece => {
                read_with_tokenizers(self, path)
            }
            Self::Tekken | Self::Ranks => read_ranks(self, path),
        }
    }
}

#[cfg(feature = "tokenizers")]
fn read_with_tokenizers(
    format: Format,
    path: PathBuf,
) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    use super::{HfTokenizer, layouts, sentencepiece};
    let read = match format {
        Format::SentencePiece => sentencepiece::read,
        Format::Merges => layouts::byte_pairs,
        Format::WordPiece => layouts::word_pieces,
        Format::HuggingFace | Format::Tekken | Format::Ranks => layouts::tokenizer_json,
    };
    Ok(Arc::new(HfTokenizer::read(path, read)?))
}

#[cfg(not(feature = "tokenizers"))]
fn read_with_tokenizers(_: Format, path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    Err(TokenizerError::Unsupported { path, feature: "tokenizers" })
}

#[cfg(feature = "tiktoken")]
fn read_ranks(format: Format, path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    use super::TiktokenTokenizer;
    let read = match format {
        Format::Tekken => TiktokenTokenizer::read_tekken(&path),
        _ => TiktokenTokenizer::read_ranks(&path),
    };
    match read {
        Ok(tokenizer) => Ok(Arc::new(tokenizer)),
        Err(source) => Err(TokenizerError::Unusable { path, source }),
    }
}

#[cfg(not(feature = "tiktoken"))]
fn read_ranks(_: Format, path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    Err(TokenizerError::Unsupported { path, feature: "tiktoken" })
}

#[cfg(feature = "tiktoken")]
fn built_in(name: &'static str) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    match super::TiktokenTokenizer::built_in(name) {
        Ok(tokenizer) => Ok(Arc::new(tokenizer)),
        Err(source) => Err(TokenizerError::Unusable { path: name.into(), source }),
    }
}

#[cfg(not(feature = "tiktoken"))]
fn built_in(name: &'static str) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    Err(TokenizerError::Unsupported { path: name.into(), feature: "tiktoken" })
}

/// The one of `known` that differs from `name` the least, if that is little.
fn closest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let asked = plain(name);
    let most = 1 + asked.len() / 6;
    known
        .map(|known| (edits(&asked, &plain(&known)), known))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, known)| known)
}

/// How many characters to put in, take out or exchange to make one of the other (Levenshtein).
fn edits(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (at, b) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(a != b);
            diagonal = row[at + 1];
            row[at + 1] = exchanged.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
