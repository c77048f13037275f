//! Conversations that are made up for a point, and what they take.

use std::{num::NonZeroUsize, sync::Arc};

use bench_core::{Prompt, Provider, Workload};
use bench_providers::HttpProvider;
use bench_workloads::{
    Ask, Conversation, Conversations, Course, Dialogues, Prefix, RandomTokens, Tokenizer,
};

use crate::{Code, Failure, Settings, TalkSettings, shape::Shape};

impl TalkSettings {
    /// What conversations of `shape` begin with: of a share that is asked for, as many tokens as make it true of
    /// the first turn.
    pub(crate) fn prefix_of(&self, shape: &Shape) -> Prefix {
        let Some(ratio) = self.hit_ratio else { return self.prefix };
        let new = shape.input_tokens() + f64::from(self.prefix.own);
        let shared = new * ratio / (1.0 - ratio) - f64::from(self.prefix.system);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and no part is negative"
        )]
        let shared = shared.max(0.0).round() as u32;
        Prefix { shared, ..self.prefix }
    }

    /// Tokens of a whole conversation on average: what its last request and answer come to.
    pub(crate) fn tokens(&self, shape: &Shape) -> f64 {
        let each = shape.input_tokens() + shape.output_tokens();
        f64::from(self.prefix_of(shape).tokens()) + self.turns.mean() * each
    }

    /// In a few words, behind the lengths: ` x 5 turns, prefix 512`.
    pub(crate) fn words(&self, shape: &Shape) -> String {
        let Prefix { system, shared, pool, own } = self.prefix_of(shape);
        let mut words = String::new();
        if self.turns.to_string() != "1" {
            words.push_str(&format!(" x {} turns", self.turns));
        }
        let several = if pool.get() > 1 { format!(" of {pool}") } else { String::new() };
        let parts = [("system", system, ""), ("prefix", shared, &several), ("own prefix", own, "")];
        for (name, tokens, more) in parts.iter().filter(|(_, tokens, _)| *tokens > 0) {
            words.push_str(&format!(", {name} {tokens}{more}"));
        }
        words
    }

    /// The workload of a point: `count` conversations, over and over.
    pub(crate) fn workload(
        &self,
        settings: &Settings,
        shape: &Shape,
        count: NonZeroUsize,
        seed: u64,
        tokenizer: &dyn Tokenizer,
        provider: &Arc<HttpProvider>,
    ) -> Result<Box<dyn Workload>, Failure> {
        let failed = |error: &dyn std::error::Error| {
            Failure::new(Code::Prompts, "the conversations cannot be made").caused_by(error)
        };
        let dialogues = Dialogues {
            isl: shape.isl,
            osl: shape.osl,
            mix: shape.mix.clone(),
            images: shape.images,
            turns: self.turns,
            think_time: settings.think_time.unwrap_or_default(),
            prefix: self.prefix_of(shape),
            count,
            seed,
        };
        let made = dialogues.make(tokenizer).map_err(|error| failed(&error))?;
        let made: Vec<_> = made.into_iter().map(Arc::new).collect();
        let provider = Arc::clone(provider);
        let encode = Arc::new(move |prompt: &_| provider.encode(prompt));
        let course = Course { loops: true, seed, ..Course::default() };
        let held = Conversations::new(&made, encode, course).map_err(|error| failed(&error))?;
        Ok(Box::new(held))
    }
}

/// The workload of random prompts, over and over.
pub(crate) fn random(
    random: &RandomTokens,
    tokenizer: &dyn Tokenizer,
    provider: &Arc<HttpProvider>,
) -> Result<Box<dyn Workload>, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Prompts, "the prompts cannot be made").caused_by(error)
    };
    let prompts = random.prompts(tokenizer).map_err(|error| failed(&error))?;
    let single = |(n, prompt): (usize, Prompt)| {
        let Prompt { messages, input_tokens, output_tokens, .. } = prompt;
        let ask = Ask { messages, tokens: input_tokens, output_tokens, ..Ask::default() };
        Arc::new(Conversation::single(format!("random-{n}"), ask))
    };
    let prompts: Vec<_> = prompts.into_iter().enumerate().map(single).collect();
    let provider = Arc::clone(provider);
    let encode = Arc::new(move |prompt: &_| provider.encode(prompt));
    let course = Course { loops: true, ..Course::default() };
    let sent = Conversations::new(&prompts, encode, course).map_err(|error| failed(&error))?;
    Ok(Box::new(sent))
}
