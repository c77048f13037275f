//! Servers that are started for a run: one at a time, around its points.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

#[cfg(feature = "docker")]
use bench_containers::Docker;
use bench_containers::{
    Answer, Asked, Backend, Cause, EngineName, Environment, Hooks, HostFacts, Launch, Mount, Probe,
    Process, Trouble, Up, With, log::Fact, nim, prepare_folders, up,
};
use bench_core::{Prompt, async_trait};
use bench_providers::{Config, Endpoint, Engine};
use bench_telemetry::gpu;
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};

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

/// The servers of a run that are started for it.
#[derive(Debug)]
pub(crate) struct Servers {
    hooks: Hooks,
    /// Of their own: what talks with a backend belongs to the runtime that it began on.
    runtime: Runtime,
    backends: BTreeMap<&'static str, Arc<dyn Backend>>,
    running: Option<Running>,
    /// What is known of each target's server, once it was up.
    records: BTreeMap<usize, Record>,
    /// Why that of a target did not come up, or ended by itself.
    failures: BTreeMap<usize, Failure>,
}

/// The server that is up.
#[derive(Debug)]
struct Running {
    target: usize,
    up: Up,
    backend: Arc<dyn Backend>,
}

/// What is written down of a server that was started.
#[derive(Clone, Debug)]
struct Record {
    json: Value,
    /// All that it said, once it is down.
    log: Vec<String>,
}

impl Servers {
    pub(crate) fn new(hooks: Hooks) -> Result<Self, Failure> {
        let (backends, records, failures) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { hooks, runtime: runtime()?, backends, running: None, records, failures })
    }

    /// Whether the server of `target` is up, as far as was last seen.
    pub(crate) fn is_up(&self, target: usize) -> bool {
        self.running.as_ref().is_some_and(|running| running.target == target)
    }

    /// Starts the server of `target`, once that of another one is gone, and waits until it is ready. Says where it
    /// answers.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or is not ready in time.
    pub(crate) fn start(
        &mut self,
        target: usize,
        up: &UpSettings,
        settings: &Settings,
    ) -> Result<Endpoint, Failure> {
        self.take_down();
        let started = self.bring_up(target, up, settings);
        let endpoint = started.inspect_err(|failure| {
            self.failures.insert(target, failure.clone());
        })?;
        Ok(endpoint)
    }

    fn bring_up(
        &mut self,
        target: usize,
        asked: &UpSettings,
        settings: &Settings,
    ) -> Result<Endpoint, Failure> {
        let backend = self.backend(asked.asked.with)?;
        let probe = ProviderProbe::of(&settings.targets[target], asked, settings);
        let up = self.runtime.block_on(brought_up(asked, &*backend, &probe, &self.hooks))?;
        let json = record(&up, asked.asked.with, &*backend);
        self.records.insert(target, Record { json, log: Vec::new() });
        let endpoint = endpoint(&up);
        self.running = Some(Running { target, up, backend });
        endpoint
    }

    /// Looks whether the server that is up has ended by itself. If so, it is up no more.
    pub(crate) fn notice_death(&mut self) {
        let Some(Running { target, up, backend }) = self.running.as_ref() else { return };
        let Some(died) = self.runtime.block_on(up.died(&**backend)) else { return };
        self.failures.insert(*target, failure(died));
        self.take_down();
    }

    /// Why the server of `target` did not come up, or ended by itself, if so.
    pub(crate) fn failure(&self, target: usize) -> Option<&Failure> {
        self.failures.get(&target)
    }

    /// The model of the server of `target` that is up, as its recipe names it.
    pub(crate) fn model(&self, target: usize) -> Option<&str> {
        let running = self.running.as_ref().filter(|running| running.target == target);
        running.map(|running| running.up.launch.model.as_str())
    }

    /// Why servers did not come up, or ended by themselves.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.values()
    }

    /// Takes down what is up. What cannot be taken down is told, and the next run does it.
    pub(crate) fn take_down(&mut self) {
        let Some(Running { target, up, backend }) = self.running.take() else { return };
        let (since, down) = self.runtime.block_on(async {
            (up.lines_since(&*backend).await, up.down(&*backend, &self.hooks).await)
        });
        let log = [up.log, since].concat();
        if let Some(record) = self.records.get_mut(&target) {
            record.log = log;
            if let Err(trouble) = down {
                record.json["left"] = json!(trouble.to_string());
            }
        }
    }

    /// Whether any was started.
    pub(crate) fn any(&self) -> bool {
        !self.records.is_empty()
    }

    /// What is recorded of the server of `target`.
    pub(crate) fn to_json(&self, target: usize) -> Value {
        let Some(record) = self.records.get(&target) else { return Value::Null };
        let mut json = record.json.clone();
        json["log"] = json!(log_file(target));
        if let Some(failure) = self.failures.get(&target) {
            json["failure"] = json!({"what": failure.what, "said": failure.said});
        }
        json
    }

    /// Writes what the servers have said, a file each.
    pub(crate) fn write_logs(&self, into: &Path) -> io::Result<()> {
        for (target, record) in &self.records {
            let mut text = record.log.join("\n");
            text.push('\n');
            fs::write(into.join(log_file(*target)), text)?;
        }
        Ok(())
    }

    /// The processes of the server of `target`, where it is up and they are known.
    pub(crate) fn pids(&self, target: usize) -> Option<Vec<u32>> {
        let running = self.running.as_ref().filter(|running| running.target == target)?;
        let state = running.backend.state(&running.up.running.id);
        let pids = self.runtime.block_on(state).ok()?.pids;
        Some(pids).filter(|pids| !pids.is_empty())
    }

    /// What the log of the server that is up has told of it.
    pub(crate) fn facts(&self) -> &[Fact] {
        self.running.as_ref().map_or(&[], |running| &running.up.facts)
    }

    fn backend(&mut self, with: With) -> Result<Arc<dyn Backend>, Failure> {
        let backend = self.runtime.block_on(backend(with))?;
        if let Some(known) = self.backends.get(backend.name()) {
            return Ok(Arc::clone(known));
        }
        // What a killed run left has the GPUs, perhaps.
        self.runtime.block_on(backend.reap()).map_err(failure)?;
        self.backends.insert(backend.name(), Arc::clone(&backend));
        Ok(backend)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.take_down();
    }
}

/// The name of the file that holds the log of a target's server.
fn log_file(target: usize) -> String {
    format!("server-{}.log", target + 1)
}

/// A runtime for what is asked between measurements.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| {
        Failure::new(Code::Resource, "the system gives no runtime").said(error.to_string())
    })
}

/// Where a server that was started answers.
pub(crate) fn endpoint(up: &Up) -> Result<Endpoint, Failure> {
    Endpoint::parse(&up.url()).map_err(|error| Failure::new(Code::Bug, error.to_string()))
}

/// What of a server is kept beside the numbers.
fn record(up: &Up, with: With, backend: &dyn Backend) -> Value {
    let milestones = up.milestones.iter().map(|(stage, at)| json!([stage, at.as_secs_f64()]));
    json!({
        "backend": backend.name(),
        "name": up.launch.name,
        "engine": up.launch.engine.name(),
        "image": up.origin.image,
        "digest": up.origin.digest,
        "program": up.origin.program,
        "args": up.launch.args,
        "command": up.launch.command(with),
        "ready_s": up.took.as_secs_f64(),
        "milestones": milestones.collect::<Vec<_>>(),
    })
}

/// A failure of a server to come up, or to stay.
pub(crate) fn failure(trouble: Trouble) -> Failure {
    let code = match trouble.cause {
        Cause::Recipe => Code::Setting,
        Cause::BackendUnreachable | Cause::BackendDenied | Cause::Backend => Code::Backend,
        Cause::ImageMissing
        | Cause::ImageDenied
        | Cause::RateLimited
        | Cause::RegistryUnreachable => Code::Image,
        Cause::NotReady => Code::NotReady,
        Cause::Stopped => Code::Stopped,
        Cause::Unknown => Code::UnknownServer,
        Cause::GpuMemory | Cause::OomKilled | Cause::Exited | Cause::RestartLoop => {
            Code::ServerEnded
        }
        _ => Code::Start,
    };
    failure_of(code, trouble)
}

/// The same as one of a code.
pub(crate) fn failure_of(code: Code, trouble: Trouble) -> Failure {
    let failure = Failure::new(code, trouble.what).said(trouble.said);
    if trouble.fix.is_empty() { failure } else { failure.fix(trouble.fix) }
}

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

/// One server to start, of what was asked, whatever else is up. A profile is left out that the image has to be asked for.
///
/// # Errors
///
/// When that cannot be, or a key is not there.
pub(crate) fn launch(up: &UpSettings) -> Result<Launch, Failure> {
    let profile = up.profile.clone().filter(|profile| is_id(profile));
    let (asked, host) = (asked(up, profile), HostFacts::here(&up.recipe, &up.asked));
    up.recipe.launch(&asked, &host).map_err(failure)
}

/// Whether a profile is named so that no image need be asked for it.
pub(crate) fn is_id(profile: &str) -> bool {
    profile.len() == 64 && profile.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Names that are tried, unless one is asked for.
const MOST_NAMES: usize = 10;

/// The server of a launch of its own, up and ready.
///
/// # Errors
///
/// When it cannot be started, or is not ready in time. Nothing is left of it then.
pub(crate) async fn brought_up(
    asked: &UpSettings,
    backend: &dyn Backend,
    probe: &dyn Probe,
    hooks: &Hooks,
) -> Result<Up, Failure> {
    let mut taken = BTreeSet::new();
    loop {
        let launch = prepared(asked, &taken, backend, hooks).await?;
        match up(backend, &launch, probe, hooks).await {
            // Whoever has the name is not ours, or was quicker.
            Err(trouble) if trouble.cause == Cause::NameTaken && asked.asked.name.is_none() => {
                taken.insert(launch.name);
                if taken.len() == MOST_NAMES {
                    return Err(failure(trouble));
                }
            }
            ended => return ended.map_err(failure),
        }
    }
}

/// The same beside what is up, by none of the names `taken`, with the profile that is meant and the folders that it writes
/// to.
async fn prepared(
    up: &UpSettings,
    taken: &BTreeSet<String>,
    backend: &dyn Backend,
    hooks: &Hooks,
) -> Result<Launch, Failure> {
    let held = backend.list().await.map_err(failure)?;
    let gpus = gpu::inventory(&gpu::Config::default()).ok().map(|found| found.gpus.len());
    let host = HostFacts {
        taken: held.into_iter().map(|held| held.name).chain(taken.iter().cloned()).collect(),
        gpus: gpus.and_then(|gpus| u32::try_from(gpus).ok()),
        ..HostFacts::here(&up.recipe, &up.asked)
    };
    let profile = match &up.profile {
        Some(profile) if !is_id(profile) => {
            let profiles = profiles(up, &host, backend, hooks).await?;
            Some(profiles.choose(profile).map_err(failure)?.id.clone())
        }
        id => id.clone(),
    };
    let launch = up.recipe.launch(&asked(up, profile), &host).map_err(failure)?;
    prepare_folders(&launch).map_err(failure)?;
    Ok(launch)
}

/// What a NIM can be run as here.
///
/// # Errors
///
/// When its image is not to be had, or does not say.
pub(crate) async fn profiles(
    up: &UpSettings,
    host: &HostFacts,
    backend: &dyn Backend,
    hooks: &Hooks,
) -> Result<nim::Profiles, Failure> {
    let listing = nim::listing(&up.recipe, &asked(up, None), host).map_err(failure)?;
    backend.fetch(&listing, hooks).await.map_err(failure)?;
    let said = backend.run_to_end(&listing).await.map_err(failure)?;
    nim::Profiles::of(&said).map_err(failure)
}

fn asked(up: &UpSettings, profile: Option<String>) -> Asked {
    Asked { mounts: absolute(&up.asked.mounts), profile, ..up.asked.clone() }
}

/// Folders as seen from here.
fn absolute(mounts: &[Mount]) -> Vec<Mount> {
    let absolute = |mount: &Mount| {
        let outside = std::path::absolute(&mount.outside).unwrap_or(mount.outside.clone());
        Mount { outside, ..mount.clone() }
    };
    mounts.iter().map(absolute).collect()
}

/// How this program is called to hold a server, if it can.
static HOLD: OnceLock<&[&str]> = OnceLock::new();

/// Says that this program, called with `args` and a folder, does what [`hold`] does. Servers that it starts as processes
/// then end with it though it is killed; otherwise the next run ends them.
pub fn servers_are_held_by(args: &'static [&'static str]) {
    // Whoever said so first was right.
    let _ = HOLD.set(args);
}

/// Holds the server that is written down in `folder`, until it ends or whoever started this process is gone.
///
/// # Errors
///
/// When there is none, or it cannot be started.
pub fn hold(folder: &Path) -> Result<(), Failure> {
    bench_containers::hold(folder).map_err(|error| {
        Failure::new(Code::Start, "the server cannot be started").said(error.to_string())
    })
}

fn processes() -> Result<Process, Trouble> {
    let process = Process::new(Environment::ours())?;
    let program = HOLD.get().and_then(|args| Some((env::current_exe().ok()?, args)));
    Ok(match program {
        Some((program, args)) => process.held_by(program, args.iter()),
        None => process,
    })
}

/// Where servers of that kind run.
///
/// # Errors
///
/// When that cannot be used.
pub(crate) async fn backend(with: With) -> Result<Arc<dyn Backend>, Failure> {
    match with {
        #[cfg(feature = "docker")]
        With::Docker => {
            Ok(Arc::new(Docker::connect(None, Environment::ours()).await.map_err(failure)?))
        }
        #[cfg(feature = "docker")]
        With::Podman => {
            Ok(Arc::new(Docker::connect_podman(None, Environment::ours()).await.map_err(failure)?))
        }
        #[cfg(not(feature = "docker"))]
        With::Docker | With::Podman => {
            let what = "this program was built without containers";
            Err(Failure::new(Code::Backend, what).fix("start it as a process: with: process"))
        }
        With::Process => Ok(Arc::new(processes().map_err(failure)?)),
    }
}
