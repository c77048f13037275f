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
    for left in (0..TRIES).rev() {
        let cut = cut(tokenizer, &text, tokens);
        let (length, found) = (cut.text.len(), cut.tokens);
        text.truncate(length);
        if found == tokens || left == 0 {
            return (text, found);
        }
        more(&mut text, tokens - found);
    }
    (text, 0)
}
