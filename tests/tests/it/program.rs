//! The program under test: built once, started in a folder of its own, never left running.

use std::{
    env,
    ffi::OsStr,
    io::{self, PipeWriter, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock},
    thread,
    time::Duration,
};

use bench_core::{Phase, Sample};
use bench_store::{PointSummary, RunDirectory, SummaryFile, read_samples};
use tempfile::TempDir;

/// What has not happened by then never will.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A folder of its own, in which the program is run as a user would run it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder whose name begins so.
    #[cfg(target_os = "linux")]
    pub(crate) fn called(name: impl AsRef<OsStr>) -> Self {
        Self(tempfile::Builder::new().prefix(&name).tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `inferbench` with `words` for its arguments, split at spaces.
    pub(crate) fn inferbench(&self, words: &str) -> Call {
        let mut command = Command::new(binary());
        command.args(words.split_whitespace());
        self.call(command)
    }

    /// `inferbench run` with short prompts and answers, unless `words` ask for others.
    pub(crate) fn run(&self, words: &str) -> Call {
        let short = [("--isl", "16"), ("--osl", "8")];
        // Of what is no text there are no output tokens to ask for.
        let is_text = |flag: &str| {
            flag != "--osl" || !["embeddings", "rerank"].iter().any(|api| words.contains(api))
        };
        let missing = short.iter().filter(|(flag, _)| !words.contains(flag) && is_text(flag));
        let run = missing.fold(self.inferbench("run"), |run, (flag, n)| run.arg(flag).arg(n));
        run.words(words)
    }

    /// Another program.
    pub(crate) fn program(&self, path: &Path) -> Call {
        self.call(Command::new(path))
    }

    /// `inferbench`, begun by `sh` after what `limits` does there.
    #[cfg(unix)]
    pub(crate) fn limited(&self, limits: &str) -> Call {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]).arg(binary());
        self.call(shell)
    }

    fn call(&self, mut command: Command) -> Call {
        command.current_dir(self.path()).stdin(Stdio::null());
        for variable in [
            "INFERBENCH_AGENT_TOKEN",
            "INFERBENCH_API_KEY",
            "OPENAI_API_KEY",
            "NGC_API_KEY",
            "NO_COLOR",
        ] {
            command.env_remove(variable);
        }
        Call(command)
    }

    /// The directories of all runs, in no order.
    pub(crate) fn run_directories(&self) -> Vec<RunDirectory> {
        let Ok(entries) = self.path().join("artifacts").read_dir() else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        // The history's own files lie beside the runs.
        let runs = paths.filter(|path| path.is_dir());
        runs.map(|path| RunDirectory::open(path).unwrap()).collect()
    }

    /// The directory of the only run.
    pub(crate) fn run_directory(&self) -> RunDirectory {
        let mut directories = self.run_directories();
        assert_eq!(directories.len(), 1);
        directories.remove(0)
    }

    /// What the only run came to.
    pub(crate) fn summary(&self) -> SummaryFile {
        self.run_directory().read_summary().unwrap().unwrap()
    }

    /// What its only point came to.
    pub(crate) fn point(&self) -> PointSummary {
        let mut points = self.summary().points;
        assert_eq!(points.len(), 1);
        points.remove(0)
    }

    /// The samples of the only run's measured phase, in order of sending.
    pub(crate) fn measured(&self) -> Vec<Sample> {
        let mut samples = samples(&self.run_directory());
        samples.retain(|sample| sample.phase == Phase::Measure);
        samples.sort_by_key(|sample| sample.number);
        samples
    }
}

/// The name of a run's directory.
pub(crate) fn name(directory: &RunDirectory) -> String {
    directory.path().file_name().unwrap().to_str().unwrap().to_owned()
}

/// All samples of a run, in order of ending.
pub(crate) fn samples(directory: &RunDirectory) -> Vec<Sample> {
    read_samples(&directory.samples_path()).unwrap().map(Result::unwrap).collect()
}

/// One of the statistics of a metric.
pub(crate) fn statistic(point: &PointSummary, metric: &str, name: &str) -> f64 {
    let found = point.metrics.get(metric).and_then(|line| line.statistic(name));
    found.unwrap_or_else(|| panic!("there is no {name} of {metric}: {:?}", point.metrics))
}

/// The program, about to be started.
pub(crate) struct Call(Command);

impl Call {
    /// More arguments, split at spaces.
    pub(crate) fn words(mut self, words: &str) -> Self {
        self.0.args(words.split_whitespace());
        self
    }

    /// One more argument, spaces and all.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Where standard output goes; what goes there is not heard.
    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Started {
        let stderr = self.0.stdout(to).stderr(Stdio::piped());
        Started::new(stderr.spawn().unwrap())
    }

    /// Where standard error goes; what goes there is not heard.
    pub(crate) fn stderr(mut self, to: impl Into<Stdio>) -> Started {
        Started::new(self.0.stdout(Stdio::piped()).stderr(to).spawn().unwrap())
    }

    pub(crate) fn start(self) -> Started {
        self.stdout(Stdio::piped())
    }

    /// Starts it on a terminal, which it has for all three of its streams.
    #[cfg(unix)]
    pub(crate) fn on_terminal(mut self, slave: &std::os::fd::OwnedFd) -> Started {
        let end = || Stdio::from(slave.try_clone().unwrap());
        Started::new(self.0.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap())
    }

    /// Runs it to its end, which must have this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        self.start().exits(code)
    }

    /// Runs it to its end, at which something was measured.
    #[track_caller]
    pub(crate) fn measures(self) -> Ended {
        self.start().measures()
    }
}

/// The program while it runs; it does not outlive this.
pub(crate) struct Started {
    child: Child,
    pub(crate) stdout: Heard,
    pub(crate) stderr: Heard,
}

impl Started {
    fn new(mut child: Child) -> Self {
        let stdout = child.stdout.take().map_or_else(Heard::default, Heard::listen);
        let stderr = child.stderr.take().map_or_else(Heard::default, Heard::listen);
        Self { child, stdout, stderr }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Waits for its end, which must have this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        self.exits_with_one_of(&[code])
    }

    /// Waits for its end, at which something was measured: on a machine that is busy with other tests,
    /// the numbers may be void.
    #[track_caller]
    pub(crate) fn measures(self) -> Ended {
        self.exits_with_one_of(&[0, 3])
    }

    #[track_caller]
    fn exits_with_one_of(mut self, codes: &[i32]) -> Ended {
        let status = self.wait();
        let ended = Ended { stdout: self.stdout.all(), stderr: self.stderr.all() };
        let expected = status.code().is_some_and(|code| codes.contains(&code));
        assert!(expected, "{status}, not {codes:?}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// Its number.
    #[cfg(target_os = "linux")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, whatever it does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the program said.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A pipe that nobody reads from.
pub(crate) fn unread() -> PipeWriter {
    io::pipe().unwrap().1
}

/// What comes from a pipe, heard as it comes.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    open: bool,
}

impl Heard {
    pub(crate) fn listen(mut pipe: impl Read + Send + 'static) -> Self {
        let heard = Self::default();
        heard.0.0.lock().unwrap().open = true;
        let said = heard.clone();
        thread::spawn(move || {
            let (text, changed) = &*said.0;
            let mut buffer = [0; 4096];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut text = text.lock().unwrap();
                text.bytes.extend_from_slice(&buffer[..count]);
                text.open = count > 0;
                changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        heard
    }

    /// Waits until `text` has been said; returns all that was.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let said = self.wait_until(|said| !said.open || said.string().contains(text));
        assert!(said.contains(text), "`{text}` was never said: {said}");
        said
    }

    /// All that was said, once nothing more can be.
    fn all(&self) -> String {
        self.wait_until(|said| !said.open)
    }

    fn wait_until(&self, holds: impl Fn(&Text) -> bool) -> String {
        let (text, changed) = &*self.0;
        let text = text.lock().unwrap();
        changed.wait_timeout_while(text, LIMIT, |said| !holds(said)).unwrap().0.string()
    }
}

impl Text {
    fn string(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Waits until `holds` does, looking again and again.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(2);
    for _ in 0..LIMIT.as_millis() / PAUSE.as_millis() {
        if holds() {
            return;
        }
        thread::park_timeout(PAUSE);
    }
    panic!("it never happened that {what}");
}

/// The binary, built like this test: `cargo test` builds none of another package.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // target/debug/deps/it-0123456789abcdef
        let this = env::current_exe().unwrap();
        let folder = this.ancestors().nth(2).unwrap();
        let profile = folder.file_name().unwrap();
        let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "inferbench", "--profile"]);
        cargo.arg(profile).arg("--target-dir").arg(folder.parent().unwrap());
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        // What cargo tells this test of its package is not what it would tell the user's shell, and
        // build scripts that look at it (ring's) would run again each time.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&*name);
            }
        }
        assert!(cargo.status().unwrap().success(), "the binary is built: {cargo:?}");
        folder.join(format!("inferbench{}", env::consts::EXE_SUFFIX))
    })
}
