//! What is asked: in words first, then as the bytes that go on the wire.

use std::sync::Arc;

use bytes::Bytes;

use crate::{ToolCall, grade::Expected};

/// Who speaks a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions that frame the conversation.
    System,
    /// The one who asks.
    #[default]
    User,
    /// The model.
    Assistant,
    /// A tool: what came of a call.
    Tool,
}

impl Role {
    /// The word that chat APIs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Who speaks it.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Pictures that are shown along with it, as URLs: mostly `data:image/png;base64,…`.
    pub images: Vec<Arc<str>>,
    /// The calls that the model makes in it.
    pub tool_calls: Vec<ToolCall>,
    /// Of what a tool says: which call it answers, by its place among those of the message before.
    pub answers_call: Option<usize>,
}

impl Message {
    /// Plain text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), ..Self::default() }
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// What came of the call at place `call`.
    pub fn tool(call: usize, content: impl Into<String>) -> Self {
        Self { answers_call: Some(call), ..Self::new(Role::Tool, content) }
    }
}

/// The id of call `number` of a conversation, from 0. Nine letters and digits: some servers insist on that.
pub fn call_id(number: usize) -> String {
    format!("call{number:05}")
}

/// A function that the model may ask to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, in words for the model.
    pub description: String,
    /// The JSON Schema of its arguments, as JSON text.
    pub parameters: String,
}

/// Whether the model is to call tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it thinks best.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// At least one, whichever.
    Required,
    /// This one.
    Function(String),
}

/// What a workload asks, before a provider has put it into its dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What the workload calls the conversation, or the line of a dataset, that it is of.
    pub id: Option<Arc<str>>,
    /// The conversation so far; dialects without roles join the contents.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Arc<[Tool]>,
    /// Whether it is to.
    pub tool_choice: ToolChoice,
    /// The same as the model's tokenizer has it. A provider sends these instead, or refuses: no tokenizer is then
    /// between what was counted and what is read.
    pub token_ids: Option<Vec<u32>>,
    /// Tokens of the prompt, where counted.
    pub input_tokens: Option<u32>,
    /// Of these, tokens at its beginning that the server was sent before, which it may have cached: the
    /// conversation so far, or a prefix that prompts share.
    pub repeated_tokens: Option<u32>,
    /// Tokens to generate; exactly so many where the dialect can force it. Absent: the server decides.
    pub output_tokens: Option<u32>,
    /// More fields of the request's body, with their values as JSON text.
    pub extra: Vec<(String, String)>,
    /// What the answer should be, for a grader.
    pub expected: Option<Expected>,
}

impl Prompt {
    /// A prompt of one user message.
    pub fn user(content: impl Into<String>) -> Self {
        Self { messages: vec![Message::user(content)], ..Self::default() }
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
    /// What the workload calls the conversation, or the line of a dataset, that it is of.
    pub id: Option<Arc<str>>,
    /// Input tokens, where counted.
    pub input_tokens: Option<u32>,
    /// Of these, tokens at its beginning that the server was sent before.
    pub repeated_tokens: Option<u32>,
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
            id: prompt.id.clone(),
            input_tokens: prompt.input_tokens,
            repeated_tokens: prompt.repeated_tokens,
            output_tokens: prompt.output_tokens,
            expected: prompt.expected.clone(),
        }
    }
}
