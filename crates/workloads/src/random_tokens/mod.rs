//! The random prompts of other tools, to the byte.

mod numpy;
mod python;
mod sglang;
mod vllm;

use std::{fmt, num::NonZeroUsize};

use bench_core::Prompt;

use crate::{Length, Tokenizer, Vocabulary};

/// Prompts of random tokens, the same to the byte as those of another tool that is given the same seed,
/// tokenizer and lengths: so that both put the same work to a server.
///
/// What a tool makes may change from version to version; [`RandomCorpus`] says which one is meant. The
/// tokenizer must be the model's, with its `tokenizer_config.json` beside it, which says what tokens are special.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomTokens {
    /// Whose prompts.
    pub corpus: RandomCorpus,
    /// Tokens of a prompt, the prefix not included: `--random-input-len`.
    pub input_len: u32,
    /// Tokens to ask for: `--random-output-len`.
    pub output_len: u32,
    /// How far lengths are scattered, which differs between the tools: `--random-range-ratio`.
    pub range_ratio: f64,
    /// Tokens that all prompts begin with, of vLLM alone: `--random-prefix-len`.
    pub prefix_len: u32,
    /// Prompts to make: `--num-prompts`.
    pub count: NonZeroUsize,
    /// `--seed`: 0 is vLLM's default, 42 is SGLang's.
    pub seed: u64,
}

/// A tool and its dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RandomCorpus {
    /// `random` of vLLM 0.32: ids one after the other from a random one on, corrected until the text has as
    /// many tokens as were drawn. Lengths are drawn from ± the range ratio around those asked for.
    VllmRandom,
    /// `random-ids` of SGLang 0.5.23: ids one after the other from a random one on. Lengths are drawn from
    /// the range ratio times those asked for, up to these. What the text has in tokens is not corrected.
    SglangRandomIds,
    /// `random` of SGLang 0.5.23: texts of a dataset, repeated and cut at the lengths of
    /// [`SglangRandomIds`](Self::SglangRandomIds). There are no more prompts than texts.
    SglangRandom {
        /// The first turn of each conversation of ShareGPT that has two turns or more, in the file's order.
        texts: Vec<String>,
    },
}

impl fmt::Display for RandomCorpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VllmRandom => "vLLM's random",
            Self::SglangRandomIds => "SGLang's random-ids",
            Self::SglangRandom { .. } => "SGLang's random",
        })
    }
}

/// Why there are no prompts: each asks for something else.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RandomTokensError {
    /// The tokenizer has no ids, or too few: use the model's.
    #[error("{tokenizer} has no token ids to draw from: give the model's own tokenizer")]
    NoIds {
        /// What it goes by.
        tokenizer: String,
    },
    /// The range ratio is out of range.
    #[error("{given} is no range ratio of {tool}: give a number from 0 {to}")]
    RangeRatio {
        /// What was given.
        given: f64,
        /// Whose range ratio.
        tool: &'static str,
        /// How far it goes.
        to: &'static str,
    },
    /// A prompt may have no token left: ask for longer ones.
    #[error(
        "prompts of {input_len} tokens leave none to draw: the tokenizer adds {around}, and the range ratio takes more"
    )]
    TooShort {
        /// What was asked for.
        input_len: u32,
        /// Tokens that a server puts around a text, which are left out.
        around: u32,
    },
    /// A length is out of range.
    #[error("{0} tokens are out of range: give {most} or less", most = Length::MOST)]
    TooLong(u32),
    /// The tool has no prefixes: leave it out, or use its other datasets.
    #[error("prompts of SGLang's random datasets have no prefix: leave its length out")]
    Prefix,
    /// The generator that the tool seeds takes no such number.
    #[error("{0} is no seed of SGLang: give a number below 2^32")]
    Seed(u64),
}

/// A prompt as the tools have it.
#[derive(Debug)]
struct Row {
    text: String,
    output_len: u32,
}

impl RandomTokens {
    /// Makes the prompts; each says how many tokens its text has in truth.
    ///
    /// # Errors
    ///
    /// If the tokenizer has no ids, or if the tool would refuse the lengths.
    pub fn prompts(&self, tokenizer: &dyn Tokenizer) -> Result<Vec<Prompt>, RandomTokensError> {
        let no_ids = || RandomTokensError::NoIds { tokenizer: tokenizer.to_string() };
        let vocabulary = tokenizer.vocabulary().filter(|ids| ids.size > 0).ok_or_else(no_ids)?;
        let lengths = [self.input_len, self.output_len, self.prefix_len];
        if let Some(length) = lengths.into_iter().find(|length| *length > Length::MOST) {
            return Err(RandomTokensError::TooLong(length));
        }
        let ids = Ids { tokenizer, vocabulary };
        let rows = match &self.corpus {
            RandomCorpus::VllmRandom => vllm::random(self, ids)?,
            RandomCorpus::SglangRandomIds => sglang::random_ids(self, ids)?,
            RandomCorpus::SglangRandom { texts } => sglang::random(self, ids, texts)?,
        };
        let rows = rows.ok_or_else(no_ids)?;
        Ok(rows.into_iter().map(|row| row.prompt(tokenizer)).collect())
    }
}

impl Row {
    fn prompt(self, tokenizer: &dyn Tokenizer) -> Prompt {
        let input_tokens = Some(tokenizer.count(&self.text));
        Prompt { input_tokens, ..Prompt::user(self.text).with_output_tokens(self.output_len) }
    }
}

/// A tokenizer that has ids.
#[derive(Clone, Copy, Debug)]
struct Ids<'t> {
    tokenizer: &'t dyn Tokenizer,
    vocabulary: &'t Vocabulary,
}

/// All the prompts, or `None` where the tokenizer gives up on its own ids.
type Rows = Result<Option<Vec<Row>>, RandomTokensError>;
