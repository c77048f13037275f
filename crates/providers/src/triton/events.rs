//! The JSON of the generate extension, and what makes arrivals of it.

use bench_core::{Answer, ArrivalKind, ProviderError, Stamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    dialect::Events,
    framing::Event,
    json::{self, Text},
    said,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    text_output: Text<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads the answers of the generate extension.
#[derive(Debug, Default)]
pub(crate) struct GenerateEvents {
    began: bool,
}

impl Events for GenerateEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let message: Message<'_> = json::read(event.data)?;
        if message.error.is_some_and(|error| error.get() != "null") {
            return Err(said::in_band(event.data));
        }
        self.began = true;
        answer.generated(stamp, ArrivalKind::Content, &message.text_output, None);
        Ok(())
    }

    fn whole(
        &mut self,
        answer: &mut Answer,
        document: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        self.event(answer, Event { name: b"", data: document }, stamp)
    }

    fn is_done(&self) -> bool {
        false
    }

    /// The clean end of the body is all the end that there is.
    fn is_finished(&self) -> bool {
        self.began
    }
}
