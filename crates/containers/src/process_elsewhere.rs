//! Where the system is not Linux: no process can be told there from one that has its number later, and so none is started.

use std::{convert::Infallible, ffi::OsString, io, path::Path, time::Duration};

use bench_core::async_trait;

use crate::{
    Backend, Cause, Environment, Held, Hooks, Launch, LogLine, Origin, Output, Running, State,
    Trouble,
};

/// Processes of this machine: on Linux alone.
#[derive(Debug)]
pub struct Process(Infallible);

impl Process {
    /// Says that there are none.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn new(_: Environment) -> Result<Self, Trouble> {
        let what = "servers are started as processes on Linux alone";
        Err(Trouble::new(Cause::BackendUnreachable, what).fix("start it with Docker"))
    }

    /// Nothing.
    #[must_use]
    pub fn held_by<A: Into<OsString>>(
        self,
        _: impl Into<OsString>,
        _: impl IntoIterator<Item = A>,
    ) -> Self {
        self
    }
}

/// Holds nothing.
///
/// # Errors
///
/// Always.
pub fn hold(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[async_trait]
impl Backend for Process {
    fn name(&self) -> &'static str {
        match self.0 {}
    }

    async fn fetch(&self, _: &Launch, _: &Hooks) -> Result<Origin, Trouble> {
        match self.0 {}
    }

    async fn start(&self, _: &Launch) -> Result<Running, Trouble> {
        match self.0 {}
    }

    async fn state(&self, _: &str) -> Result<State, Trouble> {
        match self.0 {}
    }

    async fn log(&self, _: &str, _: u64) -> Result<Vec<LogLine>, Trouble> {
        match self.0 {}
    }

    async fn run_within(&self, _: &str, _: &[String]) -> Result<Output, Trouble> {
        match self.0 {}
    }

    async fn run_to_end(&self, _: &Launch, _: &Hooks) -> Result<Output, Trouble> {
        match self.0 {}
    }

    async fn stop(&self, _: &str, _: Duration) -> Result<(), Trouble> {
        match self.0 {}
    }

    async fn list(&self) -> Result<Vec<Held>, Trouble> {
        match self.0 {}
    }
}
