//! Prompts made up to measure.

use std::{collections::HashSet, num::NonZeroUsize, sync::Arc, thread};

#[cfg(feature = "templates")]
use crate::ChatTemplateError;
use crate::{Counting, Images, Length, Mix, Tokenizer, parallel::in_parallel, writer::Writer};
use bench_core::{Prompt, ProviderError, Request, Session, Single, Workload};

/// Prompts of given lengths, made of a built-in text.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// Tokens of a prompt; of each of its texts, where it has several.
    pub isl: Length,
    /// What these tokens are of: the bare text, or the text in the model's chat template.
    pub counting: Counting,
    /// Tokens to ask for; without it, the server decides.
    pub osl: Option<Length>,
    /// Prompts of several kinds, instead of these lengths. They are then of one text.
    pub mix: Option<Mix>,
    /// Images beside the text; the model counts their tokens in its own way.
    pub images: Option<Images>,
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
    /// There is nothing to send.
    #[error("there is no conversation")]
    Empty,
    /// The chat template alone has that many tokens: ask for longer prompts, or count the text alone.
    #[error(
        "prompts of {isl} tokens leave no room for text: the chat template has {template} of its own"
    )]
    TooShort {
        /// Tokens of a prompt.
        isl: u32,
        /// Those of the template around no text.
        template: u32,
    },
    /// A chat has one text: count several texts alone, and such as are given as token ids.
    #[error(
        "prompts of several texts, or of token ids, are in no chat template: count the text alone"
    )]
    NoChat,
    /// The chat template cannot be used: get the model's, or count the text alone.
    #[cfg(feature = "templates")]
    #[error(transparent)]
    ChatTemplate(#[from] ChatTemplateError),
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
        let has_one_text = self.texts_each() == 1 && !self.token_ids;
        if self.counting != Counting::Text && !has_one_text {
            return Err(PrepareError::NoChat);
        }
        let writer = Writer::new(self, tokenizer)?;
        let made = in_parallel(self.count, threads, |index| {
            let (mut prompt, is_exact) = writer.prompt(index)?;
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
    pub(crate) fn texts_each(&self) -> usize {
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
        let templated = match self.counting {
            Counting::Text => "",
            #[cfg(feature = "templates")]
            Counting::Templated(_) => " with the chat template",
        };
        let lengths = match &self.mix {
            Some(mix) => format!("{mix}{templated}"),
            None => format!("ISL {isl}{templated} OSL {osl}{texts}"),
        };
        format!("synthetic {lengths}, tokens counted by {tokenizer}, {trust}")
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
            counting: Counting::Text,
            osl: Some(Length::normal(50.0, 10.0).unwrap()),
            mix: None,
            images: None,
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
}
