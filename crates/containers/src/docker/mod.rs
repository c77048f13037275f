//! Docker Engine, and Podman by the same interface.
//!
//! An engine is asked over its API and nothing is run: what it is told is in [`container`], what it answers is read in
//! [`known`]. Containers are known by their labels, and none that lacks them is looked at or touched.

mod address;
mod container;
mod engine;
#[cfg(all(test, unix))]
mod fake;
mod image;
mod known;
mod login;
mod logs;
mod programs;
mod pull;
mod refusal;
mod servers;
#[cfg(all(test, unix))]
mod tests;

use std::time::Duration;

use bench_core::async_trait;

use self::{address::Address, engine::Engine, logs::Logs, refusal::Refusal};
use crate::{
    Backend, Cause, Environment, Held, Hooks, Launch, LogLine, Origin, Output, Program, Running,
    State, Trouble,
};

/// Docker Engine, or Podman where that answers in its place.
#[derive(Debug)]
pub struct Docker {
    engine: Engine,
    environment: Environment,
    logs: Logs,
}

impl Docker {
    /// The engine at `host`, such as `unix:///var/run/docker.sock`; where `DOCKER_HOST` or Docker's own context says, if
    /// `None`, or else at Docker's usual places.
    ///
    /// # Errors
    ///
    /// When nobody answers there, or this user may not ask.
    pub async fn connect(host: Option<&str>, environment: Environment) -> Result<Self, Trouble> {
        Self::at("Docker", address::docker(host, &environment)?, environment).await
    }

    /// Podman's service at `host`; where `CONTAINER_HOST` says, if `None`, or else at Podman's usual places.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_podman(
        host: Option<&str>,
        environment: Environment,
    ) -> Result<Self, Trouble> {
        Self::at("Podman", address::podman(host, &environment)?, environment).await
    }

    /// The first that answers.
    async fn at(
        engine: &str,
        addresses: Vec<Address>,
        environment: Environment,
    ) -> Result<Self, Trouble> {
        let mut first = None;
        for address in addresses {
            match Engine::at(&address).await {
                Ok(engine) => return Ok(Self { engine, environment, logs: Logs::default() }),
                Err(refusal) => {
                    let is_denied = matches!(refusal, Refusal::Denied(_));
                    let trouble = engine::unreachable(engine, &address, refusal);
                    // That one is there and may not be used says more than that another is not there.
                    if first.is_none() || is_denied {
                        first = Some(trouble);
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| {
            Trouble::new(Cause::BackendUnreachable, format!("there is no {engine}"))
        }))
    }

    /// The image that is to be started, and what in place of its own program.
    fn image(launch: &Launch) -> Result<(&str, Option<&[String]>), Trouble> {
        match &launch.program {
            Program::Image { image, entrypoint } => Ok((image, entrypoint.as_deref())),
            Program::Process(program) => {
                let what =
                    format!("{} is a program, and not an image of a container", program.display());
                Err(Trouble::new(Cause::Recipe, what)
                    .fix("start it as a process: --with process; or give an image with --image"))
            }
        }
    }
}

#[async_trait]
impl Backend for Docker {
    fn name(&self) -> &'static str {
        if self.engine.podman().is_some() { "podman" } else { "docker" }
    }

    async fn fetch(&self, launch: &Launch, hooks: &Hooks) -> Result<Origin, Trouble> {
        let (image, _) = Self::image(launch)?;
        pull::fetch(&self.engine, &self.environment, launch, image, hooks).await
    }

    async fn start(&self, launch: &Launch) -> Result<Running, Trouble> {
        servers::start(&self.engine, &self.environment, launch, Self::image(launch)?).await
    }

    async fn state(&self, id: &str) -> Result<State, Trouble> {
        servers::state(&self.engine, id).await
    }

    async fn log(&self, id: &str, since: u64) -> Result<Vec<LogLine>, Trouble> {
        self.logs.since(&self.engine, id, since).await
    }

    async fn run_within(&self, id: &str, command: &[String]) -> Result<Output, Trouble> {
        programs::run_within(&self.engine, id, command).await
    }

    async fn run_to_end(&self, launch: &Launch, hooks: &Hooks) -> Result<Output, Trouble> {
        let image = Self::image(launch)?;
        programs::run_to_end(&self.engine, &self.environment, launch, image, hooks).await
    }

    async fn stop(&self, id: &str, patience: Duration) -> Result<(), Trouble> {
        servers::stop(&self.engine, id, patience).await?;
        self.logs.forget(id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Held>, Trouble> {
        servers::list(&self.engine).await
    }
}
