//! The events of an answer, read where a template says.

use bench_core::{Answer, ArrivalKind, FinishReason, Outcome, ProviderError, Stamp, Usage};
use serde_json::value::RawValue;

use super::{
    FramingName, Template,
    places::{Found, Walk},
};
use crate::{
    dialect::{Events, Repeated},
    framing::Event,
    json, said,
};

/// Reads the answers of a server that a template describes.
#[derive(Debug)]
pub(crate) struct TemplateEvents {
    template: Template,
    /// The marker came.
    done: bool,
    /// An event said that it is finished.
    finished: bool,
    /// Some event came.
    began: bool,
    /// Tokens of the prompt, where an event said so.
    prompt: Option<u32>,
    /// Tokens generated so far, where an event said so.
    output: Option<u32>,
    /// Tokens that the count has grown by since the last event that had text.
    pending: u32,
    /// Text came without a count: what a later one adds cannot be told apart any more.
    uncounted: bool,
    /// What a cumulative answer has said.
    text: Repeated,
    reasoning: Repeated,
}

impl TemplateEvents {
    pub(super) fn new(template: Template) -> Self {
        Self {
            template,
            done: false,
            finished: false,
            began: false,
            prompt: None,
            output: None,
            pending: 0,
            uncounted: false,
            text: Repeated::default(),
            reasoning: Repeated::default(),
        }
    }

    fn read(
        &mut self,
        answer: &mut Answer,
        data: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let template = self.template.clone();
        let mut found = Found::default();
        json::read_by(Walk { place: &template.0.places, found: &mut found }, data)?;
        if let Some(error) = found.error.filter(|error| says_something(error)) {
            return Err(said::in_band(error.get().as_bytes()));
        }
        self.began = true;
        self.count(answer, &found);
        let (mut text, mut reasoning) = (&*found.text, &*found.reasoning);
        if template.file().answer.cumulative {
            if !(self.text.is_repeated_in(text) && self.reasoning.is_repeated_in(reasoning)) {
                let said = "an event does not begin with the text so far: the template's `cumulative` is wrong";
                return Err(ProviderError::new(Outcome::Malformed, said));
            }
            text = self.text.new_in(text);
            reasoning = self.reasoning.new_in(reasoning);
        }
        let tokens = (self.pending > 0 && !self.uncounted).then_some(self.pending);
        let both = !text.is_empty() && !reasoning.is_empty();
        for (kind, text) in [(ArrivalKind::Reasoning, reasoning), (ArrivalKind::Content, text)] {
            if !text.is_empty() {
                answer.generated(stamp, kind, text, tokens.filter(|_| !both));
            }
        }
        if text.is_empty() && reasoning.is_empty() {
            let counts = found.output_tokens.is_some() || found.prompt_tokens.is_some();
            answer.event(stamp, if counts { ArrivalKind::Usage } else { ArrivalKind::Other });
        } else {
            self.pending = 0;
            self.uncounted |= found.output_tokens.is_none();
        }
        if let Some(finish) = found.finish.filter(|finish| says_something(finish)) {
            self.finished = true;
            // A mere `true` says that, and not why.
            if finish.get() != "true" {
                let word = serde_json::from_str::<String>(finish.get());
                let word = word.unwrap_or_else(|_| said::excerpt(finish.get()));
                answer.finish(FinishReason::from(word.as_str()));
            }
        }
        Ok(())
    }

    fn count(&mut self, answer: &mut Answer, found: &Found<'_>) {
        self.prompt = found.prompt_tokens.or(self.prompt);
        if let Some(total) = found.output_tokens {
            let grown = total.saturating_sub(self.output.unwrap_or(0));
            self.pending = self.pending.saturating_add(grown);
            self.output = Some(total.max(self.output.unwrap_or(0)));
        }
        if let Some(completion) = self.output {
            answer.usage(Usage {
                prompt: self.prompt.unwrap_or(0),
                completion,
                ..Usage::default()
            });
        }
    }
}

/// Whether a value is anything but null, false and an empty text.
fn says_something(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "false" | "\"\"")
}

impl Events for TemplateEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        if self.template.0.marker.as_deref() == Some(event.data) {
            self.done = true;
            answer.done(stamp.at);
            return Ok(());
        }
        self.read(answer, event.data, stamp).map_err(|mut error| {
            if error.outcome == Outcome::Malformed && self.template.0.marker.is_none() {
                error.said += "; if that is what ends an answer, it is the template's `marker`";
            }
            error
        })
    }

    fn whole(
        &mut self,
        answer: &mut Answer,
        document: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        self.read(answer, document, stamp)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn is_finished(&self) -> bool {
        let parts = &*self.template.0;
        match (parts.has_finish, &parts.marker) {
            (true, _) => self.finished,
            (false, Some(_)) => false,
            // The clean end of the body is all the end that there is; a document has its own.
            (false, None) => self.began || parts.framing == FramingName::Json,
        }
    }
}
