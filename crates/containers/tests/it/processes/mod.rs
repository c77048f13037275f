//! Servers as real processes: what is started is `examples/stand_in.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod ending;
mod recovering;
mod starting;
mod upping;

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use bench_containers::{
    Asked, Backend, EngineName, Environment, HostFacts, Launch, Lifetime, Process, Recipe, Running,
    State, With,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Long enough for any machine, and never waited for where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program that the tests start. `cargo test` builds it.
fn stand_in() -> PathBuf {
    let here = env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("examples/stand_in");
    assert!(program.exists(), "cargo build -p bench-containers --examples");
    program
}

/// A place of its own, with servers of its own.
struct Rig {
    place: TempDir,
    process: Process,
}

impl Rig {
    /// With nobody who holds servers.
    fn alone() -> Self {
        Self::with(&[])
    }

    /// With somebody who does.
    fn held() -> Self {
        let Self { place, process } = Self::alone();
        Self { place, process: process.held_by(stand_in(), ["hold"]) }
    }

    /// Both.
    fn both() -> [Self; 2] {
        [Self::alone(), Self::held()]
    }

    /// With variables in our environment.
    fn with(variables: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let process = Self::at(place.path(), variables);
        Self { place, process }
    }

    fn at(place: &Path, variables: &[(&str, &str)]) -> Process {
        let path = env::var("PATH").unwrap();
        let state = place.join("state").display().to_string();
        let own = [("PATH", path.as_str()), ("INFERBENCH_STATE_DIR", &state)];
        let variables = own.iter().chain(variables).map(|(name, value)| (*name, *value));
        Process::new(Environment::of(variables)).unwrap()
    }

    /// As another process of ours finds it.
    fn another(&self) -> Process {
        Self::at(self.place.path(), &[])
    }

    fn servers(&self) -> PathBuf {
        self.place.path().join("state/servers")
    }

    /// Whether nothing is written down.
    fn is_empty(&self) -> bool {
        fs::read_dir(self.servers()).is_ok_and(|mut entries| entries.next().is_none())
    }

    async fn start(&self, words: &str) -> Running {
        self.process.start(&launch(words)).await.unwrap()
    }

    async fn state(&self, running: &Running) -> State {
        self.process.state(&running.id).await.unwrap()
    }

    /// All that a server has said once it listens; what it starts has come before, and listens elsewhere.
    async fn said_all(&self, running: &Running) -> Vec<String> {
        self.said(running, &format!("listening on 127.0.0.1:{}", running.port)).await
    }

    /// All that a server has said once it has said `last`.
    async fn said(&self, running: &Running, last: &str) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines = self.process.log(&running.id, 0).await.unwrap();
            let lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
            if lines.iter().any(|line| line.starts_with(last)) {
                return lines;
            }
            assert!(began.elapsed() < PATIENCE, "`{last}` is not among {lines:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// What became of a server that ends by itself.
    async fn end(&self, running: &Running) -> State {
        let began = Instant::now();
        loop {
            let state = self.state(running).await;
            if !state.is_running {
                return state;
            }
            assert!(began.elapsed() < PATIENCE, "it runs: {state:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A server that does what `words` say and then answers.
fn launch(words: &str) -> Launch {
    let words = ["serve", "{port}"].into_iter().chain(words.split_whitespace());
    launch_of(stand_in(), words)
}

fn launch_of<'w>(program: PathBuf, words: impl IntoIterator<Item = &'w str>) -> Launch {
    let recipe = Recipe::of(EngineName::Custom);
    let asked = Asked {
        model: "tiny".to_owned(),
        name: Some("mine".to_owned()),
        with: With::Process,
        program: Some(program),
        args: words.into_iter().map(str::to_owned).collect(),
        lifetime: Some(Lifetime::WithUs),
        ..Asked::default()
    };
    let launch = recipe.launch(&asked, &HostFacts::here(&recipe, &asked)).unwrap();
    Launch { stop_within: Duration::from_millis(500), ..launch }
}

fn kept(words: &str) -> Launch {
    Launch { lifetime: Lifetime::Kept, ..launch(words) }
}

/// What a server answers; `None` if nobody does.
fn ask(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("{request} HTTP/1.1\r\nhost: mine\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// Whether a process runs: it is there, and has not ended.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not so: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

/// What `processes.json` of a server says: the number of the process of that kind.
fn pid_of(rig: &Rig, name: &str, kind: &str) -> u32 {
    let file = rig.servers().join(name).join("processes.json");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    json[kind].as_str().unwrap().split(':').next().unwrap().parse().unwrap()
}
