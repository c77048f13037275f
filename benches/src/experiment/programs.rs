//! The programs that take part, as processes of their own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        signal::{Signal, kill},
        time::TimeValLike,
    },
    unistd::{Pid, geteuid},
};

use super::Run;

/// Where the programs are: beside this one.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// The folder of the running program.
    ///
    /// # Errors
    ///
    /// If one of them is missing there.
    pub fn beside_this_one() -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let folder = this.parent().context("a program lies in a folder")?.to_owned();
        for name in ["truth-server", "bare-reader", "burn", "inferbench"] {
            let hint = "build with: cargo build --release -p inferbench -p inferbench-benches";
            ensure!(folder.join(name).exists(), "no {name} in {}: {hint}", folder.display());
        }
        Ok(Self(folder))
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The command for one of them.
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }
}

/// A running truth server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Server {
    /// Starts it with `args`, at real-time priority where we may: what else runs then delays the client
    /// alone, and the server keeps its times.
    ///
    /// # Errors
    ///
    /// If it does not start, or says something unexpected.
    pub fn start(programs: &Programs, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("chrt");
            command.args(["-f", "1"]).arg(programs.command("truth-server").get_program());
            command
        } else {
            programs.command("truth-server")
        };
        let mut child =
            command.args(args).stdout(Stdio::piped()).spawn().context("truth-server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let Some(port) = line.trim().strip_prefix("port ") else { bail!("it said {line:?}") };
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    /// Ends it and waits until it has written its truth.
    ///
    /// # Errors
    ///
    /// If it failed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.terminate();
        ensure!(self.child.wait()?.success(), "truth-server failed");
        Ok(())
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        // It may have ended already.
        let _ = kill(pid, Signal::SIGTERM);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.child.wait();
    }
}

/// A run of the product's binary.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The server's address.
    pub url: &'a str,
    /// Streams at once.
    pub streams: u32,
    /// Answers on each stream.
    pub rounds: u32,
    /// Tokens of each answer.
    pub tokens: u32,
}

impl Product<'_> {
    /// Runs it to its end; with all its sinks on, as a user would. Results go below `artifacts`.
    ///
    /// # Errors
    ///
    /// If it failed, or its files cannot be read.
    pub fn run(&self, programs: &Programs, artifacts: &Path) -> anyhow::Result<Run> {
        Run::of(&mut self.command(programs), artifacts)
    }

    /// The command that runs it, but for where its results go.
    pub(super) fn command(&self, programs: &Programs) -> Command {
        let requests = (self.streams * self.rounds).to_string();
        let mut command = programs.command("inferbench");
        command
            .args(["run", "--json", "--ui", "none", "--isl", "16", "--warmup-request-count"])
            .arg(self.streams.to_string())
            .args(["--url", self.url, "-n", &requests])
            .args(["-c", &self.streams.to_string(), "--osl", &self.tokens.to_string()]);
        command
    }
}

impl Run {
    /// Has `command`, which measures and prints JSON, put its results below `artifacts`, and reads them.
    pub(super) fn of(command: &mut Command, artifacts: &Path) -> anyhow::Result<Self> {
        Self::kept(command, artifacts).map(|(run, _)| run)
    }

    /// The same, and where its files are.
    pub(super) fn kept(command: &mut Command, artifacts: &Path) -> anyhow::Result<(Self, PathBuf)> {
        let before = children_cpu_s()?;
        let output = command.arg("--artifact-dir").arg(artifacts).output().context("inferbench")?;
        let said = String::from_utf8_lossy(&output.stderr);
        // 3: it measured, and calls its own numbers void, as it should where most reads hold several events.
        let measured = matches!(output.status.code(), Some(0 | 3));
        ensure!(measured, "inferbench ended with {}: {said}", output.status);
        let id = serde_json::from_slice::<serde_json::Value>(&output.stdout)?["id"].clone();
        let id = id.as_str().context("the summary has the run's id")?;
        let directory = artifacts.join(format!("{id}-chat"));
        Ok((Self::read(&directory, children_cpu_s()? - before)?, directory))
    }
}

/// User and system time of the children that have ended.
fn children_cpu_s() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}
