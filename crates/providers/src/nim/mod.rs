//! NVIDIA's NIM for LLMs, 1.x and 2.x, and NeMo Retriever's NIMs: OpenAI's APIs, with health, metadata and
//! metrics below `/v1`, and rankings of their own.
//!
//! Wire facts: NIM's API references. The engine behind it is vLLM, SGLang or TensorRT-LLM, as its profile
//! says.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config,
    dialect::{Dialect, standard_body, standard_path},
    inquiry::{Inquiry, by_health},
    openai, results,
};

#[derive(Debug)]
pub(crate) struct Nim;

#[async_trait]
impl Dialect for Nim {
    fn name(&self) -> &'static str {
        "nim"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::Responses, Api::Messages, Api::Embeddings, Api::Rerank]
    }

    /// Its NIM for rankings has the query and the documents by other names.
    fn path(&self, config: &Config) -> String {
        match config.api {
            Api::Rerank => "/v1/ranking".to_owned(),
            _ => standard_path(config),
        }
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        if config.api == Api::Rerank {
            return Ok(ranking(config, prompt));
        }
        let mut body = standard_body(config, prompt)?;
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

fn ranking(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let (query, documents) = results::parts(prompt);
    let passages: Vec<Value> = documents.iter().map(|text| json!({"text": text})).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(config.model));
    body.insert("query".to_owned(), json!({"text": query}));
    body.insert("passages".to_owned(), Value::Array(passages));
    body
}
