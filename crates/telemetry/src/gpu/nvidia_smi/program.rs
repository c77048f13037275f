//! The program, as a child.

use std::{
    ffi::OsString,
    io,
    path::Path,
    process::{Output, Stdio},
    thread,
    time::Duration,
};

use tokio::process::Command;

/// The longest answer that is looked at, in an error.
const LINE: usize = 200;

/// `nvidia-smi`, or whatever stands for it.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: OsString,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("nvidia-smi cannot be started: {0}")]
    NotStarted(io::Error),
    #[error("nvidia-smi has not answered for {0:?}")]
    Hangs(Duration),
    /// It does not know a field that was asked for: it is older or newer.
    #[error("nvidia-smi does not know the field {0}")]
    UnknownField(String),
    #[error("nvidia-smi failed ({status}): {said}")]
    Failed { status: String, said: String },
}

impl Program {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The values of `fields`, a line for each GPU. Dropping the future kills the program.
    pub(super) async fn query(&self, fields: &[&str]) -> Result<String, Failure> {
        let output = Command::new(&self.path)
            .arg(format!("--query-gpu={}", fields.join(",")))
            .arg("--format=csv,noheader,nounits")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Failure::NotStarted)?;
        answer(&output)
    }
}

/// What it said, if it ended well. It writes most of its errors to standard output.
fn answer(output: &Output) -> Result<String, Failure> {
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(said.into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines().chain(errors.lines()).map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or("it said nothing");
    if let Some(name) = unknown_field(line) {
        return Err(Failure::UnknownField(name.to_owned()));
    }
    let said = line.chars().filter(|c| !c.is_control()).take(LINE).collect();
    let status = match (output.status.code(), hint(output.status.code())) {
        (Some(code), Some(hint)) => format!("exit code {code}, {hint}"),
        (Some(code), None) => format!("exit code {code}"),
        (None, _) => "a signal".to_owned(),
    };
    Err(Failure::Failed { status, said })
}

/// Which field `Field "..." is not a valid field to query.` is about.
fn unknown_field(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("Field \"")?.split_once('"')?;
    rest.contains("not a valid field").then_some(name)
}

/// What its exit codes mean, which are NVML's.
const fn hint(code: Option<i32>) -> Option<&'static str> {
    match code {
        Some(4) => Some("no permission"),
        Some(9) => Some("the driver is not loaded"),
        Some(12) => Some("the library of NVML is missing"),
        Some(15) => Some("a GPU has fallen off the bus"),
        Some(18) => Some("driver and library are of different versions"),
        _ => None,
    }
}

/// Runs `query` to its end, or until `patience` is over. On a thread of its own: the caller's may have a runtime, in
/// which none may be begun.
pub(super) fn block_on(
    patience: Duration,
    query: impl Future<Output = Result<String, Failure>> + Send + 'static,
) -> Result<String, Failure> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::NotStarted)?.block_on(async {
            tokio::time::timeout(patience, query).await.unwrap_or(Err(Failure::Hangs(patience)))
        })
    };
    let panicked = |_| Err(Failure::NotStarted(io::Error::other("its thread ended")));
    thread::spawn(run).join().unwrap_or_else(panicked)
}
