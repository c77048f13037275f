//! The JSON of `/api/chat` and `/api/generate`, and what makes arrivals of it.

use std::time::Duration;

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, ServerTimes, Stamp, Usage};
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
struct Line<'a> {
    /// Of chat.
    #[serde(borrow)]
    message: Option<Said<'a>>,
    /// Of generate.
    #[serde(borrow)]
    response: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    done: bool,
    #[serde(borrow)]
    done_reason: Text<'a>,
    prompt_eval_count: u32,
    eval_count: u32,
    /// Nanoseconds, as all durations; what is zero is left out.
    load_duration: u64,
    prompt_eval_duration: u64,
    eval_duration: u64,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    tool_calls: Few<ToolCall<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolCall<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    /// An object, not a text that holds one.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Reads the answers of `/api/chat` and `/api/generate`.
#[derive(Debug, Default)]
pub(crate) struct NativeEvents {
    done: bool,
    tool_calls: usize,
}

impl Events for NativeEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let line: Line<'_> = json::read(event.data)?;
        if line.error.is_some_and(|error| error.get() != "null") {
            return Err(said::in_band(event.data));
        }
        let before = answer.sample().arrivals.len();
        let message = line.message.unwrap_or_default();
        let channels = [
            (ArrivalKind::Reasoning, &message.thinking),
            (ArrivalKind::Reasoning, &line.thinking),
            (ArrivalKind::Content, &message.content),
            (ArrivalKind::Content, &line.response),
        ];
        for (kind, text) in channels.iter().filter(|(_, text)| !text.is_empty()) {
            answer.generated(stamp, *kind, text, None);
        }
        for function in message.tool_calls.iter().filter_map(|call| call.function.as_ref()) {
            let arguments = function.arguments.map_or("", RawValue::get);
            answer.tool_call(stamp, self.tool_calls, &function.name, arguments);
            self.tool_calls += 1;
        }
        if answer.sample().arrivals.len() == before {
            answer.event(stamp, if line.done { ArrivalKind::Usage } else { ArrivalKind::Role });
        }
        if line.done {
            answer.usage(Usage {
                prompt: line.prompt_eval_count,
                completion: line.eval_count,
                ..Usage::default()
            });
            answer.server_times(ServerTimes {
                load: Some(Duration::from_nanos(line.load_duration)),
                queue: None,
                prefill: Some(Duration::from_nanos(line.prompt_eval_duration)),
                decode: Some(Duration::from_nanos(line.eval_duration)),
            });
            answer.finish(FinishReason::from(&*line.done_reason));
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
