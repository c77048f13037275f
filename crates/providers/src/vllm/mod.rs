//! vLLM: OpenAI's APIs and Anthropic's messages, with fields of its own.
//!
//! Each event of its streams can say how many tokens there are so far (`continuous_usage_stats`), so that
//! an event of several tokens is known for one. Wire facts: the captures under `tests/data/vllm-*`.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Prompt, ProviderError, Readiness};
use serde_json::{Map, Value, json};

use crate::{
    Api, Config,
    dialect::{Dialect, standard_body},
    inquiry::{Inquiry, by_health},
};

#[derive(Debug)]
pub(crate) struct Vllm;

#[async_trait]
impl Dialect for Vllm {
    fn name(&self) -> &'static str {
        "vllm"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::Responses, Api::Messages, Api::Embeddings, Api::Rerank]
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        let mut body = standard_body(config, prompt)?;
        if let Some(options) = body.get_mut("stream_options") {
            options["continuous_usage_stats"] = json!(true);
        }
        Ok(body)
    }

    /// The simulator speaks as vLLM does.
    async fn is_spoken_by(&self, _server: &Inquiry, owner: Option<&str>) -> bool {
        matches!(owner, Some("vllm" | "inferbench-sim"))
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/health").await
    }

    async fn count_tokens(&self, server: &Inquiry, model: &str, text: &str) -> Option<u64> {
        // Of the text alone: what a model wants before it is the server's own.
        let asked = json!({"model": model, "prompt": text, "add_special_tokens": false});
        server.post("/tokenize", &asked).await.ok()?.get("count")?.as_u64()
    }

    /// Where the server runs in its development mode.
    async fn forget_prefixes(&self, server: &Inquiry) -> bool {
        server.tell("/reset_prefix_cache").await
    }
}
