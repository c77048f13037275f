//! Texts for traces, which tell lengths alone.

use std::{collections::HashMap, convert::Infallible, iter, num::NonZeroUsize, thread};

use bench_core::Message;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{draft::Draft, error::Wrong};
use crate::{Tokenizer, corpus::Corpus, fitted::fitted, parallel::in_parallel};

/// A text that is to be made up.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The place of its conversation.
    pub(super) conversation: usize,
    pub(super) turn: usize,
    pub(super) tokens: u32,
    /// The names of the blocks that it is made of, where they are known: equal names are equal texts.
    pub(super) blocks: Vec<u64>,
}

/// Makes up all texts that are wanted. They depend on `seed`, the tokenizer and the file alone.
pub(super) fn fill(
    draft: &mut Draft<'_>,
    tokenizer: &dyn Tokenizer,
    seed: u64,
) -> Result<(), Wrong> {
    let Some(count) = NonZeroUsize::new(draft.wanted.len()) else { return Ok(()) };
    let writer = Writer::new(tokenizer, seed)?;
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let names = numbered(&draft.wanted);
    let block_tokens = draft.block_tokens as usize;
    let block = |number| Ok::<_, Infallible>(writer.block(number, block_tokens));
    let blocks = match NonZeroUsize::new(names.len()) {
        Some(count) => never_fails(in_parallel(count, threads, block)),
        None => vec![],
    };
    let prompt = |at: usize| {
        let wanted: &Wanted = &draft.wanted[at];
        let blocks: String = wanted.blocks.iter().map(|name| &*blocks[names[name]]).collect();
        // Numbers that no block has.
        Ok(writer.prompt(names.len() + at, &blocks, wanted.tokens as usize))
    };
    let prompts = never_fails(in_parallel(count, threads, prompt));
    for (wanted, (text, tokens)) in std::mem::take(&mut draft.wanted).iter().zip(prompts) {
        if tokens != wanted.tokens as usize {
            draft.note("made-up prompts that miss their length by a few tokens");
        }
        let ask = &mut draft.conversations[wanted.conversation].turns[wanted.turn];
        ask.messages = vec![Message::user(text)];
        ask.tokens = u32::try_from(tokens).ok();
    }
    Ok(())
}

/// A number for each name of a block, in the order that they come in.
fn numbered(wanted: &[Wanted]) -> HashMap<u64, usize> {
    let mut numbers = HashMap::new();
    for name in wanted.iter().flat_map(|wanted| &wanted.blocks) {
        let next = numbers.len();
        numbers.entry(*name).or_insert(next);
    }
    numbers
}

fn never_fails<T>(result: Result<T, Infallible>) -> T {
    let Ok(made) = result;
    made
}

/// Writes texts: each depends on the seed and its number alone.
struct Writer<'w> {
    tokenizer: &'w dyn Tokenizer,
    corpus: Corpus,
    seed: u64,
}

impl<'w> Writer<'w> {
    fn new(tokenizer: &'w dyn Tokenizer, seed: u64) -> Result<Self, Wrong> {
        let mut corpus = Corpus::new(tokenizer);
        if corpus.starts.is_empty() || corpus.openings.len() < 2 {
            let what =
                format!("its prompts are to be made up, and {tokenizer} does not tell words apart");
            return Err(Wrong::new(what, "name the model's tokenizer"));
        }
        // A stream that no text has.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::MAX);
        corpus.openings.shuffle(&mut random);
        Ok(Self { tokenizer, corpus, seed })
    }

    /// The block number `number`, which no other block begins like.
    fn block(&self, number: usize, tokens: usize) -> String {
        self.written(number, format!(" {}", self.opening(number)), tokens).0
    }

    /// A prompt that begins with `blocks`, and how many tokens it has in truth. Without blocks, it is a text of
    /// its own.
    fn prompt(&self, number: usize, blocks: &str, tokens: usize) -> (String, usize) {
        match blocks.trim_start() {
            "" => self.written(number, self.opening(number), tokens),
            blocks => self.written(number, blocks.to_owned(), tokens),
        }
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
