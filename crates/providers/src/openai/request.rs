//! What is asked.

use bench_core::{Prompt, ProviderError, Tool, ToolChoice};
use serde_json::{Map, Value, json};

use super::messages::{items, messages};
use crate::{Api, Config, parts};

pub(crate) const fn path(api: Api) -> &'static str {
    match api {
        Api::Completions => "/v1/completions",
        Api::Responses => "/v1/responses",
        _ => "/v1/chat/completions",
    }
}

/// The body of a request to any of the three APIs.
pub(crate) fn body(config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", json!(config.model));
    match config.api {
        Api::Completions => set("prompt", text_or_ids(prompt)),
        Api::Responses => set("input", items(prompt)),
        _ => set("messages", messages(prompt)),
    };
    if !prompt.tools.is_empty() {
        let is_flat = config.api == Api::Responses;
        set("tools", if is_flat { flat_tools(prompt)? } else { tools(prompt)? });
        set("tool_choice", tool_choice(&prompt.tool_choice, is_flat));
    }
    set("stream", json!(config.streaming));
    if config.api == Api::Responses {
        // Else the server keeps every answer.
        set("store", json!(false));
    } else if config.streaming {
        set("stream_options", json!({"include_usage": true}));
    }
    if let Some(tokens) = prompt.output_tokens {
        let name = if config.api == Api::Responses { "max_output_tokens" } else { "max_tokens" };
        set(name, json!(tokens));
        if config.fixed_length {
            set("ignore_eos", json!(true));
        }
    }
    Ok(body)
}

/// The tools, as chat has them.
pub(crate) fn tools(prompt: &Prompt) -> Result<Value, ProviderError> {
    let nested = |function: Value| json!({"type": "function", "function": function});
    prompt.tools.iter().map(|tool| function(tool).map(nested)).collect()
}

/// The tools, as responses have them. What does not say so is held to a stricter kind of schema there.
fn flat_tools(prompt: &Prompt) -> Result<Value, ProviderError> {
    let flat = |mut function: Value| {
        function["type"] = json!("function");
        function["strict"] = json!(false);
        function
    };
    prompt.tools.iter().map(|tool| function(tool).map(flat)).collect()
}

fn function(tool: &Tool) -> Result<Value, ProviderError> {
    let Tool { name, description, .. } = tool;
    let parameters = parts::schema(tool)?;
    Ok(json!({"name": name, "description": description, "parameters": parameters}))
}

fn tool_choice(choice: &ToolChoice, is_flat: bool) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) if is_flat => json!({"type": "function", "name": name}),
        ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

/// The conversation, for APIs that know no roles, or its token ids.
pub(crate) fn text_or_ids(prompt: &Prompt) -> Value {
    match &prompt.token_ids {
        Some(ids) => json!(ids),
        None => json!(joined(prompt)),
    }
}

/// The conversation, for APIs that know no roles.
pub(crate) fn joined(prompt: &Prompt) -> String {
    texts(prompt).join("\n")
}

/// What each message says.
pub(crate) fn texts(prompt: &Prompt) -> Vec<&str> {
    prompt.messages.iter().map(|message| message.content.as_str()).collect()
}
