//! What is asked: in words first, then as the bytes that go on the wire.

use bytes::Bytes;

use crate::grade::Expected;

/// Who speaks a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions that frame the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word that chat APIs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What a workload asks, before a provider has put it into its dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The conversation so far; dialects without roles join the contents.
    pub messages: Vec<Message>,
    /// The same as the model's tokenizer has it. A provider sends these instead, or refuses: no tokenizer is then
    /// between what was counted and what is read.
    pub token_ids: Option<Vec<u32>>,
    /// Tokens of the prompt, where counted.
    pub input_tokens: Option<u32>,
    /// Tokens to generate; exactly so many where the dialect can force it. Absent: the server decides.
    pub output_tokens: Option<u32>,
    /// What the answer should be, for a grader.
    pub expected: Option<Expected>,
}

impl Prompt {
    /// A prompt of one user message.
    pub fn user(content: impl Into<String>) -> Self {
        let message = Message { role: Role::User, content: content.into() };
        Self { messages: vec![message], ..Self::default() }
    }

    /// Asks for `tokens` of output.
    pub fn with_output_tokens(mut self, tokens: u32) -> Self {
        self.output_tokens = Some(tokens);
        self
    }
}

/// A request ready to be sent, made by [`Provider::encode`](crate::Provider::encode).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The body, as it goes on the wire. Cloning shares it.
    pub body: Bytes,
    /// Input tokens, where counted.
    pub input_tokens: Option<u32>,
    /// Output tokens asked for.
    pub output_tokens: Option<u32>,
    /// What the answer should be, for a grader.
    pub expected: Option<Expected>,
}

impl Request {
    /// The request for `prompt` with the given body.
    pub fn new(prompt: &Prompt, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            input_tokens: prompt.input_tokens,
            output_tokens: prompt.output_tokens,
            expected: prompt.expected.clone(),
        }
    }
}
