//! Servers that are started for a run: one at a time, around its points.

mod backends;
mod launching;
mod probe;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use bench_containers::{Backend, Cause, Hooks, Launch, Trouble, Up, With, log::Fact};
use bench_providers::Endpoint;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use self::backends::{hold, servers_are_held_by};
pub(crate) use self::{
    backends::backend,
    launching::{brought_up, is_id, launch, profiles},
    probe::{ProviderProbe, find},
};
use crate::{Code, Failure, Settings, UpSettings};

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
    /// Why that of a target did not come up, ended by itself, or is still there.
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
        // One that was up before has said something, too.
        let log = self.records.remove(&target).map_or_else(Vec::new, |record| record.log);
        self.records.insert(target, Record { json, log });
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

    /// What was started for `target`, while that is up.
    pub(crate) fn launch(&self, target: usize) -> Option<&Launch> {
        let running = self.running.as_ref().filter(|running| running.target == target);
        running.map(|running| &running.up.launch)
    }

    /// Why servers did not come up, or ended by themselves.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.values()
    }

    /// Takes down what is up. What cannot be taken down is a failure of its target, and the next run does it.
    pub(crate) fn take_down(&mut self) {
        let Some(Running { target, up, backend }) = self.running.take() else { return };
        let (since, down) = self.runtime.block_on(async {
            (up.lines_since(&*backend).await, up.down(&*backend, &self.hooks).await)
        });
        if let Some(record) = self.records.get_mut(&target) {
            record.log.extend([up.log, since].concat());
        }
        if let Err(trouble) = down {
            self.failures.entry(target).or_insert(failure(trouble));
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

    /// Writes what the servers have said, a file each; of a run that goes on, behind what they said before.
    pub(crate) fn write_logs(&self, into: &Path) -> io::Result<()> {
        for (target, record) in &self.records {
            let text: String = record.log.iter().map(|line| format!("{line}\n")).collect();
            let file = File::options().append(true).create(true).open(into.join(log_file(*target)));
            file?.write_all(text.as_bytes())?;
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
