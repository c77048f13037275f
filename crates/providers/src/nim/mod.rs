//! NVIDIA's NIM for LLMs, 1.x and 2.x: OpenAI's APIs, with health, metadata and metrics below `/v1`.
//!
//! Wire facts: NIM's API reference. The engine behind it is vLLM, SGLang or TensorRT-LLM, as its profile
//! says.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config,
    dialect::{Dialect, standard_body},
    inquiry::{Inquiry, by_health},
    openai,
};

#[derive(Debug)]
pub(crate) struct Nim;

#[async_trait]
impl Dialect for Nim {
    fn name(&self) -> &'static str {
        "nim"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::Responses, Api::Messages]
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        let mut body = standard_body(config, prompt);
        // Both, as NVIDIA's own benchmarking guide has it: some of its engines heed but the one.
        if let Some(tokens) = prompt.output_tokens.filter(|_| body.contains_key("ignore_eos")) {
            body.insert("min_tokens".to_owned(), json!(tokens));
        }
        Ok(body)
    }

    async fn is_spoken_by(&self, server: &Inquiry, _owner: Option<&str>) -> bool {
        server.has("/v1/metadata", "modelInfo").await
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = openai::models(server).await?;
        info.engine = Some(self.name().to_owned());
        if let Ok(metadata) = server.json("/v1/metadata").await {
            info.version = openai::text(&metadata, "version");
            info.profile = openai::text(&metadata, "selectedModelProfileId");
        }
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/v1/health/ready").await
    }

    fn metrics_path(&self) -> &'static str {
        "/v1/metrics"
    }
}
