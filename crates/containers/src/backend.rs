//! Where servers run.

use std::{fmt::Debug, time::Duration};

use bench_core::async_trait;

use crate::{Hooks, Launch, Trouble};

/// Starts servers, and stops them again: Docker Engine, Podman, or this machine itself.
///
/// Only servers that it started itself, or that an earlier process of ours did, are ever looked at or touched. Futures
/// may be dropped at any time; what was started by then is found by [`list`](Self::list).
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// `docker`, `podman` or `process`.
    fn name(&self) -> &'static str;

    /// Brings here what a server is made of: pulls its image. Says whence it is.
    ///
    /// # Errors
    ///
    /// When it is not to be had, or the disk has no room for it.
    async fn fetch(&self, launch: &Launch, hooks: &Hooks) -> Result<Origin, Trouble>;

    /// Starts it. Nothing is left of one that cannot be started.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or a port or the name is taken.
    async fn start(&self, launch: &Launch) -> Result<Running, Trouble>;

    /// What became of it.
    ///
    /// # Errors
    ///
    /// When the backend does not answer, or there is no such server of ours.
    async fn state(&self, id: &str) -> Result<State, Trouble>;

    /// What it has said since the line `since`, oldest first, as far as it is kept; at most some 10 000 lines at a time.
    ///
    /// # Errors
    ///
    /// As of [`state`](Self::state).
    async fn log(&self, id: &str, since: u64) -> Result<Vec<LogLine>, Trouble>;

    /// Runs a program within it, to its end.
    ///
    /// # Errors
    ///
    /// As of [`state`](Self::state), and when there is no such program.
    async fn run_within(&self, id: &str, command: &[String]) -> Result<Output, Trouble>;

    /// Runs a container or a process to its end, unless somebody stops that, and leaves nothing of it.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start), and when it is stopped.
    async fn run_to_end(&self, launch: &Launch, hooks: &Hooks) -> Result<Output, Trouble>;

    /// Asks it to end, ends it after `patience`, and leaves nothing of it. One that is gone already is fine.
    ///
    /// # Errors
    ///
    /// When the backend does not answer: then it may still be there.
    async fn stop(&self, id: &str, patience: Duration) -> Result<(), Trouble>;

    /// The servers that we started and that are there, in whatever state.
    ///
    /// # Errors
    ///
    /// When the backend does not answer.
    async fn list(&self) -> Result<Vec<Held>, Trouble>;

    /// Takes down what processes of ours left that are gone, and says what that was.
    ///
    /// # Errors
    ///
    /// When the backend does not answer.
    async fn reap(&self) -> Result<Vec<Held>, Trouble> {
        let mut reaped = Vec::new();
        for held in self.list().await?.into_iter().filter(|held| held.is_orphan) {
            self.stop(&held.id, Duration::ZERO).await?;
            reaped.push(held);
        }
        Ok(reaped)
    }
}

/// Whence a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The image as it was asked for.
    pub image: Option<String>,
    /// What it is for good: `sha256:…` of the registry, or of the image itself where no registry has it.
    pub digest: Option<String>,
    /// The program's path.
    pub program: Option<String>,
}

/// A server that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The backend's name of it.
    pub id: String,
    /// Its port on this machine's loopback address.
    pub port: u16,
}

/// What became of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it runs.
    pub is_running: bool,
    /// Its exit code, where it ended.
    pub exit_code: Option<i64>,
    /// Whether the system killed it for memory, as far as that is told.
    pub oom_killed: bool,
    /// How often it was started anew.
    pub restarts: u64,
    /// The process ids of it on this machine, where they are known.
    pub pids: Vec<u32>,
    /// Its port on this machine now: a restart may change it.
    pub port: Option<u16>,
    /// What the backend says is wrong with it.
    pub said: Option<String>,
}

/// A line that a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number from 0: the next is asked for by one more.
    pub number: u64,
    /// Without its end, and without control characters or secrets.
    pub text: String,
}

/// What a program said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub exit_code: i64,
    /// Both its outputs, without secrets.
    pub text: String,
}

/// A server of ours that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The backend's name of it.
    pub id: String,
    /// What we call it.
    pub name: String,
    /// Which kind of server it is.
    pub engine: String,
    /// The model, as requests name it.
    pub model: String,
    /// The image, or the program.
    pub of: String,
    /// Its port on this machine's loopback address, while it runs.
    pub port: Option<u16>,
    /// What became of it.
    pub state: State,
    /// When it was made, in seconds since 1970.
    pub created_s: Option<u64>,
    /// Whether it was to live as long as a process that is gone.
    pub is_orphan: bool,
    /// Whether it lives until somebody takes it down.
    pub is_kept: bool,
}
