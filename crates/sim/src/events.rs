//! The bytes of an answer: vLLM's JSON, as a whole or as server-sent events, one a chunk.

use std::{io::Write, ops::Range};

use crate::{
    generation::{Delivery, Endpoint, Finish, Generation},
    results::{self, TextHash},
    said::Pieces,
    simulation::Simulation,
};

/// What every answer says, over and over: a word is a token.
const WORDS: [&str; 16] = [
    " the", " river", " runs", " past", " an", " old", " mill", " and", " on", " to", " the",
    " sea", " while", " evening", " falls", " slowly",
];

/// Whether an event carries its answer's last token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Within,
    Last,
}

/// Writes the events of one answer, or all of it as one document.
#[derive(Debug)]
pub(crate) struct EventWriter {
    endpoint: Endpoint,
    prompt_tokens: u32,
    cached_tokens: Option<u32>,
    usage_ratio: f64,
    finish_reason: &'static str,
    /// What the answer says, if not what all do.
    says: Option<Pieces>,
    /// The JSON that all begin with, up to the list of choices or results.
    opening: String,
}

impl EventWriter {
    /// A writer for the answer to request `request_id`, created now.
    pub(crate) fn new(simulation: &Simulation, generation: &Generation, request_id: &str) -> Self {
        let (prefix, object) = match (generation.endpoint, generation.delivery) {
            (Endpoint::Chat, Delivery::Whole) => ("chatcmpl", "chat.completion"),
            (Endpoint::Chat, Delivery::Stream(_)) => ("chatcmpl", "chat.completion.chunk"),
            (Endpoint::Completions, _) => ("cmpl", "text_completion"),
            (Endpoint::Embeddings, _) => ("embd", "list"),
            (Endpoint::Rerank, _) => ("rerank", "list"),
        };
        // As JSON values they are escaped.
        let id = serde_json::Value::from(format!("{prefix}-{request_id}"));
        let model = serde_json::Value::from(simulation.config.model.as_str());
        let created = simulation.unix_seconds();
        let list = match generation.endpoint {
            Endpoint::Chat | Endpoint::Completions => "choices",
            Endpoint::Embeddings => "data",
            Endpoint::Rerank => "results",
        };
        let opening = format!(
            r#"{{"id":{id},"object":"{object}","created":{created},"model":{model},"{list}":["#
        );
        Self {
            endpoint: generation.endpoint,
            prompt_tokens: generation.prompt_tokens,
            cached_tokens: generation.cached_tokens,
            usage_ratio: simulation.config.usage_ratio,
            finish_reason: match generation.finish {
                Finish::Length => "length",
                Finish::Stop => "stop",
                Finish::ToolCalls => "tool_calls",
            },
            says: generation.says.clone(),
            opening,
        }
    }

    /// The event that begins a chat and carries no token; `usage` if it says that.
    pub(crate) fn role(&self, out: &mut Vec<u8>, usage: Option<u32>) {
        self.event(out, |out| {
            push(out, r#"{"index":0,"delta":{"role":"assistant","content":""},"#);
            push(out, r#""logprobs":null,"finish_reason":null}]"#);
            self.usage(out, usage);
        });
    }

    /// An event with some of the answer's tokens; `usage` if it says how many there were so far.
    pub(crate) fn tokens(
        &self,
        out: &mut Vec<u8>,
        tokens: Range<u32>,
        position: Position,
        usage: Option<u32>,
    ) {
        self.event(out, |out| {
            match (&self.says, self.endpoint) {
                (Some(pieces), _) => {
                    push(out, r#"{"index":0,"delta":{"#);
                    pieces.write(out, tokens);
                    push(out, "},");
                }
                (None, Endpoint::Chat) => {
                    push(out, r#"{"index":0,"delta":{"content":""#);
                    words(out, tokens);
                    push(out, r#""},"#);
                }
                (None, _) => {
                    push(out, r#"{"index":0,"text":""#);
                    words(out, tokens);
                    push(out, r#"","#);
                }
            }
            match (self.endpoint, position) {
                (_, Position::Last) => self.finish(out),
                (Endpoint::Chat, Position::Within) => {
                    push(out, r#""logprobs":null,"finish_reason":null}]"#);
                }
                (_, Position::Within) => {
                    push(out, r#""logprobs":null,"finish_reason":null,"stop_reason":null}]"#);
                }
            }
            self.usage(out, usage);
        });
    }

    /// The event that says how many tokens there were.
    pub(crate) fn final_usage(&self, out: &mut Vec<u8>, completion_tokens: u32) {
        self.event(out, |out| {
            push(out, "]");
            self.detailed_usage(out, completion_tokens);
        });
    }

    /// The whole answer as one JSON document.
    pub(crate) fn document(&self, completion_tokens: u32) -> Vec<u8> {
        let mut out = self.opening.clone().into_bytes();
        match (&self.says, self.endpoint) {
            (Some(pieces), _) => {
                push(&mut out, r#"{"index":0,"message":{"role":"assistant","#);
                pieces.write_whole(&mut out, completion_tokens);
                push(&mut out, "},");
            }
            (None, Endpoint::Chat) => {
                push(&mut out, r#"{"index":0,"message":{"role":"assistant","content":""#);
                words(&mut out, 0..completion_tokens);
                push(&mut out, r#""},"#);
            }
            (None, _) => {
                push(&mut out, r#"{"index":0,"text":""#);
                words(&mut out, 0..completion_tokens);
                push(&mut out, r#"","#);
            }
        }
        self.finish(&mut out);
        self.detailed_usage(&mut out, completion_tokens);
        push(&mut out, "}");
        out
    }

    /// All results as one JSON document.
    pub(crate) fn results(&self, results: &[TextHash]) -> Vec<u8> {
        let mut out = self.opening.clone().into_bytes();
        match self.endpoint {
            Endpoint::Rerank => results::write_ranking(&mut out, results),
            _ => results::write_embeddings(&mut out, results),
        }
        let tokens = self.prompt_tokens;
        let usage =
            format_args!(r#"],"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#);
        format(&mut out, usage);
        out
    }

    fn event(&self, out: &mut Vec<u8>, rest: impl FnOnce(&mut Vec<u8>)) {
        chunk(out, |out| {
            push(out, "data: ");
            push(out, &self.opening);
            rest(out);
            push(out, "}\n\n");
        });
    }

    fn finish(&self, out: &mut Vec<u8>) {
        push(out, r#""logprobs":null,"finish_reason":""#);
        push(out, self.finish_reason);
        push(out, r#"","stop_reason":null}]"#);
    }

    fn usage(&self, out: &mut Vec<u8>, completion_tokens: Option<u32>) {
        if let Some(tokens) = completion_tokens {
            self.counts(out, tokens);
            push(out, "}");
        }
    }

    /// As vLLM does, only the last word on usage says what came from the cache.
    fn detailed_usage(&self, out: &mut Vec<u8>, completion_tokens: u32) {
        self.counts(out, completion_tokens);
        if let Some(cached) = self.cached_tokens {
            let details = format_args!(r#","prompt_tokens_details":{{"cached_tokens":{cached}}}"#);
            format(out, details);
        }
        push(out, "}");
    }

    fn counts(&self, out: &mut Vec<u8>, completion_tokens: u32) {
        let prompt = self.prompt_tokens;
        let completion = share(completion_tokens, self.usage_ratio);
        let total = u64::from(prompt) + u64::from(completion);
        format(
            out,
            format_args!(
                r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{total},"completion_tokens":{completion}"#
            ),
        );
    }
}

/// `ratio` times `tokens`, rounded; no more than the type holds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such casts saturate, and no ratio is negative"
)]
pub(crate) fn share(tokens: u32, ratio: f64) -> u32 {
    (f64::from(tokens) * ratio).round() as u32
}

/// An event that is not one of the answer's, such as an error.
pub(crate) fn data(out: &mut Vec<u8>, data: &[u8]) {
    chunk(out, |out| {
        push(out, "data: ");
        out.extend_from_slice(data);
        push(out, "\n\n");
    });
}

/// The end of a stream of chunks.
pub(crate) fn last_chunk(out: &mut Vec<u8>) {
    push(out, "0\r\n\r\n");
}

fn chunk(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let size = out.len() - start;
    // The size stands before what it counts: written behind it, then rotated to the front.
    format(out, format_args!("{size:x}\r\n"));
    let size_line = out.len() - start - size;
    out[start..].rotate_right(size_line);
    push(out, "\r\n");
}

fn words(out: &mut Vec<u8>, tokens: Range<u32>) {
    for token in tokens {
        push(out, WORDS[token as usize % WORDS.len()]);
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn format(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all bytes");
}
