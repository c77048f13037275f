//! The JSON of `/generate`, and what makes arrivals of it.

use std::time::Duration;

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, ServerTimes, Stamp, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    dialect::{Events, Repeated},
    framing::Event,
    json::{self, Count, Text},
    said,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    /// The text so far, or what is new of it.
    #[serde(borrow)]
    text: Text<'a>,
    output_ids: Count,
    #[serde(borrow)]
    meta_info: Option<MetaInfo<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MetaInfo<'a> {
    #[serde(borrow)]
    finish_reason: Option<Finish<'a>>,
    prompt_tokens: u32,
    completion_tokens: u32,
    cached_tokens: Option<u32>,
    reasoning_tokens: Option<u32>,
    /// Seconds.
    queue_time: Option<f64>,
    first_token_latency: Option<f64>,
    e2e_latency: Option<f64>,
}

impl MetaInfo<'_> {
    /// What it says of how long the parts of the answer took.
    fn server_times(&self) -> ServerTimes {
        let time = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
        let queue = time(self.queue_time);
        let first = time(self.first_token_latency);
        let decode =
            time(self.e2e_latency).zip(first).map(|(all, first)| all.saturating_sub(first));
        let prefill = first.map(|first| first.saturating_sub(queue.unwrap_or_default()));
        ServerTimes { load: None, queue, prefill, decode }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finish<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

/// Reads the answers of `/generate`.
#[derive(Debug, Default)]
pub(crate) struct GenerateEvents {
    done: bool,
    finished: bool,
    /// Tokens so far, with those of events that had no text.
    tokens: u32,
    /// Tokens of events since the last one that had text.
    pending: u32,
    text: Repeated,
}

impl Events for GenerateEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        if event.data == b"[DONE]" {
            self.done = true;
            answer.done(stamp.at);
            return Ok(());
        }
        self.read(answer, event.data, stamp)
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
        self.finished
    }
}

impl GenerateEvents {
    fn read(
        &mut self,
        answer: &mut Answer,
        data: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let message: Message<'_> = json::read(data)?;
        if message.error.is_some_and(|error| error.get() != "null") {
            return Err(said::in_band(data));
        }
        let meta = message.meta_info.unwrap_or_default();
        self.pending += meta.completion_tokens.saturating_sub(self.tokens);
        self.tokens = self.tokens.max(meta.completion_tokens);
        // Who repeats the text repeats the tokens.
        let is_all = message.output_ids.0 == 0 || message.output_ids.0 >= meta.completion_tokens;
        let new = match is_all {
            true => self.text.new_in(&message.text),
            false => self.text.add(&message.text),
        };
        if new.is_empty() {
            answer.event(stamp, ArrivalKind::Other);
        } else {
            let tokens = std::mem::take(&mut self.pending);
            answer.generated(stamp, ArrivalKind::Content, new, (tokens > 0).then_some(tokens));
        }
        if meta.completion_tokens > 0 || meta.prompt_tokens > 0 {
            answer.usage(Usage {
                prompt: meta.prompt_tokens,
                completion: meta.completion_tokens,
                reasoning: meta.reasoning_tokens,
                cached: meta.cached_tokens,
            });
        }
        if meta.queue_time.is_some() {
            answer.server_times(meta.server_times());
        }
        match meta.finish_reason {
            Some(finish) if &*finish.kind == "abort" => {
                Err(said::in_band(finish.message.as_bytes()))
            }
            Some(finish) => {
                self.finished = true;
                answer.finish(FinishReason::from(&*finish.kind));
                Ok(())
            }
            None => Ok(()),
        }
    }
}
