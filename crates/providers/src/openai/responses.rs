//! The JSON of responses, and what makes arrivals of it.

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, Stamp, Usage};
use serde::Deserialize;

use crate::{
    dialect::Events,
    framing::Event,
    json::{self, Few, Text},
    said,
};

/// An event of a stream: what of it is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    delta: Text<'a>,
    output_index: usize,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

/// A response as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow)]
    output: Few<Item<'a>>,
    usage: Option<WireUsage>,
    #[serde(borrow)]
    error: Option<&'a serde_json::value::RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    content: Few<Part<'a>>,
    /// Of a function call.
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u32>,
}

/// Reads the answers of responses.
#[derive(Debug, Default)]
pub(crate) struct ResponsesEvents {
    done: bool,
    finished: bool,
}

impl Events for ResponsesEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        if event.data == b"[DONE]" {
            // No engine sends it here, but it would mean what it always does.
            return Ok(());
        }
        let message: Message<'_> = json::read(event.data)?;
        match &*message.kind {
            "response.output_text.delta" | "response.refusal.delta" => {
                answer.generated(stamp, ArrivalKind::Content, &message.delta, None);
            }
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                answer.generated(stamp, ArrivalKind::Reasoning, &message.delta, None);
            }
            "response.function_call_arguments.delta" => {
                answer.tool_call(stamp, message.output_index, "", &message.delta);
            }
            "response.output_item.added" => match &message.item {
                Some(item) if &*item.kind == "function_call" => {
                    answer.tool_call(stamp, message.output_index, &item.name, "");
                }
                _ => answer.event(stamp, ArrivalKind::Other),
            },
            "response.completed" | "response.incomplete" => {
                let response = message.response.unwrap_or_default();
                self.finish(answer, &response);
                answer.event(stamp, ArrivalKind::Usage);
                self.done = true;
                answer.done(stamp.at);
            }
            "error" | "response.failed" => {
                let error = message.response.and_then(|response| response.error);
                let error = error.map_or(event.data, |error| error.get().as_bytes());
                return Err(said::in_band(error));
            }
            _ => answer.event(stamp, ArrivalKind::Other),
        }
        Ok(())
    }

    fn whole(
        &mut self,
        answer: &mut Answer,
        document: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let response: Response<'_> = json::read(document)?;
        if let Some(error) = response.error.filter(|error| error.get() != "null") {
            return Err(said::in_band(error.get().as_bytes()));
        }
        for (index, item) in response.output.iter().enumerate() {
            let kind = match &*item.kind {
                "function_call" => {
                    answer.tool_call(stamp, index, &item.name, &item.arguments);
                    continue;
                }
                "reasoning" => ArrivalKind::Reasoning,
                _ => ArrivalKind::Content,
            };
            for part in item.content.iter() {
                let text = if part.text.is_empty() { &part.refusal } else { &part.text };
                answer.generated(stamp, kind, text, None);
            }
        }
        self.finish(answer, &response);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl ResponsesEvents {
    /// Takes in what the response as it ended says of itself.
    fn finish(&mut self, answer: &mut Answer, response: &Response<'_>) {
        self.finished = matches!(&*response.status, "completed" | "incomplete");
        let reason = response.incomplete_details.as_ref().map(|why| &*why.reason);
        answer.finish(match reason {
            Some("max_output_tokens") => FinishReason::Length,
            Some(reason) if !reason.is_empty() => FinishReason::from(reason),
            _ => FinishReason::Stop,
        });
        if let Some(usage) = response.usage {
            answer.usage(Usage {
                prompt: usage.input_tokens.unwrap_or(0),
                completion: usage.output_tokens.unwrap_or(0),
                reasoning: usage.output_tokens_details.and_then(|d| d.reasoning_tokens),
                cached: usage.input_tokens_details.and_then(|d| d.cached_tokens),
            });
        }
    }
}
