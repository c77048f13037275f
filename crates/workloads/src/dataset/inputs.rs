//! The requests that AIPerf and genai-perf write to `inputs.json`:
//! `{"data": [{"session_id", "payloads": [{…}]}]}`.
//!
//! The payloads of a session are its turns. What one repeats of those before it is said once.

use serde_json::value::RawValue;

use super::{
    batch::Body,
    draft::{Draft, newly_said},
    error::Wrong,
    record::{Fields, Record},
};
use crate::Conversation;

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let name = if fields.has("payload") { "payload" } else { "payloads" };
    let payloads: Vec<Box<RawValue>> = fields.required(name)?;
    let mut conversation = Conversation {
        id: fields.text("session_id")?.unwrap_or_default().into(),
        ..Conversation::default()
    };
    for (place, payload) in payloads.iter().enumerate() {
        let body = Fields::of(payload.get()).and_then(|fields| Body::of(&fields));
        let body = body
            .map_err(|wrong| Wrong { place: None, ..wrong }.of(format!("payload {}", place + 1)))?;
        continue_with(&mut conversation, body)
            .map_err(|wrong| wrong.of(format!("payload {}", place + 1)))?;
    }
    if conversation.turns.is_empty() {
        return Err(Wrong::new(format!("`{name}` is an empty list"), "add a request to it"));
    }
    draft.add(conversation, record.line)
}

/// Adds a request as the next turn. Tools are those of the first request that has some.
pub(super) fn continue_with(conversation: &mut Conversation, body: Body) -> Result<(), Wrong> {
    let mut ask = body.ask;
    if !conversation.turns.is_empty() {
        ask.messages = newly_said(&mut conversation.turns, ask.messages);
    }
    if ask.messages.is_empty() {
        return Err(Wrong::new("it says nothing new", "add what the user asks"));
    }
    conversation.turns.push(ask);
    if conversation.tools.is_empty() {
        conversation.tools = body.tools;
        conversation.tool_choice = body.tool_choice;
    }
    Ok(())
}
