//! What a kind of server speaks.

use std::fmt;

use async_trait::async_trait;
use bench_core::{Answer, Prompt, ProviderError, Readiness, ServerInfo, Stamp};
use serde_json::{Map, Value};

use crate::{
    Api, Config, anthropic,
    framing::{Event, Framing},
    inquiry::{Inquiry, by_health},
    openai,
    parts::Part,
    results,
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
        &[Api::Chat, Api::Completions, Api::Responses, Api::Embeddings, Api::Rerank]
    }

    /// Where requests go.
    fn path(&self, config: &Config) -> String {
        standard_path(config)
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
        standard_body(config, prompt)
    }

    /// Whether it can make answers of this API exactly as long as asked for. Nothing in a request for
    /// messages asks for that: llama.cpp, for one, takes no notice of `ignore_eos` there.
    fn fixes_length(&self, api: Api) -> bool {
        api != Api::Messages
    }

    /// Whether this API can express a part of a prompt.
    fn takes(&self, api: Api, part: Part) -> bool {
        standard_takes(api, part)
    }

    /// The field of the body that holds how to sample, where that has one of its own.
    fn sampling_field(&self, _api: Api) -> Option<&'static str> {
        None
    }

    /// Whether answers are streamed, where that is not for the user to choose.
    fn streams(&self) -> Option<bool> {
        None
    }

    /// How the events of a stream are told apart.
    fn framing(&self, _api: Api) -> Framing {
        Framing::Sse
    }

    /// The reader of one answer's events.
    fn events(&self, api: Api) -> Box<dyn Events> {
        standard_events(api)
    }

    /// Whether a server speaks it, by what only such a server answers. `owner` is who its list of models
    /// says that they belong to.
    async fn is_spoken_by(&self, server: &Inquiry, owner: Option<&str>) -> bool;

    /// What the server says of itself.
    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        openai::describe(server).await
    }

    /// Whether the server can answer.
    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/v1/models").await
    }

    /// The number of tokens that the server's tokenizer makes of `text`; `None` where it does not say.
    async fn count_tokens(&self, _server: &Inquiry, _model: &str, _text: &str) -> Option<u64> {
        None
    }

    /// Has the server forget the prefixes that it has cached; false where it cannot be told to.
    async fn forget_prefixes(&self, _server: &Inquiry) -> bool {
        false
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

/// Where requests of an API go that several engines have.
pub(crate) fn standard_path(config: &Config) -> String {
    let path = match config.api {
        Api::Messages => anthropic::PATH,
        Api::Embeddings => results::EMBEDDINGS,
        Api::Rerank => results::RERANK,
        api => openai::path(api),
    };
    path.to_owned()
}

/// What an API that several engines have can express.
pub(crate) fn standard_takes(api: Api, part: Part) -> bool {
    match part {
        Part::TokenIds => api == Api::Completions,
        _ => matches!(api, Api::Chat | Api::Responses | Api::Messages),
    }
}

/// The body for an API that several engines have.
pub(crate) fn standard_body(
    config: &Config,
    prompt: &Prompt,
) -> Result<Map<String, Value>, ProviderError> {
    match config.api {
        Api::Messages => anthropic::body(config, prompt),
        Api::Embeddings => Ok(results::embeddings(config, prompt)),
        Api::Rerank => Ok(results::rerank(config, prompt)),
        _ => openai::body(config, prompt),
    }
}

/// The reader for an API that several engines have.
pub(crate) fn standard_events(api: Api) -> Box<dyn Events> {
    match api {
        Api::Messages => Box::<anthropic::MessagesEvents>::default(),
        Api::Embeddings | Api::Rerank => results::events(api),
        api => openai::events(api),
    }
}

/// The text of a channel whose events repeat what came before.
#[derive(Debug, Default)]
pub(crate) struct Repeated(String);

impl Repeated {
    /// What is new in `text`: what follows what it has in common with the text before, which is all of that, but
    /// for a last character that was not whole.
    pub(crate) fn new_in<'t>(&mut self, text: &'t str) -> &'t str {
        let before = &mut self.0;
        let new = match text.strip_prefix(before.as_str()) {
            Some(rest) => rest,
            None => {
                let both = text.char_indices().zip(before.chars());
                let differs = both.into_iter().find(|((_, a), b)| a != b);
                &text[differs.map_or(text.len(), |((at, _), _)| at)..]
            }
        };
        // One that is only shorter, as the last one may be, takes nothing back.
        if !new.is_empty() {
            before.truncate(text.len() - new.len());
            before.push_str(new);
        }
        new
    }

    /// Whether `text` repeats what came before, but for the characters that were not whole.
    pub(crate) fn is_repeated_in(&self, text: &str) -> bool {
        text.starts_with(self.0.trim_end_matches('\u{fffd}')) || self.0.starts_with(text)
    }

    /// An event had only what is new, `text`.
    pub(crate) fn add<'t>(&mut self, text: &'t str) -> &'t str {
        self.0.push_str(text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Repeated;

    #[test]
    fn what_is_repeated_is_not_new_even_after_a_character_was_mended() {
        let mut text = Repeated::default();
        let new = ["a\u{fffd}", "a\u{e9}", "a\u{e9}b", "a\u{e9}b", "a\u{e9}", "a\u{e9}bc", ""]
            .map(|all| text.new_in(all));
        assert_eq!(new, ["a\u{fffd}", "\u{e9}", "b", "", "", "c", ""]);
        assert_eq!(text.add("d"), "d");
        assert_eq!(text.new_in("a\u{e9}bcde"), "e");
    }
}
