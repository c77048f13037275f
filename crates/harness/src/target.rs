//! Finding the server and its model.

use std::time::Duration;

use bench_core::{Model, Outcome, Provider, ProviderError, Readiness, ServerInfo};
use bench_providers::{
    Api, Config, Endpoint, Engine, HttpProvider, Transport, WELL_KNOWN_PORTS, scan,
};
use bench_sim::Server as Simulator;
use tokio::time::{Instant, sleep};

use crate::{Code, Failure, Server, Settings, TargetSettings};

/// A server that is measured.
#[derive(Debug)]
pub struct Target {
    /// What results call it, and by which it differs from the other targets of the run.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it says of itself.
    pub info: ServerInfo,
    /// Which kind of server it is.
    pub engine: Engine,
    /// Which of its APIs is measured.
    pub api: Api,
    /// The model that is asked for.
    pub model: String,
    /// What was noticed while it was found, for the user to know.
    pub notes: Vec<String>,
    /// The simulator, if that is what is measured.
    pub simulator: Option<Simulator>,
}

impl Target {
    /// Whether the built-in simulator is measured.
    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some() || self.info.engine.as_deref() == Some(SIMULATOR)
    }

    /// Tokens of prompt and answer together that the model takes, as far as the server says so.
    pub fn context_length(&self) -> Option<u32> {
        self.info.models.iter().find(|model| model.id == self.model)?.context_length
    }

    /// Finds the server that `target` names, and what it offers.
    pub(crate) async fn find(
        target: &TargetSettings,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let mut notes = Vec::new();
        let (endpoint, simulator) = match &target.server {
            Server::At(endpoint) => (endpoint.clone(), None),
            Server::Simulator(config) => simulator(config.clone())?,
            Server::Up(_) => {
                return Err(Failure::new(Code::Bug, "a server was looked for and not started"));
            }
            Server::Find => match find_local(&mut notes).await {
                Some(endpoint) => (endpoint, None),
                None => simulator(simulator_config())?,
            },
        };
        let (engine, info) = describe(target, settings, &endpoint).await?;
        let api = choose_api(target, &engine, &mut notes);
        if target.transport.insecure && endpoint.is_tls() {
            notes.push(format!(
                "{endpoint} is not asked for a certificate: whoever answers there is believed"
            ));
        }
        if target.transport.http2 {
            notes.push(format!("{endpoint} is asked over HTTP/2"));
        }
        if api.generates() && !engine.fixes_length(api) && engine != Engine::OpenAi {
            notes.push(format!(
                "{engine} ends answers of `{api}` where the model does: they may be shorter than asked for"
            ));
        }
        let chosen = choose_model(target, &endpoint, &info);
        let model = match &target.model {
            // What requests do not name is but what results call it.
            Some(name) if !engine.names_model() => name.clone(),
            None if !engine.names_model() => chosen.unwrap_or_else(|_| engine.to_string()),
            _ => chosen?,
        };
        for replica in &target.replicas {
            check_replica(target, settings, replica, &engine, &model).await?;
        }
        let name = String::new();
        let mut found = Self { name, endpoint, info, engine, api, model, notes, simulator };
        found.name = found.name_by(target);
        Ok(found)
    }

    /// The name that the user gave it, else the model's; that it is simulated where it is; and the pass.
    fn name_by(&self, target: &TargetSettings) -> String {
        let name = target.name.as_ref().unwrap_or(&self.model);
        let name = match self.is_simulated() && !name.starts_with("simulated") {
            true => format!("simulated {name}"),
            false => name.clone(),
        };
        match &target.pass {
            Some(pass) => format!("{name} ({pass})"),
            None => name,
        }
    }

    /// How to ask it.
    pub(crate) fn config(&self, target: &TargetSettings, settings: &Settings) -> Config {
        Config {
            engine: self.engine.clone(),
            api: self.api,
            model: self.model.clone(),
            fixed_length: target.force_osl.unwrap_or(self.engine.fixes_length(self.api)),
            ..config(target, settings, &self.endpoint)
        }
    }
}

/// What the simulator calls itself.
const SIMULATOR: &str = "inferbench-sim";

/// The simulator that is measured where there is no server: quick enough for a first look.
pub fn simulator_config() -> bench_sim::Config {
    bench_sim::Config {
        ttft: Duration::from_millis(20),
        itl: Duration::from_millis(1),
        ..bench_sim::Config::default()
    }
}

fn simulator(config: bench_sim::Config) -> Result<(Endpoint, Option<Simulator>), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Simulator, "the simulator cannot be started").said(error.to_string())
    };
    let simulator = Simulator::start(config, ([127, 0, 0, 1], 0).into()).map_err(|e| failed(&e))?;
    let endpoint = Endpoint::parse(&simulator.url()).map_err(|e| failed(&e))?;
    Ok((endpoint, Some(simulator)))
}

async fn find_local(notes: &mut Vec<String>) -> Option<Endpoint> {
    let mut found = scan(&WELL_KNOWN_PORTS).await;
    if found.is_empty() {
        let ports = WELL_KNOWN_PORTS.map(|p| p.to_string()).join(" ");
        notes.push(format!(
            "no server on the ports {ports} of this machine: measuring the simulator"
        ));
        return None;
    }
    let first = found.remove(0);
    let engine = first.info.engine.unwrap_or_else(|| first.engine.to_string());
    notes.push(format!("found {engine} at {}", first.endpoint));
    if !found.is_empty() {
        let others: Vec<String> = found.iter().map(|f| f.endpoint.to_string()).collect();
        notes.push(format!("also there: {}; choose with --url", others.join(" ")));
    }
    Some(first.endpoint)
}

/// The API to measure: the one that is asked for, but the usual one of a server that turned out to be of a kind
/// without it.
fn choose_api(target: &TargetSettings, engine: &Engine, notes: &mut Vec<String>) -> Api {
    let usual = engine.apis()[0];
    if target.engine.is_some()
        || target.api != Api::default()
        || engine.apis().contains(&target.api)
    {
        return target.api;
    }
    notes.push(format!("{engine} has no API `{}`: `{usual}` is measured", target.api));
    usual
}

/// The part of the configuration that does not depend on the server.
pub(crate) fn config(target: &TargetSettings, settings: &Settings, endpoint: &Endpoint) -> Config {
    Config {
        replicas: target.replicas.clone(),
        path: target.path.clone(),
        streaming: target.streaming,
        extra_body: target.extra_body.clone(),
        headers: target.headers.clone(),
        api_key: target.api_key.as_ref().map(|(key, _)| key.clone()),
        limits: settings.limits,
        transport: Transport { stamping: settings.stamping, ..target.transport.clone() },
        ..Config::new(endpoint.clone(), "")
    }
}

/// The provider for `config`.
pub(crate) fn provider(config: Config) -> Result<HttpProvider, Failure> {
    HttpProvider::new(config).map_err(|error| Failure::new(Code::Setting, error.to_string()))
}

/// That a target can be asked, and simulated, as `target` says.
pub(crate) fn check(target: &TargetSettings, settings: &Settings) -> Result<(), Failure> {
    if let Server::Simulator(config) = &target.server {
        config.check().map_err(|error| {
            Failure::new(Code::Setting, "the simulator cannot be such").said(error.to_string())
        })?;
    }
    // Any address: nothing is connected to.
    let nowhere = Endpoint::parse(":1").map_err(|e| Failure::new(Code::Bug, e.to_string()))?;
    let config = config(target, settings, &nowhere);
    let config = match target.engine.clone() {
        Some(engine) => Config { engine, api: target.api, ..config },
        None => config,
    };
    provider(config).map(|_| ())
}

/// Which kind of server it is, and what it says of itself.
async fn describe(
    target: &TargetSettings,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<(Engine, ServerInfo), Failure> {
    let of_kind = |engine: Engine| {
        let api = engine.apis()[0];
        provider(Config { engine, api, ..config(target, settings, endpoint) })
    };
    let unknown = of_kind(Engine::OpenAi)?;
    let deadline = Instant::now() + target.wait_ready;
    loop {
        let engine = match &target.engine {
            Some(engine) => Ok(engine.clone()),
            None => unknown.detect().await,
        };
        let provider = of_kind(engine.as_ref().map_or(Engine::OpenAi, Engine::clone))?;
        let described = match engine {
            Ok(engine) => provider.describe().await.map(|info| (engine, info)),
            Err(error) => Err(error),
        };
        match described {
            Ok(described) => return Ok(described),
            Err(error)
                if Instant::now() >= deadline || !is_passing(&error, &provider.ready().await) =>
            {
                let engine = target.engine.clone().unwrap_or_default();
                return judge(target, endpoint, &error).map(|info| (engine, info));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// That a replica is there, and the same kind of server with the same model.
async fn check_replica(
    target: &TargetSettings,
    settings: &Settings,
    replica: &Endpoint,
    engine: &Engine,
    model: &str,
) -> Result<(), Failure> {
    let (other, info) = describe(target, settings, replica).await?;
    if other != *engine {
        let what = format!("{replica} is no replica: it is {other}, not {engine}");
        return Err(Failure::new(Code::Setting, what));
    }
    let same = TargetSettings { model: Some(model.to_owned()), ..target.clone() };
    choose_model(&same, replica, &info).map(|_| ())
}

/// Whether waiting may help.
fn is_passing(error: &ProviderError, readiness: &Readiness) -> bool {
    matches!(readiness, Readiness::Loading(_))
        || matches!(error.outcome, Outcome::Refused | Outcome::Reset | Outcome::ConnectTimeout)
}

fn judge(
    target: &TargetSettings,
    endpoint: &Endpoint,
    error: &ProviderError,
) -> Result<ServerInfo, Failure> {
    let said = error.to_string();
    match error.outcome {
        // It answers, and has no list of models: with a model given, that is no obstacle.
        Outcome::Http(404 | 405 | 501) if target.model.is_some() => Ok(ServerInfo::default()),
        Outcome::Http(401 | 403) => {
            let what = match &target.api_key {
                Some((_, source)) => format!("{endpoint} does not take the key from {source}"),
                None => format!("{endpoint} wants a key"),
            };
            Err(Failure::new(Code::Key, what).said(said).fix("--api-key-file FILE"))
        }
        Outcome::Http(503) => {
            Err(Failure::new(Code::Unreachable, format!("{endpoint} is not ready"))
                .said(said)
                .fix("wait for it: --wait-ready 10m"))
        }
        Outcome::Http(_) | Outcome::RateLimited | Outcome::Malformed => {
            let what = format!("{endpoint} gives no list of models");
            let fix = match target.transport.http2 && error.outcome == Outcome::Malformed {
                true => "check the address; without --http2 it is asked over HTTP/1.1",
                false => {
                    "check the address; if the server has no /v1/models, name the model with -m"
                }
            };
            Err(Failure::new(Code::NoServer, what).said(said).fix(fix))
        }
        Outcome::Client => {
            Err(Failure::new(Code::Resource, format!("cannot connect to {endpoint}")).said(said))
        }
        _ => {
            let fix = match target.transport.http2 {
                true => {
                    "start the server, check --url, wait for it: --wait-ready 10m; or leave --http2 out"
                }
                false => "start the server, check --url, or wait for it: --wait-ready 10m",
            };
            Err(Failure::new(Code::Unreachable, format!("{endpoint} cannot be reached"))
                .said(said)
                .fix(fix))
        }
    }
}

fn choose_model(
    target: &TargetSettings,
    endpoint: &Endpoint,
    info: &ServerInfo,
) -> Result<String, Failure> {
    let names = || {
        let names: Vec<&str> = info.models.iter().take(20).map(|m| m.id.as_str()).collect();
        let more = if info.models.len() > 20 { " …" } else { "" };
        format!("{}{more}", names.join("  "))
    };
    let is_called = |model: &Model, name: &str| {
        // Ollama's names have a tag, which defaults to `latest`.
        model.id == name || model.id.strip_suffix(":latest") == Some(name)
    };
    match (&target.model, info.models.as_slice()) {
        (Some(name), []) => Ok(name.clone()),
        (Some(name), models) if models.iter().any(|model| is_called(model, name)) => {
            Ok(name.clone())
        }
        (Some(name), [only]) => {
            let what = format!("{endpoint} does not offer the model \"{name}\"");
            Err(Failure::new(Code::Model, what)
                .has(names())
                .fix(format!("drop -m (only one model is offered) or use -m {}", only.id)))
        }
        (Some(name), models) => {
            let nearest = nearest(name, models.iter().map(|m| m.id.as_str()));
            let what = format!("{endpoint} does not offer the model \"{name}\"");
            Err(Failure::new(Code::Model, what).has(names()).fix(format!("-m {nearest}")))
        }
        (None, [model]) => Ok(model.id.clone()),
        (None, []) => {
            Err(Failure::new(Code::ModelChoice, format!("{endpoint} lists no model"))
                .fix("-m NAME"))
        }
        (None, [first, ..]) => {
            Err(Failure::new(Code::ModelChoice, format!("{endpoint} offers several models"))
                .has(names())
                .fix(format!("-m {}", first.id)))
        }
    }
}

/// The name that shares most pairs of neighbouring letters with `name`.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> &'n str {
    let pairs = |s: &str| -> Vec<[u8; 2]> {
        s.to_ascii_lowercase().as_bytes().windows(2).map(|w| [w[0], w[1]]).collect()
    };
    let wanted = pairs(name);
    let shared = |other: &&str| {
        let other = pairs(other);
        let common = wanted.iter().filter(|pair| other.contains(pair)).count();
        2_000 * common / (wanted.len() + other.len()).max(1)
    };
    names.max_by_key(shared).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(names: &[&str]) -> ServerInfo {
        let mut info = ServerInfo::default();
        info.models =
            names.iter().map(|n| Model { id: (*n).to_owned(), context_length: None }).collect();
        info
    }

    fn choose(wanted: Option<&str>, offered: &[&str]) -> Result<String, Failure> {
        let model = wanted.map(str::to_owned);
        let target = TargetSettings { model, ..TargetSettings::new(Server::Find) };
        choose_model(&target, &Endpoint::parse(":8000").unwrap(), &info(offered))
    }

    #[test]
    fn the_only_model_is_taken_and_a_choice_is_asked_for() {
        assert_eq!(choose(None, &["a"]), Ok("a".to_owned()));
        assert_eq!(choose(Some("b"), &["a", "b"]), Ok("b".to_owned()));
        assert_eq!(choose(Some("llama3"), &["llama3:latest", "x"]), Ok("llama3".to_owned()));
        assert_eq!(choose(Some("any"), &[]), Ok("any".to_owned()));
        assert_eq!(choose(None, &["a", "b"]).unwrap_err().code, Code::ModelChoice);
        assert_eq!(choose(None, &[]).unwrap_err().code, Code::ModelChoice);
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let failure =
            choose(Some("llama-8b"), &["mistral-7b", "meta/Llama-3.1-8B-Instruct"]).unwrap_err();
        assert_eq!(failure.code, Code::Model);
        assert_eq!(failure.has.as_deref(), Some("mistral-7b  meta/Llama-3.1-8B-Instruct"));
        assert_eq!(failure.fix.as_deref(), Some("-m meta/Llama-3.1-8B-Instruct"));
    }
}
