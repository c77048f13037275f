//! What is asked.

use bench_core::{Message, Prompt, ProviderError, Role, ToolChoice};
use serde_json::{Map, Value, json};

use crate::{
    Config,
    parts::{self, Embedded, Placed},
};

/// What a request must name: more than anybody asks for who does not say how much.
const MOST_TOKENS: u32 = 4_096;

/// The body of a request for messages. What the system says stands apart from the conversation.
pub(crate) fn body(config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", json!(config.model));
    let system = prompt.messages.iter().filter(|message| message.role == Role::System);
    let system: Vec<&str> = system.map(|message| message.content.as_str()).collect();
    if !system.is_empty() {
        set("system", json!(system.join("\n")));
    }
    set("messages", messages(prompt)?);
    if !prompt.tools.is_empty() {
        set("tools", tools(prompt)?);
        set("tool_choice", tool_choice(&prompt.tool_choice));
    }
    set("stream", json!(config.streaming));
    set("max_tokens", json!(prompt.output_tokens.unwrap_or(MOST_TOKENS)));
    Ok(body)
}

/// The conversation. What came of calls is said by the user, of calls made together in one message.
fn messages(prompt: &Prompt) -> Result<Value, ProviderError> {
    let mut messages: Vec<Value> = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    let user =
        |results: &mut Vec<Value>| json!({"role": "user", "content": std::mem::take(results)});
    for placed in parts::placed(&prompt.messages) {
        let message = placed.message;
        if message.role == Role::Tool {
            let (id, content) = (placed.answered_id(), &message.content);
            results.push(json!({"type": "tool_result", "tool_use_id": id, "content": content}));
            continue;
        }
        if !results.is_empty() {
            messages.push(user(&mut results));
        }
        if message.role != Role::System {
            let content = content(&placed)?;
            messages.push(json!({"role": message.role.as_str(), "content": content}));
        }
    }
    if !results.is_empty() {
        messages.push(user(&mut results));
    }
    Ok(Value::Array(messages))
}

/// What a message says: a text, or blocks where there is more to it. Texts without letters are refused as blocks.
fn content(placed: &Placed<'_>) -> Result<Value, ProviderError> {
    let message: &Message = placed.message;
    if message.images.is_empty() && message.tool_calls.is_empty() {
        return Ok(json!(message.content));
    }
    let mut blocks: Vec<Value> = message.images.iter().map(|url| image(url)).collect();
    if !message.content.is_empty() {
        blocks.push(json!({"type": "text", "text": message.content}));
    }
    for (id, call) in placed.made() {
        let input = parts::arguments(call)?;
        blocks.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": input}));
    }
    Ok(Value::Array(blocks))
}

fn image(url: &str) -> Value {
    let source = match Embedded::of(url) {
        Some(Embedded { media_type, base64 }) => {
            json!({"type": "base64", "media_type": media_type, "data": base64})
        }
        None => json!({"type": "url", "url": url}),
    };
    json!({"type": "image", "source": source})
}

fn tools(prompt: &Prompt) -> Result<Value, ProviderError> {
    let tools = prompt.tools.iter().map(|tool| {
        let (name, description, schema) = (&tool.name, &tool.description, parts::schema(tool)?);
        Ok(json!({"name": name, "description": description, "input_schema": schema}))
    });
    tools.collect()
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Function(name) => json!({"type": "tool", "name": name}),
    }
}
