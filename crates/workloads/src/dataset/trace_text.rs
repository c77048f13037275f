//! Texts for traces, which tell lengths alone.

use std::{collections::HashMap, convert::Infallible, num::NonZeroUsize, thread};

use bench_core::Message;

use super::{draft::Draft, error::Wrong};
use crate::{Tokenizer, made_up::Writer, parallel::in_parallel};

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
    let writer = Writer::new(tokenizer, seed).ok_or_else(|| {
        let what =
            format!("its prompts are to be made up, and {tokenizer} does not tell words apart");
        Wrong::new(what, "name the model's tokenizer")
    })?;
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
