//! Who counts tokens, and how a text is cut to a number of them.

use std::fmt::{Debug, Display};

use bench_core::TokenCounter;

/// Finds the tokens of a text.
///
/// Its `Display` names it in reports: the file it was read from, or what else it is. Called from several
/// threads at once, before the clock starts.
pub trait Tokenizer: TokenCounter + Debug + Display {
    /// Where the tokens of `text` end, in bytes from its start.
    ///
    /// As many ends as [`count`](TokenCounter::count) says there are tokens, never falling, each between
    /// two characters. Tokens that share a character all end behind it. No special tokens are added.
    ///
    /// An end is where the tokenizer ends a token *in this text*: a text cut there may count otherwise,
    /// which is what [`cut`] is for.
    fn ends(&self, text: &str) -> Vec<usize>;

    /// The ids of the tokens of `text`, for servers that take them; `None` where it has none, by default.
    fn ids(&self, _text: &str) -> Option<Vec<u32>> {
        None
    }

    /// The same with the tokens that a server puts around a text without a chat template.
    fn ids_as_served(&self, text: &str) -> Option<Vec<u32>> {
        self.ids(text)
    }

    /// The text that `ids` stand for, special tokens included; `None` where it has no ids, by default.
    ///
    /// Not every id stands for whole characters, and not every text has the tokens that it was made of: what
    /// comes back may count otherwise.
    fn decode(&self, _ids: &[u32]) -> Option<String> {
        None
    }

    /// The ids there are; `None` where there are none, by default.
    fn vocabulary(&self) -> Option<&Vocabulary> {
        None
    }
}

/// The ids of a tokenizer, named as Python's `transformers` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// How many ids the model itself has, without those that were added to it: `vocab_size`.
    pub size: u32,
    /// The ids of tokens that are no text, in no order: `all_special_ids`.
    pub special_ids: Vec<u32>,
    /// Tokens that a server puts around a text that comes without a chat template, such as one that begins
    /// it: `num_special_tokens_to_add()`.
    pub around: u32,
}

/// The beginning of a text, counted on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut<'t> {
    /// The part.
    pub text: &'t str,
    /// Its tokens.
    pub tokens: usize,
}

/// The beginning of `text` that has `tokens` tokens by itself.
///
/// With fewer tokens than asked for only if the whole text has fewer, or if no such beginning was found
/// in a few tries. There need not be one: a character may make the difference of two tokens.
pub fn cut<'t>(tokenizer: &dyn Tokenizer, text: &'t str, tokens: usize) -> Cut<'t> {
    let ends = tokenizer.ends(text);
    if ends.len() <= tokens {
        return Cut { text, tokens: ends.len() };
    }
    let short = trim(tokenizer, text, &ends, tokens);
    if short.tokens == tokens { short } else { extend(tokenizer, text, short, tokens) }
}

/// The longest beginning of `text` that ends at one of `ends` and is found to have no more than `tokens`
/// tokens; `ends` are the ends of more tokens than that.
fn trim<'t>(tokenizer: &dyn Tokenizer, text: &'t str, ends: &[usize], tokens: usize) -> Cut<'t> {
    let mut kept = tokens;
    while kept > 0 {
        let part = &text[..ends[kept - 1]];
        let found = tokenizer.count(part) as usize;
        if found <= tokens {
            return Cut { text: part, tokens: found };
        }
        kept = kept.saturating_sub(found - tokens);
    }
    Cut { text: "", tokens: 0 }
}

/// Makes `short`, a beginning of `text`, longer by a character at a time until it has `tokens` tokens;
/// `short` itself if that comes to nothing.
fn extend<'t>(tokenizer: &dyn Tokenizer, text: &'t str, short: Cut<'t>, tokens: usize) -> Cut<'t> {
    // A few words: each step is an encoding, and the right end is near.
    const STEPS: usize = 32;
    let start = short.text.len();
    for (at, c) in text[start..].char_indices().take(STEPS) {
        let part = &text[..start + at + c.len_utf8()];
        // One too many is not the end: a later character may merge with those before it.
        if tokenizer.count(part) as usize == tokens {
            return Cut { text: part, tokens };
        }
    }
    short
}
