//! Prompts made up to measure.

use std::{collections::HashSet, iter, num::NonZeroUsize, panic, sync::Arc, thread};

use bench_core::{Message, Prompt, ProviderError, Request, Role, Session, Single, Workload};
use rand::{
    SeedableRng,
    rngs::ChaCha8Rng,
    seq::{IndexedRandom, SliceRandom},
};

use crate::{
    Length, Tokenizer,
    corpus::{Corpus, Opening},
    cut,
};

/// Prompts of given lengths, made of a built-in text.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// Tokens of a prompt; of each of its texts, where it has several.
    pub isl: Length,
    /// Tokens to ask for; without it, the server decides.
    pub osl: Option<Length>,
    /// Texts of a prompt, each a message of its own: one, but for embeddings and rankings.
    pub texts: NonZeroUsize,
    /// Tokens of a text before these, such as the query of a ranking.
    pub query: Option<Length>,
    /// Whether prompts are given as token ids, too. They are then of one text.
    pub token_ids: bool,
    /// Prompts to prepare. When they have all been sent, they are sent again, and a server may know them.
    pub count: NonZeroUsize,
    /// What all the rest follows from: the same seed and tokenizer make the same prompts.
    pub seed: u64,
}

/// Why there is no workload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The tokenizer cannot count prompts: use another one.
    #[error("{tokenizer} does not tell words apart")]
    Tokenizer {
        /// What it goes by.
        tokenizer: String,
    },
    /// The tokenizer has no ids: use the model's.
    #[error("{tokenizer} has no token ids")]
    TokenIds {
        /// What it goes by.
        tokenizer: String,
    },
    /// The provider cannot express a prompt: ask for something else.
    #[error("cannot encode prompt {index}")]
    Encode {
        /// Which prompt, from 0.
        index: usize,
        /// What the provider says.
        #[source]
        source: ProviderError,
    },
}

impl Synthetic {
    /// Makes the prompts and has `encode` turn each into its request, on all processors.
    ///
    /// The first prompts differ from the first token on: as many as there are tokens that a word of the
    /// text begins with, which are one to two thousand in a large vocabulary. With more prompts than that,
    /// any two differ by the second word. The requests do not depend on the number of processors.
    ///
    /// # Errors
    ///
    /// If the tokenizer makes no sense of the text, or if `encode` fails: with its first failure.
    pub fn prepare(
        &self,
        tokenizer: &dyn Tokenizer,
        encode: Encode<'_>,
    ) -> Result<SyntheticWorkload, PrepareError> {
        self.prepare_on(
            thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            tokenizer,
            encode,
        )
    }

    fn prepare_on(
        &self,
        threads: NonZeroUsize,
        tokenizer: &dyn Tokenizer,
        encode: Encode<'_>,
    ) -> Result<SyntheticWorkload, PrepareError> {
        let writer = Writer::new(self, tokenizer)?;
        let made = in_parallel(self.count, threads, |index| {
            let (mut prompt, is_exact) = writer.prompt(index);
            if self.token_ids {
                prompt.token_ids = Some(token_ids(&prompt, tokenizer)?);
            }
            match encode(&prompt) {
                Ok(request) => Ok((request, is_exact)),
                Err(source) => Err(PrepareError::Encode { index, source }),
            }
        })?;
        let inexact = made.iter().filter(|(_, is_exact)| !is_exact).count();
        let requests: Arc<[Request]> = made.into_iter().map(|(request, _)| request).collect();
        let distinct = requests.iter().map(|r| &r.body[..]).collect::<HashSet<_>>().len();
        let description = self.describe(tokenizer, inexact);
        Ok(SyntheticWorkload { requests, next: 0, distinct, inexact, description })
    }

    /// Texts of each prompt, the one before the others included.
    fn texts_each(&self) -> usize {
        self.texts.get().saturating_add(usize::from(self.query.is_some()))
    }

    fn describe(&self, tokenizer: &dyn Tokenizer, inexact: usize) -> String {
        let Self { isl, count, texts, .. } = self;
        let osl = self.osl.map_or("open".to_owned(), |osl| osl.to_string());
        let query = self.query.map_or(String::new(), |query| format!(" and a query of {query}"));
        let texts = match texts.get() {
            1 if self.query.is_none() => String::new(),
            texts => format!(", {texts} texts{query} a prompt"),
        };
        let trust = match (tokenizer.is_exact(), inexact) {
            (true, 0) => "exact".to_owned(),
            (true, _) => format!("exact but for {inexact} of {count} prompts"),
            (false, _) => "approximate".to_owned(),
        };
        format!("synthetic ISL {isl} OSL {osl}{texts}, tokens counted by {tokenizer}, {trust}")
    }
}

fn token_ids(prompt: &Prompt, tokenizer: &dyn Tokenizer) -> Result<Vec<u32>, PrepareError> {
    let texts: Vec<&str> = prompt.messages.iter().map(|message| &*message.content).collect();
    tokenizer
        .ids(&texts.concat())
        .ok_or_else(|| PrepareError::TokenIds { tokenizer: tokenizer.to_string() })
}

/// Turns a prompt into a request, on several threads at once: a provider's `encode`.
type Encode<'e> = &'e (dyn Fn(&Prompt) -> Result<Request, ProviderError> + Sync);

/// A pool of requests, sent in order, over and over.
///
/// It has no end of its own. A clone goes on from where the original was, with the same pool.
#[derive(Clone, Debug)]
pub struct SyntheticWorkload {
    requests: Arc<[Request]>,
    next: usize,
    distinct: usize,
    inexact: usize,
    description: String,
}

impl SyntheticWorkload {
    /// The requests of the pool, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// How many of them have a body of their own: all, unless prompts are shorter than it takes to tell
    /// so many apart.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// How many prompts missed the length that was drawn for them. Each request says the one it has.
    pub fn inexact(&self) -> usize {
        self.inexact
    }

    /// What it is, in a line: the lengths, who counted, and whether the counts are the model's.
    pub fn describe(&self) -> &str {
        &self.description
    }
}

impl Workload for SyntheticWorkload {
    fn next_session(&mut self) -> Option<Box<dyn Session>> {
        let request = self.requests[self.next].clone();
        self.next = (self.next + 1) % self.requests.len();
        Some(Box::new(Single::new(request)))
    }
}

/// A text of a prompt.
struct Part {
    text: String,
    tokens: u32,
    /// Tokens to ask for; of a prompt of several texts, the first one's count.
    output_tokens: Option<u32>,
    /// Whether it has the length that was drawn for it.
    is_exact: bool,
}

/// Writes prompts: each depends on the configuration and its index alone.
struct Writer<'w> {
    config: &'w Synthetic,
    tokenizer: &'w dyn Tokenizer,
    corpus: Corpus,
    /// Words at the start of each text.
    opening_words: usize,
}

impl<'w> Writer<'w> {
    fn new(config: &'w Synthetic, tokenizer: &'w dyn Tokenizer) -> Result<Self, PrepareError> {
        let mut corpus = Corpus::new(tokenizer);
        let words = corpus.openings.len();
        if corpus.starts.is_empty() || words < 2 {
            return Err(PrepareError::Tokenizer { tokenizer: tokenizer.to_string() });
        }
        // A stream that no prompt has.
        corpus.openings.shuffle(&mut random(config.seed, u64::MAX));
        // The words it takes to write as many different openings as there are texts.
        let reach = iter::successors(Some(words), |reach| Some(reach.saturating_mul(words)));
        let texts = config.count.get().saturating_mul(config.texts_each());
        let opening_words = 1 + reach.take_while(|reach| *reach < texts).count();
        Ok(Self { config, tokenizer, corpus, opening_words })
    }

    /// The prompt number `index`, and whether it has the lengths that were drawn for it.
    fn prompt(&self, index: usize) -> (Prompt, bool) {
        let Synthetic { isl, query, texts, .. } = self.config;
        let lengths = query.iter().chain(iter::repeat_n(isl, texts.get()));
        let first = index * self.config.texts_each();
        let parts = lengths.zip(first..).map(|(length, number)| self.part(number, length));
        let mut prompt = Prompt { input_tokens: Some(0), ..Prompt::default() };
        let mut is_exact = true;
        for part in parts {
            prompt.output_tokens = prompt.output_tokens.or(part.output_tokens);
            prompt.input_tokens = prompt.input_tokens.and_then(|sum| sum.checked_add(part.tokens));
            prompt.messages.push(Message { role: Role::User, content: part.text });
            is_exact &= part.is_exact;
        }
        (prompt, is_exact)
    }

    /// The text number `number` of all prompts, of a length drawn from `length`.
    fn part(&self, number: usize, length: &Length) -> Part {
        let mut random = random(self.config.seed, number as u64);
        // Lengths are drawn first, so that they are the same whatever the tokenizer.
        let wanted = length.sample(&mut random);
        let output_tokens = self.config.osl.map(|osl| osl.sample(&mut random));
        let (text, tokens) = self.text(number, wanted as usize, &mut random);
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        Part { text, tokens, output_tokens, is_exact: tokens == wanted }
    }

    /// A text of `wanted` tokens, and how many it has in truth.
    fn text(&self, index: usize, wanted: usize, random: &mut ChaCha8Rng) -> (String, usize) {
        const TRIES: usize = 10;
        let (mut opening, opening_tokens) = self.opening(index);
        let mut taken = wanted.saturating_sub(opening_tokens);
        let mut best = (String::new(), 0);
        for further in 0..TRIES {
            if opening_tokens > wanted {
                // Nothing but the opening can make a difference, and some words have no such beginning.
                opening = self.opening(index.wrapping_add(further)).0;
            }
            let start = *self.corpus.starts.choose(random).expect("checked when made");
            let mut text = String::new();
            // What merges where texts are joined shows in the count: as much more or less is taken then. To
            // count is cheaper than to find out where tokens end.
            for _ in 0..2 {
                text.clone_from(&opening);
                self.corpus.append(&mut text, start, taken);
                let tokens = self.tokenizer.count(&text) as usize;
                if tokens == wanted {
                    return (text, tokens);
                }
                taken = (taken + wanted).saturating_sub(tokens);
            }
            let found = cut(self.tokenizer, &text, wanted);
            let (length, tokens) = (found.text.len(), found.tokens);
            if tokens > best.1 {
                text.truncate(length);
                best = (text, tokens);
            }
            if tokens == wanted {
                break;
            }
            taken += wanted - tokens;
        }
        best
    }

    /// The words that no other text begins with, and the tokens they have: `index` written in words for
    /// digits, the lowest first, so that neighbours differ at once.
    fn opening(&self, index: usize) -> (String, usize) {
        let words = &self.corpus.openings;
        let digits = iter::successors(Some(index), |rest| Some(rest / words.len()));
        let opening: Vec<Opening> =
            digits.take(self.opening_words).map(|rest| words[rest % words.len()]).collect();
        let text: Vec<&str> = opening.iter().map(|o| o.word).collect();
        (text.join(" "), opening.iter().map(|o| o.tokens).sum())
    }
}

/// The random numbers of `seed` that are numbered `stream`.
fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

/// What `make` makes of 0 to `count`, in order; or its first failure.
fn in_parallel<T: Send, E: Send>(
    count: NonZeroUsize,
    threads: NonZeroUsize,
    make: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let count = count.get();
    let share = count.div_ceil(threads.get());
    let make = &make;
    thread::scope(|scope| {
        let shares: Vec<_> = (0..count)
            .step_by(share)
            .map(|from| {
                let numbers = from..count.min(from + share);
                scope.spawn(move || numbers.map(make).collect::<Result<Vec<T>, E>>())
            })
            .collect();
        let mut made = Vec::with_capacity(count);
        for share in shares {
            made.extend(share.join().unwrap_or_else(|cause| panic::resume_unwind(cause))?);
        }
        Ok(made)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Approximate;

    fn plain(prompt: &Prompt) -> Result<Request, ProviderError> {
        Ok(Request::new(prompt, prompt.messages[0].content.clone()))
    }

    #[test]
    fn requests_do_not_depend_on_the_number_of_threads() {
        let config = Synthetic {
            isl: Length::normal(50.0, 10.0).unwrap(),
            osl: Some(Length::normal(50.0, 10.0).unwrap()),
            texts: NonZeroUsize::MIN,
            query: None,
            token_ids: false,
            count: NonZeroUsize::new(97).unwrap(),
            seed: 1,
        };
        let on = |threads| {
            let threads = NonZeroUsize::new(threads).unwrap();
            config.prepare_on(threads, &Approximate, &plain).unwrap().requests
        };
        let one = on(1);
        assert_eq!(one.len(), 97);
        for threads in [2, 3, 8, 97, 200] {
            assert_eq!(on(threads), one, "{threads} threads");
        }
    }

    #[test]
    fn the_first_failure_is_reported_whoever_comes_first() {
        let make = |n| if n < 5 { Ok(n) } else { Err(n) };
        for threads in 1..12 {
            let threads = NonZeroUsize::new(threads).unwrap();
            assert_eq!(in_parallel(NonZeroUsize::new(10).unwrap(), threads, make), Err(5));
        }
    }
}
