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
        match find(&asked, launch, &self.settings).await {
            Ok(target) if is_to_be_brought(launch) && target.info.models.is_empty() => {
                Answer::NoModel("it lists no model".to_owned())
            }
            Ok(target) => self.token(&target).await,
            Err(failure) if failure.code == Code::Model => Answer::NoModel(failure.to_string()),
            Err(failure) => Answer::NotYet(failure.to_string()),
        }
    }
}

/// Whether the model comes once the server is up: until then it lists none, or others.
fn is_to_be_brought(launch: &Launch) -> bool {
    !launch.then.is_empty()
}

/// The server at the address of `asked`, and its model: the one that is asked for, else the one that `launch` names, else
/// the only one that it lists, unless its own is still to come.
pub(crate) async fn find(
    asked: &TargetSettings,
    launch: &Launch,
    settings: &Settings,
) -> Result<Target, Failure> {
    let named = asked.model.clone().or_else(|| Some(launch.model.clone()));
    let named = TargetSettings { model: named, ..asked.clone() };
    let may_be_called_otherwise = asked.model.is_none() && !is_to_be_brought(launch);
    match Target::find(&named, settings).await {
        Err(failure) if failure.code == Code::Model && may_be_called_otherwise => {
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

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use bench_containers::{Asked, HostFacts, Recipe};
    use tokio::runtime;

    use super::*;

    /// What a server is found to be that was started for `model` of Ollama, and lists `models`.
    fn asked(model: &str, models: &'static str) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Whatever it is asked, it says all. It ends with the test.
        thread::spawn(move || {
            for mut to in listener.incoming().flatten() {
                let mut from = BufReader::new(to.try_clone().unwrap());
                let mut said = String::new();
                while from.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {
                    if said.ends_with("\r\n\r\n") {
                        let body = format!(r#"{{"version": "0.35.0", "models": [{models}]}}"#);
                        let head = format!("content-length: {}\r\nconnection: close", body.len());
                        let _ = write!(to, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
                        break;
                    }
                }
            }
        });
        let recipe = Recipe::of(EngineName::Ollama);
        let asked = Asked { model: model.to_owned(), ..Asked::default() };
        let host = HostFacts { home: Some("/users/ann".into()), ..HostFacts::default() };
        let launch = recipe.launch(&asked, &host).unwrap();
        let up = UpSettings { recipe, asked, profile: None };
        let target = TargetSettings::new(Server::Find);
        let probe = ProviderProbe::of(&target, &up, &Settings::new());
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(probe.ask(&url, &launch))
    }

    #[test]
    fn a_model_that_is_still_to_be_fetched_is_said_to_be_missing() {
        for listed in ["", r#"{"name": "other:latest"}"#, r#"{"name": "a:1"}, {"name": "b:1"}"#] {
            let answer = asked("qwen3:0.6b", listed);
            assert!(matches!(answer, Answer::NoModel(_)), "{listed}: {answer:?}");
        }
        // One that is there is asked for a token, of which this server knows nothing.
        let answer = asked("qwen3:0.6b", r#"{"name": "qwen3:0.6b"}"#);
        assert!(matches!(answer, Answer::NotYet(_)), "{answer:?}");
    }
}
