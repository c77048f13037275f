//! What is known of one request: raw moments, counts and the outcome. Every metric derives from it.

use std::{sync::Arc, time::Duration};

use crate::{Moment, Outcome, answer::ToolCall, grade::Grade};

/// One part of a point, with samples of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Requests that only warm the server and the connections.
    WarmUp,
    /// The requests that are judged.
    Measure,
}

impl Phase {
    /// The name in files: `warmup` or `measure`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WarmUp => "warmup",
            Self::Measure => "measure",
        }
    }
}

/// What an event of an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrivalKind {
    /// Only the role, or an empty text.
    Role,
    /// Generated text of the reasoning channel.
    Reasoning,
    /// Generated text of the answer.
    Content,
    /// A piece of a tool call.
    ToolCall,
    /// A result that is no text and has no tokens: embeddings, or the scores of a ranking.
    Result,
    /// Token counts.
    Usage,
    /// Anything else, such as a finish reason alone.
    Other,
}

impl ArrivalKind {
    /// Every kind and its name in files.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Role, "role"),
        (Self::Reasoning, "reasoning"),
        (Self::Content, "content"),
        (Self::ToolCall, "tool_call"),
        (Self::Result, "result"),
        (Self::Usage, "usage"),
        (Self::Other, "other"),
    ];

    /// Whether the model made what arrived. Only such arrivals are timed.
    pub const fn is_generated(self) -> bool {
        matches!(self, Self::Reasoning | Self::Content | Self::ToolCall | Self::Result)
    }
}

/// When bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the kernel took them, or when the program read them where there is no such stamp.
    pub at: Moment,
    /// How long they then lay until the program read them; absent when `at` is the time of the read.
    pub lag: Option<Duration>,
}

impl Stamp {
    /// The stamp of bytes whose arrival nobody noted before the program did.
    pub const fn of_read(at: Moment) -> Self {
        Self { at, lag: None }
    }
}

/// One event of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it came.
    pub at: Moment,
    /// Nanoseconds from `at` to the read; 0 without a kernel stamp.
    pub lag_ns: u32,
    /// Bytes of generated text in it.
    pub bytes: u32,
    /// Tokens in it; 0 where unknown.
    pub tokens: u16,
    /// What it carries.
    pub kind: ArrivalKind,
    /// Whether another generated event came in the same read: its own moment is then unknown, and the
    /// gap before it is not taken for zero.
    pub coalesced: bool,
    /// Whether `at` is the kernel's stamp rather than the time of the read.
    pub kernel: bool,
}

impl Arrival {
    /// Tokens in it, where known.
    pub fn known_tokens(&self) -> Option<u32> {
        (self.tokens > 0).then_some(u32::from(self.tokens))
    }
}

/// The set-up of a new connection, name look-up and TLS included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// When it began.
    pub began: Moment,
    /// When the connection could carry a request.
    pub done: Moment,
}

/// Token counts that the server states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens generated, those of the reasoning channel included.
    pub completion: u32,
    /// Of these, tokens of the reasoning channel.
    pub reasoning: Option<u32>,
    /// Tokens of the prompt that the server had cached.
    pub cached: Option<u32>,
}

/// How long the server says that it took for the parts of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTimes {
    /// Loading the model, before all else.
    pub load: Option<Duration>,
    /// Waiting for a place among the requests that run.
    pub queue: Option<Duration>,
    /// Reading the prompt, up to the first token.
    pub prefill: Option<Duration>,
    /// Generating the tokens after the first.
    pub decode: Option<Duration>,
}

/// Why the model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// At an end-of-sequence token or a stop string.
    Stop,
    /// At the length asked for, or at the end of the context.
    Length,
    /// To have a tool called.
    ToolCalls,
    /// In the server's own word.
    Other(String),
}

impl FinishReason {
    /// The word that OpenAI's API uses.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for FinishReason {
    fn from(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Where a count of output tokens comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenSource {
    /// The server's `usage`.
    Usage,
    /// A tokenizer, run over the text of the answer.
    Tokenizer,
    /// A tokenizer that is not the model's: a guess.
    Approximate,
    /// The number of generated events: a guess.
    Chunks,
}

impl TokenSource {
    /// The name in files and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "server usage",
            Self::Tokenizer => "tokenizer",
            Self::Approximate => "approximate tokenizer (estimated)",
            Self::Chunks => "chunks (estimated)",
        }
    }
}

/// What is known of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The id sent as `X-Request-Id`, so that a server's log can be matched request by request.
    pub request_id: String,
    /// What the workload calls the conversation, or the line of a dataset, that it is of.
    pub id: Option<Arc<str>>,
    /// Which point of the plan, from 0.
    pub point: u32,
    /// Which phase of the point.
    pub phase: Phase,
    /// Which request of the phase, from 0, in order of sending.
    pub number: u64,
    /// Which session of the phase, from 0.
    pub session: u64,
    /// Which turn of the session, from 0.
    pub turn: u32,
    /// Which place of a closed loop sent it, from 0: what other tools call a client.
    pub place: Option<u32>,
    /// Which attempt at the request, from 0: the later ones follow failures, in samples of their own.
    pub attempt: u32,
    /// When the request was to be sent: its time in the schedule, or when its slot became free.
    pub due: Moment,
    /// The set-up of its connection; absent when it found one open.
    pub connect: Option<Connect>,
    /// When its first byte was about to be written, on an open connection.
    pub sent: Option<Moment>,
    /// Whether it was sent again, over another connection, because the server had closed the kept one.
    pub resent: bool,
    /// When the response head came.
    pub headers: Option<Moment>,
    /// Whether the answer was to come as a stream. One that was not has no time to first token.
    pub streamed: bool,
    /// The events of the answer, in order.
    pub arrivals: Vec<Arrival>,
    /// When the first tool call of a good answer was complete: the call whose last piece came first.
    pub tool_call: Option<Moment>,
    /// When the answer was complete, usage and terminal marker included, or was given up.
    pub done: Option<Moment>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, in the first bytes that the server said or in ours.
    pub error: Option<String>,
    /// Input tokens as counted when the prompt was made.
    pub input_tokens: Option<u32>,
    /// Of these, tokens at its beginning that the server was sent before.
    pub repeated_tokens: Option<u32>,
    /// Output tokens asked for.
    pub asked_tokens: Option<u32>,
    /// Output tokens as counted by a tokenizer in the text of the answer.
    pub counted_tokens: Option<u32>,
    /// Token counts that the server stated.
    pub usage: Option<Usage>,
    /// How long the server says that it took.
    pub server: ServerTimes,
    /// Why the model stopped.
    pub finish: Option<FinishReason>,
    /// Whether something was expected of the answer. One that failed is then not answered, which is no grade.
    pub expects: bool,
    /// Whether the answer is what was expected, where something was.
    pub grade: Option<Grade>,
    /// The generated text, where it is needed after the request.
    pub text: Option<String>,
    /// The tool calls, where the text is kept.
    pub tool_calls: Vec<ToolCall>,
}

impl Sample {
    /// A request that is due but not yet sent.
    pub fn due(due: Moment) -> Self {
        Self {
            request_id: String::new(),
            id: None,
            point: 0,
            phase: Phase::Measure,
            number: 0,
            session: 0,
            turn: 0,
            place: None,
            attempt: 0,
            due,
            connect: None,
            sent: None,
            resent: false,
            headers: None,
            streamed: true,
            arrivals: Vec::new(),
            tool_call: None,
            done: None,
            outcome: Outcome::Cancelled,
            error: None,
            input_tokens: None,
            repeated_tokens: None,
            asked_tokens: None,
            counted_tokens: None,
            usage: None,
            server: ServerTimes::default(),
            finish: None,
            expects: false,
            grade: None,
            text: None,
            tool_calls: Vec::new(),
        }
    }

    /// The arrivals that carry something generated.
    pub fn generated(&self) -> impl DoubleEndedIterator<Item = &Arrival> + Clone {
        self.arrivals.iter().filter(|a| a.kind.is_generated())
    }

    /// The first arrival that carries something generated, in any channel.
    pub fn first_generated(&self) -> Option<&Arrival> {
        self.generated().next()
    }

    /// The last arrival that carries something generated.
    pub fn last_generated(&self) -> Option<&Arrival> {
        self.generated().next_back()
    }

    /// Whether the answer is a result that has no tokens.
    pub fn is_result(&self) -> bool {
        self.last_generated().is_some_and(|arrival| arrival.kind == ArrivalKind::Result)
    }

    /// Output tokens, from the best source there is, and that source; none of a result. Who counted, and how
    /// well, only the run knows: a tokenizer is taken for the model's.
    pub fn output_tokens(&self) -> Option<(u32, TokenSource)> {
        if self.is_result() {
            return None;
        }
        if let Some(usage) = self.usage {
            return Some((usage.completion, TokenSource::Usage));
        }
        if let Some(counted) = self.counted_tokens {
            return Some((counted, TokenSource::Tokenizer));
        }
        let chunks = u32::try_from(self.generated().count()).unwrap_or(u32::MAX);
        (chunks > 0).then_some((chunks, TokenSource::Chunks))
    }

    /// Input tokens: the server's count, else ours. A server that says none has not counted: Ollama leaves out
    /// what it had cached.
    pub fn prompt_tokens(&self) -> Option<u32> {
        self.usage.map(|u| u.prompt).filter(|tokens| *tokens > 0).or(self.input_tokens)
    }

    /// Whether each generated event is known to be one token: their number is the server's count.
    pub fn is_token_per_chunk(&self) -> bool {
        self.usage.is_some_and(|u| self.generated().count() == u.completion as usize)
    }
}
