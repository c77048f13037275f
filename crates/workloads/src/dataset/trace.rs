//! Traces: when requests came, and how long they and their answers were. Their texts are made up.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::value::RawValue;

use super::{
    aiperf::milliseconds,
    batch::{Body, extra},
    draft::{Draft, newly_said},
    error::Wrong,
    inputs::continue_with,
    message::messages,
    record::{Fields, Record, short},
    trace_text::Wanted,
};
use crate::{Ask, Conversation, Length};

/// An entry of Mooncake's traces, or of AIPerf's `mooncake_trace`.
///
/// Entries of a session are the turns of one conversation; their lengths are those of what is newly said.
pub(super) fn mooncake(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let id = fields.text("session_id")?.unwrap_or_default();
    let begun = draft.begun(&id).filter(|_| !id.is_empty());
    let place = match begun {
        Some(place) => place,
        None => {
            let begins = milliseconds(&fields, "timestamp")?;
            let begins = begins.map(|at| draft.since_first(at.as_secs_f64())).transpose()?;
            let conversation = Conversation { id: id.into(), begins, ..Conversation::default() };
            draft.add(conversation, record.line)?;
            draft.conversations.len() - 1
        }
    };
    say(&fields, draft, place)?;
    if let Some(ask) = draft.conversations[place].turns.last_mut() {
        let output_length = fields.output_tokens("output_length")?;
        ask.output_tokens = output_length.or(ask.output_tokens);
        ask.delay = milliseconds(&fields, "delay")?.unwrap_or_default();
        let more = fields.object("extra")?.map(|e| extra(&e, |_| false)).unwrap_or_default();
        ask.extra.extend(more);
    }
    Ok(())
}

/// Adds a turn to the conversation at `place`: what the entry says, or tokens to make up.
fn say(fields: &Fields<'_>, draft: &mut Draft<'_>, place: usize) -> Result<(), Wrong> {
    let turn = draft.conversations[place].turns.len();
    let conversation = &mut draft.conversations[place];
    if let Some(payload) = fields.object("payload")? {
        return continue_with(conversation, Body::of(&payload)?);
    }
    if fields.raw("messages").is_some() {
        let mut messages = messages(fields, "messages")?;
        if turn > 0 {
            messages = newly_said(&mut conversation.turns, messages);
        }
        if messages.is_empty() {
            return Err(Wrong::new("it says nothing new", "add what the user asks"));
        }
        conversation.turns.push(Ask { messages, ..Ask::default() });
        if conversation.tools.is_empty() {
            conversation.tools = super::message::tools(fields)?;
        }
        return Ok(());
    }
    if let Some(text) = fields.optional::<String>("text_input")? {
        conversation.turns.push(Ask::user(text));
        return Ok(());
    }
    let tokens = length(fields, "input_length")?;
    let blocks = blocks(fields, tokens, draft.block_tokens)?;
    conversation.turns.push(Ask::default());
    draft.wanted.push(Wanted { conversation: place, turn, tokens, blocks });
    Ok(())
}

/// The names of the blocks that a prompt of `tokens` tokens is made of.
fn blocks(fields: &Fields<'_>, tokens: u32, block_tokens: u32) -> Result<Vec<u64>, Wrong> {
    let ids: Vec<Box<RawValue>> = fields.optional("hash_ids")?.unwrap_or_default();
    let ids = ids.iter().map(|id| {
        id.get().parse::<u64>().map_err(|_| {
            let what = format!("`hash_ids` holds `{}`", short(id.get()));
            Wrong::new(what, "give integers of 0 or more")
        })
    });
    let ids: Vec<u64> = ids.collect::<Result<_, _>>()?;
    let needed = tokens.div_ceil(block_tokens) as usize;
    if !ids.is_empty() && ids.len() != needed {
        return Err(Wrong::new(
            format!(
                "{} blocks are named by `hash_ids`, and {tokens} tokens are {needed} blocks of {block_tokens}",
                ids.len()
            ),
            "say how many tokens a block of this trace has",
        ));
    }
    Ok(ids)
}

/// A row of BurstGPT's traces. Those without tokens are requests that failed.
pub(super) fn burstgpt(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let at = fields.number("Timestamp")?.ok_or_else(|| fields.missing("Timestamp"))?;
    if at < 0.0 {
        return Err(Wrong::new(format!("`Timestamp` is {at}: negative"), "give seconds"));
    }
    let begins = draft.since_first(at)?;
    row(&fields, record.line, draft, begins, ["Request tokens", "Response tokens"])
}

/// A row of Azure's traces.
pub(super) fn azure(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    let text: String = fields.required("TIMESTAMP")?;
    let moment = moment(&text).ok_or_else(|| {
        Wrong::new(
            format!("`TIMESTAMP` is `{}`, which is no time", short(&text)),
            "write it as 2023-11-16 18:15:46.68",
        )
    })?;
    let begins = draft.since_first(moment)?;
    row(&fields, record.line, draft, begins, ["ContextTokens", "GeneratedTokens"])
}

/// Seconds of a moment since 1970; in UTC, unless it says otherwise.
fn moment(text: &str) -> Option<f64> {
    let text = text.trim();
    let stamp = text.parse::<Timestamp>().ok().or_else(|| {
        Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(stamp.as_duration().as_secs_f64())
}

/// A request of its own, by the columns of its tokens and those of its answer.
fn row(
    fields: &Fields<'_>,
    line: u64,
    draft: &mut Draft<'_>,
    begins: Duration,
    [input, output]: [&str; 2],
) -> Result<(), Wrong> {
    let (tokens, answer) = (tokens(fields, input)?, tokens(fields, output)?);
    if tokens == 0 || answer == 0 {
        draft.note("requests left out, which have no tokens because they failed");
        return Ok(());
    }
    let ask = Ask { output_tokens: Some(answer), ..Ask::default() };
    let conversation = Conversation { begins: Some(begins), ..Conversation::single("", ask) };
    draft.add(conversation, line)?;
    let conversation = draft.conversations.len() - 1;
    draft.wanted.push(Wanted { conversation, turn: 0, tokens, blocks: vec![] });
    Ok(())
}

/// A number of tokens of a prompt: at least one.
fn length(fields: &Fields<'_>, name: &str) -> Result<u32, Wrong> {
    match tokens(fields, name)? {
        0 => Err(Wrong::new(format!("`{name}` is 0"), "give 1 or more")),
        tokens => Ok(tokens),
    }
}

/// A number of tokens that a text of can be made up.
fn tokens(fields: &Fields<'_>, name: &str) -> Result<u32, Wrong> {
    match fields.count(name)? {
        None => Err(fields.missing(name)),
        Some(tokens) if tokens > Length::MOST => Err(Wrong::new(
            format!("`{name}` is {tokens}, more than the {} that any context has", Length::MOST),
            "check its unit",
        )),
        Some(tokens) => Ok(tokens),
    }
}
