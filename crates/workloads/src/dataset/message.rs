//! Messages in OpenAI's words, and the turns that they come to.

use std::{collections::HashMap, mem, sync::Arc};

use bench_core::{Message, Role, Tool, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::Wrong,
    record::{Fields, short},
};
use crate::Ask;

const SHAPE: &str = "write messages as {\"role\": \"user\", \"content\": \"…\"}";

#[derive(Deserialize)]
struct MessageLine {
    role: String,
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<CallLine>>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`content` is neither text nor a list of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    r#type: String,
    text: Option<String>,
    image_url: Option<ImageUrl>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`image_url` is neither a text nor an object with `url`")]
enum ImageUrl {
    Text(String),
    Object { url: String },
}

#[derive(Deserialize)]
struct CallLine {
    id: Option<String>,
    function: FunctionLine,
}

#[derive(Deserialize)]
struct FunctionLine {
    name: String,
    #[serde(default)]
    description: Option<String>,
    arguments: Option<Box<RawValue>>,
    parameters: Option<Box<RawValue>>,
}

/// The messages in the field `name`.
pub(super) fn messages(fields: &Fields<'_>, name: &str) -> Result<Vec<Message>, Wrong> {
    let lines: Vec<MessageLine> = fields.required(name)?;
    let mut messages: Vec<Message> = Vec::with_capacity(lines.len());
    let mut calls = HashMap::new();
    for (place, line) in lines.into_iter().enumerate() {
        let message = message(line, &mut calls);
        messages.push(message.map_err(|wrong| wrong.of(format!("message {}", place + 1)))?);
    }
    if messages.is_empty() {
        return Err(Wrong::new(format!("`{name}` is an empty list"), SHAPE));
    }
    Ok(messages)
}

/// Which role a word of OpenAI's means.
fn role(word: &str) -> Result<Role, Wrong> {
    Ok(match word {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => {
            return Err(Wrong::new(
                format!("`{}` is no role", short(word)),
                "use one of `system`, `user`, `assistant` and `tool`",
            ));
        }
    })
}

/// `calls` holds the places of the calls that the assistant made last, by their ids.
fn message(line: MessageLine, calls: &mut HashMap<String, usize>) -> Result<Message, Wrong> {
    let role = role(&line.role)?;
    let mut message = Message::new(role, "");
    add_content(&mut message, line.content)?;
    if role == Role::Assistant {
        calls.clear();
        for (place, call) in line.tool_calls.into_iter().flatten().enumerate() {
            calls.extend(call.id.map(|id| (id, place)));
            let arguments = call.function.arguments;
            let arguments = arguments.map_or(Ok(String::new()), |json| text_or_json(&json))?;
            message.tool_calls.push(ToolCall { name: call.function.name, arguments });
        }
    }
    if role == Role::Tool {
        let id = line.tool_call_id.ok_or_else(|| {
            Wrong::new("`tool_call_id` is missing", "say which call the tool answers")
        })?;
        let place = calls.get(&id).copied().ok_or_else(|| {
            Wrong::new(
                format!("no call before it has the id `{}`", short(&id)),
                "let it follow the assistant's message that makes the call",
            )
        })?;
        message.answers_call = Some(place);
    }
    let says_nothing = message.content.is_empty() && message.images.is_empty();
    if says_nothing && message.tool_calls.is_empty() && role != Role::Tool {
        return Err(Wrong::new("it has no content", SHAPE));
    }
    Ok(message)
}

/// Texts are put one below the other, as chat templates do that take text alone.
fn add_content(message: &mut Message, content: Option<Content>) -> Result<(), Wrong> {
    let parts = match content {
        None => return Ok(()),
        Some(Content::Text(text)) => {
            message.content = text;
            return Ok(());
        }
        Some(Content::Parts(parts)) => parts,
    };
    let mut texts = Vec::new();
    for part in parts {
        match (&*part.r#type, part.text, part.image_url) {
            ("text" | "input_text", Some(text), _) => texts.push(text),
            ("image_url", _, Some(ImageUrl::Text(url) | ImageUrl::Object { url })) => {
                message.images.push(url.into());
            }
            (kind, ..) => {
                return Err(Wrong::new(
                    format!("its part of type `{}` cannot be sent", short(kind)),
                    "leave texts, with `text`, and images, with `image_url`",
                ));
            }
        }
    }
    message.content = texts.join("\n");
    Ok(())
}

/// Text of JSON in a text, or the JSON itself.
fn text_or_json(json: &RawValue) -> Result<String, Wrong> {
    let json = json.get();
    Ok(if json.starts_with('"') { serde_json::from_str(json)? } else { json.to_owned() })
}

#[derive(Deserialize)]
struct ToolLine {
    function: FunctionLine,
}

/// The tools in the field `tools`.
pub(super) fn tools(fields: &Fields<'_>) -> Result<Arc<[Tool]>, Wrong> {
    let lines: Option<Vec<ToolLine>> = fields.optional("tools")?;
    let tools = lines.into_iter().flatten().map(|line| {
        let parameters = line.function.parameters.as_deref().map(RawValue::get);
        Tool {
            name: line.function.name,
            description: line.function.description.unwrap_or_default(),
            parameters: parameters.unwrap_or("{\"type\":\"object\",\"properties\":{}}").to_owned(),
        }
    });
    Ok(tools.collect())
}

/// Whether a tool is to be called, by the field `tool_choice`.
pub(super) fn tool_choice(fields: &Fields<'_>) -> Result<ToolChoice, Wrong> {
    let unknown = || {
        Wrong::new(
            "`tool_choice` is none that is known",
            "use `auto`, `none`, `required`, or {\"type\": \"function\", \"function\": {\"name\": \"…\"}}",
        )
    };
    let Some(json) = fields.raw("tool_choice") else { return Ok(ToolChoice::Auto) };
    if let Ok(tool) = serde_json::from_str::<ToolLine>(json) {
        return Ok(ToolChoice::Function(tool.function.name));
    }
    match json {
        "\"auto\"" => Ok(ToolChoice::Auto),
        "\"none\"" => Ok(ToolChoice::None),
        "\"required\"" => Ok(ToolChoice::Required),
        _ => Err(unknown()),
    }
}

/// The turns that `messages` come to: each ends with an answer, the last may lack it.
pub(super) fn turns(messages: Vec<Message>) -> Result<Vec<Ask>, Wrong> {
    const ALTERNATE: &str = "let user and assistant take turns, beginning with the user";
    let mut turns: Vec<Ask> = Vec::new();
    let mut said: Vec<Message> = Vec::new();
    for (place, message) in messages.into_iter().enumerate() {
        let wrong = |what: &str| Wrong::new(format!("message {}: {what}", place + 1), ALTERNATE);
        let before = said.iter().rev().map(|said| said.role).find(|role| *role != Role::System);
        match (message.role, before) {
            (Role::Assistant, None) if turns.is_empty() => {
                return Err(wrong("the conversation begins with the assistant"));
            }
            (Role::Assistant, None) => return Err(wrong("the assistant answers twice in a row")),
            (Role::User, Some(Role::User)) => {
                return Err(wrong("the user speaks twice in a row"));
            }
            (Role::Assistant, Some(_)) => {
                let messages = mem::take(&mut said);
                turns.push(Ask { messages, answer: Some(message), ..Ask::default() });
            }
            _ => said.push(message),
        }
    }
    if said.iter().any(|message| message.role != Role::System) {
        turns.push(Ask { messages: said, ..Ask::default() });
    }
    if turns.is_empty() {
        return Err(Wrong::new("nobody but the system says anything", "add what the user asks"));
    }
    Ok(turns)
}
