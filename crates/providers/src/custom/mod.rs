//! A server that no dialect is known of, as a template describes it: where requests go and what is in them, how
//! answers are framed and where in them things are.
//!
//! What counts as a complete answer is stated, never guessed: its marker, or a finish and a clean end of the
//! body, or, where the template says so, the clean end alone. All else is as in the other dialects.

mod events;
mod file;
mod places;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bench_core::{Outcome, Prompt, ProviderError, Readiness, ServerInfo};
use serde_json::{Map, Value};

pub use file::{AnswerFile, Ends, FramingName, TemplateError, TemplateFile};

use self::{events::TemplateEvents, places::Place, request::Values};
use crate::{
    Api, Config,
    dialect::{Dialect, Events},
    framing::Framing,
    inquiry::Inquiry,
    openai,
    parts::Part,
    said,
};

/// How a server is asked, and how its answers are read. Cloning shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Arc<Parts>);

/// What was read from a template's file, and what it came to.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    file: TemplateFile,
    framing: FramingName,
    /// Where the parts of an event are.
    places: Place,
    /// The event that ends an answer.
    marker: Option<Box<[u8]>>,
    /// Whether something in an event says that it is finished.
    has_finish: bool,
}

impl Template {
    /// The template that `file` describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, and what to do.
    pub fn new(file: TemplateFile) -> Result<Self, Vec<TemplateError>> {
        file.check().map(|(framing, places)| {
            let marker = file.answer.marker.as_ref().map(|marker| marker.as_bytes().into());
            let has_finish = file.answer.finish.is_some();
            Self(Arc::new(Parts { file, framing, places, marker, has_finish }))
        })
    }

    /// What it was read from.
    pub fn file(&self) -> &TemplateFile {
        &self.0.file
    }

    /// Whether requests name a model.
    pub fn names_model(&self) -> bool {
        self.mentions("model")
    }

    fn mentions(&self, name: &str) -> bool {
        let TemplateFile { path, request, .. } = &self.0.file;
        request::mentions(path, name) || request.values().any(|v| request::mentions_in(v, name))
    }
}

#[async_trait]
impl Dialect for Template {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn apis(&self) -> &'static [Api] {
        &[Api::Generate]
    }

    fn path(&self, config: &Config) -> String {
        self.0.file.path.replace("{{model}}", &config.model)
    }

    fn body(&self, config: &Config, prompt: &Prompt) -> Result<Map<String, Value>, ProviderError> {
        Values::new(config, prompt).fill(&self.0.file.request)
    }

    /// Messages are as OpenAI's chat has them. Tools would be in vain: nothing says where calls are in answers.
    fn takes(&self, _api: Api, part: Part) -> bool {
        matches!(part, Part::Images | Part::ToolCalls) && self.mentions("messages")
    }

    fn fixes_length(&self, _api: Api) -> bool {
        self.mentions("ignore_eos") || self.mentions("min_tokens")
    }

    fn streams(&self) -> Option<bool> {
        Some(self.0.framing != FramingName::Json)
    }

    fn framing(&self, _api: Api) -> Framing {
        match self.0.framing {
            FramingName::Ndjson => Framing::Lines,
            FramingName::Sse | FramingName::Json => Framing::Sse,
        }
    }

    fn events(&self, _api: Api) -> Box<dyn Events> {
        Box::new(TemplateEvents::new(self.clone()))
    }

    /// Nobody knows what it is but the user.
    async fn is_spoken_by(&self, _server: &Inquiry, _owner: Option<&str>) -> bool {
        false
    }

    /// It has to be there; a list of models it need not have. The simulator says by it what it is.
    async fn describe(&self, server: &Inquiry) -> Result<ServerInfo, ProviderError> {
        let mut info = match openai::models(server).await {
            Err(error) if matches!(error.outcome, Outcome::Http(503)) => return Err(error),
            Err(error) if matches!(error.outcome, Outcome::Http(_) | Outcome::Malformed) => {
                ServerInfo::default()
            }
            told => told?,
        };
        info.engine.get_or_insert_with(|| self.name().to_owned());
        Ok(info)
    }

    /// Whatever it says of a path that it need not have.
    async fn ready(&self, server: &Inquiry) -> Readiness {
        match server.get("/v1/models").await {
            Ok((503, body)) => Readiness::Loading(said::message(&body)),
            Ok(_) => Readiness::Up,
            Err(error) => Readiness::Down(error.said),
        }
    }
}
