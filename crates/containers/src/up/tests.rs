//! Every way in which a start ends, on a backend that does as it is told, in paused time.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use bench_core::Stop;
use tokio::time::timeout;

use super::*;
use crate::{Asked, EngineName, Held, HostFacts, Output, Place, Recipe};

/// A server whose life is a function of how long it has been there.
struct Scripted {
    /// What became of it after so many seconds.
    state: fn(u64) -> Result<State, Trouble>,
    /// The lines that it has said by then.
    lines: fn(u64) -> Vec<&'static str>,
    /// Until then, in seconds, nobody can read them.
    hidden_s: u64,
    began: Mutex<Option<Instant>>,
    stopped: AtomicBool,
    ran: AtomicU32,
    run_code: i64,
    /// How long it takes to end, if it may.
    stops_in: Duration,
    starts: AtomicU32,
}

impl Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

fn running(_: u64) -> Result<State, Trouble> {
    Ok(State { is_running: true, port: Some(4000), ..State::default() })
}

impl Scripted {
    fn new() -> Self {
        Self {
            state: running,
            lines: |_| vec!["hello"],
            hidden_s: 0,
            began: Mutex::new(None),
            stopped: AtomicBool::new(false),
            ran: AtomicU32::new(0),
            run_code: 0,
            stops_in: Duration::ZERO,
            starts: AtomicU32::new(0),
        }
    }

    fn age_s(&self) -> u64 {
        self.began.lock().unwrap().map_or(0, |began| began.elapsed().as_secs())
    }
}

#[async_trait]
impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn fetch(&self, launch: &Launch, _: &Hooks) -> Result<Origin, Trouble> {
        if launch.name.contains("never-fetched") {
            sleep(Duration::from_secs(100_000)).await;
        }
        Ok(Origin::default())
    }

    async fn start(&self, _: &Launch) -> Result<Running, Trouble> {
        self.starts.fetch_add(1, Ordering::Relaxed);
        *self.began.lock().unwrap() = Some(Instant::now());
        Ok(Running { id: "id".to_owned(), port: 4000 })
    }

    async fn state(&self, _: &str) -> Result<State, Trouble> {
        (self.state)(self.age_s())
    }

    async fn log(&self, _: &str, since: u64) -> Result<Vec<LogLine>, Trouble> {
        if self.age_s() < self.hidden_s {
            return Err(Trouble::new(Cause::BackendUnreachable, "no answer"));
        }
        let lines = (self.lines)(self.age_s());
        let lines = lines.into_iter().zip(0_u64..);
        let lines = lines.map(|(text, number)| LogLine { number, text: text.to_owned() });
        Ok(lines.filter(|line| line.number >= since).collect())
    }

    async fn run_within(&self, _: &str, _: &[String]) -> Result<Output, Trouble> {
        sleep(Duration::from_secs(5)).await;
        self.ran.fetch_add(1, Ordering::Relaxed);
        Ok(Output { exit_code: self.run_code, text: "no such model".to_owned() })
    }

    async fn run_to_end(&self, _: &Launch, _: &Hooks) -> Result<Output, Trouble> {
        unreachable!("nothing is run to its end")
    }

    async fn stop(&self, _: &str, patience: Duration) -> Result<(), Trouble> {
        sleep(self.stops_in.min(patience)).await;
        self.stopped.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Held>, Trouble> {
        Ok(Vec::new())
    }
}

/// Answers after so many seconds of its life.
#[derive(Debug)]
struct After {
    seconds: u64,
    before: Answer,
    then: Answer,
    began: Instant,
    urls: Mutex<Vec<String>>,
}

impl After {
    fn new(seconds: u64, before: Answer, then: Answer) -> Self {
        Self { seconds, before, then, began: Instant::now(), urls: Mutex::default() }
    }

    fn ready(seconds: u64) -> Self {
        Self::new(seconds, Answer::NotYet("refused".to_owned()), Answer::Ready)
    }
}

#[async_trait]
impl Probe for After {
    async fn ask(&self, url: &str, _: &Launch) -> Answer {
        self.urls.lock().unwrap().push(url.to_owned());
        sleep(Duration::from_millis(50)).await;
        let is_after = self.began.elapsed() >= Duration::from_secs(self.seconds);
        if is_after { self.then.clone() } else { self.before.clone() }
    }
}

fn launch() -> Launch {
    let asked = Asked { model: "m".to_owned(), image: Some("i".to_owned()), ..Asked::default() };
    let recipe = Recipe::of(EngineName::Custom);
    let launch = recipe.launch(&asked, &HostFacts::default()).unwrap();
    Launch { ready_within: Duration::from_secs(60), ..launch }
}

async fn fails(backend: &Scripted, probe: &After) -> Trouble {
    let launch = launch();
    let hooks = Hooks::default();
    let coming = up(backend, &launch, probe, &hooks);
    let trouble = timeout(Duration::from_secs(1_000), coming).await.unwrap().unwrap_err();
    assert!(backend.stopped.load(Ordering::Relaxed), "it was taken down");
    trouble
}

#[tokio::test(start_paused = true)]
async fn a_server_is_up_once_it_has_answered() {
    let backend = Scripted::new();
    let probe = After::ready(10);
    let said = std::sync::Arc::new(Mutex::new(Vec::new()));
    let hears = std::sync::Arc::clone(&said);
    let hooks =
        Hooks::new(Stop::new(), move |progress| hears.lock().unwrap().push(progress.clone()));
    let up = up(&backend, &launch(), &probe, &hooks).await.unwrap();
    assert!((10.0..12.0).contains(&up.took.as_secs_f64()), "{:?}", up.took);
    assert_eq!(
        (up.url().as_str(), &up.log[..]),
        ("http://127.0.0.1:4000", &["hello".to_owned()][..])
    );
    assert!(up.died(&backend).await.is_none() && !backend.stopped.load(Ordering::Relaxed));
    let is_reason = |said: &&Progress| matches!(said, Progress::Waiting(_));
    let reasons = said.lock().unwrap().iter().filter(is_reason).count();
    assert_eq!(reasons, 1, "a reason is told once");
    up.down(&backend, &hooks).await.unwrap();
    assert!(backend.stopped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_is_diagnosed_whatever_its_exit_code() {
    for code in [0, 1, 137] {
        let mut backend = Scripted::new();
        backend.state = match code {
            0 => |age| Ok(State { is_running: age < 3, exit_code: Some(0), ..State::default() }),
            1 => |age| Ok(State { is_running: age < 3, exit_code: Some(1), ..State::default() }),
            _ => |age| Ok(State { is_running: age < 3, exit_code: Some(137), ..State::default() }),
        };
        backend.lines = |_| vec!["the last word"];
        let trouble = fails(&backend, &After::ready(1_000)).await;
        assert!(trouble.said.contains("the last word"), "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_started_again_and_again_is_given_up() {
    let mut backend = Scripted::new();
    backend.state = |age| Ok(State { restarts: age / 2, ..running(age)? });
    fails(&backend, &After::ready(1_000)).await;
    assert!(backend.age_s() < 10);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_says_what_it_waited_for() {
    let backend = Scripted::new();
    let trouble = fails(&backend, &After::ready(1_000)).await;
    assert_eq!(trouble.cause, Cause::NotReady);
    assert!(trouble.what.contains("60 s") && trouble.said.contains("refused"), "{trouble:?}");
    assert!(trouble.said.contains("hello") && (60..63).contains(&backend.age_s()));
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_help_ends_it_at_once() {
    let backend = Scripted::new();
    let never = Answer::Never("status 401".to_owned());
    let probe = After::new(2, Answer::NotYet(String::new()), never);
    let trouble = fails(&backend, &probe).await;
    assert!(trouble.said.contains("status 401") && backend.age_s() < 5, "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_for_a_moment_is_asked_again() {
    let mut backend = Scripted::new();
    backend.state = |age| match age {
        2 => Err(Trouble::new(Cause::BackendUnreachable, "gone")),
        age => running(age),
    };
    up(&backend, &launch(), &After::ready(5), &Hooks::default()).await.unwrap();
    backend.state = |_| Err(Trouble::new(Cause::BackendUnreachable, "gone"));
    assert_eq!(fails(&backend, &After::ready(500)).await.cause, Cause::BackendUnreachable);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ready_is_not_given_up_for_a_log_that_is_late() {
    let backend = Scripted { hidden_s: 1, ..Scripted::new() };
    let up = up(&backend, &launch(), &After::ready(0), &Hooks::default()).await.unwrap();
    assert_eq!(up.log, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_changes_is_followed() {
    let mut backend = Scripted::new();
    backend.state =
        |age| Ok(State { port: Some(if age < 3 { 4000 } else { 4001 }), ..running(age)? });
    let probe = After::ready(6);
    let up = up(&backend, &launch(), &probe, &Hooks::default()).await.unwrap();
    assert_eq!(up.running.port, 4001);
    let last = probe.urls.lock().unwrap().last().cloned();
    assert_eq!(last.as_deref(), Some("http://127.0.0.1:4001"));
}

#[tokio::test(start_paused = true)]
async fn a_model_is_brought_once() {
    let launch = Launch { then: vec![vec!["pull".to_owned(), "m".to_owned()]], ..launch() };
    let lacks = || Answer::NoModel("it lists no model".to_owned());
    let mut backend = Scripted::new();
    let probe = After::new(20, lacks(), Answer::Ready);
    let up = up(&backend, &launch, &probe, &Hooks::default()).await.unwrap();
    assert_eq!(backend.ran.load(Ordering::Relaxed), 1);
    assert_eq!(up.milestones[0].0, "downloading model");
    backend.run_code = 1;
    let probe = After::new(20, lacks(), Answer::Ready);
    let trouble = super::up(&backend, &launch, &probe, &Hooks::default()).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ModelMissing);
    assert!(trouble.said.contains("no such model"), "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_while_its_model_is_brought_is_diagnosed() {
    let launch = Launch { then: vec![vec!["pull".to_owned()]], ..launch() };
    let mut backend = Scripted::new();
    backend.state = |age| Ok(State { is_running: age < 3, exit_code: Some(1), ..running(age)? });
    let probe = After::new(20, Answer::NoModel("none".to_owned()), Answer::Ready);
    let trouble = up(&backend, &launch, &probe, &Hooks::default()).await.unwrap_err();
    assert_eq!((trouble.cause, backend.age_s()), (Cause::Exited, 3));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_somebody_was_quicker_to_take_is_another_one_next() {
    let mut backend = Scripted::new();
    backend.state = |age| Ok(State { is_running: age < 1, exit_code: Some(1), ..running(age)? });
    backend.lines = |_| vec!["[Errno 98] error while attempting to bind: address already in use"];
    let process = Launch { program: Program::Process("x".into()), ..launch() };
    let place = Place { inside: 4000, outside: Some(4000) };
    let chosen = Launch { place, ..process.clone() };
    for (launch, starts) in [(process, 3), (chosen, 1), (launch(), 1)] {
        backend.starts.store(0, Ordering::Relaxed);
        let ended = up(&backend, &launch, &After::ready(100), &Hooks::default()).await;
        assert_eq!(ended.unwrap_err().cause, Cause::PortTaken);
        assert_eq!(backend.starts.load(Ordering::Relaxed), starts);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_does_not_wait_for_its_end() {
    let mut backend = Scripted::new();
    backend.stops_in = Duration::from_secs(20);
    let stop = Stop::new();
    let hooks = Hooks::new(stop.clone(), |_| {});
    let up = up(&backend, &launch(), &After::ready(1), &hooks).await.unwrap();
    let began = Instant::now();
    up.down(&backend, &hooks).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20);
    stop.at_least(Level::Abort);
    up.down(&backend, &hooks).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_may_stop_at_any_time() {
    let backend = Scripted::new();
    for (name, after) in [("never-fetched", 1), ("started", 5)] {
        let launch = Launch { name: name.to_owned(), ..launch() };
        let stop = Stop::new();
        let hooks = Hooks::new(stop.clone(), |_| {});
        let stopping = async {
            sleep(Duration::from_secs(after)).await;
            stop.escalate();
        };
        let probe = After::ready(1_000);
        let (ended, ()) = tokio::join!(up(&backend, &launch, &probe, &hooks), stopping);
        assert_eq!(ended.unwrap_err().cause, Cause::Stopped);
    }
    assert!(backend.stopped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_later_says_what_it_said_since() {
    let mut backend = Scripted::new();
    backend.lines = |age| if age < 5 { vec!["start"] } else { vec!["start", "out of breath"] };
    let up = up(&backend, &launch(), &After::ready(1), &Hooks::default()).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    backend.state = |_| Ok(State { exit_code: Some(9), ..State::default() });
    let died = up.died(&backend).await.unwrap();
    assert!(died.said.contains("out of breath") && !died.said.contains("start"), "{died:?}");
    backend.state = |_| Err(Trouble::new(Cause::Unknown, "no such server"));
    assert_eq!(up.died(&backend).await.unwrap().cause, Cause::Unknown);
}

#[test]
fn the_ends_of_a_long_log_are_kept() {
    let mut lines = Lines::both(3);
    let line = |number: u64| LogLine { number, text: number.to_string() };
    lines.extend((0..10).map(line).collect());
    assert_eq!(lines.texts(), ["0", "1", "2", "7", "8", "9"]);
}
