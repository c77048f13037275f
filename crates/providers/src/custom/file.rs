//! A template as its file says it, and what may be wrong with it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    places::{Part, Place},
    request,
};

/// A template as its file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TemplateFile {
    /// Where requests go. `{{model}}` may stand in it.
    pub path: String,
    /// The body of a request. A text that is a placeholder stands for its value, whatever its type, and is left
    /// out where there is none; within a longer text the value is inserted.
    pub request: Map<String, Value>,
    /// How answers are to be read.
    pub answer: AnswerFile,
}

/// How answers are to be read. Places are JSON Pointers into each event, or into the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerFile {
    /// How events are told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framing: Option<FramingName>,
    /// Where the generated text is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where the text of the reasoning channel is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Whether each event repeats the text so far.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cumulative: bool,
    /// What is there once the answer is finished: anything but null, false and an empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// What is there if the answer failed: anything but null, false and an empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where the number of the prompt's tokens is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<String>,
    /// Where the number of tokens generated so far is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<String>,
    /// The event that ends an answer, such as `[DONE]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// What ends an answer that has neither a finish nor a marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
}

/// How the events of an answer are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FramingName {
    /// As server-sent events.
    Sse,
    /// By lines, each a JSON document.
    Ndjson,
    /// Not at all: an answer is one JSON document.
    Json,
}

/// What ends an answer that does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// The clean end of the body, once an event has come.
    Close,
}

/// Something that is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct TemplateError {
    /// Which key, such as `answer.text`.
    pub at: String,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl TemplateFile {
    /// How answers are framed, and where their parts are.
    pub(super) fn check(&self) -> Result<(FramingName, Place), Vec<TemplateError>> {
        let mut errors = Errors(Vec::new());
        self.check_request(&mut errors);
        let places = self.answer.places(&mut errors);
        self.answer.check_end(&mut errors);
        match (self.answer.framing, errors.0.is_empty()) {
            (Some(framing), true) => Ok((framing, places)),
            _ => Err(errors.0),
        }
    }

    fn check_request(&self, errors: &mut Errors) {
        let is_path =
            self.path.starts_with('/') && self.path.bytes().all(|byte| byte.is_ascii_graphic());
        errors.unless(is_path, "path", "is no path on a server; write one such as /generate");
        let names = request::placeholders(&self.path);
        let is_model = names.as_ref().is_ok_and(|names| names.iter().all(|name| *name == "model"));
        errors.unless(is_model, "path", "may have the placeholder {{model}} and no other");
        for (key, value) in &self.request {
            request::check(value, &format!("request.{key}"), &mut |at, what| errors.add(at, what));
        }
        let mentions = |name| self.request.values().any(|value| request::mentions_in(value, name));
        let what = "says nowhere what is asked; put \"{{prompt}}\" or \"{{messages}}\" where the server \
                    expects it";
        errors.unless(mentions("prompt") || mentions("messages"), "request", what);
    }
}

impl AnswerFile {
    /// Where the parts of an event are.
    fn places(&self, errors: &mut Errors) -> Place {
        let what =
            "is missing: a JSON Pointer to the generated text, such as /choices/0/delta/content";
        errors.unless(self.text.is_some(), "answer.text", what);
        let mut places = Place::default();
        for (key, pointer, part) in [
            ("text", &self.text, Part::Text),
            ("reasoning", &self.reasoning, Part::Reasoning),
            ("finish", &self.finish, Part::Finish),
            ("error", &self.error, Part::Error),
            ("prompt_tokens", &self.prompt_tokens, Part::PromptTokens),
            ("output_tokens", &self.output_tokens, Part::OutputTokens),
        ] {
            let placed = pointer.as_ref().map_or(Ok(()), |pointer| places.insert(pointer, part));
            if let Err(what) = placed {
                errors.add(&format!("answer.{key}"), what);
            }
        }
        places
    }

    /// That it is stated what a complete answer is.
    fn check_end(&self, errors: &mut Errors) {
        let what = "means nothing without output_tokens: the server's counts are taken together";
        let is_alone = self.prompt_tokens.is_some() && self.output_tokens.is_none();
        errors.unless(!is_alone, "answer.prompt_tokens", what);
        let what = "is missing: sse, ndjson, or json for answers that come whole";
        errors.unless(self.framing.is_some(), "answer.framing", what);
        let is_whole = self.framing == Some(FramingName::Json);
        let what = "means nothing for answers that come whole";
        errors.unless(!(is_whole && self.marker.is_some()), "answer.marker", what);
        errors.unless(!(is_whole && self.cumulative), "answer.cumulative", what);
        errors.unless(!(is_whole && self.ends.is_some()), "answer.ends", what);
        let is_empty = self.marker.as_ref().is_some_and(|marker| marker.trim().is_empty());
        errors.unless(
            !is_empty,
            "answer.marker",
            "is empty; leave it out, or write what ends an answer",
        );
        let says_end = self.finish.is_some() || self.marker.is_some();
        let what =
            "means nothing beside a finish or a marker, either of which an answer has to have then";
        errors.unless(!(says_end && self.ends.is_some()), "answer.ends", what);
        let what = "does not say what ends an answer; give `finish`, a JSON Pointer to what is there at the end \
                    alone, or `marker`, the last event, such as \"[DONE]\"; a server that only closes the answer \
                    is told by ends = \"close\", and one that dies in the middle may then go unseen";
        errors.unless(is_whole || says_end || self.ends.is_some(), "answer", what);
    }
}

/// What was found to be wrong.
struct Errors(Vec<TemplateError>);

impl Errors {
    fn add(&mut self, at: &str, what: impl Into<String>) {
        self.0.push(TemplateError { at: at.to_owned(), what: what.into() });
    }

    fn unless(&mut self, holds: bool, at: &str, what: &str) {
        if !holds {
            self.add(at, what);
        }
    }
}
