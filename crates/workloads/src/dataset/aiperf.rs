//! AIPerf's own files: `single_turn`, `multi_turn` and `random_pool`.
//!
//! Texts and images go by `text` and `image`, or by `texts` and `images` where there are several. `delay` and
//! `timestamp` are in ms.

use std::{sync::Arc, time::Duration};

use bench_core::{Message, Role};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    batch::extra,
    chats,
    draft::Draft,
    error::Wrong,
    record::{Fields, Record, short},
};
use crate::{Ask, Conversation};

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let mut conversation = Conversation::default();
    if fields.has("turns") {
        conversation.id = chats::id(&fields)?.into();
        let turns: Vec<Box<RawValue>> = fields.required("turns")?;
        let mut opening = None;
        for (place, turn) in turns.iter().enumerate() {
            let within =
                |wrong: Wrong| Wrong { place: None, ..wrong }.of(format!("turn {}", place + 1));
            let turn = Fields::of(turn.get()).map_err(within)?;
            add(&mut conversation, &mut opening, &turn, draft).map_err(within)?;
        }
        if conversation.turns.is_empty() {
            return Err(Wrong::new("nobody asks anything", "add a turn with `text`"));
        }
    } else {
        if fields.raw("session_id").is_some() {
            draft.note("entries of a session, asked each on its own");
        }
        add(&mut conversation, &mut None, &fields, draft)?;
    }
    draft.add(conversation, record.line)
}

/// Adds a turn; `opening` is what the system says before the first.
fn add(
    conversation: &mut Conversation,
    opening: &mut Option<Message>,
    fields: &Fields<'_>,
    draft: &mut Draft<'_>,
) -> Result<(), Wrong> {
    let mut messages = messages(fields)?;
    match fields.text("role")?.as_deref() {
        None | Some("user") => {}
        Some("system") if conversation.turns.is_empty() && opening.is_none() => {
            *opening = messages.pop().map(|message| Message { role: Role::System, ..message });
            return Ok(());
        }
        Some("assistant") => {
            let answered = conversation.turns.last_mut().ok_or_else(|| {
                Wrong::new("the conversation begins with the assistant", "begin with the user")
            })?;
            answered.answer =
                messages.pop().map(|message| Message { role: Role::Assistant, ..message });
            return Ok(());
        }
        Some(role) => {
            return Err(Wrong::new(
                format!("no turn can be of role `{}` there", short(role)),
                "use `user`, `assistant`, or `system` for the first",
            ));
        }
    }
    if let Some(at) = milliseconds(fields, "timestamp")? {
        if conversation.turns.is_empty() {
            conversation.begins = Some(draft.since_first(at.as_secs_f64())?);
        } else {
            draft.note("turns with a timestamp, asked once the answer before is there");
        }
    }
    conversation.turns.push(Ask {
        messages: opening.take().into_iter().chain(messages).collect(),
        output_tokens: chats::output_tokens(fields)?,
        delay: milliseconds(fields, "delay")?.unwrap_or_default(),
        extra: fields.object("extra")?.map(|e| extra(&e, |_| false)).unwrap_or_default(),
        ..Ask::default()
    });
    Ok(())
}

/// What is said: a message for each text, the images with the last.
fn messages(fields: &Fields<'_>) -> Result<Vec<Message>, Wrong> {
    for name in ["audio", "audios", "video", "videos"] {
        if fields.raw(name).is_some() {
            return Err(Wrong::new(format!("`{name}` cannot be sent"), "leave texts and images"));
        }
    }
    let texts = all(fields, "text", "texts")?;
    let images = all(fields, "image", "images")?;
    if let Some(image) = images.iter().find(|image| !is_url(image)) {
        return Err(Wrong::new(
            format!("the image `{}` is no URL", short(image)),
            "give an http(s) URL, or the image itself as `data:image/png;base64,…`",
        ));
    }
    if texts.iter().all(String::is_empty) && images.is_empty() {
        return Err(Wrong::new("it has no content", "add `text`"));
    }
    let mut messages: Vec<Message> = texts.into_iter().map(Message::user).collect();
    if messages.is_empty() {
        messages.push(Message::user(""));
    }
    if let Some(last) = messages.last_mut() {
        last.images = images.into_iter().map(Arc::from).collect();
    }
    Ok(messages)
}

fn is_url(text: &str) -> bool {
    ["http://", "https://", "data:"].iter().any(|scheme| text.starts_with(scheme))
}

/// One of a list: itself, or named with its contents.
#[derive(Deserialize)]
#[serde(untagged, expecting = "neither text nor an object with `contents`")]
enum One {
    Plain(String),
    Named { contents: Vec<String> },
}

/// What `one` and `several` hold.
fn all(fields: &Fields<'_>, one: &str, several: &str) -> Result<Vec<String>, Wrong> {
    let single: Option<String> = fields.optional(one)?;
    let listed: Vec<One> = fields.optional(several)?.unwrap_or_default();
    if single.is_some() && !listed.is_empty() {
        return Err(Wrong::new(
            format!("`{one}` and `{several}` stand side by side"),
            "leave one of them",
        ));
    }
    let listed = listed.into_iter().flat_map(|one| match one {
        One::Plain(text) => vec![text],
        One::Named { contents } => contents,
    });
    Ok(single.into_iter().chain(listed).collect())
}

/// A time in ms.
pub(super) fn milliseconds(fields: &Fields<'_>, name: &str) -> Result<Option<Duration>, Wrong> {
    let Some(number) = fields.number(name)? else { return Ok(None) };
    if number < 0.0 {
        return Err(Wrong::new(format!("`{name}` is {number}: negative"), "give 0 or more"));
    }
    let duration = Duration::try_from_secs_f64(number / 1e3);
    duration.map(Some).map_err(|_| {
        Wrong::new(format!("`{name}` is {number} ms, which is too much"), "check its unit")
    })
}
