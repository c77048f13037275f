//! What is asked of `/api/chat` and `/api/generate`.

use bench_core::{Prompt, ProviderError, Role};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config, openai,
    parts::{self, Embedded, Placed, refused},
};

pub(super) fn native(
    config: &Config,
    prompt: &Prompt,
) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(config.model));
    if config.api == Api::NativeChat {
        let messages: Result<_, _> =
            parts::placed(&prompt.messages).map(|placed| message(&placed)).collect();
        body.insert("messages".to_owned(), messages?);
        if !prompt.tools.is_empty() {
            body.insert("tools".to_owned(), openai::tools(prompt)?);
        }
    } else {
        body.insert("prompt".to_owned(), json!(openai::joined(prompt)));
    }
    body.insert("stream".to_owned(), json!(config.streaming));
    if let Some(tokens) = prompt.output_tokens {
        body.insert("options".to_owned(), json!({"num_predict": tokens}));
    }
    Ok(body)
}

/// A message as OpenAI has it, but for pictures, calls and what came of them.
fn message(placed: &Placed<'_>) -> Result<Value, ProviderError> {
    let message = placed.message;
    let mut said = json!({"role": message.role.as_str(), "content": message.content});
    if !message.images.is_empty() {
        let images: Result<Vec<&str>, _> = message.images.iter().map(|url| base64(url)).collect();
        said["images"] = json!(images?);
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments = parts::arguments(call)?;
            Ok(json!({"function": {"name": call.name, "arguments": arguments}}))
        });
        said["tool_calls"] = Value::Array(calls.collect::<Result<_, ProviderError>>()?);
    }
    if message.role == Role::Tool
        && let Some(name) = placed.answered_name()
    {
        said["tool_name"] = json!(name);
    }
    Ok(said)
}

/// It takes the bytes of pictures, not where they are.
fn base64(url: &str) -> Result<&str, ProviderError> {
    let embedded = Embedded::of(url).ok_or_else(|| {
        refused("`native_chat` of ollama takes images as `data:` URLs with base64 only")
    })?;
    Ok(embedded.base64)
}
