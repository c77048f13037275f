//! Servers that are kept until somebody takes them down.

use std::{env, sync::Arc, time::Duration};

use bench_containers::{Backend, Held, Hooks, HostFacts, LogLine, Progress, With, nim::Profiles};
use tokio::runtime::Runtime;

use crate::{
    Code, Failure, Settings, UpSettings,
    servers::{ProviderProbe, backend, brought_up, failure, is_id, launch, profiles, runtime},
};

/// Where servers may run.
const BACKENDS: [With; 3] = [With::Docker, With::Podman, With::Process];

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was started here, wherever it runs. Others are never looked at.
#[derive(Debug)]
pub struct Kept {
    runtime: Runtime,
    hooks: Hooks,
    /// Those that answer.
    backends: Vec<Arc<dyn Backend>>,
    /// That others do not, which may be here.
    notes: Vec<String>,
}

/// A server, and where it runs.
type Found = (Arc<dyn Backend>, Held);

/// A server that was started, and is ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// What it is called.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// Its model, as requests name it.
    pub model: String,
    /// From its start to its first token.
    pub took: Duration,
}

/// A server that was started here, and is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptServer {
    /// What it is called.
    pub name: String,
    /// Which kind of server it is.
    pub engine: String,
    /// Its model, as requests name it.
    pub model: String,
    /// `docker`, `podman` or `process`.
    pub backend: &'static str,
    /// The image, or the program.
    pub of: String,
    /// Where it answers, while it runs.
    pub url: Option<String>,
    /// Whether it runs.
    pub is_running: bool,
    /// Its exit code, where it ended.
    pub exit_code: Option<i64>,
    /// Whether the system killed it for memory.
    pub oom_killed: bool,
    /// When it was made, in seconds since 1970.
    pub created_s: Option<u64>,
    /// Whether it lives as long as a run.
    pub is_for_a_run: bool,
}

impl Kept {
    /// Looks for Docker, Podman and processes.
    ///
    /// # Errors
    ///
    /// When the system gives nothing to ask them with.
    pub fn open(hooks: Hooks) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let (mut backends, mut notes) = (Vec::new(), Vec::new());
        for with in BACKENDS {
            match runtime.block_on(backend(with)) {
                Ok(backend) => backends.push(backend),
                Err(failure) if is_expected(with) => notes.push(failure.what),
                Err(_) => {}
            }
        }
        Ok(Self { runtime, hooks, backends, notes })
    }

    /// Which of the backends that may be here cannot be asked.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Starts a server, and waits until it has answered as the first of the settings' targets will be asked. Takes down
    /// before what killed runs have left.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or is not ready in time. Nothing is left of it then.
    pub fn up(&self, asked: &UpSettings, settings: &Settings) -> Result<Started, Failure> {
        let probe = ProviderProbe::of(&settings.targets[0], asked, settings);
        let up = self.runtime.block_on(async {
            let backend = backend(asked.asked.with).await?;
            backend.reap().await.map_err(failure)?;
            brought_up(asked, &*backend, &probe, &self.hooks).await
        })?;
        let (name, model) = (up.launch.name.clone(), up.launch.model.clone());
        Ok(Started { name, url: up.url(), model, took: up.took })
    }

    /// All of them, by their names.
    ///
    /// # Errors
    ///
    /// When one that answered does so no more.
    pub fn list(&self) -> Result<Vec<KeptServer>, Failure> {
        let mut all: Vec<KeptServer> =
            self.held()?.into_iter().map(|(backend, held)| kept(backend.name(), held)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Takes one down, and leaves nothing of it.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it cannot be taken down.
    pub fn down(&self, name: &str) -> Result<(), Failure> {
        let (backend, held) = self.find(name)?;
        self.hooks.tell(&Progress::Stopping { name: name.to_owned() });
        self.runtime.block_on(backend.stop(&held.id, PATIENCE)).map_err(failure)?;
        self.hooks.tell(&Progress::Gone { name: name.to_owned() });
        Ok(())
    }

    /// What one has said since the line `since`.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn log(&self, name: &str, since: u64) -> Result<Vec<LogLine>, Failure> {
        let (backend, held) = self.find(name)?;
        self.runtime.block_on(backend.log(&held.id, since)).map_err(failure)
    }

    /// Whether one runs.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn is_running(&self, name: &str) -> Result<bool, Failure> {
        self.find(name).map(|(_, held)| held.state.is_running)
    }

    /// The one of that name; one that is kept before one of a run, which has it on another backend.
    fn find(&self, name: &str) -> Result<Found, Failure> {
        let mut held = self.held()?;
        held.sort_by_key(|(_, held)| !held.is_kept);
        let names: Vec<String> = held.iter().map(|(_, held)| held.name.clone()).collect();
        let found = held.into_iter().find(|(_, held)| held.name == name);
        found.ok_or_else(|| {
            let what = format!("inferbench has started no server called `{name}`");
            let failure = Failure::new(Code::UnknownServer, what).fix("inferbench servers");
            if names.is_empty() { failure } else { failure.has(names.join("  ")) }
        })
    }

    fn held(&self) -> Result<Vec<Found>, Failure> {
        let mut all = Vec::new();
        for backend in &self.backends {
            let held = self.runtime.block_on(backend.list()).map_err(failure)?;
            all.extend(held.into_iter().map(|held| (Arc::clone(backend), held)));
        }
        Ok(all)
    }
}

/// Whether somebody may have started servers with it: of what is not on this machine, nobody wants to hear that it does not
/// answer.
fn is_expected(with: With) -> bool {
    let (program, place) = match with {
        With::Docker => ("docker", "DOCKER_HOST"),
        With::Podman => ("podman", "CONTAINER_HOST"),
        With::Process => return true,
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let is_here = env::split_paths(&path).any(|folder| folder.join(program).exists());
    is_here || env::var_os(place).is_some()
}

fn kept(backend: &'static str, held: Held) -> KeptServer {
    let Held { name, engine, model, of, port, state, created_s, is_kept, .. } = held;
    let url = port.filter(|_| state.is_running).map(|port| format!("http://127.0.0.1:{port}"));
    KeptServer {
        name,
        engine,
        model,
        backend,
        of,
        url,
        is_running: state.is_running,
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        created_s,
        is_for_a_run: !is_kept,
    }
}

/// What a NIM can be run as on this machine: says the image itself, which is run for that.
///
/// # Errors
///
/// When it is not to be had, or does not say.
pub fn profiles_of(asked: &UpSettings, hooks: &Hooks) -> Result<Profiles, Failure> {
    let host = HostFacts::here(&asked.recipe, &asked.asked);
    runtime()?.block_on(async {
        let backend = backend(asked.asked.with).await?;
        profiles(asked, &host, &*backend, hooks).await
    })
}

/// The command that starts the same server without inferbench; secrets by their names.
///
/// # Errors
///
/// When the recipe cannot be had so.
pub fn command(asked: &UpSettings) -> Result<String, Failure> {
    if let Some(rule) = asked.profile.as_ref().filter(|profile| !is_id(profile)) {
        let what = format!("which profile is `{rule}`, the image alone can say");
        let fix = format!("inferbench profiles {}, and --profile with an id", asked.asked.model);
        return Err(Failure::new(Code::Setting, what).fix(fix));
    }
    launch(asked).map(|launch| launch.command(asked.asked.with))
}
