//! Ollama: its own `/api/chat` and `/api/generate`, and OpenAI's chat and completions.
//!
//! A stream is lines of JSON; the last says `done`. Durations are whole nanoseconds, and what is zero is
//! left out. It cannot be told to ignore the end token. Wire facts: its `docs/api.md`.

mod events;
mod request;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bench_core::{Model, Outcome, Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value};

use crate::{
    Api, Config,
    dialect::{Dialect, Events, standard_body, standard_events, standard_path, standard_takes},
    framing::Framing,
    inquiry::{Inquiry, by_health},
    openai,
    parts::Part,
    said,
};

#[derive(Debug)]
pub(crate) struct Ollama;

#[async_trait]
impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Chat, Api::Completions, Api::NativeChat, Api::Generate, Api::Embeddings]
    }

    fn path(&self, config: &Config) -> String {
        match config.api {
            Api::NativeChat => "/api/chat".to_owned(),
            Api::Generate => "/api/generate".to_owned(),
            _ => standard_path(config),
        }
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        match config.api {
            Api::NativeChat | Api::Generate => request::native(config, prompt),
            _ => standard_body(config, prompt),
        }
    }

    /// Its own chat has no way to say whether tools are to be called.
    fn takes(&self, api: Api, part: Part) -> bool {
        match api {
            Api::NativeChat => matches!(part, Part::Images | Part::Tools | Part::ToolCalls),
            _ => standard_takes(api, part),
        }
    }

    /// It stops where the model does.
    fn fixes_length(&self, _api: Api) -> bool {
        false
    }

    fn sampling_field(&self, api: Api) -> Option<&'static str> {
        matches!(api, Api::NativeChat | Api::Generate).then_some("options")
    }

    fn framing(&self, api: Api) -> Framing {
        match api {
            Api::NativeChat | Api::Generate => Framing::Ndjson,
            _ => Framing::Sse,
        }
    }

    fn events(&self, api: Api) -> Box<dyn Events> {
        match api {
            Api::NativeChat | Api::Generate => Box::<events::NativeEvents>::default(),
            _ => standard_events(api),
        }
    }

    async fn is_spoken_by(&self, server: &Inquiry, _owner: Option<&str>) -> bool {
        server.has("/api/version", "version").await
    }

    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let tags = server.json("/api/tags").await?;
        let models = tags.get("models").and_then(Value::as_array).ok_or_else(|| {
            let tags = said::excerpt(&tags.to_string());
            ProviderError::new(
                Outcome::Malformed,
                format!("/api/tags is no list of models: {tags}"),
            )
        })?;
        let names = models.iter().filter_map(|model| openai::text(model, "name"));
        let mut info = ServerInfo::default();
        info.engine = Some(self.name().to_owned());
        info.models = names.map(|id| Model { id, context_length: None }).collect();
        if let Ok(said) = server.json("/api/version").await {
            info.version = openai::text(&said, "version");
        }
        // Of a model that is loaded it says with how much context.
        if let Ok(loaded) = server.json("/api/ps").await {
            for loaded in loaded.get("models").and_then(Value::as_array).into_iter().flatten() {
                let name = openai::text(loaded, "name");
                let length = loaded.get("context_length").and_then(Value::as_u64);
                let known = info.models.iter_mut().find(|model| Some(&model.id) == name.as_ref());
                if let Some(model) = known {
                    model.context_length = length.and_then(|length| u32::try_from(length).ok());
                }
            }
        }
        Ok(info)
    }

    async fn ready(&self, server: &Inquiry) -> Readiness {
        by_health(server, "/api/version").await
    }
}
