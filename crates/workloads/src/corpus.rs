//! The text that prompts are made of.

use std::collections::BTreeMap;

use crate::Tokenizer;

/// English prose, verse and dialogue in plain ASCII; `data/README.md` says where it is from.
pub(crate) const TEXT: &str = include_str!("../data/corpus.txt");

/// The text as a tokenizer sees it, without end: after the last token comes the first again.
pub(crate) struct Corpus {
    /// Where the tokens end.
    ends: Vec<usize>,
    /// The tokens that begin with a space and a word, by number: where a text may go on.
    pub(crate) starts: Vec<usize>,
    /// Words no two of which begin with the same token: how a text may open.
    pub(crate) openings: Vec<Opening>,
}

/// A word to open a text with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) word: &'static str,
    pub(crate) tokens: usize,
}

impl Corpus {
    pub(crate) fn new(tokenizer: &dyn Tokenizer) -> Self {
        let ends = tokenizer.ends(TEXT);
        let starts = (1..ends.len()).filter(|n| begins_a_word(&TEXT[ends[n - 1]..])).collect();
        Self { ends, starts, openings: openings(tokenizer) }
    }

    /// Appends to `text` the `tokens` tokens from token number `start` on, as they count here.
    pub(crate) fn append(&self, text: &mut String, start: usize, tokens: usize) {
        let (mut start, mut left) = (start, tokens);
        while left > 0 {
            let taken = left.min(self.ends.len() - start);
            let from = if start == 0 { 0 } else { self.ends[start - 1] };
            text.push_str(&TEXT[from..self.ends[start + taken - 1]]);
            left -= taken;
            start = 0;
        }
    }
}

fn begins_a_word(text: &str) -> bool {
    text.strip_prefix(' ').is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The shortest word of the text for each token that a word begins with, in alphabetical order.
fn openings(tokenizer: &dyn Tokenizer) -> Vec<Opening> {
    let mut by_token = BTreeMap::<&str, Opening>::new();
    for word in TEXT.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        let ends = tokenizer.ends(word);
        let Some(first) = ends.first() else { continue };
        let opening = Opening { word, tokens: ends.len() };
        by_token
            .entry(&word[..*first])
            .and_modify(|known| {
                if word.len() < known.word.len() {
                    *known = opening;
                }
            })
            .or_insert(opening);
    }
    by_token.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Approximate;

    #[test]
    fn the_text_is_plain() {
        assert!(TEXT.is_ascii() && TEXT.len() > 30_000);
        assert!(TEXT.starts_with("It is a truth") && TEXT.ends_with(".\n"));
    }

    #[test]
    fn the_text_has_no_end() {
        let corpus = Corpus::new(&Approximate);
        let mut text = String::new();
        corpus.append(&mut text, 0, 2 * corpus.ends.len() + 2);
        assert_eq!(text, format!("{TEXT}{TEXT}It is"));
        let mut last = String::new();
        corpus.append(&mut last, corpus.ends.len() - 1, 2);
        assert_eq!(last, "\nIt");
    }

    #[test]
    fn a_text_goes_on_with_a_word() {
        let corpus = Corpus::new(&Approximate);
        for start in &corpus.starts {
            let mut text = String::new();
            corpus.append(&mut text, *start, 1);
            assert!(begins_a_word(&text), "{text:?}");
        }
        assert!(corpus.starts.len() > 5_000);
    }

    #[test]
    fn openings_differ_in_the_first_token() {
        let openings = Corpus::new(&Approximate).openings;
        let first = |o: &Opening| &o.word[..Approximate.ends(o.word)[0]];
        let firsts: HashSet<&str> = openings.iter().map(first).collect();
        assert_eq!(firsts.len(), openings.len());
        assert!(openings.len() > 1_500);
    }
}
