//! Triton's generate extension, as TensorRT-LLM's backend for it is served.
//!
//! A stream has no last event: it ends with its body. Wire facts: Triton's `extension_generate.md`.

mod events;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Model, Outcome, Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config,
    dialect::{Dialect, Events},
    inquiry::{Inquiry, by_health},
    openai, said,
};

#[derive(Debug)]
pub(crate) struct Triton;

#[async_trait]
impl Dialect for Triton {
    fn name(&self) -> &'static str {
        "triton"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Generate]
    }

    fn path(&self, config: &Config) -> String {
        let what = if config.streaming { "generate_stream" } else { "generate" };
        format!("/v2/models/{}/{what}", config.model)
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        let mut body = Map::new();
        body.insert("text_input".to_owned(), json!(openai::joined(prompt)));
        body.insert("stream".to_owned(), json!(config.streaming));
        body.insert("exclude_input_in_output".to_owned(), json!(true));
        if let Some(tokens) = prompt.output_tokens {
            body.insert("max_tokens".to_owned(), json!(tokens));
            if config.fixed_length {
                body.insert("min_length".to_owned(), json!(tokens));
            }
        }
        Ok(body)
    }

    fn events(&self, _api: Api) -> Box<dyn Events> {
        Box::<events::GenerateEvents>::default()
    }

    async fn is_spoken_by(&self, server: &Inquiry, _owner: Option<&str>) -> bool {
        server.has("/v2", "extensions").await
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = ServerInfo::default();
        info.engine = Some(self.name().to_owned());
        info.version = openai::text(&server.json("/v2").await?, "version");
        let index = server.post("/v2/repository/index", &json!({"ready": true})).await?;
        let models = index.as_array().ok_or_else(|| {
            let index = said::excerpt(&index.to_string());
            ProviderError::new(
                Outcome::Malformed,
                format!("/v2/repository/index is no list of models: {index}"),
            )
        })?;
        let names = models.iter().filter_map(|model| openai::text(model, "name"));
        info.models = names.map(|id| Model { id, context_length: None }).collect();
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/v2/health/ready").await
    }
}
