//! From a launch to a server that answers, and back to nothing.

use std::{collections::VecDeque, fmt::Debug, future::Future, pin::Pin, time::Duration};

use bench_core::{Level, async_trait};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until},
};

use crate::{
    Backend, Cause, Hooks, Launch, LogLine, Origin, Program, Progress, Running, State, Trouble,
    log::{self, Fact},
};

/// Asks a server whether it can be measured: whether it is healthy, lists the model, and has answered with a token.
#[async_trait]
pub trait Probe: Debug + Send + Sync {
    /// Asks the server at `url`, which may take as long as a first token does. Dropping the future abandons that.
    async fn ask(&self, url: &str, launch: &Launch) -> Answer;
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is healthy, has the model, and generated a token.
    Ready,
    /// Not so far, and why.
    NotYet(String),
    /// It is healthy, and has no such model, which [`Launch::then`] may bring.
    NoModel(String),
    /// Waiting will not help, and why.
    Never(String),
}

/// A server that is up.
#[derive(Clone, Debug)]
pub struct Up {
    /// What was started: of a process, at the port that it has.
    pub launch: Launch,
    /// Whence it is.
    pub origin: Origin,
    /// The server.
    pub running: Running,
    /// From the start to the first token.
    pub took: Duration,
    /// The steps of the start, each with when it began.
    pub milestones: Vec<(&'static str, Duration)>,
    /// What it said until it was ready: the first lines and the last ones.
    pub log: Vec<String>,
    /// What it measured of itself meanwhile.
    pub facts: Vec<Fact>,
    /// The number of the first line after these.
    next_line: u64,
}

impl Up {
    /// Where it answers.
    pub fn url(&self) -> String {
        url(&self.running)
    }

    /// Why it ended by itself since; `None` while it runs.
    pub async fn died(&self, backend: &dyn Backend) -> Option<Trouble> {
        let state = match backend.state(&self.running.id).await {
            Ok(state) if state.is_running && state.restarts == 0 => return None,
            Ok(state) => state,
            // Somebody else has taken it away; of a backend that does not answer nothing is known.
            Err(trouble) if trouble.cause == Cause::Unknown => return Some(trouble),
            Err(_) => return None,
        };
        let lines = self.lines_since(backend).await;
        Some(diagnosis(&self.launch, &state, &lines))
    }

    /// What it has said since it was ready: the last lines.
    pub async fn lines_since(&self, backend: &dyn Backend) -> Vec<String> {
        let mut lines = Lines::last(MOST_LINES);
        let mut next = self.next_line;
        while let Ok(more) = backend.log(&self.running.id, next).await {
            let Some(last) = more.last() else { break };
            next = last.number + 1;
            lines.extend(more);
        }
        lines.into_vec()
    }

    /// Takes it down; nothing is left of it.
    ///
    /// # Errors
    ///
    /// When the backend does not answer: then it may still be there.
    pub async fn down(&self, backend: &dyn Backend, hooks: &Hooks) -> Result<(), Trouble> {
        down(backend, &self.running, &self.launch, hooks).await
    }
}

/// How often a server that comes up is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Looks in a row that may fail: an engine that is busy with an image answers late.
const MOST_FAILED_LOOKS: u32 = 5;
/// Lines that are kept of the beginning of a log, and as many of its end.
const MOST_LINES: usize = 2_000;
/// Ports that are chosen for a process, where others take them first.
const MOST_PORTS: u32 = 3;
/// A server that was started anew so often goes on like that.
const MOST_RESTARTS: u64 = 2;

/// Fetches, starts and waits for a server. What was started of one that does not come up is taken down. Of a future that is
/// dropped it may be left; [`Backend::reap`] finds it once this process is gone.
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
    let origin = select! {
        () = hooks.stop.reached(Level::Drain) => return Err(stopped(launch)),
        origin = backend.fetch(launch, hooks) => origin?,
    };
    let mut tries = 1;
    loop {
        match come_up(backend, launch, probe, hooks, &origin).await {
            Err(trouble) if is_outrun(launch, &trouble) && tries < MOST_PORTS => tries += 1,
            ended => return ended,
        }
    }
}

/// Whether somebody else took the port that was chosen for a process, before that had it.
fn is_outrun(launch: &Launch, trouble: &Trouble) -> bool {
    let is_chosen = matches!(launch.program, Program::Process(_)) && launch.place.outside.is_none();
    is_chosen && trouble.cause == Cause::PortTaken
}

async fn come_up(
    backend: &dyn Backend,
    launch: &Launch,
    probe: &dyn Probe,
    hooks: &Hooks,
    origin: &Origin,
) -> Result<Up, Trouble> {
    let began = Instant::now();
    let running = backend.start(launch).await?;
    hooks.tell(&Progress::Started { name: launch.name.clone(), url: url(&running) });
    let mut coming = Coming::new(backend, launch, probe, hooks, running, began);
    match coming.until_ready().await {
        Ok(()) => {
            let up = coming.into_up(origin.clone());
            hooks.tell(&Progress::Ready { took: up.took });
            Ok(up)
        }
        Err(trouble) => Err(match down(backend, &coming.running, launch, hooks).await {
            Ok(()) => trouble,
            Err(left) => {
                let said = format!("{}\nit could not be taken down: {left}", trouble.said);
                trouble.said(said.trim_start())
            }
        }),
    }
}

/// When a server that comes up is looked at.
fn looks() -> Interval {
    let mut looks = interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn url(running: &Running) -> String {
    format!("http://127.0.0.1:{}", running.port)
}

async fn down(
    backend: &dyn Backend,
    running: &Running,
    launch: &Launch,
    hooks: &Hooks,
) -> Result<(), Trouble> {
    hooks.tell(&Progress::Stopping { name: launch.name.clone() });
    let id = &running.id;
    select! {
        biased;
        stopped = backend.stop(id, launch.stop_within) => stopped?,
        // Whoever is in such a hurry does not wait for it.
        () = hooks.stop.reached(Level::Abort) => backend.stop(id, Duration::ZERO).await?,
    }
    hooks.tell(&Progress::Gone { name: launch.name.clone() });
    Ok(())
}

pub(crate) fn stopped(launch: &Launch) -> Trouble {
    Trouble::new(Cause::Stopped, format!("nobody waits for {} any more", launch.name))
}

fn diagnosis(launch: &Launch, state: &State, lines: &[String]) -> Trouble {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    log::diagnose(launch, state, &lines)
}

/// A server that comes up.
struct Coming<'a> {
    backend: &'a dyn Backend,
    launch: &'a Launch,
    probe: &'a dyn Probe,
    hooks: &'a Hooks,
    running: Running,
    began: Instant,
    lines: Lines,
    next_line: u64,
    milestones: Vec<(&'static str, Duration)>,
    /// Why it was not ready when it was last asked.
    why: String,
    failed_looks: u32,
}

type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

impl<'a> Coming<'a> {
    fn new(
        backend: &'a dyn Backend,
        launch: &'a Launch,
        probe: &'a dyn Probe,
        hooks: &'a Hooks,
        running: Running,
        began: Instant,
    ) -> Self {
        Self {
            backend,
            launch,
            probe,
            hooks,
            running,
            began,
            lines: Lines::both(MOST_LINES),
            next_line: 0,
            milestones: Vec::new(),
            why: "it has not been asked".to_owned(),
            failed_looks: 0,
        }
    }

    async fn until_ready(&mut self) -> Result<(), Trouble> {
        let deadline = self.began + self.launch.ready_within;
        let mut is_brought = self.launch.then.is_empty();
        let mut looks = looks();
        let mut asking = self.ask(Duration::ZERO);
        loop {
            let answer = select! {
                () = self.hooks.stop.reached(Level::Drain) => return Err(stopped(self.launch)),
                () = sleep_until(deadline) => return Err(self.too_late().await),
                _ = looks.tick() => {
                    if self.look().await? {
                        asking = self.ask(PERIOD);
                    }
                    continue;
                }
                answer = &mut asking => answer,
            };
            match answer {
                Answer::Ready => {
                    let is_elsewhere = self.look().await?;
                    if !is_elsewhere && self.failed_looks == 0 {
                        return Ok(());
                    }
                }
                Answer::Never(why) => return Err(self.never(why).await),
                Answer::NoModel(_) if !is_brought => {
                    is_brought = true;
                    self.bring_model(deadline).await?;
                }
                Answer::NotYet(why) | Answer::NoModel(why) => self.waits(why),
            }
            asking = self.ask(PERIOD);
        }
    }

    /// Asks it, after a while.
    fn ask(&self, after: Duration) -> Asking<'a> {
        let (probe, launch, url) = (self.probe, self.launch, url(&self.running));
        Box::pin(async move {
            sleep(after).await;
            probe.ask(&url, launch).await
        })
    }

    fn waits(&mut self, why: String) {
        if why != self.why {
            self.hooks.tell(&Progress::Waiting(why.clone()));
            self.why = why;
        }
    }

    /// Looks at what became of it and what it has said. Whether it is elsewhere now.
    async fn look(&mut self) -> Result<bool, Trouble> {
        let state = match self.state().await {
            Ok(state) => state,
            Err(trouble) if trouble.cause == Cause::Unknown => return Err(trouble),
            Err(trouble) => {
                self.failed_looks += 1;
                let goes_on = self.failed_looks < MOST_FAILED_LOOKS;
                return if goes_on { Ok(false) } else { Err(trouble) };
            }
        };
        self.failed_looks = 0;
        let is_retrying = log::is_retrying(self.launch.engine, self.lines.texts());
        if !state.is_running || state.restarts >= MOST_RESTARTS || is_retrying {
            return Err(diagnosis(self.launch, &state, &self.lines.clone().into_vec()));
        }
        let moved = state.port.filter(|port| *port != self.running.port);
        if let Some(port) = moved {
            self.running.port = port;
            let (name, url) = (self.launch.name.clone(), url(&self.running));
            self.hooks.tell(&Progress::Started { name, url });
        }
        Ok(moved.is_some())
    }

    /// What became of it, once what it has said is read.
    async fn state(&mut self) -> Result<State, Trouble> {
        let state = self.backend.state(&self.running.id).await?;
        self.read_log().await?;
        Ok(state)
    }

    async fn read_log(&mut self) -> Result<(), Trouble> {
        let more = self.backend.log(&self.running.id, self.next_line).await?;
        for line in &more {
            self.next_line = line.number + 1;
            self.hooks.tell(&Progress::Line(line.text.clone()));
            if let Some(log::Milestone { stage, share }) =
                log::milestone(self.launch.engine, &line.text)
            {
                self.reached(stage, share);
            }
        }
        self.lines.extend(more);
        Ok(())
    }

    fn reached(&mut self, stage: &'static str, share: Option<f64>) {
        if self.milestones.last().is_none_or(|(last, _)| *last != stage) {
            self.milestones.push((stage, self.began.elapsed()));
        }
        self.hooks.tell(&Progress::Milestone { stage, share });
    }

    /// Runs what brings the model, within the server.
    async fn bring_model(&mut self, deadline: Instant) -> Result<(), Trouble> {
        self.reached("downloading model", None);
        let mut looks = looks();
        for command in &self.launch.then {
            let (backend, id) = (self.backend, self.running.id.clone());
            let mut bringing = backend.run_within(&id, command);
            let output = loop {
                select! {
                    () = self.hooks.stop.reached(Level::Drain) => return Err(stopped(self.launch)),
                    () = sleep_until(deadline) => return Err(self.too_late().await),
                    _ = looks.tick() => self.look().await?,
                    output = &mut bringing => break output?,
                };
            };
            if output.exit_code != 0 {
                let command = command.join(" ");
                let what =
                    format!("{} does not get its model: `{command}` failed", self.launch.name);
                return Err(Trouble::new(Cause::ModelMissing, what).said(output.text).fix(
                    "check the model's name, and that the registry can be reached from here",
                ));
            }
        }
        Ok(())
    }

    async fn too_late(&mut self) -> Trouble {
        let _ = self.read_log().await;
        // What its log tells is more than that it was late.
        let state = State { is_running: true, ..State::default() };
        let told = diagnosis(self.launch, &state, &self.lines.clone().into_vec());
        if told.cause != Cause::NotReady {
            return told;
        }
        let within = self.launch.ready_within.as_secs_f64();
        let stage = self.milestones.last();
        let stage = stage.map_or_else(String::new, |(stage, at)| {
            format!("; since {:.0} s it was {stage}", at.as_secs_f64())
        });
        let what = format!("{} is not ready after {within:.0} s{stage}", self.launch.name);
        Trouble::new(Cause::NotReady, what)
            .said(self.said())
            .fix("give it longer, --ready-within 30m, or see in its log what it waits for")
    }

    async fn never(&mut self, why: String) -> Trouble {
        // One that has ended does not answer either, and its log says more.
        if let Err(trouble) = self.look().await {
            return trouble;
        }
        self.why = why;
        Trouble::new(Cause::NotReady, format!("{} will not be ready", self.launch.name))
            .said(self.said())
            .fix("see its answer, and what it said last")
    }

    /// Why it was not ready, and its last lines.
    fn said(&self) -> String {
        const MOST: usize = 20;
        let texts = self.lines.texts();
        let last = texts[texts.len().saturating_sub(MOST)..].join("\n");
        format!("{}\n{last}", self.why).trim_end().to_owned()
    }

    fn into_up(self, origin: Origin) -> Up {
        let Self { launch, running, began, lines, next_line, milestones, .. } = self;
        let log = lines.into_vec();
        let facts = log::facts(Some(launch.engine), log.iter().map(String::as_str));
        let (mut launch, took) = (launch.clone(), began.elapsed());
        if matches!(launch.program, Program::Process(_)) {
            launch = launch.at_port(running.port);
        }
        Up { launch, origin, running, took, milestones, log, facts, next_line }
    }
}

/// The first lines of a log, and the last ones.
#[derive(Clone, Debug)]
struct Lines {
    first: Vec<String>,
    most_first: usize,
    last: VecDeque<String>,
    most_last: usize,
}

impl Lines {
    fn both(most: usize) -> Self {
        Self { most_first: most, ..Self::last(most) }
    }

    fn last(most: usize) -> Self {
        Self { first: Vec::new(), most_first: 0, last: VecDeque::new(), most_last: most }
    }

    fn extend(&mut self, lines: Vec<LogLine>) {
        for LogLine { text, .. } in lines {
            if self.first.len() < self.most_first {
                self.first.push(text);
                continue;
            }
            if self.last.len() == self.most_last {
                self.last.pop_front();
            }
            self.last.push_back(text);
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.first.iter().chain(&self.last).map(String::as_str).collect()
    }

    fn into_vec(self) -> Vec<String> {
        self.first.into_iter().chain(self.last).collect()
    }
}

#[cfg(test)]
mod tests;
