//! The JSON of the dialect, borrowed from the bytes as they came, and the reader that makes arrivals of it.

use std::{borrow::Cow, fmt};

use bench_core::{
    Answer, ArrivalKind, FinishReason, Model, Outcome, ProviderError, ServerInfo, Stamp, Usage,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::{
    http::{Head, Reader},
    sse::Sse,
};

/// An event of a stream, or a whole answer: what of it is needed. Unknown fields are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    choices: Choices<'a>,
    usage: Option<WireUsage>,
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
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolCall<'a> {
    index: usize,
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

/// A string, or null, which is none. Borrowed unless it has escapes: `Option<Cow<str>>` never is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Borrow)
    }
}

/// A list of choices. Nearly all have one, which needs no allocation.
#[derive(Debug, Default)]
struct Choices<'a> {
    first: Option<Choice<'a>>,
    rest: Vec<Choice<'a>>,
}

impl<'a> Choices<'a> {
    fn iter(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.first.iter().chain(&self.rest)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Choices<'de>, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices<'de>, A::Error> {
                let mut choices = Choices { first: list.next_element()?, rest: Vec::new() };
                while let Some(choice) = list.next_element()? {
                    choices.rest.push(choice);
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// The length of a list; of null, 0.
#[derive(Debug, Default)]
struct Count(u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl<'de> Visitor<'de> for Length {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut length = 0_u32;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    length = length.saturating_add(1);
                }
                Ok(Count(length))
            }
        }
        deserializer.deserialize_any(Length)
    }
}

/// How the body of an answer is to be read; known once its head is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Events of a stream.
    Stream,
    /// One JSON object.
    Whole,
    /// The words of a refusal, with its status.
    Refusal(u16),
}

/// Reads an answer and writes its arrivals into the record.
pub(super) struct AnswerReader<'a> {
    answer: &'a mut Answer,
    streaming: bool,
    form: Form,
    sse: Sse,
    /// A body that is read as a whole.
    body: Vec<u8>,
    /// When the last of it came.
    last: Option<Stamp>,
    progress: Progress,
}

/// How far the answer has come.
#[derive(Debug, Default)]
struct Progress {
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

/// Bytes kept of a refusal.
const MOST_OF_REFUSAL: usize = 2 << 10;
/// Bytes of an answer that is not streamed.
const MOST_OF_WHOLE: usize = 64 << 20;
/// Bytes of a message that goes into a sample.
const MOST_OF_MESSAGE: usize = 200;

impl<'a> AnswerReader<'a> {
    pub(super) fn new(answer: &'a mut Answer, streaming: bool) -> Self {
        let (sse, body) = (Sse::default(), Vec::new());
        let form = if streaming { Form::Stream } else { Form::Whole };
        Self { answer, streaming, form, sse, body, last: None, progress: Progress::default() }
    }
}

impl Reader for AnswerReader<'_> {
    fn answer(&mut self) -> &mut Answer {
        self.answer
    }

    fn is_streamed(&self) -> bool {
        self.streaming
    }

    fn head(&mut self, head: &Head) -> Result<(), ProviderError> {
        if let Some(coding) = &head.content_encoding {
            let said =
                format!("the answer is compressed ({coding}), though that was not asked for");
            return Err(ProviderError::new(Outcome::Malformed, said));
        }
        if !self.streaming {
            self.answer.whole();
        }
        self.form = match head.status {
            200..=299 if !self.streaming => Form::Whole,
            // A missing type, or text/plain, is a stream that does not say so.
            200..=299
                if matches!(
                    head.content_type.as_str(),
                    "text/event-stream" | "text/plain" | ""
                ) =>
            {
                Form::Stream
            }
            200..=299 => {
                let said = format!(
                    "the server did not stream: it answered with {}; --no-streaming measures such a server",
                    head.content_type
                );
                return Err(ProviderError::new(Outcome::Malformed, said));
            }
            status => Form::Refusal(status),
        };
        Ok(())
    }

    fn content(&mut self, bytes: &[u8], stamp: Stamp) -> Result<(), ProviderError> {
        self.last = Some(stamp);
        match self.form {
            Form::Stream => {}
            Form::Whole if self.body.len() + bytes.len() > MOST_OF_WHOLE => {
                return Err(ProviderError::new(Outcome::Oversize, "an answer of more than 64 MiB"));
            }
            Form::Whole => {
                self.body.extend_from_slice(bytes);
                return Ok(());
            }
            Form::Refusal(_) => {
                let room = MOST_OF_REFUSAL.saturating_sub(self.body.len());
                self.body.extend_from_slice(&bytes[..room.min(bytes.len())]);
                return Ok(());
            }
        }
        let (answer, progress) = (&mut *self.answer, &mut self.progress);
        let mut result = Ok(());
        let fed = self.sse.feed(bytes, |event| {
            if result.is_ok() && !progress.done {
                result = progress.event(answer, event.data, stamp);
            }
        });
        fed.map_err(|error| ProviderError::new(Outcome::Oversize, error.to_string()))?;
        result
    }

    fn is_complete(&self) -> bool {
        self.progress.done
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        match self.form {
            Form::Refusal(status) => Err(refusal(status, &self.body)),
            Form::Whole => {
                let stamp = self.last.unwrap_or_else(|| Stamp::of_read(self.answer.clock().now()));
                self.progress.whole(self.answer, &self.body, stamp)
            }
            Form::Stream if self.progress.done => Ok(()),
            Form::Stream if self.progress.finished => {
                let end = self.last.map_or_else(|| self.answer.clock().now(), |stamp| stamp.at);
                self.answer.done(end);
                Ok(())
            }
            Form::Stream => Err(ProviderError::new(
                Outcome::Truncated,
                "the stream ended without [DONE] and without a finish reason",
            )),
        }
    }
}

impl Progress {
    /// Takes in one event of a stream.
    fn event(
        &mut self,
        answer: &mut Answer,
        data: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        if data == b"[DONE]" {
            self.done = true;
            answer.done(stamp.at);
            return Ok(());
        }
        let message = parse(data)?;
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

    /// Tokens in the event of a choice: its token ids, else what the running total has grown by.
    fn tokens_of(&mut self, message: &Message<'_>, choice: &Choice<'_>) -> Option<u32> {
        if choice.token_ids.0 > 0 {
            return Some(choice.token_ids.0);
        }
        let total = message.usage?.completion_tokens?;
        self.pending += total.saturating_sub(self.tokens_so_far);
        self.tokens_so_far = total;
        // Several choices share one total.
        let alone = message.choices.rest.is_empty() && choice.index == 0;
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
            if delta.reasoning.0.is_empty() { &delta.reasoning_content } else { &delta.reasoning };
        let channels = [
            (ArrivalKind::Reasoning, reasoning),
            (ArrivalKind::Content, &delta.content),
            (ArrivalKind::Content, &delta.refusal),
            (ArrivalKind::Content, &choice.text),
        ];
        let several = channels.iter().filter(|(_, text)| !text.0.is_empty()).count() > 1;
        for (kind, text) in channels.iter().filter(|(_, text)| !text.0.is_empty()) {
            answer.generated(stamp, *kind, &text.0, tokens.filter(|_| !several));
        }
        for call in delta.tool_calls.iter().flatten() {
            if let Some(function) = &call.function
                && !(function.name.0.is_empty() && function.arguments.0.is_empty())
            {
                answer.tool_call(stamp, call.index, &function.name.0, &function.arguments.0);
            }
        }
        answer.sample().arrivals.len() > before
    }

    fn finish(&mut self, answer: &mut Answer, choice: &Choice<'_>) {
        if !choice.finish_reason.0.is_empty() {
            self.finished = true;
            if choice.index == 0 || answer.sample().finish.is_none() {
                answer.finish(FinishReason::from(&*choice.finish_reason.0));
            }
        }
    }

    fn usage(&mut self, answer: &mut Answer, message: &Message<'_>) {
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

    /// Takes in an answer that was not streamed.
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
            self.choice(answer, choice, tokens.filter(|_| message.choices.rest.is_empty()), stamp);
        }
        if !self.finished {
            return Err(ProviderError::new(Outcome::Truncated, "the answer has no finish reason"));
        }
        self.done = true;
        answer.done(stamp.at);
        Ok(())
    }
}

fn kind_of_rest(message: &Message<'_>) -> ArrivalKind {
    match &message.choices.first {
        None if message.usage.is_some() => ArrivalKind::Usage,
        Some(choice) if choice.finish_reason.0.is_empty() => ArrivalKind::Role,
        _ => ArrivalKind::Other,
    }
}

/// One JSON object of the dialect, or the error that it is.
fn parse(data: &[u8]) -> Result<Message<'_>, ProviderError> {
    let malformed = |why: String| {
        let excerpt = String::from_utf8_lossy(data);
        ProviderError::new(Outcome::Malformed, format!("{why}: {}", excerpt_of(&excerpt)))
    };
    // Checked once for the whole event, which is cheaper than for each string of it.
    let text = std::str::from_utf8(data).map_err(|error| malformed(error.to_string()))?;
    let message: Message<'_> =
        serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let is_error = message.error.is_some_and(|e| e.get() != "null") || message.object.0 == "error";
    if is_error {
        return Err(ProviderError::new(Outcome::InBandError, self::message(data)));
    }
    Ok(message)
}

/// The failure that a status other than 2xx is.
pub(super) fn refusal(status: u16, body: &[u8]) -> ProviderError {
    let outcome = if status == 429 { Outcome::RateLimited } else { Outcome::Http(status) };
    ProviderError::new(outcome, message(body))
}

/// What an error object says, or the first words of whatever it is.
pub(super) fn message(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        [error.get("message"), error.get("detail"), Some(error)]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
    });
    excerpt_of(said.unwrap_or(&String::from_utf8_lossy(body)))
}

/// The first bytes of a text, on one line.
fn excerpt_of(text: &str) -> String {
    let mut excerpt = String::with_capacity(MOST_OF_MESSAGE);
    for c in text.trim().chars() {
        if excerpt.len() + c.len_utf8() > MOST_OF_MESSAGE {
            excerpt.push('…');
            break;
        }
        excerpt.push(if c.is_control() { ' ' } else { c });
    }
    excerpt
}

/// What `/v1/models` says of a server.
pub(super) fn server_info(body: &[u8]) -> Result<ServerInfo, ProviderError> {
    let unreadable = || {
        let said = format!("/v1/models is no list of models: {}", message(body));
        ProviderError::new(Outcome::Malformed, said)
    };
    let list: Value = serde_json::from_slice(body).map_err(|error| unreadable().because(error))?;
    let models = list.get("data").and_then(Value::as_array).ok_or_else(unreadable)?;
    let mut info = ServerInfo::default();
    info.models = models
        .iter()
        .filter_map(|model| {
            let length = [model.get("max_model_len"), model.pointer("/meta/n_ctx")];
            let length = length.into_iter().flatten().find_map(Value::as_u64);
            Some(Model {
                id: model.get("id")?.as_str()?.to_owned(),
                context_length: length.and_then(|n| u32::try_from(n).ok()),
            })
        })
        .collect();
    let owner = models.first().and_then(|model| model.get("owned_by")).and_then(Value::as_str);
    info.engine = owner.filter(|owner| !owner.is_empty()).map(excerpt_of);
    Ok(info)
}

/// The version that `/version` states.
pub(super) fn version(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    json.get("version")?.as_str().map(excerpt_of)
}
