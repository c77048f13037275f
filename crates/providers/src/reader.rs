//! From the bytes of an answer to the events of a dialect.

use std::time::Duration;

use bench_core::{Answer, Outcome, ProviderError, Stamp};

use crate::{
    dialect::Events,
    framing::{Decoder, Event, Framing},
    http::{Head, Reader},
    said,
};

/// How the body of an answer is to be read; known once its head is there.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Events of a stream.
    Stream,
    /// One JSON document.
    Whole,
    /// The words of a refusal.
    Refusal,
}

/// Reads an answer and has its dialect write what it carries into the record.
pub(crate) struct AnswerReader<'a> {
    answer: &'a mut Answer,
    streaming: bool,
    framing: Framing,
    form: Form,
    decoder: Decoder,
    events: Box<dyn Events>,
    /// A body that is read as a whole.
    body: Vec<u8>,
    /// When the last of it came.
    last: Option<Stamp>,
    /// The status of a refusal, and what else its head says of it.
    refused: (u16, String),
    retry_after: Option<Duration>,
}

/// Bytes kept of a refusal.
const MOST_OF_REFUSAL: usize = 2 << 10;
/// Events of a stream that was asked for without a limit.
const MOST_EVENTS: usize = 1 << 20;
/// Events for each token that was asked for, and beside these: some servers, and proxies before them, send their
/// text letter by letter, and some leave the tokens of reasoning out of the limit.
const EVENTS_PER_TOKEN: usize = 8;
const MORE_EVENTS: usize = 1_000;
/// Bytes of an answer that is not streamed.
const MOST_OF_WHOLE: usize = 64 << 20;

impl<'a> AnswerReader<'a> {
    /// A reader of an answer that was asked for as a stream, or as a whole.
    pub(crate) fn new(
        answer: &'a mut Answer,
        streaming: bool,
        framing: Framing,
        events: Box<dyn Events>,
    ) -> Self {
        let form = if streaming { Form::Stream } else { Form::Whole };
        let (decoder, body) = (framing.decoder(), Vec::new());
        Self {
            answer,
            streaming,
            framing,
            form,
            decoder,
            events,
            body,
            last: None,
            refused: (0, String::new()),
            retry_after: None,
        }
    }

    /// Whether the stream may go on: one that goes beyond what was asked for might never end.
    fn check_length(&self) -> Result<(), ProviderError> {
        let sample = self.answer.sample();
        let most = sample.asked_tokens.map_or(MOST_EVENTS, |asked| {
            EVENTS_PER_TOKEN.saturating_mul(asked as usize).saturating_add(MORE_EVENTS)
        });
        if sample.arrivals.len() <= most {
            return Ok(());
        }
        let said = match sample.asked_tokens {
            Some(asked) => {
                format!(
                    "more than {most} events for {asked} tokens: the server takes no notice of the limit"
                )
            }
            None => format!("an answer of more than {most} events"),
        };
        Err(ProviderError::new(Outcome::Oversize, said))
    }

    /// What takes the events that came at `stamp`.
    fn taking(&mut self, stamp: Stamp) -> (&mut Decoder, Taking<'_>) {
        let (answer, events) = (&mut *self.answer, &mut *self.events);
        (&mut self.decoder, Taking { answer, events, stamp, result: Ok(()) })
    }
}

/// Passes events on, up to the dialect's last one or a failure.
struct Taking<'a> {
    answer: &'a mut Answer,
    events: &'a mut dyn Events,
    stamp: Stamp,
    result: Result<(), ProviderError>,
}

impl Taking<'_> {
    fn event(&mut self, event: Event<'_>) {
        if self.result.is_ok() && !self.events.is_done() {
            self.result = self.events.event(self.answer, event, self.stamp);
        }
    }
}

/// What a refusal's head says beside its status, to follow the words of its body.
fn hints(head: &Head) -> String {
    let retry_after = head.retry_after.map(|seconds| format!(" (retry-after: {seconds} s)"));
    let location = head.location.as_deref().filter(|_| (300..400).contains(&head.status));
    let location = location.map(|to| format!(" (to {}; not followed)", said::excerpt(to)));
    [retry_after, location].into_iter().flatten().collect()
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
            let said = format!(
                "the answer is compressed ({}), though that was not asked for",
                said::excerpt(coding)
            );
            return Err(ProviderError::new(Outcome::Malformed, said));
        }
        if !self.streaming {
            self.answer.whole();
        }
        self.form = match head.status {
            200..=299 if !self.streaming => Form::Whole,
            200..=299 if self.framing.is_said_by(&head.content_type) => Form::Stream,
            200..=299 => {
                let said = format!(
                    "the server did not stream: it answered with {}; --no-streaming measures such a server",
                    said::excerpt(&head.content_type)
                );
                return Err(ProviderError::new(Outcome::Malformed, said));
            }
            status => {
                self.refused = (status, hints(head));
                self.retry_after = head.retry_after.map(|s| Duration::from_secs(s.into()));
                Form::Refusal
            }
        };
        Ok(())
    }

    fn content(&mut self, bytes: &[u8], stamp: Stamp) -> Result<(), ProviderError> {
        self.last = Some(stamp);
        match self.form {
            Form::Stream => {
                let (decoder, mut taking) = self.taking(stamp);
                let fed = decoder.feed(bytes, |event| taking.event(event));
                // What came first counts.
                taking.result?;
                fed.map_err(|error| ProviderError::new(Outcome::Oversize, error.to_string()))?;
                self.check_length()
            }
            Form::Whole if self.body.len() + bytes.len() > MOST_OF_WHOLE => {
                Err(ProviderError::new(Outcome::Oversize, "an answer of more than 64 MiB"))
            }
            Form::Whole => {
                self.body.extend_from_slice(bytes);
                Ok(())
            }
            Form::Refusal => {
                let room = MOST_OF_REFUSAL.saturating_sub(self.body.len());
                self.body.extend_from_slice(&bytes[..room.min(bytes.len())]);
                Ok(())
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.events.is_done()
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        let stamp = self.last.unwrap_or_else(|| Stamp::of_read(self.answer.clock().now()));
        match self.form {
            Form::Refusal => {
                let (status, hints) = &self.refused;
                let mut refusal = said::refusal(*status, &self.body);
                refusal.retry_after = self.retry_after;
                refusal.said = format!("{}{hints}", refusal.said).trim_start().to_owned();
                return Err(refusal);
            }
            Form::Whole => self.events.whole(self.answer, &self.body, stamp)?,
            Form::Stream => {
                let (decoder, mut taking) = self.taking(stamp);
                decoder.end(|event| taking.event(event));
                taking.result?;
            }
        }
        if self.events.is_done() {
            return Ok(());
        }
        if self.events.is_finished() {
            self.answer.done(stamp.at);
            return Ok(());
        }
        let said = match self.form {
            Form::Stream => "the stream ended without its last event and without a finish reason",
            _ => "the answer has no finish reason",
        };
        Err(ProviderError::new(Outcome::Truncated, said))
    }
}
