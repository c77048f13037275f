//! Running the programs that fetch models.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bench_core::Level;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::sleep,
};

use super::lock::Lock;
use crate::{Cause, Hooks, Trouble};

/// The programs that fetch models.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// NVIDIA's `ngc`; looked for in `PATH` if `None`.
    pub ngc: Option<PathBuf>,
    /// Hugging Face's `hf` or `huggingface-cli`; looked for in `PATH` if `None`.
    pub hub: Option<PathBuf>,
}

/// How often it is looked how much has come, and whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long a program may take to end once it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// What is kept of what a program says: the end of it.
const KEPT_BYTES: usize = 64 << 10;
/// Variables whose values are never shown.
const SECRETS: [&str; 5] = [
    "NGC_API_KEY",
    "NGC_CLI_API_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
];

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether it says that it succeeded.
    pub(super) is_ok: bool,
    /// Its exit code; none if a signal ended it.
    pub(super) code: Option<i32>,
    /// The end of what it said, without secrets.
    pub(super) said: String,
}

impl Ended {
    /// The last lines, for people.
    pub(super) fn last_lines(&self) -> String {
        let lines: Vec<&str> = self.said.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

/// A program to run.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
}

impl Program {
    /// The program that is named, or the first of `names` in `PATH`.
    pub(super) fn find(named: Option<&Path>, names: &[&str]) -> Option<Self> {
        let path = named.map(Path::to_owned).or_else(|| in_path(names))?;
        Some(Self { path, args: Vec::new(), env: Vec::new() })
    }

    pub(super) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: OsString) -> Self {
        self.env.push((name, value));
        self
    }

    /// The same program with none of the arguments.
    pub(super) fn again(&self) -> Self {
        Self { path: self.path.clone(), args: Vec::new(), env: self.env.clone() }
    }

    /// Runs it to its end, looking with `look` how far it is. Whoever drops this ends it.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or the user stops it.
    pub(super) async fn run(
        self,
        lock: &mut Lock,
        hooks: &Hooks,
        mut look: impl FnMut(),
    ) -> Result<Ended, Trouble> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| {
            let what = format!("{} cannot be started", self.path.display());
            Trouble::new(Cause::ProgramMissing, what).said(error.to_string())
        })?;
        if let Some(pid) = child.id() {
            lock.add(pid)?;
        }
        let out = listen(child.stdout.take());
        let err = listen(child.stderr.take());
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = sleep(LOOK) => look(),
            }
            if hooks.stop.level() >= Level::Drain {
                end(&mut child).await;
                lock.alone();
                let what = format!("{} was stopped", self.path.display());
                return Err(Trouble::new(Cause::Stopped, what).fix(GOES_ON));
            }
        };
        lock.alone();
        let said = [out.await, err.await].map(Result::unwrap_or_default).concat();
        let status = status.map_err(|error| {
            let what = format!("how {} ended is not known", self.path.display());
            Trouble::new(Cause::ModelBroken, what).said(error.to_string())
        })?;
        Ok(Ended { is_ok: status.success(), code: status.code(), said: without_secrets(&said) })
    }
}

/// What is to be done where something was broken off.
pub(super) const GOES_ON: &str = "run the same command again: it goes on from what is there";

/// Hears all that a program says, and keeps the end of it.
fn listen(
    pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
) -> tokio::task::JoinHandle<String> {
    tokio::spawn(async move {
        let Some(mut pipe) = pipe else { return String::new() };
        let mut kept = Vec::new();
        let mut buffer = [0; 4_096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            kept.extend_from_slice(&buffer[..count]);
            if kept.len() > 2 * KEPT_BYTES {
                kept.drain(..kept.len() - KEPT_BYTES);
            }
        }
        // Bars of progress write over their line.
        String::from_utf8_lossy(&kept).replace('\r', "\n")
    })
}

/// Asks a program to end, and ends it where it does not.
async fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        use nix::{sys::signal, unistd::Pid};
        // It may be gone already.
        let _ = signal::kill(Pid::from_raw(pid), signal::Signal::SIGTERM);
    }
    let waited = tokio::time::timeout(ENDS_WITHIN, child.wait()).await;
    if waited.is_err() {
        let _ = child.kill().await;
    }
}

/// The first of several names that is a program in `PATH`.
fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.filter(|place| is_program(place)).find_map(|place| std::path::absolute(place).ok())
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// A text without the values of known secrets.
fn without_secrets(text: &str) -> String {
    let values = SECRETS.iter().filter_map(|name| env::var(name).ok());
    // A short one would be found everywhere.
    values
        .filter(|value| value.len() >= 8)
        .fold(text.to_owned(), |text, value| text.replace(&value, "***"))
}
