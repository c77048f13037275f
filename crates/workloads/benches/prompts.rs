//! How fast prompts are made, and whether each has the tokens that it says: `cargo bench -p bench-workloads --
//! [--count N] TOKENIZER...`.
//!
//! For each tokenizer and length: prompts per second on all processors; the time that this takes as a multiple of
//! one bare encoding of the same texts, whole, on as many threads; prompts that missed their length, as the pool
//! says; and prompts whose whole encoding has another length than they say, of which there may be none.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::{error::Error, num::NonZeroUsize, thread};

use bench_core::{Prompt, Request};
use bench_workloads::{Counting, Length, Synthetic, SyntheticWorkload, Tokenizer, load_tokenizer};

#[expect(clippy::disallowed_types, reason = "no run, and no time that is ever moved")]
type Clock = std::time::Instant;

const LENGTHS: [u32; 5] = [1, 17, 128, 1_024, 32_768];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut count, mut names) = (100, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--count" => count = arguments.next().ok_or("--count N")?.parse()?,
            _ => names.push(argument),
        }
    }
    if names.is_empty() {
        names.push("o200k_base".to_owned());
    }
    for name in names {
        let tokenizer = load_tokenizer(&name)?;
        println!("{tokenizer}");
        for isl in LENGTHS {
            measure(&*tokenizer, isl, count)?;
        }
    }
    Ok(())
}

fn measure(tokenizer: &dyn Tokenizer, isl: u32, count: usize) -> Result<(), Box<dyn Error>> {
    let config = Synthetic {
        isl: Length::fixed(isl)?,
        counting: Counting::Text,
        osl: None,
        mix: None,
        images: None,
        texts: NonZeroUsize::MIN,
        query: None,
        token_ids: false,
        count: NonZeroUsize::new(count).ok_or("--count 1 or more")?,
        seed: 1,
    };
    let encode = |prompt: &Prompt| Ok(Request::new(prompt, prompt.messages[0].content.clone()));
    let started = Clock::now();
    let pool = config.prepare(tokenizer, &encode)?;
    let made = started.elapsed().as_secs_f64();
    let started = Clock::now();
    let wrong = wrong(tokenizer, &pool);
    let bare = started.elapsed().as_secs_f64();
    println!(
        "  ISL {isl:>6}: {:>9.0} prompts/s, {:.2} of a bare encoding; {} of {count} inexact, {wrong} wrong",
        count as f64 / made,
        made / bare,
        pool.inexact(),
    );
    Ok(())
}

/// How many prompts have other tokens than they say.
fn wrong(tokenizer: &dyn Tokenizer, pool: &SyntheticWorkload) -> usize {
    let is_wrong = |request: &&Request| {
        let text = std::str::from_utf8(&request.body).unwrap_or_default();
        let tokens = tokenizer.ids(text).map(|ids| ids.len());
        tokens.is_some_and(|tokens| Some(tokens) != request.input_tokens.map(|n| n as usize))
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = pool.requests().len().div_ceil(threads);
    thread::scope(|scope| {
        let shares = pool.requests().chunks(share);
        let shares: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().filter(is_wrong).count()))
            .collect();
        shares.into_iter().filter_map(|share| share.join().ok()).sum()
    })
}
