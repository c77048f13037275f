//! Whether a server that comes up can be measured.

use std::time::Duration;

use bench_containers::{Answer, EngineName, Launch, Probe};
use bench_core::{Prompt, async_trait};
use bench_providers::{Config, Endpoint, Engine};
use tokio::time::timeout;

use crate::{
    Code, Failure, Fetcher, Server, Settings, Target, TargetSettings, UpSettings, probe::trial,
    target,
};

/// What answers at all answers so soon that it is healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(5);
/// The first token may be what an engine compiles its kernels for.
const TOKEN_WITHIN: Duration = Duration::from_secs(120);
/// Tokens that are asked for: the first may be one without a text.
const TOKENS: u32 = 16;

/// Asks a server that is coming up as it will be asked when it is measured.
#[derive(Debug)]
pub(crate) struct ProviderProbe {
    asked: TargetSettings,
    settings: Settings,
}

impl ProviderProbe {
    pub(crate) fn of(asked: &TargetSettings, up: &UpSettings, settings: &Settings) -> Self {
        let engine = asked.engine.clone().or(engine(up.recipe.engine()));
        let asked = TargetSettings { engine, wait_ready: Duration::ZERO, ..asked.clone() };
        Self { asked, settings: settings.clone() }
    }

    async fn healthy(&self, endpoint: &Endpoint, path: &str) -> Result<(), Answer> {
        let not_yet = |said: String| Answer::NotYet(said);
        let fetcher = Fetcher::unknown(endpoint, &self.asked, &self.settings);
        let fetcher = fetcher.map_err(|failure| Answer::Never(failure.what))?;
        match timeout(HEALTHY_WITHIN, bench_telemetry::Fetch::get(&fetcher, path)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(not_yet(error.said)),
            Err(_) => Err(not_yet(format!("{path} does not answer"))),
        }
    }

    async fn token(&self, target: &Target) -> Answer {
        let config = target.config(&self.asked, &self.settings);
        let prompt = Prompt::user("Hello").with_output_tokens(TOKENS);
        let answered = async {
            let provider = target::provider(Config { fixed_length: false, ..config })?;
            trial(&provider, &prompt).await
        };
        let sample = match timeout(TOKEN_WITHIN, answered).await {
            Ok(Ok(trial)) => trial.sample,
            Ok(Err(failure)) => return Answer::Never(failure.to_string()),
            Err(_) => return Answer::NotYet("the first token does not come".to_owned()),
        };
        let has_tokens = sample.output_tokens().is_some_and(|(tokens, _)| tokens > 0);
        if sample.outcome.is_ok() || has_tokens || !self.asked.api.generates() {
            return Answer::Ready;
        }
        let said = sample.error.unwrap_or_default();
        let words = format!("the first request came to `{}` {said}", sample.outcome);
        match sample.outcome {
            bench_core::Outcome::Http(400..=499) => Answer::Never(words),
            _ => Answer::NotYet(words),
        }
    }
}

#[async_trait]
impl Probe for ProviderProbe {
    async fn ask(&self, url: &str, launch: &Launch) -> Answer {
        let endpoint = match Endpoint::parse(url) {
            Ok(endpoint) => endpoint,
            Err(error) => return Answer::Never(error.to_string()),
        };
        if let Err(answer) = self.healthy(&endpoint, &launch.health).await {
            return answer;
        }
        let asked = TargetSettings { server: Server::At(endpoint), ..self.asked.clone() };
        match find(&asked, &launch.model, &self.settings).await {
            Ok(target) => self.token(&target).await,
            Err(failure) => Answer::NotYet(failure.to_string()),
        }
    }
}

/// The server at the address of `asked`, and its model: the one that is asked for, else `model`, else the only one that it
/// lists.
pub(crate) async fn find(
    asked: &TargetSettings,
    model: &str,
    settings: &Settings,
) -> Result<Target, Failure> {
    let named = asked.model.clone().or_else(|| Some(model.to_owned()));
    let named = TargetSettings { model: named, ..asked.clone() };
    match Target::find(&named, settings).await {
        Err(failure) if failure.code == Code::Model && asked.model.is_none() => {
            Target::find(asked, settings).await.map_err(|_| failure)
        }
        found => found,
    }
}

/// How servers of a recipe are asked; found out if `None`.
const fn engine(recipe: EngineName) -> Option<Engine> {
    match recipe {
        EngineName::Nim => Some(Engine::Nim),
        EngineName::Vllm => Some(Engine::Vllm),
        EngineName::Sglang => Some(Engine::Sglang),
        EngineName::TrtLlm => Some(Engine::TrtLlm),
        EngineName::LlamaCpp => Some(Engine::LlamaCpp),
        EngineName::Ollama => Some(Engine::Ollama),
        EngineName::Custom => None,
    }
}
