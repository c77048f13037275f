//! Conversations made of texts, as they are written.

use std::{collections::BTreeMap, convert::Infallible, num::NonZeroUsize, sync::Arc, thread};

use bench_core::Message;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::{Ask, Conversation, Distribution, Generate};
use crate::{Length, Tokenizer, dataset::error::Wrong, fitted::fitted, parallel::in_parallel};

/// What every question asks for.
const REQUEST: &str = "Please rewrite the following text and add more content: ";

/// More messages than a conversation can have.
const MOST_MESSAGES: u32 = 10_000;

/// More tokens than can be in memory as text.
const MOST_TOKENS: u64 = 4_000_000_000;

/// What is to be written, with all lengths drawn.
pub(super) struct Plan<'p> {
    tokenizer: &'p dyn Tokenizer,
    source: Source<'p>,
    /// What all conversations begin with.
    common: String,
    conversations: Vec<Vec<Question>>,
    /// The placeholders of answers, by their tokens.
    answers: BTreeMap<u32, String>,
    /// Tokens of the texts that are taken.
    taken: u64,
}

/// A question, and where in the texts it is to be found.
struct Question {
    /// Tokens of the text before it that no other conversation has.
    prefix: u32,
    /// Tokens that it is to have beside these.
    tokens: u32,
    /// Where the prefix begins; what it asks about follows.
    start: u64,
    answer: u32,
}

impl<'p> Plan<'p> {
    pub(super) fn of(
        config: &Generate,
        text: &'p str,
        tokenizer: &'p dyn Tokenizer,
        seed: u64,
    ) -> Result<Self, Wrong> {
        let source = Source { text, ends: tokenizer.ends(text) };
        if source.ends.is_empty() {
            return Err(Wrong::new("the texts are empty", "name other files in `text_files`"));
        }
        let drawn = |name, distribution: &Distribution, n, stream, most| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stream);
            lengths(name, distribution.sample(n, &mut random), most)
        };
        let count = config.conversations.get();
        let turns = drawn("prompt_input.num_turns", &config.turns, count, 0, MOST_MESSAGES)?;
        let prefix = "prompt_input.prefix_num_tokens";
        let prefixes = drawn(prefix, &config.prefix_tokens, count, 1, Length::MOST)?;
        let common = "prompt_input.common_prefix_num_tokens";
        let common = drawn(common, &config.common_prefix_tokens, 1, 2, Length::MOST)?[0];

        let mut taken = u64::from(common);
        let mut conversations = Vec::with_capacity(count);
        for ((messages, mut prefix), stream) in turns.into_iter().zip(prefixes).zip(3..) {
            let n = messages.max(2).div_ceil(2) as usize;
            let input = "prompt_input.num_tokens";
            let input = drawn(input, &config.input_tokens, n, 2 * stream, Length::MOST)?;
            let output = "prompt_output.num_tokens";
            let output = drawn(output, &config.output_tokens, n, 2 * stream + 1, Length::MOST)?;
            let question = |(tokens, answer): (u32, u32)| {
                let prefix = std::mem::take(&mut prefix);
                let start = taken;
                taken += u64::from(prefix) + u64::from(tokens);
                Question { prefix, tokens, start, answer: answer.max(1) }
            };
            conversations.push(input.into_iter().zip(output).map(question).collect());
            if taken > MOST_TOKENS {
                let what = format!("more than {MOST_TOKENS} tokens are asked for in all");
                return Err(Wrong::new(what, "ask for fewer conversations, or shorter ones"));
            }
        }
        let mut plan = Self {
            tokenizer,
            source,
            common: String::new(),
            conversations,
            answers: BTreeMap::new(),
            taken,
        };
        plan.common = plan.common(common as usize);
        plan.answers = plan.answers();
        Ok(plan)
    }

    /// The conversations, on all processors.
    pub(super) fn written(&self) -> Vec<Conversation> {
        let Some(count) = NonZeroUsize::new(self.conversations.len()) else { return vec![] };
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let written = in_parallel(count, threads, |n| Ok::<_, Infallible>(self.conversation(n)));
        let Ok(conversations) = written;
        conversations
    }

    /// The tokens that each question was to have, in order.
    pub(super) fn asked(&self) -> impl Iterator<Item = u32> {
        let questions = self.conversations.iter().flatten();
        questions.map(|question| question.prefix.saturating_add(question.tokens))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let (taken, there) = (self.taken, self.source.ends.len());
        if taken <= there as u64 {
            return vec![];
        }
        vec![format!(
            "the texts have {there} tokens and {taken} are taken of them: parts come again, from other places on"
        )]
    }

    fn conversation(&self, number: usize) -> Conversation {
        let questions = self.conversations[number].iter();
        let turns = questions.enumerate().map(|(turn, question)| {
            let (text, tokens) = self.question(number, turn == 0, question);
            let answer = &self.answers[&question.answer];
            Ask {
                tokens: Some(tokens),
                answer: Some(Message::assistant(answer.as_str())),
                answer_tokens: Some(self.tokenizer.count(answer)),
                output_tokens: Some(question.answer),
                ..Ask::user(text)
            }
        });
        let id: Arc<str> = format!("CONV_ID_{number}").into();
        Conversation { turns: turns.collect(), id, ..Conversation::default() }
    }

    /// The text of a question, and its tokens.
    fn question(&self, number: usize, is_first: bool, question: &Question) -> (String, u32) {
        let Self { tokenizer, source, .. } = self;
        let common = if is_first { &*self.common } else { "" };
        let head = format!("{common}{number} is a nice number... ");
        let fixed = tokenizer.count(&head).saturating_add(tokenizer.count(REQUEST));
        let wanted = question.tokens.max(fixed).saturating_add(question.prefix) as usize;
        let mut prefix = question.prefix as usize;
        let mut text = head.clone();
        // A prefix is in the middle: it is made shorter by what is too much around it.
        for _ in 0..4 {
            text.clone_from(&head);
            if question.prefix > 0 {
                text.push_str(&format!("{number}, "));
                source.append(&mut text, question.start, prefix);
            }
            text.push_str(REQUEST);
            let over = (tokenizer.count(&text) as usize).saturating_sub(wanted);
            if over == 0 || prefix == 0 {
                break;
            }
            prefix = prefix.saturating_sub(over);
        }
        if tokenizer.count(&text) as usize > wanted {
            let tokens = tokenizer.count(&text);
            return (text, tokens);
        }
        let mut start = question.start + u64::from(question.prefix);
        let (text, tokens) = fitted(*tokenizer, text, wanted, |text, tokens| {
            source.append(text, start, tokens);
            start += tokens as u64;
        });
        (text, u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// The beginning of the texts, with a full stop, in so many tokens.
    fn common(&self, tokens: usize) -> String {
        let mut text = String::new();
        let mut taken = tokens.saturating_sub(1);
        for _ in 0..8 {
            text.clear();
            if tokens == 0 {
                break;
            }
            self.source.append(&mut text, 0, taken);
            text.push('.');
            let found = self.tokenizer.count(&text) as usize;
            if found == tokens {
                break;
            }
            taken = (taken + tokens).saturating_sub(found);
        }
        text
    }

    fn answers(&self) -> BTreeMap<u32, String> {
        let lengths = self.conversations.iter().flatten().map(|question| question.answer);
        let mut answers: BTreeMap<u32, String> = lengths.map(|n| (n, String::new())).collect();
        for (tokens, answer) in &mut answers {
            let mut start = 0;
            let more = |text: &mut String, tokens: usize| {
                self.source.append(text, start, tokens);
                start += tokens as u64;
            };
            *answer = fitted(self.tokenizer, String::new(), *tokens as usize, more).0;
        }
        answers
    }
}

/// What was drawn, as numbers of tokens or messages.
fn lengths(name: &str, drawn: Vec<f64>, most: u32) -> Result<Vec<u32>, Wrong> {
    if let Some(over) = drawn.iter().find(|n| !(0.0..=f64::from(most)).contains(*n)) {
        let what = format!("`{name}` came to {over}, more than {most}");
        return Err(Wrong::new(what, "give the distribution a `max`, or smaller numbers"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let lengths = drawn.into_iter().map(|n| n.round() as u32).collect();
    Ok(lengths)
}

/// Texts without end, as a tokenizer sees them.
struct Source<'s> {
    text: &'s str,
    /// Where the tokens end.
    ends: Vec<usize>,
}

impl Source<'_> {
    /// Appends `tokens` tokens from the one numbered `start` on. Once all were taken, they come again, in other
    /// cuts.
    fn append(&self, to: &mut String, start: u64, tokens: usize) {
        let there = self.ends.len();
        let count = there as u64;
        // The golden section: no two passes begin near each other for long.
        let shift = (count * 382 / 1000).max(1);
        let place = (start % count + (start / count) % count * shift) % count;
        let mut place = usize::try_from(place).unwrap_or_default();
        let mut left = tokens;
        while left > 0 {
            let taken = left.min(there - place);
            let from = if place == 0 { 0 } else { self.ends[place - 1] };
            to.push_str(&self.text[from..self.ends[place + taken - 1]]);
            left -= taken;
            place = 0;
        }
    }
}
