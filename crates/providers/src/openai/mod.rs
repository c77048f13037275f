//! OpenAI's chat, completions and responses, as every engine serves them: the base of the other dialects.
//!
//! Wire facts: the captures under `tests/data` and, for vLLM's stream, its `chat_completion` module. An
//! answer is complete with `data: [DONE]`, or, from servers that never send it (transformers), with a
//! finish reason and a clean end of the body; one of responses with its last event.

mod events;
mod messages;
mod request;
mod responses;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use messages::messages;
pub(crate) use request::{body, joined, path, text_or_ids, texts, tools};
pub(crate) use server::{describe, models, text};

use async_trait::async_trait;

use crate::{
    Api,
    dialect::{Dialect, Events},
    inquiry::Inquiry,
};

/// A server of which no more is known than that it speaks as OpenAI's do.
#[derive(Debug)]
pub(crate) struct OpenAi;

#[async_trait]
impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    /// Who does not know the field that asks for it may refuse the request.
    fn fixes_length(&self, _api: Api) -> bool {
        false
    }

    /// What else is there speaks it too, so nothing tells it apart.
    async fn is_spoken_by(&self, _server: &Inquiry, _owner: Option<&str>) -> bool {
        true
    }
}

/// The reader of one answer's events.
pub(crate) fn events(api: Api) -> Box<dyn Events> {
    match api {
        Api::Responses => Box::<responses::ResponsesEvents>::default(),
        _ => Box::<events::ChatEvents>::default(),
    }
}
