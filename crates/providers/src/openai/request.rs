//! What is asked.

use bench_core::Prompt;
use serde_json::{Map, Value, json};

use crate::{Api, Config};

pub(crate) const fn path(api: Api) -> &'static str {
    match api {
        Api::Completions => "/v1/completions",
        Api::Responses => "/v1/responses",
        _ => "/v1/chat/completions",
    }
}

/// The body of a request to any of the three APIs.
pub(crate) fn body(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", json!(config.model));
    match config.api {
        Api::Completions => set("prompt", text_or_ids(prompt)),
        Api::Responses => set("input", messages(prompt)),
        _ => set("messages", messages(prompt)),
    };
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
    body
}

/// The conversation, as a list of roles and contents.
pub(crate) fn messages(prompt: &Prompt) -> Value {
    let messages = prompt.messages.iter();
    messages.map(|m| json!({"role": m.role.as_str(), "content": m.content})).collect()
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
