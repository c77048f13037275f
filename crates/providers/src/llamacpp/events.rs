//! The JSON of `/completion`, and what makes arrivals of it.

use std::time::Duration;

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, ServerTimes, Stamp, Usage};
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
    content: Text<'a>,
    stop: bool,
    #[serde(borrow)]
    stop_type: Text<'a>,
    /// Tokens generated so far.
    tokens_predicted: u32,
    /// Tokens of the prompt, those from the cache included.
    tokens_evaluated: u32,
    timings: Option<Timings>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Timings {
    cache_n: Option<u32>,
    prompt_ms: Option<f64>,
    predicted_ms: Option<f64>,
}

impl Timings {
    /// What they say of how long the parts of the answer took.
    pub(crate) fn server_times(self) -> ServerTimes {
        let time = |ms: Option<f64>| Duration::try_from_secs_f64(ms? / 1e3).ok();
        let (prefill, decode) = (time(self.prompt_ms), time(self.predicted_ms));
        ServerTimes { prefill, decode, ..ServerTimes::default() }
    }
}

/// Reads the answers of `/completion`.
#[derive(Debug, Default)]
pub(crate) struct CompletionEvents {
    done: bool,
    /// Tokens so far, with those of events that had no text.
    tokens: u32,
    /// Tokens of events since the last one that had text.
    pending: u32,
}

impl Events for CompletionEvents {
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
        self.pending += message.tokens_predicted.saturating_sub(self.tokens);
        self.tokens = self.tokens.max(message.tokens_predicted);
        if message.content.is_empty() {
            // Progress of the prompt, the first bytes of a character, or the end.
            answer.event(stamp, if message.stop { ArrivalKind::Usage } else { ArrivalKind::Other });
        } else {
            let tokens = std::mem::take(&mut self.pending);
            let tokens = (tokens > 0).then_some(tokens);
            answer.generated(stamp, ArrivalKind::Content, &message.content, tokens);
        }
        if let Some(timings) = message.timings {
            answer.server_times(timings.server_times());
        }
        if message.stop {
            answer.usage(Usage {
                prompt: message.tokens_evaluated,
                completion: message.tokens_predicted,
                reasoning: None,
                cached: message.timings.and_then(|timings| timings.cache_n),
            });
            answer.finish(match &*message.stop_type {
                "limit" => FinishReason::Length,
                "eos" | "word" => FinishReason::Stop,
                other => FinishReason::from(other),
            });
            self.done = true;
            answer.done(stamp.at);
        }
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
        self.done
    }

    fn is_finished(&self) -> bool {
        self.done
    }
}
