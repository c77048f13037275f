//! What a server is, and how it answers: found out by asking, before anything is measured.

use std::time::Duration;

use bench_core::{Answer, Clock, Moment, Outcome, Prompt, Provider, Readiness, Sample};
use bench_providers::{Api, Config, HttpProvider, Piece};
use tokio::runtime::Runtime;

use crate::{Code, Failure, Settings, Target, target};

/// What a server was found to be.
#[derive(Debug)]
pub struct Probed {
    /// The server, its model, and what it says of itself.
    pub target: Target,
    /// Whether it says that it can answer.
    pub readiness: Readiness,
    /// Where requests go.
    pub path: String,
    /// Whether it tells what it counts of itself.
    pub has_metrics: bool,
    /// Whether its tokenizer can be asked.
    pub tokenizes: bool,
    /// What came of asking each of the APIs that its engine has for results, such as embeddings.
    pub results: Vec<(Api, Outcome)>,
    /// An answer whose length it was asked to keep to; a result has none.
    pub fixed: Trial,
    /// One that it could end as it liked.
    pub free: Trial,
}

/// One request, and what came of it.
#[derive(Debug)]
pub struct Trial {
    /// What is known of it.
    pub sample: Sample,
    /// Reasoning and answer.
    pub text: String,
    /// Each read of the body.
    pub pieces: Vec<Piece>,
}

/// Whether a server makes answers as long as it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepsLength {
    /// It does, and would have ended sooner.
    Yes,
    /// It ended sooner all the same.
    No,
    /// It refuses to be asked.
    Refuses,
    /// Its answer was as long without being asked to.
    Unknown,
}

/// Output tokens that are asked for.
pub const PROBE_TOKENS: u32 = 32;

/// To be answered in a word or two, so that a longer answer is one that was forced.
const QUESTION: &str = "Answer with one word: what is the capital of France?";

impl Probed {
    /// Whether the server makes answers as long as it is asked to.
    pub fn keeps_length(&self) -> KeepsLength {
        let tokens = |trial: &Trial| trial.sample.output_tokens().map(|(tokens, _)| tokens);
        match (self.fixed.sample.outcome, self.free.sample.outcome) {
            (Outcome::Http(400 | 422), Outcome::Ok | Outcome::Empty) => KeepsLength::Refuses,
            (Outcome::Ok, _) if tokens(&self.fixed).is_some_and(|n| n < PROBE_TOKENS) => {
                KeepsLength::No
            }
            (Outcome::Ok, Outcome::Ok | Outcome::Empty)
                if tokens(&self.fixed) == Some(PROBE_TOKENS)
                    && tokens(&self.free).unwrap_or(0) < PROBE_TOKENS =>
            {
                KeepsLength::Yes
            }
            _ => KeepsLength::Unknown,
        }
    }

    /// The answer that says most: the fixed one unless it failed.
    pub fn answer(&self) -> &Trial {
        if self.fixed.sample.outcome.is_ok() { &self.fixed } else { &self.free }
    }
}

impl Trial {
    /// The generated events, as moments after the request was sent.
    pub fn moments(&self) -> impl Iterator<Item = Duration> {
        let sent = self.sample.sent.unwrap_or_default();
        self.sample.generated().map(move |arrival| arrival.at.since(sent))
    }
}

/// Finds the server that the first of the settings' targets names, and asks it two short questions, and for
/// each kind of result that its engine has.
///
/// # Errors
///
/// When it cannot be reached, or offers no such model.
pub fn probe(settings: &Settings) -> Result<Probed, Failure> {
    let Asker { runtime, target, config } = Asker::find(settings)?;
    let ask = |api, fixed_length| {
        let path = config.path.clone().filter(|_| api == config.api);
        let asked = Config { api, path, fixed_length, ..config.clone() };
        runtime.block_on(trial(&target::provider(asked)?, &question(api)))
    };
    let (free, fixed) = (ask(config.api, false)?, ask(config.api, true)?);
    let mut results = Vec::new();
    for api in target.engine.apis().iter().filter(|api| !api.generates()) {
        results.push((*api, ask(*api, false)?.sample.outcome));
    }
    let provider = target::provider(config)?;
    let (readiness, has_metrics, tokenizes) = runtime.block_on(async {
        let has_metrics = provider.metrics().await.is_some();
        (provider.ready().await, has_metrics, provider.count_tokens(QUESTION).await.is_some())
    });
    let path = provider.path();
    Ok(Probed { target, readiness, path, has_metrics, tokenizes, results, fixed, free })
}

/// What is asked of an API.
fn question(api: Api) -> Prompt {
    let mut prompt = Prompt::user(QUESTION).with_output_tokens(PROBE_TOKENS);
    if api == Api::Rerank {
        prompt.messages.extend(Prompt::user("Paris").messages);
    }
    prompt
}

/// Sends one message to the server that the first of the settings' targets names.
///
/// # Errors
///
/// When it cannot be reached, or offers no such model.
pub fn chat(settings: &Settings, message: &str, tokens: Option<u32>) -> Result<Trial, Failure> {
    // The simulator lives as long as its target.
    let Asker { runtime, config, target: _target } = Asker::find(settings)?;
    if !config.api.generates() {
        let what = format!("`{}` says nothing: its answers are no text", config.api);
        return Err(Failure::new(Code::Setting, what).fix("--endpoint-type chat, or `probe`"));
    }
    let provider = target::provider(Config { fixed_length: false, ..config })?;
    let prompt = Prompt { output_tokens: tokens, ..Prompt::user(message) };
    runtime.block_on(trial(&provider, &prompt))
}

/// A server that was found, and how to ask it.
struct Asker {
    runtime: Runtime,
    target: Target,
    config: Config,
}

impl Asker {
    fn find(settings: &Settings) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Code::Resource, "the system gives no runtime").said(error.to_string())
        })?;
        let asked = &settings.targets[0];
        let target = runtime.block_on(Target::find(asked, settings))?;
        let config = target.config(asked, settings);
        Ok(Self { runtime, target, config })
    }
}

pub(crate) async fn trial(provider: &HttpProvider, prompt: &Prompt) -> Result<Trial, Failure> {
    let request = provider.encode(prompt).map_err(|error| {
        Failure::new(Code::Setting, "the message cannot be asked").said(error.said)
    })?;
    let mut answer = Answer::new(Clock::start());
    let sample = Sample { request_id: "probe".to_owned(), ..Sample::due(Moment::default()) };
    answer.begin(sample, &request);
    let mut pieces = Vec::new();
    let sent = provider.record(&request, &mut answer, &mut pieces).await;
    let (outcome, said) = match sent {
        Ok(()) => (Outcome::Ok, None),
        Err(error) => (error.outcome, Some(error.said)),
    };
    let text = [answer.reasoning(), answer.text()].concat();
    Ok(Trial { sample: answer.take_sample(outcome, said), text, pieces })
}
