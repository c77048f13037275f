//! What a kind of server speaks.

use std::fmt;

use async_trait::async_trait;
use bench_core::{Answer, Prompt, ProviderError, Readiness, ServerInfo, Stamp};
use serde_json::{Map, Value};

use crate::{
    Api, Config,
    framing::{Event, Framing},
    inquiry::Inquiry,
    openai,
};

/// What a kind of server speaks: which path and which JSON ask, which events answer, what it says of itself.
///
/// By default it is what OpenAI's servers speak, which most engines do, each with fields of its own.
#[async_trait]
pub(crate) trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// The name of the kind of server, such as `vllm`.
    fn name(&self) -> &'static str;

    /// The APIs that it has, the usual one first.
    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::Responses]
    }

    /// Where requests of `api` go.
    fn path(&self, api: Api) -> &'static str {
        openai::path(api)
    }

    /// The header that a key is sent in.
    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    /// Headers that every request needs.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The body that asks what `prompt` says, as `config` has it asked.
    ///
    /// # Errors
    ///
    /// When the dialect cannot express it.
    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        Ok(openai::body(config, prompt))
    }

    /// How the events of a stream are told apart.
    fn framing(&self, _api: Api) -> Framing {
        Framing::Sse
    }

    /// The reader of one answer's events.
    fn events(&self, api: Api) -> Box<dyn Events> {
        openai::events(api)
    }

    /// What the server says of itself.
    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        openai::describe(server).await
    }

    /// Whether the server can answer.
    async fn ready(&self, server: &Inquiry) -> Readiness {
        openai::ready(server).await
    }

    /// Where the server tells what it counts of itself, in Prometheus' text.
    fn metrics_path(&self) -> &'static str {
        "/metrics"
    }
}

/// Reads the events of one answer and writes what they carry into its record.
pub(crate) trait Events: Send {
    /// An event of a stream came.
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError>;

    /// The answer came as one document.
    fn whole(
        &mut self,
        answer: &mut Answer,
        document: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError>;

    /// Whether the dialect's last event came: what follows is no part of the answer.
    fn is_done(&self) -> bool;

    /// Whether enough came for the body's clean end to end the answer.
    fn is_finished(&self) -> bool;
}
