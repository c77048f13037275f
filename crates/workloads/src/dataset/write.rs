//! Conversations as a file: the list that vLLM's multi-turn benchmark reads.

use std::io::{self, Write};

use bench_core::{Message, Role, ToolChoice};
use serde::Serialize;

use crate::{Ask, Conversation};

/// Why conversations were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The list has room for what user and assistant say in turn, and for nothing else.
    #[error("conversation `{id}` cannot be written as a list of messages: {what}")]
    Inexpressible {
        /// Which conversation.
        id: String,
        /// What there is no room for.
        what: &'static str,
    },
    /// The file cannot be written.
    #[error("cannot write conversations")]
    Io(#[from] io::Error),
}

#[derive(Serialize)]
struct Line<'c> {
    id: &'c str,
    messages: Vec<MessageLine<'c>>,
}

#[derive(Serialize)]
struct MessageLine<'c> {
    role: &'static str,
    content: &'c str,
}

/// Writes `conversations` as a JSON list of `{"id", "messages": [{"role", "content"}]}`, one a line.
///
/// What [`DatasetFile`](crate::DatasetFile) reads from it are the same conversations, if they ask for as many
/// tokens as the recorded answers have, and begin at no time in particular.
///
/// # Errors
///
/// If a conversation holds more than user and assistant saying texts in turn, before anything of it is
/// written; or if `to` fails.
pub fn write_conversations(
    mut to: impl Write,
    conversations: &[Conversation],
) -> Result<(), WriteError> {
    let lines: Vec<Line<'_>> = conversations.iter().map(line).collect::<Result<_, _>>()?;
    for (place, line) in lines.iter().enumerate() {
        to.write_all(if place == 0 { b"[\n" } else { b",\n" })?;
        serde_json::to_writer(&mut to, line).map_err(io::Error::from)?;
    }
    to.write_all(if lines.is_empty() { b"[]\n" } else { b"\n]\n" })?;
    Ok(to.flush()?)
}

fn line(conversation: &Conversation) -> Result<Line<'_>, WriteError> {
    let Conversation { id, turns, tools, tool_choice, .. } = conversation;
    let no_room = |what| WriteError::Inexpressible { id: id.to_string(), what };
    if !tools.is_empty() || *tool_choice != ToolChoice::Auto {
        return Err(no_room("it has tools"));
    }
    let mut messages = Vec::new();
    for (place, ask) in turns.iter().enumerate() {
        messages.push(question(ask).map_err(no_room)?);
        match &ask.answer {
            Some(answer) => messages.push(message(answer, Role::Assistant).map_err(no_room)?),
            None if place + 1 < turns.len() => {
                return Err(no_room("a turn before the last has no answer"));
            }
            None => {}
        }
    }
    Ok(Line { id, messages })
}

fn question(ask: &Ask) -> Result<MessageLine<'_>, &'static str> {
    if !ask.extra.is_empty() || ask.expected.is_some() || !ask.delay.is_zero() {
        return Err("a turn has more than a text, such as a delay or fields of the body");
    }
    match &*ask.messages {
        [only] => message(only, Role::User),
        _ => Err("a turn is not one message of the user"),
    }
}

fn message(message: &Message, role: Role) -> Result<MessageLine<'_>, &'static str> {
    let is_plain = message.images.is_empty() && message.tool_calls.is_empty();
    match message {
        _ if message.role != role => Err("a turn is not one message of the user"),
        Message { content, .. } if is_plain && !content.is_empty() => {
            Ok(MessageLine { role: role.as_str(), content })
        }
        _ => Err("a message is no text"),
    }
}
