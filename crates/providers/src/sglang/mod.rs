//! SGLang: OpenAI's APIs, Anthropic's messages, and its own `/generate`.
//!
//! Each event of `/generate` repeats the text so far, and says how many tokens that is; servers that are
//! told to (`--incremental-streaming-output`) send what is new alone. Wire facts: the captures under
//! `tests/data/sglang-*`.

mod events;
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
pub(crate) struct Sglang;

#[async_trait]
impl Dialect for Sglang {
    fn name(&self) -> &'static str {
        "sglang"
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
            Api::Generate => "/generate".to_owned(),
            _ => standard_path(config),
        }
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        if config.api == Api::Generate {
            return Ok(generate(config, prompt));
        }
        let mut body = standard_body(config, prompt)?;
        if let Some(options) = body.get_mut("stream_options") {
            options["continuous_usage_stats"] = json!(true);
        }
        Ok(body)
    }

    fn sampling_field(&self, api: Api) -> Option<&'static str> {
        (api == Api::Generate).then_some("sampling_params")
    }

    fn takes(&self, api: Api, part: Part) -> bool {
        standard_takes(api, part) || (api == Api::Generate && part == Part::TokenIds)
    }

    fn events(&self, api: Api) -> Box<dyn Events> {
        match api {
            Api::Generate => Box::<events::GenerateEvents>::default(),
            _ => standard_events(api),
        }
    }

    async fn is_spoken_by(&self, _server: &Inquiry, owner: Option<&str>) -> bool {
        owner == Some("sglang")
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = openai::models(server).await?;
        // The older name of the same, which newer servers still know.
        for path in ["/server_info", "/get_server_info"] {
            if let Ok(said) = server.json(path).await {
                info.version = openai::text(&said, "version");
                break;
            }
        }
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/health").await
    }

    async fn count_tokens(&self, server: &Inquiry, model: &str, text: &str) -> Option<u64> {
        // Of the text alone: what a model wants before it is the server's own.
        let asked = json!({"model": model, "prompt": text, "add_special_tokens": false});
        server.post("/tokenize", &asked).await.ok()?.get("count")?.as_u64()
    }

    async fn forget_prefixes(&self, server: &Inquiry) -> bool {
        server.tell("/flush_cache").await
    }
}

fn generate(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let mut sampling = Map::new();
    if let Some(tokens) = prompt.output_tokens {
        sampling.insert("max_new_tokens".to_owned(), json!(tokens));
        if config.fixed_length {
            sampling.insert("ignore_eos".to_owned(), json!(true));
        }
    }
    let mut body = Map::new();
    match &prompt.token_ids {
        Some(ids) => body.insert("input_ids".to_owned(), json!(ids)),
        None => body.insert("text".to_owned(), json!(openai::joined(prompt))),
    };
    body.insert("sampling_params".to_owned(), Value::Object(sampling));
    body.insert("stream".to_owned(), json!(config.streaming));
    body
}
