//! The conversation: roles and contents, pictures, tool calls and what came of them.

use bench_core::{Prompt, Role};
use serde_json::{Value, json};

use crate::parts::{Placed, placed};

/// The conversation as chat has it, as a list of roles and contents.
pub(crate) fn messages(prompt: &Prompt) -> Value {
    placed(&prompt.messages).map(|placed| message(&placed)).collect()
}

fn message(placed: &Placed<'_>) -> Value {
    let mut said =
        plain(placed, "text", |url| json!({"type": "image_url", "image_url": {"url": url}}));
    let calls: Vec<Value> = placed
        .made()
        .map(|(id, call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": id, "type": "function", "function": function})
        })
        .collect();
    if !calls.is_empty() {
        said["tool_calls"] = Value::Array(calls);
        // As servers themselves say that nothing was said beside the calls.
        if placed.message.content.is_empty() {
            said["content"] = Value::Null;
        }
    }
    if placed.message.role == Role::Tool {
        said["tool_call_id"] = json!(placed.answered_id());
    }
    said
}

/// The conversation as responses have it, where calls and what came of them are items of their own.
pub(super) fn items(prompt: &Prompt) -> Value {
    let mut items = Vec::new();
    for placed in placed(&prompt.messages) {
        let message = placed.message;
        if message.role == Role::Tool {
            let (id, output) = (placed.answered_id(), &message.content);
            items.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
            continue;
        }
        if message.tool_calls.is_empty() || !message.content.is_empty() {
            let mut said = plain(
                &placed,
                "input_text",
                |url| json!({"type": "input_image", "image_url": url, "detail": "auto"}),
            );
            // llama.cpp does not know an answer for what it is without this.
            if message.role == Role::Assistant {
                said["type"] = json!("message");
            }
            items.push(said);
        }
        items.extend(placed.made().map(|(id, call)| {
            let (name, arguments) = (&call.name, &call.arguments);
            json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments})
        }));
    }
    Value::Array(items)
}

/// A role and what is said: a text, or parts where there are pictures.
fn plain(placed: &Placed<'_>, text_type: &str, image: impl Fn(&str) -> Value) -> Value {
    let message = placed.message;
    let role = message.role.as_str();
    if message.images.is_empty() {
        return json!({"role": role, "content": message.content});
    }
    let text =
        (!message.content.is_empty()).then(|| json!({"type": text_type, "text": message.content}));
    let images = message.images.iter().map(|url| image(url));
    json!({"role": role, "content": text.into_iter().chain(images).collect::<Value>()})
}
