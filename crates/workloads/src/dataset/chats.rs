//! Conversations in OpenAI's words: `{"id", "messages": [{"role", "content"}]}`.
//!
//! `id`, `tools`, `tool_choice` and a number of output tokens may stand beside the messages.

use super::{
    draft::Draft,
    error::Wrong,
    message::{messages, tool_choice, tools, turns},
    record::{Fields, Record},
};
use crate::Conversation;

/// What the number of tokens to ask for may be called.
pub(super) const OUTPUT_TOKENS: [&str; 7] = [
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "output_tokens",
    "output_length",
    "output_len",
    "osl",
];

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let mut turns = turns(messages(&fields, "messages")?)?;
    let output_tokens = output_tokens(&fields)?;
    for turn in &mut turns {
        turn.output_tokens = output_tokens;
    }
    let conversation = Conversation {
        id: id(&fields)?.into(),
        turns,
        tools: tools(&fields)?,
        tool_choice: tool_choice(&fields)?,
        ..Conversation::default()
    };
    draft.add(conversation, record.line)
}

/// The first of the names for it that is there.
pub(super) fn output_tokens(fields: &Fields<'_>) -> Result<Option<u32>, Wrong> {
    let name = OUTPUT_TOKENS.into_iter().find(|name| fields.raw(name).is_some());
    name.map_or(Ok(None), |name| fields.output_tokens(name))
}

/// What it is called; empty where it says nothing.
pub(super) fn id(fields: &Fields<'_>) -> Result<String, Wrong> {
    let names = ["id", "conversation_id", "session_id"];
    let name = names.into_iter().find(|name| fields.raw(name).is_some());
    Ok(name.map_or(Ok(None), |name| fields.text(name))?.unwrap_or_default())
}
