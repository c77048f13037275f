//! Counting by words, where that is the same as counting the whole.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use serde::Serialize;
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

/// The tokens of words, for a tokenizer that takes a text apart before each word.
///
/// A word begins here with a single space between two ASCII letters, and goes on to the next such space. Of a
/// tokenizer for which [`starts_anew_at_words`] holds, no token reaches over such a beginning, and which tokens
/// a word has depends on nothing before or behind it. So the tokens of a text are those of its words, and a
/// word has to be encoded once only: a count takes a tenth of the time. A text that this may not hold for is
/// left to the tokenizer.
pub(super) struct Words {
    known: RwLock<HashMap<Box<str>, u32>>,
    /// Tokens that are matched before anything else, as they look to [`plain`].
    apart: Vec<String>,
}

impl Words {
    /// The words kept, so that an endless stream of new ones does not fill the memory; and their bytes.
    const MOST: usize = 1 << 16;
    const LONGEST: usize = 64;

    /// `None` if a text may not be counted word by word.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let added = tokenizer.get_added_tokens_decoder();
        let apart: Vec<String> = added.values().map(|token| plain(&token.content)).collect();
        let reach_over =
            apart.iter().any(|token| token.is_empty() || words(token).nth(1).is_some());
        if reach_over || !starts_anew_at_words(tokenizer) {
            return None;
        }
        Some(Self { known: RwLock::default(), apart })
    }

    /// The tokens of `text`, of whose parts `whole` counts those that are not known; `None` if it has to be
    /// counted as a whole.
    pub(super) fn count(&self, text: &str, whole: impl Fn(&str) -> Option<u32>) -> Option<u32> {
        if !text.is_ascii() {
            return None;
        }
        let mut words = words(text);
        // The first word has another beginning than the same word further on.
        let first = words.next()?;
        if self.is_apart(first) {
            return None;
        }
        let mut sum = whole(first)?;
        let mut unknown = Vec::new();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            for word in words {
                match known.get(word) {
                    Some(tokens) => sum += tokens,
                    None => unknown.push(word),
                }
            }
        }
        for word in unknown {
            if self.is_apart(word) {
                return None;
            }
            let tokens = inner(word, &whole)?;
            sum += tokens;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() < Self::MOST && word.len() <= Self::LONGEST {
                known.insert(word.into(), tokens);
            }
        }
        Some(sum)
    }

    /// Whether there may be a token in `word` that is matched before anything else.
    fn is_apart(&self, word: &str) -> bool {
        !self.apart.is_empty() && {
            let word = plain(word);
            self.apart.iter().any(|token| word.contains(token))
        }
    }
}

/// The tokens that `word` has behind another.
fn inner(word: &str, whole: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    const BEFORE: &str = "a";
    whole(&format!("{BEFORE}{word}"))?.checked_sub(whole(BEFORE)?)
}

/// A text as the tokens that are matched first may see it: normalized in any of the known ways.
fn plain(text: &str) -> String {
    text.replace('▁', " ").to_lowercase()
}

/// Takes a text apart before each word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
        let begins =
            |at: &usize| bytes[*at] == b' ' && *at > from && is_letter(at - 1) && is_letter(at + 1);
        let end = (from..from + rest.len()).find(begins).unwrap_or(text.len());
        let word = &text[from..end];
        from = end;
        Some(word)
    })
}

/// Whether no token reaches over the beginning of a word, and a word's tokens depend on it alone.
///
/// True only of what is known: other steps, other patterns and other models are counted as a whole.
fn starts_anew_at_words(tokenizer: &Tokenizer) -> bool {
    let normalizer = json(tokenizer.get_normalizer());
    if !keeps_words(&normalizer) {
        return false;
    }
    let splitter = json(tokenizer.get_pre_tokenizer());
    let Some(is_split) = (if splitter.is_null() { Some(false) } else { splits_words(&splitter) })
    else {
        return false;
    };
    match tokenizer.get_model() {
        ModelWrapper::BPE(model) if model.dropout.is_some() => false,
        // Pieces may have spaces in them. Merges on both sides of a place that no token reaches over have
        // nothing to do with each other.
        ModelWrapper::BPE(model) => is_split || spaces_begin_tokens(&model.get_vocab()),
        // Ties between pieces of equal score could go otherwise in a longer text.
        ModelWrapper::Unigram(_) | ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => {
            is_split
        }
    }
}

/// A step as a `tokenizer.json` has it; null where there is none.
fn json(step: Option<&impl Serialize>) -> Value {
    step.and_then(|step| serde_json::to_value(step).ok()).unwrap_or_default()
}

/// Whether a normalizer leaves ASCII letters with a space between them as they are, but for their case and
/// what a space looks like, and changes nothing by what is further away.
fn keeps_words(normalizer: &Value) -> bool {
    const LOCAL: [&str; 11] = [
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Nmt",
        "Lowercase",
        "StripAccents",
        "BertNormalizer",
        "Strip",
        "Prepend",
        "Precompiled",
    ];
    match normalizer["type"].as_str() {
        None => normalizer.is_null(),
        Some("Sequence") => list(normalizer, "normalizers").iter().all(keeps_words),
        Some("Replace") => {
            let pattern = &normalizer["pattern"];
            pattern["String"] == " " && normalizer["content"] == "▁"
                || pattern["Regex"] == " {2,}" && normalizer["content"] == " "
        }
        Some(kind) => LOCAL.contains(&kind),
    }
}

/// Whether every text is split where a word begins; `None` if it may be split by more than the word itself.
fn splits_words(splitter: &Value) -> Option<bool> {
    match splitter["type"].as_str()? {
        "Sequence" => {
            let steps = list(splitter, "pretokenizers").iter();
            steps.map(splits_words).try_fold(false, |splits, step| Some(splits | step?))
        }
        "ByteLevel" => Some(splitter["use_regex"].as_bool()?),
        "Metaspace" => Some(splitter["split"].as_bool()?),
        "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit" => Some(true),
        "Digits" | "Punctuation" => Some(false),
        "Split" => {
            let keeps = (splitter["behavior"].as_str()?, splitter["invert"].as_bool()?);
            let is_known = matches!(keeps, ("Isolated", false) | ("Removed", true));
            let pattern = splitter["pattern"]["Regex"].as_str().filter(|_| is_known)?;
            pattern_splits_words(pattern)
        }
        _ => None,
    }
}

/// The same of a regular expression: each of its alternatives is a known one. Those of words take a space
/// before letters and none behind them; none looks further than one character behind blanks.
fn pattern_splits_words(pattern: &str) -> Option<bool> {
    const OF_WORDS: [&str; 9] = [
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
        r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
        r" ?\p{L}+",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    ];
    const OF_OTHERS: [&str; 18] = [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"'(?i:[sdmt]|ll|ve|re)",
        r"'s",
        r"'t",
        r"'re",
        r"'ve",
        r"'m",
        r"'ll",
        r"'d",
        r"\p{N}",
        r"\p{N}{1,3}",
        r" ?\p{N}+",
        r" ?[^\s\p{L}\p{N}]+",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ];
    let mut of_words = false;
    for alternative in alternatives(pattern) {
        if OF_WORDS.contains(&alternative) {
            of_words = true;
        } else if !OF_OTHERS.contains(&alternative) {
            return None;
        }
    }
    Some(of_words)
}

/// The alternatives of a regular expression, not those within its groups.
fn alternatives(pattern: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in pattern.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '|' if depth == 0 => {
                found.push(&pattern[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&pattern[from..]);
    found
}

/// Whether every letter and the replaced space are tokens, so that none is unknown, and no token has such a
/// space behind a letter.
fn spaces_begin_tokens(vocab: &HashMap<String, u32>) -> bool {
    let reaches_over = |token: &String| {
        token.char_indices().any(|(at, c)| {
            matches!(c, '▁' | ' ')
                && token[..at].ends_with(|before: char| before.is_ascii_alphabetic())
        })
    };
    let letters = ('a'..='z').chain('A'..='Z').chain(['▁']);
    let is_token = |letter: char| vocab.contains_key(letter.encode_utf8(&mut [0; 4]) as &str);
    letters.into_iter().all(is_token) && !vocab.keys().any(reaches_over)
}

fn list<'v>(step: &'v Value, name: &str) -> &'v [Value] {
    step[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_begins_with_a_space_between_letters() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(words(text).collect::<Vec<_>>(), expected);
        };
        check("", &[]);
        check(" ", &[" "]);
        check("It is, a  truth\n no", &["It", " is, a  truth\n no"]);
        check(" a b1 c", &[" a", " b1 c"]);
        check("don't stop now.", &["don't", " stop", " now."]);
    }

    #[test]
    fn only_patterns_that_are_known_are_trusted() {
        const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(alternatives(LLAMA_3).len(), 7);
        assert_eq!(pattern_splits_words(LLAMA_3), Some(true));
        assert_eq!(pattern_splits_words(r"\p{N}{1,3}"), Some(false));
        for unknown in ["", r"\w+\s", r"\p{L}+ ", &format!(r"{LLAMA_3}|\p{{L}}+\s\p{{L}}+")] {
            assert_eq!(pattern_splits_words(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn words_are_not_taken_apart_where_a_token_reaches_over() {
        let letters = ('a'..='z').chain('A'..='Z').chain(['▁']).map(String::from);
        let vocab: HashMap<String, u32> = letters.zip(0..).collect();
        assert!(spaces_begin_tokens(&vocab));
        let with = |token: &str| {
            let mut vocab = vocab.clone();
            vocab.insert(token.to_owned(), 99);
            spaces_begin_tokens(&vocab)
        };
        assert!(with("▁the") && with("▁▁") && with(".▁"));
        assert!(!with("of▁the") && !with("f▁"));
    }
}
