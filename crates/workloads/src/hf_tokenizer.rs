//! A model's own tokenizer.

use std::{
    fmt, fs, panic,
    path::{Path, PathBuf},
};

use bench_core::TokenCounter;
use serde_json::value::RawValue;

use crate::{Approximate, Tokenizer, TokenizerError, corpus, tokenizer_file::locate};

/// A tokenizer read from a `tokenizer.json`, the format of Hugging Face's tokenizers.
///
/// It counts what the text itself encodes to: special tokens are not added, and the truncation and padding
/// that a file may ask for are switched off. It reads the built-in text, so every synthetic prompt; another
/// text that it refuses, as one without a token for the unknown may do, is counted by [`Approximate`].
pub struct HfTokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
}

impl HfTokenizer {
    /// Reads the tokenizer at `path`: a `tokenizer.json`, or a folder that holds one.
    ///
    /// # Errors
    ///
    /// If there is none, or if it cannot be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        Self::read(locate(path.as_ref())?)
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: PathBuf) -> Result<Self, TokenizerError> {
        match fs::read(&path).map_err(Into::into).and_then(|json| parse(&json)) {
            Ok(inner) => Ok(Self { path, inner }),
            Err(source) => Err(TokenizerError::Unusable { path, source }),
        }
    }
}

fn parse(json: &[u8]) -> tokenizers::Result<tokenizers::Tokenizer> {
    // tokenizers 0.23 panics on some files: where the JSON is broken within a decoder, or where a
    // character map is.
    serde_json::from_slice::<&RawValue>(json)?;
    panic::catch_unwind(|| build(json)).map_err(|_| "the library that reads it panics")?
}

fn build(json: &[u8]) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(json)?;
    tokenizer.with_truncation(None)?.with_padding(None);
    // Whoever can read the whole text can read every prompt made of it.
    if tokenizer.encode_fast(corpus::TEXT, false)?.is_empty() {
        return Err("it finds no tokens in English text".into());
    }
    Ok(tokenizer)
}

impl TokenCounter for HfTokenizer {
    fn count(&self, text: &str) -> u32 {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => u32::try_from(encoding.len()).unwrap_or(u32::MAX),
            Err(_) => Approximate.count(text),
        }
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
