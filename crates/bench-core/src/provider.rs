//! A kind of server, and how to talk to it.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{Answer, Outcome, Prompt, Request};

/// A model that a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The name to ask for.
    pub id: String,
    /// Tokens of prompt and answer together that it takes, where the server says so.
    pub context_length: Option<u32>,
}

/// What a server says of itself; what it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The engine, such as `vllm`.
    pub engine: Option<String>,
    /// The engine's version.
    pub version: Option<String>,
    /// The profile that it runs, as NIM has them: which engine, precision and parallelism.
    pub profile: Option<String>,
    /// The models it offers.
    pub models: Vec<Model>,
}

/// Whether a server can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nobody answers at the address; says why.
    Down(String),
    /// It answers, and says that it cannot serve yet.
    Loading(String),
    /// It answers requests.
    Up,
}

/// A request that failed, with what is needed to judge it.
#[derive(Debug, thiserror::Error)]
#[error("{outcome}: {said}")]
pub struct ProviderError {
    /// Which way it failed; never [`Outcome::Ok`].
    pub outcome: Outcome,
    /// The first bytes of what the server said, or what went wrong on our side.
    pub said: String,
    /// After how long the server is to be asked again, where it says so.
    pub retry_after: Option<Duration>,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// A failure with `outcome`, in the words of `said`.
    pub fn new(outcome: Outcome, said: impl Into<String>) -> Self {
        Self { outcome, said: said.into(), retry_after: None, source: None }
    }

    /// The same failure, caused by `source`.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// How to talk to a kind of server.
///
/// One provider serves all load threads at once. Whatever belongs to a thread, such as open connections,
/// it keeps per thread: each thread runs its own single-threaded runtime.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// The name of the kind of server, such as `openai`.
    fn name(&self) -> &str;

    /// Puts `prompt` into the form that [`send`](Self::send) takes. Called before the clock starts, or
    /// between the turns of a conversation; never while that request is timed.
    ///
    /// # Errors
    ///
    /// When the dialect cannot express the prompt.
    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError>;

    /// What the server says of itself: engine, version, models, context length. Nothing by default.
    ///
    /// # Errors
    ///
    /// When it could not be asked, or what it says makes no sense.
    async fn describe(&self) -> Result<ServerInfo, ProviderError> {
        Ok(ServerInfo::default())
    }

    /// Whether the server can answer. Fails never: what it cannot find out is [`Readiness::Down`]. A
    /// server that is a part of this process is always up, which is the default.
    async fn ready(&self) -> Readiness {
        Readiness::Up
    }

    /// Sends `request` and writes each arrival into `answer` as it comes.
    ///
    /// Called from many tasks at once. Returns when the answer is complete: `Ok` only if the server said
    /// in its dialect that it was, and sent no error in it. Everything written into `answer` before a
    /// failure counts. Dropping the future abandons the request, and the connection with it unless others share that.
    ///
    /// # Errors
    ///
    /// With the outcome class of what went wrong.
    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError>;
}

/// Counts the tokens of generated text where the server does not.
///
/// Called off the load threads, while requests may be in flight.
pub trait TokenCounter: Send + Sync {
    /// The number of tokens in `text`.
    fn count(&self, text: &str) -> u32;

    /// Whether the count is the model's own tokenizer's, rather than an approximation.
    fn is_exact(&self) -> bool;
}
