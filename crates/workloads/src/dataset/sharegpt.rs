//! ShareGPT: `{"id", "conversations": [{"from": "human", "value": "…"}]}`.
//!
//! What people saved in it is seldom tidy. A conversation that begins in the middle of another goes on from
//! its first question; one whose speakers do not take turns, or where somebody says nothing, is left out and
//! counted.

use bench_core::{Message, Role};
use serde::Deserialize;

use super::{
    chats::id,
    draft::Draft,
    error::Wrong,
    message::turns,
    record::{Record, short},
};
use crate::Conversation;

/// What somebody says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Said {
    pub(super) from: String,
    value: Option<String>,
}

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let said: Vec<Said> = fields.required("conversations")?;
    let mut messages = messages(said)?;
    let count = messages.len();
    begin_with_user(&mut messages);
    if messages.is_empty() {
        draft.note("conversations left out, without a question");
        return Ok(());
    }
    if messages.len() < count {
        draft.note("conversations begun with an answer, which was left out");
    }
    if messages.iter().any(|message| message.content.trim().is_empty()) {
        draft.note("conversations left out, in which somebody says nothing");
        return Ok(());
    }
    let Ok(turns) = turns(messages) else {
        draft.note("conversations left out, whose speakers do not take turns");
        return Ok(());
    };
    let mut id = id(&fields)?;
    if !id.is_empty() && draft.begun(&id).is_some() {
        draft.note("conversations with the id of another, which got a number");
        id = format!("{id} {}", draft.number());
    }
    draft.add(Conversation { id: id.into(), turns, ..Conversation::default() }, record.line)
}

/// What is said, by its role.
pub(super) fn messages(said: Vec<Said>) -> Result<Vec<Message>, Wrong> {
    said.into_iter()
        .map(|said| Ok(Message::new(role(&said.from)?, said.value.unwrap_or_default())))
        .collect()
}

/// Takes out the answers that come before the first question; all, if there is none.
pub(super) fn begin_with_user(messages: &mut Vec<Message>) {
    let Some(first) = messages.iter().position(|message| message.role == Role::User) else {
        messages.clear();
        return;
    };
    let before = messages.drain(..first).filter(|message| message.role == Role::System);
    let before: Vec<Message> = before.collect();
    messages.splice(..0, before);
}

fn role(from: &str) -> Result<Role, Wrong> {
    Ok(match from {
        "human" | "user" => Role::User,
        "gpt" | "chatgpt" | "assistant" | "bing" | "bard" | "model" => Role::Assistant,
        "system" => Role::System,
        _ => {
            return Err(Wrong::new(
                format!("`from` is `{}`, which is nobody known", short(from)),
                "use one of `human`, `user`, `gpt`, `chatgpt`, `assistant`, `bing`, `bard`, `model` and `system`",
            ));
        }
    })
}
