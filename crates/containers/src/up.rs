//! From a launch to a server that answers.

use std::{fmt::Debug, time::Duration};

use bench_core::async_trait;

use crate::{Backend, Hooks, Launch, Origin, Running, Trouble};

/// Asks a server whether it can be measured: whether it is healthy, lists the model, and has answered with a token.
#[async_trait]
pub trait Probe: Debug + Send + Sync {
    /// Asks the server at `url`, in a few seconds at most. Dropping the future abandons that.
    async fn ask(&self, url: &str, launch: &Launch) -> Answer;
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is healthy, has the model, and generated a token.
    Ready,
    /// Not so far, and why.
    NotYet(String),
    /// Waiting will not help, and why.
    Never(String),
}

/// A server that is up.
#[derive(Clone, Debug)]
pub struct Up {
    /// What was started.
    pub launch: Launch,
    /// Whence it is.
    pub origin: Origin,
    /// The server.
    pub running: Running,
    /// From the start to the first token.
    pub took: Duration,
    /// x
    pub milestones: Vec<(String, Duration)>,
    /// x
    pub log: Vec<String>,
}

impl Up {
    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.running.port)
    }
}

/// Fetches, starts and waits for a server. What was started of one that does not come up is taken down.
///
/// # Errors
///
/// When it cannot be had or started, ends, is not ready in time, or whoever waits stops.
pub async fn up(
    backend: &dyn Backend,
    launch: &Launch,
    probe: &dyn Probe,
    hooks: &Hooks,
) -> Result<Up, Trouble> {
    let origin = backend.fetch(launch, hooks).await?;
    let running = backend.start(launch).await?;
    let _ = probe;
    Ok(Up {
        launch: launch.clone(),
        origin,
        running,
        took: Duration::ZERO,
        milestones: vec![],
        log: vec![],
    })
}
impl Up {
    /// x
    pub async fn died(&self, _backend: &dyn Backend) -> Option<Trouble> {
        None
    }
    /// x
    pub async fn down(&self, _backend: &dyn Backend, _hooks: &Hooks) -> Result<(), Trouble> {
        Ok(())
    }
}
/// x
pub fn command(_launch: &Launch) -> String {
    String::new()
}
