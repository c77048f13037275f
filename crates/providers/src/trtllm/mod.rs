//! TensorRT-LLM's own server, `trtllm-serve`: OpenAI's chat and completions.
//!
//! Wire facts: TensorRT-LLM's `openai_server.py`.

use async_trait::async_trait;
use bench_core::{ProviderError, Readiness, ServerInfo};

use crate::{
    Api,
    dialect::Dialect,
    inquiry::{Inquiry, by_health},
    openai,
};

#[derive(Debug)]
pub(crate) struct TrtLlm;

#[async_trait]
impl Dialect for TrtLlm {
    fn name(&self) -> &'static str {
        "trtllm"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::Responses]
    }

    async fn is_spoken_by(&self, _server: &Inquiry, owner: Option<&str>) -> bool {
        owner == Some("tensorrt_llm")
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = openai::describe(server).await?;
        info.engine = Some(self.name().to_owned());
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/health").await
    }

    /// `/metrics` is another thing: statistics of iterations, as JSON.
    fn metrics_path(&self) -> &'static str {
        "/prometheus/metrics"
    }
}
