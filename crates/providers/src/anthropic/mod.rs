//! Anthropic's messages, as its own servers speak them, and vLLM, SGLang and llama.cpp beside OpenAI's APIs.
//!
//! Wire facts: the captures under `tests/data` whose names have `anthropic` in them.

mod events;
mod request;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub(crate) use events::MessagesEvents;
pub(crate) use request::body;

use crate::{Api, dialect::Dialect, inquiry::Inquiry};

pub(crate) const PATH: &str = "/v1/messages";

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
