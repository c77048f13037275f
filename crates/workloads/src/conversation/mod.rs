//! Conversations: what is said, turn by turn, and the sessions that say it.
//!
//! Whatever a workload is read from or made of comes to [`Conversation`]s; a single question is one of one
//! turn. [`Conversations`] holds them with a server.

mod distribution;
mod generate;
mod limits;
mod session;
mod statistics;
mod workload;
mod written;

use std::{sync::Arc, time::Duration};

use bench_core::{Expected, Message, Tool, ToolChoice};

pub use distribution::{Distribution, InvalidDistribution};
pub use generate::{Generate, Generated};
pub use limits::{count_tokens, limit_output_tokens, limit_turns};
pub use session::History;
pub use statistics::{ConversationStatistics, Spread};
pub use workload::{Conversations, Course, Encode, Sampling};

/// What is to be said in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// What it is called: unlike any other's.
    pub id: Arc<str>,
    /// Its turns, in order: at least one.
    pub turns: Vec<Ask>,
    /// When it begins, since the start of what it was recorded with.
    pub begins: Option<Duration>,
    /// Tools that the model may call.
    pub tools: Arc<[Tool]>,
    /// Whether it is to.
    pub tool_choice: ToolChoice,
}

/// A turn: what is newly said, and what is known of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What is said since the answer before: mostly one message of the user.
    pub messages: Vec<Message>,
    /// Their tokens, where counted.
    pub tokens: Option<u32>,
    /// Of these, tokens at the beginning that conversations before began with, too.
    pub repeated: u32,
    /// The answer that was recorded.
    pub answer: Option<Message>,
    /// Its tokens, where counted.
    pub answer_tokens: Option<u32>,
    /// Tokens to ask for; without it, the server decides.
    pub output_tokens: Option<u32>,
    /// Time to think, between the answer before and this.
    pub delay: Duration,
    /// More fields of the request's body, with their values as JSON text.
    pub extra: Vec<(String, String)>,
    /// What the answer should be, for a grader.
    pub expected: Option<Expected>,
}

impl Conversation {
    /// A single question.
    pub fn single(id: impl Into<Arc<str>>, ask: Ask) -> Self {
        Self { id: id.into(), turns: vec![ask], ..Self::default() }
    }
}

impl Ask {
    /// What the user asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self { messages: vec![Message::user(content)], ..Self::default() }
    }
}
