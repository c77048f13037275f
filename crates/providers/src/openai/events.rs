//! The JSON of chat and completions, borrowed from the bytes as they came, and what makes arrivals of it.

use std::time::Duration;

use bench_core::{Answer, ArrivalKind, FinishReason, ProviderError, ServerTimes, Stamp, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    dialect::Events,
    framing::Event,
    json::{self, Count, Few, Text},
    llamacpp::events::Timings,
    said,
};

/// An event of a stream, or a whole answer: what of it is needed. Unknown fields are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    choices: Few<Choice<'a>>,
    usage: Option<WireUsage>,
    /// llama.cpp's.
    timings: Option<Timings>,
    /// vLLM's, where it is told to say them.
    metrics: Option<WireMetrics>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// `error` in vLLM's older error objects, which have their message beside it.
    #[serde(borrow)]
    object: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    index: u32,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    /// Of a whole answer.
    #[serde(borrow)]
    message: Option<Delta<'a>>,
    /// Of completions.
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    token_ids: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Text<'a>,
    /// vLLM's name for it, and Ollama's.
    #[serde(borrow)]
    reasoning: Text<'a>,
    /// Everybody else's. Some servers send both: one field with an alias would be refused.
    #[serde(borrow)]
    reasoning_content: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
    #[serde(borrow)]
    tool_calls: Few<ToolCall<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolCall<'a> {
    /// Whole answers have none.
    index: Option<usize>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Text<'a>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// SGLang's place for it.
    reasoning_tokens: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct WireMetrics {
    time_to_first_token_ms: Option<f64>,
    generation_time_ms: Option<f64>,
    queue_time_ms: Option<f64>,
}

impl From<WireMetrics> for ServerTimes {
    fn from(metrics: WireMetrics) -> Self {
        let time = |ms: Option<f64>| Duration::try_from_secs_f64(ms? / 1e3).ok();
        let queue = time(metrics.queue_time_ms);
        let first = time(metrics.time_to_first_token_ms);
        let prefill = first.map(|first| first.saturating_sub(queue.unwrap_or_default()));
        Self { load: None, queue, prefill, decode: time(metrics.generation_time_ms) }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u32>,
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        let details = usage.completion_tokens_details.and_then(|d| d.reasoning_tokens);
        Self {
            prompt: usage.prompt_tokens.unwrap_or(0),
            completion: usage.completion_tokens.unwrap_or(0),
            reasoning: details.or(usage.reasoning_tokens),
            cached: usage.prompt_tokens_details.and_then(|d| d.cached_tokens),
        }
    }
}

/// Reads the answers of chat and completions.
#[derive(Debug, Default)]
pub(crate) struct ChatEvents {
    /// `[DONE]` came.
    done: bool,
    /// Some choice has a finish reason.
    finished: bool,
    /// Completion tokens so far, where the events say so.
    tokens_so_far: u32,
    /// Of these, tokens of events that carried no text, such as the first bytes of a character: they
    /// belong to the next event that does.
    pending: u32,
    /// Generated text came without a count: what a later total adds cannot be told apart any more.
    uncounted: bool,
    /// Events that state the counts of a finished choice: llama.cpp sends one for each.
    final_usages: u32,
}

impl Events for ChatEvents {
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
        let message = parse(event.data)?;
        self.usage(answer, &message);
        let mut generated = false;
        for choice in message.choices.iter() {
            let tokens = self.tokens_of(&message, choice);
            generated |= self.choice(answer, choice, tokens, stamp);
        }
        if generated {
            self.pending = 0;
            self.uncounted |= message.usage.is_none();
        } else {
            answer.event(stamp, kind_of_rest(&message));
        }
        Ok(())
    }

    fn whole(
        &mut self,
        answer: &mut Answer,
        body: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let message = parse(body)?;
        self.usage(answer, &message);
        for choice in message.choices.iter() {
            let tokens = message.usage.and_then(|u| u.completion_tokens);
            self.choice(answer, choice, tokens.filter(|_| message.choices.is_one()), stamp);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl ChatEvents {
    /// Tokens in the event of a choice: its token ids, else what the running total has grown by.
    fn tokens_of(&mut self, message: &Message<'_>, choice: &Choice<'_>) -> Option<u32> {
        if choice.token_ids.0 > 0 {
            return Some(choice.token_ids.0);
        }
        let total = message.usage?.completion_tokens?;
        // A total may fall and grow again as it likes.
        let grown = total.saturating_sub(self.tokens_so_far);
        self.pending = self.pending.saturating_add(grown);
        self.tokens_so_far = total;
        // Several choices share one total.
        let alone = message.choices.is_one() && choice.index == 0;
        (alone && !self.uncounted && self.pending > 0).then_some(self.pending)
    }

    /// Writes what a choice carries; whether that is anything generated.
    fn choice(
        &mut self,
        answer: &mut Answer,
        choice: &Choice<'_>,
        tokens: Option<u32>,
        stamp: Stamp,
    ) -> bool {
        self.finish(answer, choice);
        let before = answer.sample().arrivals.len();
        let empty = Delta::default();
        let delta = choice.delta.as_ref().or(choice.message.as_ref()).unwrap_or(&empty);
        let reasoning =
            if delta.reasoning.is_empty() { &delta.reasoning_content } else { &delta.reasoning };
        let channels = [
            (ArrivalKind::Reasoning, reasoning),
            (ArrivalKind::Content, &delta.content),
            (ArrivalKind::Content, &delta.refusal),
            (ArrivalKind::Content, &choice.text),
        ];
        let several = channels.iter().filter(|(_, text)| !text.is_empty()).count() > 1;
        for (kind, text) in channels.iter().filter(|(_, text)| !text.is_empty()) {
            answer.generated(stamp, *kind, text, tokens.filter(|_| !several));
        }
        for (place, call) in delta.tool_calls.iter().enumerate() {
            if let Some(function) = &call.function
                && !(function.name.is_empty() && function.arguments.is_empty())
            {
                let index = call.index.unwrap_or(place);
                answer.tool_call(stamp, index, &function.name, &function.arguments);
            }
        }
        answer.sample().arrivals.len() > before
    }

    fn finish(&mut self, answer: &mut Answer, choice: &Choice<'_>) {
        if !choice.finish_reason.is_empty() {
            self.finished = true;
            if choice.index == 0 || answer.sample().finish.is_none() {
                answer.finish(FinishReason::from(&*choice.finish_reason));
            }
        }
    }

    fn usage(&mut self, answer: &mut Answer, message: &Message<'_>) {
        let times = message.timings.map(Timings::server_times);
        if let Some(times) = times.or(message.metrics.map(ServerTimes::from)) {
            answer.server_times(times);
        }
        let Some(stated) = message.usage.filter(|u| u.completion_tokens.is_some()) else { return };
        let mut usage = Usage::from(stated);
        let is_final = message.choices.first.is_none();
        if is_final {
            // One event of this kind counts all choices, several count one choice each.
            if let Some(before) = answer.sample().usage.filter(|_| self.final_usages > 0) {
                usage.completion = usage.completion.saturating_add(before.completion);
            }
            self.final_usages += 1;
        }
        answer.usage(usage);
    }
}

fn kind_of_rest(message: &Message<'_>) -> ArrivalKind {
    match &message.choices.first {
        None if message.usage.is_some() => ArrivalKind::Usage,
        Some(choice) if choice.finish_reason.is_empty() => ArrivalKind::Role,
        _ => ArrivalKind::Other,
    }
}

/// One JSON object of the dialect, or the error that it is.
fn parse(data: &[u8]) -> Result<Message<'_>, ProviderError> {
    let message: Message<'_> = json::read(data)?;
    let is_error = message.error.is_some_and(|e| e.get() != "null") || &*message.object == "error";
    if is_error { Err(said::in_band(data)) } else { Ok(message) }
}
