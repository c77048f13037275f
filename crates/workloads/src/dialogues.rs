//! Conversations that are made up: of given lengths, with what they have in common.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use bench_core::{Message, Role};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Exp1};

use crate::{
    Ask, Conversation, Images, Length, Mix, PrepareError, Tokenizer, made_up::Writer,
    parallel::in_parallel,
};

/// Conversations that are made up.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialogues {
    /// Tokens of what the user says in each turn, prefixes left out.
    pub isl: Length,
    /// Tokens to ask for; without it, the server decides.
    pub osl: Option<Length>,
    /// Conversations of several kinds, instead of these lengths: all turns of one are of its kind.
    pub mix: Option<Mix>,
    /// Images beside the first question; the model counts their tokens in its own way.
    pub images: Option<Images>,
    /// Turns of a conversation.
    pub turns: Length,
    /// Time between an answer and the next turn.
    pub think_time: ThinkTime,
    /// What conversations begin with.
    pub prefix: Prefix,
    /// How many conversations.
    pub count: NonZeroUsize,
    /// What all the rest follows from.
    pub seed: u64,
}

/// How long users think.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThinkTime {
    /// On average.
    pub mean: Duration,
    /// Whether it scatters exponentially, as between the requests of many users.
    pub scatters: bool,
}

impl ThinkTime {
    /// How long this time.
    pub fn sample(self, random: &mut impl rand::Rng) -> Duration {
        let factor = if self.scatters { Exp1.sample(random) } else { 1.0 };
        self.mean.mul_f64(factor)
    }
}

/// What conversations begin with, as far as it is not their own question. Tokens are counted part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Tokens of instructions that all have in common.
    pub system: u32,
    /// Tokens of a text that some have in common.
    pub shared: u32,
    /// How many such texts there are; each conversation begins with one of them, drawn at random.
    pub pool: NonZeroUsize,
    /// Tokens of a text that each has to itself.
    pub own: u32,
}

impl Default for Prefix {
    /// Nothing.
    fn default() -> Self {
        Self { system: 0, shared: 0, pool: NonZeroUsize::MIN, own: 0 }
    }
}

impl Prefix {
    /// Tokens before the first question.
    pub const fn tokens(&self) -> u32 {
        self.system.saturating_add(self.shared).saturating_add(self.own)
    }
}

/// Texts of conversations begin behind these: each conversation has so many numbers for its own.
const NUMBERS_EACH: usize = 1 << 12;

impl Dialogues {
    /// Makes them, on all processors. They do not depend on the number of processors.
    ///
    /// # Errors
    ///
    /// If the tokenizer makes no sense of the built-in text.
    pub fn make(&self, tokenizer: &dyn Tokenizer) -> Result<Vec<Conversation>, PrepareError> {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let unusable = || PrepareError::Tokenizer { tokenizer: tokenizer.to_string() };
        let writer = Writer::new(tokenizer, self.seed).ok_or_else(unusable)?;
        let Prefix { system, shared, pool, .. } = self.prefix;
        let text = |number: usize, tokens: u32| match tokens {
            0 => String::new(),
            tokens => writer.behind(number, "", tokens as usize).0,
        };
        let common = Common {
            system: text(0, system),
            shared: (1..=pool.get()).map(|number| text(number, shared)).collect(),
        };
        let drawn: Vec<usize> = (0..self.count.get()).map(|n| self.pick(n)).collect();
        let mut seen = vec![false; pool.get()];
        let is_first: Vec<bool> =
            drawn.iter().map(|pick| !std::mem::replace(&mut seen[*pick], true)).collect();
        in_parallel(self.count, threads, |n| {
            Ok::<_, PrepareError>(self.conversation(n, &writer, &common, drawn[n], is_first[n]))
        })
    }

    /// Which of the shared texts conversation `n` begins with.
    fn pick(&self, n: usize) -> usize {
        self.random(n, 1).random_range(0..self.prefix.pool.get())
    }

    /// The random numbers of conversation `n` for one of two uses.
    fn random(&self, n: usize, of: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        // The writer's streams are numbered from 0 on, these from the other end.
        random.set_stream(u64::MAX - 1 - (2 * n as u64 + of));
        random
    }

    fn conversation(
        &self,
        n: usize,
        writer: &Writer<'_>,
        common: &Common,
        pick: usize,
        is_first: bool,
    ) -> Conversation {
        let mut random = self.random(n, 0);
        let Prefix { system, shared, pool, own } = self.prefix;
        let kind = self.mix.as_ref().map(|mix| mix.pick(n as u64, self.seed));
        let isl = kind.map_or(self.isl, |kind| kind.isl);
        let osl = kind.map_or(self.osl, |kind| Some(kind.osl));
        let turns = (self.turns.sample(&mut random) as usize).min(NUMBERS_EACH - 1);
        let numbers = 1 + pool.get() + n * NUMBERS_EACH..;
        let mut asks = Vec::with_capacity(turns);
        for (turn, number) in (0..turns).zip(numbers) {
            let wanted = isl.sample(&mut random);
            let output_tokens = osl.map(|osl| osl.sample(&mut random));
            let mut messages = Vec::new();
            let (mut prefix, mut before, mut repeated) = ("", 0, 0);
            if turn == 0 {
                (prefix, before) = (&common.shared[pick], shared + own);
                if system > 0 {
                    messages.push(Message::new(Role::System, common.system.clone()));
                }
                repeated = match (n, is_first) {
                    (0, _) => 0,
                    (_, true) => system,
                    (_, false) => system + shared,
                };
            }
            let (text, tokens) = writer.behind(number, prefix, (before + wanted) as usize);
            let mut message = Message::user(text);
            let images = self.images.filter(|_| turn == 0);
            if let Some(images) = images {
                message.images = images.of(n as u64, self.seed);
            }
            messages.push(message);
            let of_system = if turn == 0 { system } else { 0 };
            asks.push(Ask {
                messages,
                tokens: u32::try_from(tokens)
                    .ok()
                    .filter(|_| images.is_none())
                    .map(|tokens| tokens + of_system),
                repeated,
                output_tokens,
                delay: self.think_time.sample(&mut random),
                ..Ask::default()
            });
        }
        let id: Arc<str> = format!("made-{n}").into();
        Conversation { id, turns: asks, ..Conversation::default() }
    }
}

/// What conversations have in common.
struct Common {
    system: String,
    shared: Vec<String>,
}
