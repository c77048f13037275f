//! A model's own tokenizer.

use std::{
    error::Error,
    fmt, panic,
    path::{Path, PathBuf},
};

use bench_core::TokenCounter;
use tokenizers::{Model as _, ModelWrapper, PostProcessor as _};

use super::{
    Approximate, Tokenizer, TokenizerError, Vocabulary, config::Config, layouts, words::Words,
};
use crate::corpus;

/// A tokenizer of a layout that Hugging Face's library reads: mostly a `tokenizer.json`.
///
/// It counts what the text itself encodes to: special tokens are not added, and the truncation and padding
/// that a file may ask for are switched off. It reads the built-in text, so every synthetic prompt; another
/// text that it refuses, as one without a token for the unknown may do, is counted by [`Approximate`].
pub struct HfTokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    vocabulary: Vocabulary,
    /// Counts faster, where that is the same.
    words: Option<Words>,
    /// Whether decoding takes out the spaces before marks, as the tokenizer's configuration may ask.
    cleans_up: bool,
}

/// Reads a file, and what its folder says of it.
pub(super) type Read =
    fn(&Path, &Config) -> Result<tokenizers::Tokenizer, Box<dyn Error + Send + Sync>>;

impl HfTokenizer {
    /// Reads the `tokenizer.json` at `path`, and the configuration beside it, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be used.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TokenizerError> {
        Self::read(path.into(), layouts::tokenizer_json)
    }

    /// Reads the file at `path` with `read`.
    pub(super) fn read(path: PathBuf, read: Read) -> Result<Self, TokenizerError> {
        let config = Config::beside(&path);
        // tokenizers 0.23 panics on some files: where the JSON is broken within a decoder, or where a
        // character map is.
        let made = panic::catch_unwind(|| usable(read(&path, &config)?))
            .unwrap_or_else(|_| Err("the library that reads it panics".into()));
        match made {
            Ok(inner) => {
                let vocabulary = vocabulary(&inner, &config);
                // Of byte pairs it would damage the text: nobody does it.
                let is_bpe = matches!(inner.get_model(), ModelWrapper::BPE(_));
                let words = Words::of(&inner);
                Ok(Self {
                    path,
                    inner,
                    vocabulary,
                    words,
                    cleans_up: config.cleans_up() && !is_bpe,
                })
            }
            Err(source) => Err(TokenizerError::Unusable { path, source }),
        }
    }
}

/// The tokenizer as it is used here, if it is of any use.
fn usable(mut tokenizer: tokenizers::Tokenizer) -> tokenizers::Result<tokenizers::Tokenizer> {
    tokenizer.with_truncation(None)?.with_padding(None);
    // Whoever can read the whole text can read every prompt made of it.
    if tokenizer.encode_fast(corpus::TEXT, false)?.is_empty() {
        return Err("it finds no tokens in English text".into());
    }
    Ok(tokenizer)
}

fn vocabulary(tokenizer: &tokenizers::Tokenizer, config: &Config) -> Vocabulary {
    let special = config.special_tokens();
    let around = tokenizer.get_post_processor().map_or(0, |steps| steps.added_tokens(false));
    Vocabulary {
        size: u32::try_from(tokenizer.get_model().get_vocab_size()).unwrap_or(u32::MAX),
        special_ids: special.iter().filter_map(|token| tokenizer.token_to_id(token)).collect(),
        around: u32::try_from(around).unwrap_or(u32::MAX),
    }
}

impl TokenCounter for HfTokenizer {
    fn count(&self, text: &str) -> u32 {
        let whole = |text: &str| {
            let encoding = self.inner.encode_fast(text, false).ok()?;
            Some(u32::try_from(encoding.len()).unwrap_or(u32::MAX))
        };
        let by_words = self.words.as_ref().and_then(|words| words.count(text, whole));
        by_words.or_else(|| whole(text)).unwrap_or_else(|| Approximate.count(text))
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for HfTokenizer {
    fn ends(&self, text: &str) -> Vec<usize> {
        let Ok(encoding) = self.inner.encode(text, false) else { return Approximate.ends(text) };
        let mut last = 0;
        let ends = encoding.get_offsets().iter().map(|(_, end)| {
            // Some post-processors trim offsets, even of tokens that are nothing but blanks.
            last = last.max(*end).min(text.len());
            while !text.is_char_boundary(last) {
                last += 1;
            }
            last
        });
        ends.collect()
    }

    fn ids(&self, text: &str) -> Option<Vec<u32>> {
        Some(self.inner.encode_fast(text, false).ok()?.get_ids().to_vec())
    }

    fn ids_as_served(&self, text: &str) -> Option<Vec<u32>> {
        Some(self.inner.encode_fast(text, true).ok()?.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> Option<String> {
        let text = self.inner.decode(ids, false).ok()?;
        Some(if self.cleans_up { clean_up(&text) } else { text })
    }

    fn vocabulary(&self) -> Option<&Vocabulary> {
        Some(&self.vocabulary)
    }
}

/// What `clean_up_tokenization` of `transformers` does.
fn clean_up(text: &str) -> String {
    const SPACED: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    SPACED.iter().fold(text.to_owned(), |text, (spaced, joined)| text.replace(spaced, joined))
}

impl fmt::Display for HfTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl fmt::Debug for HfTokenizer {
    /// The path, not the vocabulary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HfTokenizer").field("path", &self.path).finish_non_exhaustive()
    }
}
