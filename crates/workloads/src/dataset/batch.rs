//! Requests of OpenAI's batch API: `{"custom_id", "method", "url", "body": {…}}`.
//!
//! A body is one turn with all that its messages say. What it holds beside that is sent as it stands; the
//! model and whether to stream are the run's to say.

use bench_core::{Message, Tool, ToolChoice};
use std::sync::Arc;

use super::{
    chats::{self, OUTPUT_TOKENS},
    draft::Draft,
    error::Wrong,
    message::{messages, tool_choice, tools},
    record::{Fields, Record},
};
use crate::{Ask, Conversation};

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let body = fields.object("body")?.ok_or_else(|| fields.missing("body"))?;
    let body = Body::of(&body).map_err(|wrong| wrong.of("`body`"))?;
    let conversation = Conversation {
        id: fields.required::<String>("custom_id")?.into(),
        turns: vec![body.ask],
        tools: body.tools,
        tool_choice: body.tool_choice,
        ..Conversation::default()
    };
    draft.add(conversation, record.line)
}

/// The body of a request.
pub(super) struct Body {
    pub(super) ask: Ask,
    pub(super) tools: Arc<[Tool]>,
    pub(super) tool_choice: ToolChoice,
}

impl Body {
    pub(super) fn of(fields: &Fields<'_>) -> Result<Self, Wrong> {
        const READ: [&str; 8] = [
            "messages",
            "prompt",
            "input",
            "tools",
            "tool_choice",
            "model",
            "stream",
            "stream_options",
        ];
        let ask = Ask {
            messages: said(fields)?,
            output_tokens: chats::output_tokens(fields)?,
            extra: extra(fields, |name| READ.contains(&name) || OUTPUT_TOKENS.contains(&name)),
            ..Ask::default()
        };
        Ok(Self { ask, tools: tools(fields)?, tool_choice: tool_choice(fields)? })
    }
}

fn said(fields: &Fields<'_>) -> Result<Vec<Message>, Wrong> {
    let name = ["messages", "prompt", "input"].into_iter().find(|name| fields.raw(name).is_some());
    let name = name.ok_or_else(|| fields.missing("messages"))?;
    let json = fields.raw(name).unwrap_or_default();
    if name == "messages" || json.starts_with("[{") {
        return messages(fields, name);
    }
    let texts = if json.starts_with('"') {
        vec![fields.required::<String>(name)?]
    } else {
        fields.required::<Vec<String>>(name).map_err(|wrong| Wrong {
            remedy: "give text or a list of texts; token ids are not read".into(),
            ..wrong
        })?
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Wrong::new(format!("`{name}` has no content"), "give text"));
    }
    Ok(texts.into_iter().map(Message::user).collect())
}

/// The fields that are not `left_out`, with their values as JSON text.
pub(super) fn extra(fields: &Fields<'_>, left_out: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let names = fields.names().filter(|name| !left_out(name));
    names.filter_map(|name| Some((name.to_owned(), fields.raw(name)?.to_owned()))).collect()
}
