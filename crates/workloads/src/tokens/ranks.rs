//! Tokens in the order that bytes are merged to them: the vocabularies of OpenAI, and files like theirs.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fmt, fs,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bench_core::TokenCounter;
use serde_json::Value;
use tiktoken_rs::CoreBPE;

use super::{Approximate, Tokenizer, Vocabulary};

type Failure = Box<dyn Error + Send + Sync>;

/// A tokenizer of ranked tokens, as OpenAI's `tiktoken` has them.
///
/// It counts what the text itself encodes to: the names of special tokens are text like any other.
pub struct TiktokenTokenizer {
    name: String,
    inner: CoreBPE,
    vocabulary: Vocabulary,
    /// Ids that come before those of the tokens of texts.
    reserved: u32,
}

/// How a text is split into words, within which bytes are merged. A file of ranks does not say it.
struct Words {
    name: &'static str,
    pattern: &'static str,
}

/// GPT-4's, which Llama 3 and GLM-4 have taken over.
const CL100K: Words = Words {
    name: "cl100k_base",
    pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
};

/// The same with each digit by itself.
const QWEN: Words = Words {
    name: "Qwen",
    pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
};

const O200K: Words = Words { name: "o200k_base", pattern: tiktoken_rs::O200K_BASE_PAT_STR };

impl Words {
    /// Those of a file of `tokens` tokens.
    fn of(file: &Path, tokens: usize) -> Self {
        /// More than any other vocabulary in such a file has.
        const O200K_TOKENS: usize = 199_000;
        let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let name = name.unwrap_or_default();
        match () {
            () if name.contains("qwen") => QWEN,
            () if name.contains("o200k") || tokens >= O200K_TOKENS => O200K,
            () => CL100K,
        }
    }
}

impl TiktokenTokenizer {
    /// The vocabulary `name` of those that come with this crate.
    pub(super) fn built_in(name: &str) -> Result<Self, Failure> {
        let (inner, tokens, special) = match name {
            "cl100k_base" => (tiktoken_rs::cl100k_base()?, 100_256, 100_257..100_277),
            "o200k_base" => (tiktoken_rs::o200k_base()?, 199_998, 199_999..200_019),
            _ => return Err("it is no built-in vocabulary".into()),
        };
        let is_token = |id: &u32| inner.decode_bytes(&[*id]).is_ok();
        let special_ids = special.filter(is_token).collect();
        let vocabulary = Vocabulary { size: tokens, special_ids, around: 0 };
        Ok(Self { name: name.to_owned(), inner, vocabulary, reserved: 0 })
    }

    /// Reads a file of ranks: a line for each token, in base64, and its rank.
    pub(super) fn read_ranks(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)?;
        let mut ranks = HashMap::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.is_empty()) {
            let (token, rank) = ranked(line).ok_or_else(|| {
                format!("line {number} is not a token in base64, a space and its rank")
            })?;
            ranks.insert(token, rank);
        }
        let words = Words::of(path, ranks.len());
        let inner = build(&ranks, words.pattern)?;
        let name = format!("{} (words as in {})", path.display(), words.name);
        Ok(Self { name, inner, vocabulary: vocabulary(&ranks, 0), reserved: 0 })
    }

    /// Reads a `tekken.json`, which says how words are split, and leaves ids before its tokens'.
    pub(super) fn read_tekken(path: &Path) -> Result<Self, Failure> {
        let file: Value = serde_json::from_slice(&fs::read(path)?)?;
        let config = file.get("config").ok_or("it has no config: it is no tekken.json")?;
        let number = |name: &str| {
            let number = config.get(name)?.as_u64()?;
            u32::try_from(number).ok()
        };
        let reserved =
            number("default_num_special_tokens").ok_or("it says no number of special tokens")?;
        let size = number("default_vocab_size").ok_or("it says no size of its vocabulary")?;
        let pattern = config.get("pattern").and_then(Value::as_str).ok_or("it has no pattern")?;
        let tokens = file.get("vocab").and_then(Value::as_array).ok_or("it has no vocab")?;
        let mut ranks = HashMap::new();
        // A file has more tokens than its model uses.
        for (rank, token) in (0..size.saturating_sub(reserved)).zip(tokens) {
            let bytes = token.get("token_bytes").and_then(Value::as_str);
            let bytes = bytes.ok_or_else(|| format!("token {rank} has no token_bytes"))?;
            ranks.insert(BASE64.decode(bytes)?, rank);
        }
        let inner = build(&ranks, pattern)?;
        let name = path.display().to_string();
        Ok(Self { name, inner, vocabulary: vocabulary(&ranks, reserved), reserved })
    }

    fn tokens(&self, text: &str) -> Option<Vec<u32>> {
        // Not `encode_ordinary`, which panics where the pattern gives up.
        Some(self.inner.encode(text, &HashSet::new()).ok()?.0)
    }
}

fn ranked(line: &str) -> Option<(Vec<u8>, u32)> {
    let (token, rank) = line.split_once(' ')?;
    Some((BASE64.decode(token).ok()?, rank.trim_end().parse().ok()?))
}

fn vocabulary(ranks: &HashMap<Vec<u8>, u32>, reserved: u32) -> Vocabulary {
    let tokens = u32::try_from(ranks.len()).unwrap_or(u32::MAX);
    Vocabulary {
        size: reserved.saturating_add(tokens),
        special_ids: (0..reserved).collect(),
        around: 0,
    }
}

fn build(ranks: &HashMap<Vec<u8>, u32>, pattern: &str) -> Result<CoreBPE, Failure> {
    // What would make the library panic: now, or where a text has such a byte.
    let distinct: HashSet<u32> = ranks.values().copied().collect();
    if distinct.len() != ranks.len() {
        return Err("two of its tokens have the same rank".into());
    }
    if let Some(byte) = (0..=u8::MAX).find(|byte| !ranks.contains_key(&[*byte][..])) {
        return Err(format!("it has no token for the byte {byte:#04x}").into());
    }
    let ranks = ranks.iter().map(|(token, rank)| (token.clone(), *rank)).collect();
    // There must be one: without any, the library looks for one between every two characters.
    let special = [("<|endoftext|>".to_owned(), u32::MAX)].into_iter().collect();
    Ok(CoreBPE::new(ranks, special, pattern)?)
}

impl TokenCounter for TiktokenTokenizer {
    fn count(&self, text: &str) -> u32 {
        match self.tokens(text) {
            Some(tokens) => u32::try_from(tokens.len()).unwrap_or(u32::MAX),
            None => Approximate.count(text),
        }
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for TiktokenTokenizer {
    fn ends(&self, text: &str) -> Vec<usize> {
        let Some(tokens) = self.tokens(text) else { return Approximate.ends(text) };
        let mut at = 0;
        let ends = tokens.iter().map(|token| {
            at += self.inner.decode_bytes(&[*token]).map_or(0, |bytes| bytes.len());
            // Tokens that share a character all end behind it.
            let end = (at..=text.len()).find(|end| text.is_char_boundary(*end));
            end.unwrap_or(text.len())
        });
        ends.collect()
    }

    fn ids(&self, text: &str) -> Option<Vec<u32>> {
        let mut ids = self.tokens(text)?;
        ids.iter_mut().for_each(|id| *id += self.reserved);
        Some(ids)
    }

    fn decode(&self, ids: &[u32]) -> Option<String> {
        let tokens: Option<Vec<u32>> = ids.iter().map(|id| id.checked_sub(self.reserved)).collect();
        let bytes = self.inner.decode_bytes(&tokens?).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn vocabulary(&self) -> Option<&Vocabulary> {
        Some(&self.vocabulary)
    }
}

impl fmt::Display for TiktokenTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Debug for TiktokenTokenizer {
    /// The name, not the vocabulary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TiktokenTokenizer").field("name", &self.name).finish_non_exhaustive()
    }
}
