//! Servers as plain processes of this machine.
//!
//! ```text
//! Process::start ─► folder: server.json ─► who holds it (hold) ─► the server, in a group of its own
//!       │                                        │
//!       └── a pipe, which ends with us ──────────┘ ends the server and all that it started
//! ```
//!
//! What is to be ended is found by what is written down, and known by its number and when it was started: no process that
//! has its number later is touched.

mod family;
mod folder;
mod hold;
mod log;
mod oom;
mod output;
mod program;
mod record;
mod server;
mod start;

use std::{
    collections::HashMap,
    ffi::OsString,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bench_core::async_trait;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use self::{
    folder::Servers,
    log::Logs,
    record::{Ended, Record},
    server::Server,
    start::Started,
};
use crate::{
    Backend, Cause, Environment, Held, Hooks, Launch, LogLine, Origin, Output, Running, State,
    Trouble, owner::Owner,
};

pub use self::hold::hold;

/// Processes of this machine.
///
/// Those that are to live as long as this process are ended when this is dropped, too.
#[derive(Debug)]
pub struct Process {
    environment: Environment,
    servers: Servers,
    /// A program and its arguments, before the folder of a server.
    holder: Option<Vec<OsString>>,
    /// Those of our children that we have not asked for how they ended, by server.
    ours: Mutex<HashMap<String, Started>>,
    logs: Logs,
}

/// Another process that starts a server has it written down within that.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// Who holds a server is gone so soon after it.
const HOLDER_ENDS_WITHIN: Duration = Duration::from_secs(10);
const LOOKED_EVERY: Duration = Duration::from_millis(20);

impl Process {
    /// Those that are written down where `environment` says: below `INFERBENCH_STATE_DIR`, else in `inferbench` below
    /// `XDG_STATE_HOME`, else in `~/.local/state/inferbench`. Nobody holds them: what is to live as long as this process is
    /// ended by the next one, where this one is killed.
    ///
    /// # Errors
    ///
    /// When it says of no such place.
    pub fn new(environment: Environment) -> Result<Self, Trouble> {
        let servers = Servers::of(&environment)?;
        let (ours, logs) = Default::default();
        Ok(Self { environment, servers, holder: None, ours, logs })
    }

    /// Has each server held by `program`, which is to do what [`hold`] does with the folder that follows `args`. Then a
    /// server is ended at once where this process is killed, and how it ended is known though nobody of ours was there.
    #[must_use]
    pub fn held_by<A: Into<OsString>>(
        mut self,
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let args = args.into_iter().map(Into::into);
        self.holder = Some([program.into()].into_iter().chain(args).collect());
        self
    }

    fn ours(&self) -> MutexGuard<'_, HashMap<String, Started>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server of an id, if it is there.
    fn find(&self, id: &str) -> Option<Server> {
        let name = id.rsplit_once('@').map_or(id, |(name, _)| name);
        Server::of(self.servers.named(name)?).filter(|server| server.id() == id)
    }

    fn known(&self, id: &str) -> Result<Server, Trouble> {
        let name = id.rsplit_once('@').map_or(id, |(name, _)| name);
        self.find(id).ok_or_else(|| {
            Trouble::new(Cause::Unknown, format!("there is no server `{name}` any more"))
        })
    }

    /// Writes down how a child of ours has ended that nobody holds.
    fn write_end(&self, server: &Server) {
        let mut ours = self.ours();
        let Some(started) = ours.get_mut(&server.id()) else { return };
        if started.is_holder {
            // So that nothing is left of one that has ended. Its server is another matter.
            let _ = started.child.try_wait();
            return;
        }
        if let Some(exit_code) = hold::has_ended(&started.child)
            && server.folder.ended().is_none()
        {
            // Not written, it is asked for again.
            let ended = Ended { exit_code: Some(exit_code), ..Ended::default() };
            let _ = server.folder.write_ended(&ended);
        }
    }

    async fn state_of(&self, server: &Server) -> State {
        let asked = Instant::now();
        loop {
            self.write_end(server);
            // Asked first: who is gone now has written before how it ended.
            let is_held = server.holder().is_some_and(|holder| !holder.is_gone());
            let is_seen = is_held || self.ours().get(&server.id()).is_some_and(|s| !s.is_holder);
            let state = server.state();
            let is_to_come = is_seen && !state.is_running && state.exit_code.is_none();
            if !is_to_come || asked.elapsed() > WRITTEN_WITHIN {
                return state;
            }
            sleep(LOOKED_EVERY).await;
        }
    }
}

#[async_trait]
impl Backend for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    async fn fetch(&self, launch: &Launch, _hooks: &Hooks) -> Result<Origin, Trouble> {
        let program = program::find(&self.environment, launch)?;
        Ok(Origin { program: Some(program.display().to_string()), ..Origin::default() })
    }

    async fn start(&self, launch: &Launch) -> Result<Running, Trouble> {
        let holder = self.holder.as_deref();
        let (record, started) =
            start::start(&self.servers, &self.environment, holder, launch).await?;
        self.ours().insert(record.id.clone(), started);
        Ok(Running { id: record.id, port: record.port })
    }

    async fn state(&self, id: &str) -> Result<State, Trouble> {
        Ok(self.state_of(&self.known(id)?).await)
    }

    async fn log(&self, id: &str, since: u64) -> Result<Vec<LogLine>, Trouble> {
        let server = self.known(id)?;
        let has_ended = !server.state().is_running;
        let mask = || server.mask(&self.environment);
        let lines = self.logs.since(id, since, has_ended, mask, || server.folder.log_to_read());
        lines.map_err(|error| {
            let what = format!("what {} said cannot be read", server.folder.name());
            Trouble::new(Cause::Backend, what).said(error.to_string())
        })
    }

    async fn run_within(&self, id: &str, command: &[String]) -> Result<Output, Trouble> {
        let server = self.known(id)?;
        let unknown = || Trouble::new(Cause::Unknown, "what was given to it cannot be read");
        let record = server.record.as_ref().ok_or_else(unknown)?;
        let port = record.port.to_string();
        let mut words = command.iter().map(|word| word.replace("{port}", &port));
        let name = words.next().unwrap_or_default();
        // The server's own program may be one that is not in PATH.
        let is_own = record.program.file_name() == Some(name.as_ref());
        let found = program::look_for(&self.environment, Path::new(&name));
        let found = found.or_else(|| is_own.then(|| record.program.clone())).ok_or_else(|| {
            Trouble::new(Cause::ProgramMissing, format!("there is no program `{name}` in PATH"))
        })?;
        let mut command = std::process::Command::new(found);
        start::give(&mut command, record, &self.environment);
        command.args(words);
        let mask = record.mask(&self.environment, &[]);
        let output = output::run(Command::from(command), mask, None).await;
        output
            .ok()
            .flatten()
            .ok_or_else(|| Trouble::new(Cause::BadEntrypoint, format!("{name} cannot be started")))
    }

    async fn run_to_end(&self, launch: &Launch) -> Result<Output, Trouble> {
        let program = program::find(&self.environment, launch)?;
        let (launch, port) = start::settled(&self.environment, launch)?;
        let record = Record::of(String::new(), &launch, &program, port);
        let mut command = std::process::Command::new(&program);
        start::give(&mut command, &record, &self.environment);
        command.args(&launch.args);
        let mask = record.mask(&self.environment, &[]);
        let within = launch.ready_within;
        let output = output::run(Command::from(command), mask, Some(within)).await;
        let output = output.map_err(|error| {
            let what = format!("{} cannot be started", program.display());
            Trouble::new(Cause::BadEntrypoint, what).said(error.to_string())
        })?;
        output.ok_or_else(|| {
            let what = format!("{} has not ended after {} s", launch.name, within.as_secs());
            Trouble::new(Cause::NotReady, what).fix("give it longer: --ready-within")
        })
    }

    async fn stop(&self, id: &str, patience: Duration) -> Result<(), Trouble> {
        let Some(mut server) = self.find(id) else { return Ok(()) };
        let asked = Instant::now();
        while server.processes.is_none() && !server.is_left() && server.folder.is_there() {
            // Somebody is about to start it.
            if asked.elapsed() > WRITTEN_WITHIN {
                break;
            }
            sleep(LOOKED_EVERY).await;
            server.processes = server.folder.processes();
        }
        server.family().end(patience).await.map_err(|left| {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            let what = format!("{} cannot be ended", server.folder.name());
            Trouble::new(Cause::Backend, what)
                .said(format!("still there: process {}", left.join(", ")))
                .fix(format!(
                    "see what it waits for: ps -o pid,stat,wchan,args -p {}",
                    left.join(",")
                ))
        })?;
        end_holder(server.holder()).await;
        if let Some(mut started) = self.ours().remove(id) {
            let _ = started.child.try_wait();
        }
        self.logs.forget(id);
        server.folder.remove();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Held>, Trouble> {
        let mut held = Vec::new();
        for server in self.servers.all()?.into_iter().filter_map(Server::of) {
            let state = self.state_of(&server).await;
            // One of which nothing can be read is there as long as its processes are.
            if server.record.is_some() || !state.pids.is_empty() {
                held.push(server.held(state));
            }
        }
        Ok(held)
    }

    async fn reap(&self) -> Result<Vec<Held>, Trouble> {
        let mut reaped = Vec::new();
        for held in self.list().await?.into_iter().filter(|held| held.is_orphan) {
            self.stop(&held.id, Duration::ZERO).await?;
            reaped.push(held);
        }
        for server in self.servers.all()?.into_iter().filter_map(Server::of) {
            if server.record.is_none() && server.family().running().is_empty() {
                server.folder.remove();
            }
        }
        self.servers.clear()?;
        Ok(reaped)
    }
}

/// Waits for the end of who held a server that is gone: it ends by itself.
async fn end_holder(holder: Option<Owner>) {
    let Some(holder) = holder else { return };
    let asked = Instant::now();
    while !holder.is_gone() {
        if asked.elapsed() > HOLDER_ENDS_WITHIN {
            let pid = holder.seen_from_here().map(|(pid, _)| pid);
            return family::signal(pid.as_slice(), nix::sys::signal::Signal::SIGKILL);
        }
        sleep(LOOKED_EVERY).await;
    }
}
