//! Anthropic's messages, as its own servers speak them, and vLLM, SGLang and llama.cpp beside OpenAI's APIs.
//!
//! Wire facts: the captures under `tests/data` whose names have `anthropic` in them.

mod events;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Prompt, Role};
use serde_json::{Map, Value, json};

pub(crate) use events::MessagesEvents;

use crate::{Api, Config, dialect::Dialect, inquiry::Inquiry};

#[derive(Debug)]
pub(crate) struct Anthropic;

#[async_trait]
impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Messages]
    }

    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("x-api-key", key.to_owned())
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    /// Nothing but its address tells it.
    async fn is_spoken_by(&self, _server: &Inquiry, _owner: Option<&str>) -> bool {
        false
    }

    /// It stops where the model does.
    fn fixes_length(&self, _api: Api) -> bool {
        false
    }
}

pub(crate) const PATH: &str = "/v1/messages";

/// What a request must name: more than anybody asks for who does not say how much.
const MOST_TOKENS: u32 = 4_096;

/// The body of a request for messages. What the system says stands apart from the conversation.
pub(crate) fn body(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let (system, talk): (Vec<_>, Vec<_>) =
        prompt.messages.iter().partition(|message| message.role == Role::System);
    let talk = talk.iter().map(|m| json!({"role": m.role.as_str(), "content": m.content}));
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(config.model));
    if !system.is_empty() {
        let texts: Vec<&str> = system.iter().map(|message| message.content.as_str()).collect();
        body.insert("system".to_owned(), json!(texts.join("\n")));
    }
    body.insert("messages".to_owned(), talk.collect());
    body.insert("stream".to_owned(), json!(config.streaming));
    body.insert("max_tokens".to_owned(), json!(prompt.output_tokens.unwrap_or(MOST_TOKENS)));
    body
}
