//! A conversation being held.

use std::{mem, sync::Arc};

use bench_core::{Answer, Message, Prompt, ProviderError, Request, Role, Session, Turn};

use super::{
    Ask, Conversation,
    workload::{Answered, Encode, locked},
};

/// Whose answers a conversation goes on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum History {
    /// The server's own.
    #[default]
    Live,
    /// Those that were recorded; the server's where there is none.
    Recorded,
}

/// A conversation being held: each turn repeats what was said before.
///
/// Nothing is tokenised: the tokens of an answer are those that the server says, else the events it came in.
pub(super) struct Talk {
    conversation: Arc<Conversation>,
    encode: Encode,
    history: History,
    /// Turns that have been asked.
    asked: usize,
    /// What is sent with the next turn; its messages are all that was said.
    prompt: Prompt,
    /// Tokens of these messages, where all are counted.
    said_tokens: Option<u32>,
    /// The first request, made before.
    first: Option<Request>,
    /// What the first message begins with, where that is not its own text.
    marker: Option<String>,
    apart: Apart,
}

/// Whether the first turn is asked apart from the others.
enum Apart {
    No,
    /// It is the only one that is asked: the answer goes here.
    Only(Answered),
    /// It has been asked: the answer is here.
    Done(Answered),
}

impl Talk {
    pub(super) fn new(conversation: Arc<Conversation>, encode: Encode, history: History) -> Self {
        let prompt = Prompt {
            id: Some(Arc::clone(&conversation.id)),
            tools: Arc::clone(&conversation.tools),
            tool_choice: conversation.tool_choice.clone(),
            ..Prompt::default()
        };
        let (said_tokens, first, marker, apart) = (Some(0), None, None, Apart::No);
        Self { conversation, encode, history, asked: 0, prompt, said_tokens, first, marker, apart }
    }

    /// The first request.
    pub(super) fn first(mut self) -> Result<Request, ProviderError> {
        self.say();
        (self.encode)(&self.prompt)
    }

    /// The whole conversation, whose first request is there already.
    pub(super) fn beginning_with(self, first: Request) -> Self {
        Self { first: Some(first), ..self }
    }

    /// The whole conversation, behind a marker that session `number` alone has. Nobody counts its tokens.
    pub(super) fn beginning_anew(self, number: u64, seed: u64) -> Self {
        Self { marker: Some(format!("[{seed:x}-{number}] ")), ..self }
    }

    /// Its first turn alone.
    pub(super) fn only_first(self, first: Request, answered: Answered) -> Self {
        Self { first: Some(first), apart: Apart::Only(answered), ..self }
    }

    /// The turns after the first, which was asked apart.
    pub(super) fn after_first(self, answered: Answered) -> Self {
        Self { apart: Apart::Done(answered), ..self }
    }

    /// Adds what is newly said; false if there is nothing left to say.
    fn say(&mut self) -> bool {
        let Some(ask) = self.conversation.turns.get(self.asked) else { return false };
        self.asked += 1;
        let prompt = &mut self.prompt;
        prompt.messages.extend(ask.messages.iter().cloned());
        if let (Some(marker), Some(first)) = (self.marker.take(), prompt.messages.first_mut()) {
            first.content.insert_str(0, &marker);
            self.said_tokens = None;
        }
        prompt.repeated_tokens = self.said_tokens.map(|said| said.saturating_add(ask.repeated));
        self.said_tokens = sum(self.said_tokens, ask.tokens);
        prompt.input_tokens = self.said_tokens;
        prompt.output_tokens = ask.output_tokens;
        prompt.extra.clone_from(&ask.extra);
        prompt.expected.clone_from(&ask.expected);
        true
    }

    /// Goes on with what was answered to the turn before, by whoever is to be gone on with; false if there is
    /// no answer.
    fn hear(&mut self, live: Option<(Message, Option<u32>)>) -> bool {
        let ask: &Ask = &self.conversation.turns[self.asked - 1];
        let recorded = || ask.answer.clone().map(|answer| (answer, ask.answer_tokens));
        let heard = match self.history {
            History::Live => live,
            History::Recorded => recorded().or(live),
        };
        let Some((message, tokens)) = heard else { return false };
        self.prompt.messages.push(message);
        self.said_tokens = sum(self.said_tokens, tokens);
        true
    }
}

/// What the server answered, as a message, and its tokens; nothing if it failed. What it thought is not said
/// again: chat templates leave that out, too.
fn live(answer: &Answer) -> Option<(Message, Option<u32>)> {
    let message = Message {
        tool_calls: answer.tool_calls().to_vec(),
        ..Message::new(Role::Assistant, answer.text())
    };
    answer.outcome()?.is_ok().then_some((message, answer.output_tokens()))
}

fn sum(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a?.checked_add(b?)
}

impl Session for Talk {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        let goes_on = match (previous, &self.apart) {
            (None, Apart::No | Apart::Only(_)) => true,
            (None, Apart::Done(answered)) => {
                let answer = locked(answered).clone();
                // The first turn, as it was asked apart.
                self.say() && self.hear(answer)
            }
            (Some(answer), Apart::Only(answered)) => {
                *locked(answered) = live(answer);
                false
            }
            (Some(answer), Apart::No | Apart::Done(_)) => self.hear(live(answer)),
        };
        if !goes_on || !self.say() {
            return None;
        }
        let delay = self.conversation.turns[self.asked - 1].delay;
        // What cannot be encoded ends the conversation; all first requests were, before the start.
        let request = self.first.take().map_or_else(|| (self.encode)(&self.prompt), Ok).ok()?;
        if self.asked == self.conversation.turns.len() {
            mem::take(&mut self.prompt.messages);
        }
        Some(Turn { request, delay })
    }

    fn first_turn(&self) -> u32 {
        u32::from(matches!(self.apart, Apart::Done(_)))
    }
}
