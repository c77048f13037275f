//! Texts that have a number of tokens.

use crate::{Tokenizer, cut};

/// `text`, cut or continued so that it has `tokens` tokens, and how many it has in truth. `more` appends about
/// so many tokens to it.
///
/// Tokens merge where texts meet: what is short of them is continued, and counted again as a whole.
pub(crate) fn fitted(
    tokenizer: &dyn Tokenizer,
    mut text: String,
    tokens: usize,
    mut more: impl FnMut(&mut String, usize),
) -> (String, usize) {
    const TRIES: usize = 10;
    let mut found = tokenizer.count(&text) as usize;
    for _ in 0..TRIES {
        if found == tokens {
            break;
        }
        if found < tokens {
            more(&mut text, tokens - found);
        }
        let cut = cut(tokenizer, &text, tokens);
        found = cut.tokens;
        let length = cut.text.len();
        text.truncate(length);
    }
    (text, found)
}
