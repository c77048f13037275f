//! What a prompt may hold beside the text of its messages, and the pieces of it that dialects put together.

#[cfg(test)]
mod tests;

use std::fmt;

use bench_core::{
    Message, Outcome, Prompt, ProviderError, Role, Tool, ToolCall, ToolChoice, call_id,
};
use serde_json::{Map, Value};

use crate::Config;

/// What not every API can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    TokenIds,
    Images,
    Tools,
    /// That the model is to call tools, or which, or none.
    ToolChoice,
    /// Calls that were made in the conversation, and what came of them.
    ToolCalls,
}

impl Part {
    const ALL: [Self; 5] =
        [Self::TokenIds, Self::Images, Self::Tools, Self::ToolChoice, Self::ToolCalls];

    fn is_in(self, prompt: &Prompt) -> bool {
        let mut messages = prompt.messages.iter();
        match self {
            Self::TokenIds => prompt.token_ids.is_some(),
            Self::Images => messages.any(|message| !message.images.is_empty()),
            Self::Tools => !prompt.tools.is_empty(),
            Self::ToolChoice => !prompt.tools.is_empty() && prompt.tool_choice != ToolChoice::Auto,
            Self::ToolCalls => messages.any(|m| m.role == Role::Tool || !m.tool_calls.is_empty()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TokenIds => "token ids",
            Self::Images => "images",
            Self::Tools => "tools",
            Self::ToolChoice => "choice of tools",
            Self::ToolCalls => "tool calls",
        })
    }
}

/// That the API can express all that `prompt` holds.
pub(crate) fn check(config: &Config, prompt: &Prompt) -> Result<(), ProviderError> {
    let (dialect, api) = (config.engine.dialect(), config.api);
    let Some(part) =
        Part::ALL.into_iter().find(|part| part.is_in(prompt) && !dialect.takes(api, *part))
    else {
        return Ok(());
    };
    let engine = &config.engine;
    let instead = match dialect.apis().iter().find(|api| dialect.takes(**api, part)) {
        Some(other) => format!("its `{other}` does"),
        None => format!("no API of {engine} does"),
    };
    Err(refused(format!("`{api}` of {engine} takes no {part}: {instead}")))
}

/// What cannot be asked.
pub(crate) fn refused(said: impl Into<String>) -> ProviderError {
    ProviderError::new(Outcome::Client, said)
}

/// A message in its place.
pub(crate) struct Placed<'p> {
    pub(crate) message: &'p Message,
    /// The message whose calls it makes or answers: itself, or the last of the model before.
    calls: &'p [ToolCall],
    /// The number of the first of these calls in the conversation.
    first: usize,
}

/// The messages in their places: calls are numbered through the conversation, since some servers refuse ids that
/// come twice.
pub(crate) fn placed(messages: &[Message]) -> impl Iterator<Item = Placed<'_>> {
    let (mut calls, mut first): (&[ToolCall], usize) = (&[], 0);
    messages.iter().map(move |message| {
        if message.role == Role::Assistant {
            first += calls.len();
            calls = &message.tool_calls;
        }
        Placed { message, calls, first }
    })
}

impl<'p> Placed<'p> {
    /// The calls that the model makes in it, each with its id.
    pub(crate) fn made(&self) -> impl Iterator<Item = (String, &'p ToolCall)> {
        let first = self.first;
        let made = &self.message.tool_calls;
        made.iter().enumerate().map(move |(place, call)| (call_id(first + place), call))
    }

    /// The id of the call that it answers.
    pub(crate) fn answered_id(&self) -> String {
        call_id(self.first + self.message.answers_call.unwrap_or(0))
    }

    /// The name of the function whose call it answers.
    pub(crate) fn answered_name(&self) -> Option<&'p str> {
        let call = self.calls.get(self.message.answers_call.unwrap_or(0))?;
        Some(&call.name)
    }
}

/// The schema of a tool's arguments.
pub(crate) fn schema(tool: &Tool) -> Result<Value, ProviderError> {
    json(&tool.parameters, || format!("the parameters of the tool `{}`", tool.name))
}

/// The arguments of a call, for APIs that have them as an object rather than as text.
pub(crate) fn arguments(call: &ToolCall) -> Result<Map<String, Value>, ProviderError> {
    let what = || format!("the arguments of the call of `{}`", call.name);
    if call.arguments.trim().is_empty() {
        return Ok(Map::new());
    }
    match json(&call.arguments, what)? {
        Value::Object(arguments) => Ok(arguments),
        _ => Err(refused(format!("{} are no JSON object", what()))),
    }
}

/// The fields that a prompt adds to the body.
pub(crate) fn extra(prompt: &Prompt) -> Result<Vec<(&str, Value)>, ProviderError> {
    let fields = prompt.extra.iter();
    fields.map(|(name, text)| Ok((name.as_str(), json(text, || format!("`{name}`"))?))).collect()
}

fn json(text: &str, what: impl Fn() -> String) -> Result<Value, ProviderError> {
    serde_json::from_str(text)
        .map_err(|error| refused(format!("{} should be JSON", what())).because(error))
}

/// A picture that is in its URL.
pub(crate) struct Embedded<'u> {
    pub(crate) media_type: &'u str,
    pub(crate) base64: &'u str,
}

impl<'u> Embedded<'u> {
    /// The picture of a `data:…;base64,…` URL; `None` of any other.
    pub(crate) fn of(url: &'u str) -> Option<Self> {
        let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
        let media_type = head.strip_suffix(";base64")?;
        let media_type = media_type.split(';').next().unwrap_or_default();
        Some(Self { media_type, base64 })
    }
}
