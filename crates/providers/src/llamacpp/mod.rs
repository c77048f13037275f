//! llama.cpp's server: OpenAI's APIs, Anthropic's messages, and its own `/completion`.
//!
//! A stream of `/completion` ends with an event that says `stop`, not with `[DONE]`; comments keep the
//! connection alive meanwhile. Wire facts: the captures under `tests/data/llama.cpp-*`.

pub(crate) mod events;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config,
    dialect::{Dialect, Events, standard_body, standard_events, standard_path, standard_takes},
    inquiry::{Inquiry, by_health},
    openai,
    parts::Part,
};

#[derive(Debug)]
pub(crate) struct LlamaCpp;

#[async_trait]
impl Dialect for LlamaCpp {
    fn name(&self) -> &'static str {
        "llamacpp"
    }

    fn apis(&self) -> &'static [Api] {
        &[
            Api::Chat,
            Api::Completions,
            Api::Responses,
            Api::Messages,
            Api::Generate,
            Api::Embeddings,
            Api::Rerank,
        ]
    }

    fn path(&self, config: &Config) -> String {
        match config.api {
            Api::Generate => "/completion".to_owned(),
            _ => standard_path(config),
        }
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        match config.api {
            Api::Generate => Ok(completion(config, prompt)),
            _ => standard_body(config, prompt),
        }
    }

    fn takes(&self, api: Api, part: Part) -> bool {
        standard_takes(api, part) || (api == Api::Generate && part == Part::TokenIds)
    }

    fn events(&self, api: Api) -> Box<dyn Events> {
        match api {
            Api::Generate => Box::<events::CompletionEvents>::default(),
            _ => standard_events(api),
        }
    }

    /// Behind a router, or with models of other names, its list says something else.
    async fn is_spoken_by(&self, server: &Inquiry, owner: Option<&str>) -> bool {
        owner == Some("llamacpp") || server.has("/props", "default_generation_settings").await
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = openai::models(server).await?;
        if let Ok(props) = server.json("/props").await {
            info.version = openai::text(&props, "build_info");
        }
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/health").await
    }

    async fn count_tokens(&self, server: &Inquiry, _model: &str, text: &str) -> Option<u64> {
        let tokens = server.post("/tokenize", &json!({"content": text})).await.ok()?;
        Some(tokens.get("tokens")?.as_array()?.len() as u64)
    }
}

fn completion(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("prompt".to_owned(), openai::text_or_ids(prompt));
    body.insert("stream".to_owned(), json!(config.streaming));
    if let Some(tokens) = prompt.output_tokens {
        body.insert("n_predict".to_owned(), json!(tokens));
        if config.fixed_length {
            body.insert("ignore_eos".to_owned(), json!(true));
        }
    }
    body
}
