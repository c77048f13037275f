//! How a prompt of a given length is written.

use std::iter;

use bench_core::{Message, Prompt};
use rand::{
    SeedableRng,
    rngs::ChaCha8Rng,
    seq::{IndexedRandom, SliceRandom},
};

#[cfg(feature = "templates")]
use crate::{ChatTemplate, Counting};
use crate::{
    Length, PrepareError, Synthetic, Tokenizer,
    corpus::{Corpus, Opening},
    cut,
};

/// Tries to hit a length; each begins elsewhere in the built-in text.
const TRIES: usize = 10;

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
pub(crate) struct Writer<'w> {
    config: &'w Synthetic,
    tokenizer: &'w dyn Tokenizer,
    corpus: Corpus,
    /// Words at the start of each text.
    opening_words: usize,
}

impl<'w> Writer<'w> {
    pub(crate) fn new(
        config: &'w Synthetic,
        tokenizer: &'w dyn Tokenizer,
    ) -> Result<Self, PrepareError> {
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
    pub(crate) fn prompt(&self, index: usize) -> Result<(Prompt, bool), PrepareError> {
        let Synthetic { isl, query, texts, .. } = self.config;
        let lengths = query.iter().chain(iter::repeat_n(isl, texts.get()));
        let first = index * self.config.texts_each();
        let parts = lengths.zip(first..).map(|(length, number)| self.part(number, length));
        let mut prompt = Prompt { input_tokens: Some(0), ..Prompt::default() };
        let mut is_exact = true;
        for part in parts {
            let part = part?;
            prompt.output_tokens = prompt.output_tokens.or(part.output_tokens);
            prompt.input_tokens = prompt.input_tokens.and_then(|sum| sum.checked_add(part.tokens));
            prompt.messages.push(Message::user(part.text));
            is_exact &= part.is_exact;
        }
        if let (Some(images), Some(message)) = (self.config.images, prompt.messages.last_mut()) {
            message.images = images.of(index as u64, self.config.seed);
            prompt.input_tokens = None;
        }
        Ok((prompt, is_exact))
    }

    /// The text number `number` of all prompts, of a length drawn from `length`.
    fn part(&self, number: usize, length: &Length) -> Result<Part, PrepareError> {
        let mut random = random(self.config.seed, number as u64);
        let kind = self.config.mix.as_ref().map(|mix| mix.pick(number as u64, self.config.seed));
        let length = kind.map_or(length, |kind| &kind.isl);
        let osl = kind.map_or(self.config.osl, |kind| Some(kind.osl));
        // Lengths are drawn first, so that they are the same whatever the tokenizer.
        let wanted = length.sample(&mut random);
        let output_tokens = osl.map(|osl| osl.sample(&mut random));
        let (text, tokens) = match &self.config.counting {
            #[cfg(feature = "templates")]
            Counting::Templated(template) => {
                self.templated(template, number, wanted, &mut random)?
            }
            _ => self.text(number, wanted as usize, &mut random),
        };
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        Ok(Part { text, tokens, output_tokens, is_exact: tokens == wanted })
    }

    /// A text that has `wanted` tokens in the chat template, and how many it has there in truth.
    #[cfg(feature = "templates")]
    fn templated(
        &self,
        template: &ChatTemplate,
        index: usize,
        wanted: u32,
        random: &mut ChaCha8Rng,
    ) -> Result<(String, usize), PrepareError> {
        let count = |text: &str| -> Result<u32, PrepareError> {
            let message = Message::user(text);
            Ok(self.tokenizer.count(&template.render(&[message], None)?))
        };
        let template = count("")?;
        let mut inner = wanted.saturating_sub(template);
        if inner == 0 {
            return Err(PrepareError::TooShort { isl: wanted, template });
        }
        let mut best: Option<(String, u32)> = None;
        for tries in 0..TRIES {
            // Of a text of few words, only another opening can make a difference.
            let number = index.wrapping_add(tries.saturating_sub(TRIES / 2));
            let (text, _) = self.text(number, inner as usize, random);
            // Tokens merge where the text meets the template, which may also trim it.
            let tokens = count(&text)?;
            let is_nearer =
                |(_, best): &(String, u32)| tokens.abs_diff(wanted) < best.abs_diff(wanted);
            if best.as_ref().is_none_or(is_nearer) {
                best = Some((text, tokens));
            }
            if tokens == wanted {
                break;
            }
            inner = (inner + wanted).saturating_sub(tokens).max(1);
        }
        Ok(best.map_or_else(|| (String::new(), template as usize), |(text, n)| (text, n as usize)))
    }

    /// A text of `wanted` tokens, and how many it has in truth.
    fn text(&self, index: usize, wanted: usize, random: &mut ChaCha8Rng) -> (String, usize) {
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
