//! Texts that are made up, each unlike the others from its beginning on.

use std::iter;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::{Tokenizer, corpus::Corpus, fitted::fitted};

/// Writes texts: each depends on the seed and its number alone.
pub(crate) struct Writer<'w> {
    tokenizer: &'w dyn Tokenizer,
    corpus: Corpus,
    seed: u64,
}

impl<'w> Writer<'w> {
    /// `None` where the tokenizer does not tell words apart.
    pub(crate) fn new(tokenizer: &'w dyn Tokenizer, seed: u64) -> Option<Self> {
        let mut corpus = Corpus::new(tokenizer);
        if corpus.starts.is_empty() || corpus.openings.len() < 2 {
            return None;
        }
        // A stream that no text has.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::MAX);
        corpus.openings.shuffle(&mut random);
        Some(Self { tokenizer, corpus, seed })
    }

    /// The block number `number`, which no other block begins like.
    pub(crate) fn block(&self, number: usize, tokens: usize) -> String {
        self.written(number, format!(" {}", self.opening(number)), tokens).0
    }

    /// A prompt that begins with `blocks`, and how many tokens it has in truth. Without blocks, it is a text of
    /// its own.
    pub(crate) fn prompt(&self, number: usize, blocks: &str, tokens: usize) -> (String, usize) {
        match blocks.trim_start() {
            "" => self.written(number, self.opening(number), tokens),
            blocks => self.written(number, blocks.to_owned(), tokens),
        }
    }

    /// `prefix` and behind it a text of its own, together of `tokens` tokens, and how many they have in truth.
    pub(crate) fn behind(&self, number: usize, prefix: &str, tokens: usize) -> (String, usize) {
        let blank = if prefix.is_empty() { "" } else { " " };
        self.written(number, format!("{prefix}{blank}{}", self.opening(number)), tokens)
    }

    /// `text`, cut or continued with text of its own.
    fn written(&self, number: usize, text: String, tokens: usize) -> (String, usize) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number as u64);
        fitted(self.tokenizer, text, tokens, |text, tokens| {
            let start = self.corpus.starts[random.random_range(0..self.corpus.starts.len())];
            self.corpus.append(text, start, tokens);
        })
    }

    /// Words that no other text begins with: the number in words for digits, the lowest first.
    fn opening(&self, number: usize) -> String {
        // Of some thousand words each, more than there can be blocks in memory.
        const WORDS: usize = 3;
        let words = &self.corpus.openings;
        let digits = iter::successors(Some(number), |rest| Some(rest / words.len()));
        // Each digit has words of its own for small numbers, as language does not repeat itself.
        let word = |(place, digit): (usize, usize)| words[(digit + place * 101) % words.len()].word;
        digits.take(WORDS).enumerate().map(word).collect::<Vec<_>>().join(" ")
    }
}
