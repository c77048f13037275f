//! The JSON of messages, and what makes arrivals of it.

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, Stamp, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    dialect::Events,
    framing::Event,
    json::{self, Few, Text},
    said,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    index: usize,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    usage: Option<WireUsage>,
    /// Of the first event.
    message: Option<Begun>,
    /// Of a whole answer.
    #[serde(borrow)]
    content: Few<Block<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    /// Of a tool call.
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Begun {
    usage: Option<WireUsage>,
}

/// Input tokens are those beside the cached ones.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    cache_creation_input_tokens: Option<u32>,
    cache_read_input_tokens: Option<u32>,
}

/// Reads the answers of messages.
#[derive(Debug, Default)]
pub(crate) struct MessagesEvents {
    done: bool,
    finished: bool,
    usage: WireUsage,
}

impl Events for MessagesEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let message: Message<'_> = json::read(event.data)?;
        let delta = message.delta.unwrap_or_default();
        match &*message.kind {
            "message_start" => {
                self.count(answer, message.message.and_then(|begun| begun.usage), false);
                answer.event(stamp, ArrivalKind::Role);
            }
            "content_block_start" => match &message.content_block {
                Some(block) if &*block.kind == "tool_use" => {
                    answer.tool_call(stamp, message.index, &block.name, "");
                }
                _ => answer.event(stamp, ArrivalKind::Other),
            },
            "content_block_delta" if !delta.partial_json.is_empty() => {
                answer.tool_call(stamp, message.index, "", &delta.partial_json);
            }
            "content_block_delta" if !delta.thinking.is_empty() => {
                answer.generated(stamp, ArrivalKind::Reasoning, &delta.thinking, None);
            }
            "content_block_delta" if !delta.text.is_empty() => {
                answer.generated(stamp, ArrivalKind::Content, &delta.text, None);
            }
            "message_delta" => {
                self.finish(answer, &delta.stop_reason);
                self.count(answer, message.usage, true);
                answer.event(stamp, ArrivalKind::Usage);
            }
            "message_stop" => {
                self.done = true;
                answer.event(stamp, ArrivalKind::Other);
                answer.done(stamp.at);
            }
            "error" => return Err(said::in_band(event.data)),
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
        let message: Message<'_> = json::read(document)?;
        if &*message.kind == "error" {
            return Err(said::in_band(document));
        }
        for (index, block) in message.content.iter().enumerate() {
            match &*block.kind {
                "tool_use" => {
                    let input = block.input.map_or("", RawValue::get);
                    answer.tool_call(stamp, index, &block.name, input);
                }
                "thinking" => {
                    answer.generated(stamp, ArrivalKind::Reasoning, &block.thinking, None);
                }
                _ => answer.generated(stamp, ArrivalKind::Content, &block.text, None),
            }
        }
        self.finish(answer, &message.stop_reason);
        self.count(answer, message.usage, true);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    /// Without its last event a stream is cut off; a whole answer has its reason.
    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl MessagesEvents {
    /// Takes in counts: later ones replace earlier ones, each for itself. Those of the first event are of no
    /// answer yet.
    fn count(&mut self, answer: &mut Answer, usage: Option<WireUsage>, is_final: bool) {
        let Some(usage) = usage else { return };
        let known = &mut self.usage;
        known.input_tokens = usage.input_tokens.or(known.input_tokens);
        known.output_tokens = usage.output_tokens.or(known.output_tokens);
        known.cache_creation_input_tokens =
            usage.cache_creation_input_tokens.or(known.cache_creation_input_tokens);
        known.cache_read_input_tokens =
            usage.cache_read_input_tokens.or(known.cache_read_input_tokens);
        if is_final {
            let parts = [
                known.input_tokens,
                known.cache_creation_input_tokens,
                known.cache_read_input_tokens,
            ];
            answer.usage(Usage {
                prompt: parts.into_iter().flatten().fold(0, u32::saturating_add),
                completion: known.output_tokens.unwrap_or(0),
                reasoning: None,
                cached: known.cache_read_input_tokens,
            });
        }
    }

    fn finish(&mut self, answer: &mut Answer, reason: &str) {
        if !reason.is_empty() {
            self.finished = true;
            answer.finish(match reason {
                "max_tokens" => FinishReason::Length,
                "end_turn" | "stop_sequence" => FinishReason::Stop,
                "tool_use" => FinishReason::ToolCalls,
                other => FinishReason::from(other),
            });
        }
    }
}
