//! An experiment: prepared, run, finished.

use std::{cell::RefCell, collections::BTreeMap};

use bench_core::{
    Clock, Course, MetricSink, Plan, Point, PointOutcome, Prepared, Probes, RunError, RunOutcome,
    Stop, Trust,
};
use bench_store::{
    RepairError, RunDirectory, RunFile, RunLog, StoreError, SummaryFile, new_id, repair,
};
use serde_json::{Value, json};

use crate::{
    Code, Exit, Failure, Found, Settings, Target, exports,
    find::{self, Map, Search},
    lab::{Lab, nothing_left},
    points::{self, Cell},
    resume::{Before, resumed},
    sweep::{Sweep, is_failed},
};

/// An experiment that is ready to run: a server answers, the points are known, its directory is there.
#[derive(Debug)]
pub struct Experiment {
    lab: Lab,
    cells: Vec<Cell>,
    plan: Plan,
    skipped: Vec<Value>,
    directory: RunDirectory,
}

/// What came of an experiment.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub plan: Plan,
    /// With what result.
    pub outcome: RunOutcome,
    /// Where everything about it lies.
    pub directory: RunDirectory,
    /// Names of the files that were asked for beside.
    pub exported: Vec<String>,
    /// The servers, as far as they were found, by the names that points give them.
    pub targets: Vec<Target>,
    /// Why servers did not come up that were started for the run, or ended by themselves.
    pub server_failures: Vec<Failure>,
    /// Cells that were left out, each with why, in words.
    pub skipped: Vec<String>,
    /// The highest loads that meet every goal, where these were sought.
    pub found: Vec<Found>,
}

/// Makes everything ready that `settings` ask for. Blocks while it talks to servers.
///
/// # Errors
///
/// When the experiment cannot be done as asked for. Nothing is left behind then.
pub fn prepare(settings: Settings) -> Result<Experiment, Failure> {
    let lab = Lab::open(settings)?;
    let cells = points::cells(lab.settings());
    let skipped = skipped(&lab, &cells);
    let points = planned(&lab, &cells)?;
    if points.is_empty() && lab.settings().find.is_none() {
        let why = skipped.first().and_then(|cell| cell["why"].as_str()).unwrap_or_default();
        return Err(nothing_left(why));
    }
    let directory = directory(lab.settings())?;
    let plan = lab.plan(id_of(&directory), points);
    Ok(Experiment { lab, cells, plan, skipped, directory })
}

/// Makes the run in `directory` ready to go on, which was broken off, and which `settings` are of.
///
/// # Errors
///
/// When the run came to its end, is being measured, or cannot go on as it was meant to. Nothing of it is
/// changed then.
pub fn resume(directory: RunDirectory, settings: Settings) -> Result<Experiment, Failure> {
    let run = directory.read_run().map_err(|error| {
        Failure::new(Code::RunFiles, "the run cannot be read").caused_by(&error)
    })?;
    if directory.is_being_written() {
        let what = format!("run {} is being measured by another process", run.id);
        return Err(Failure::new(Code::RunFiles, what).fix("wait for its end, or stop it"));
    }
    let mut lab = Lab::open(settings)?;
    lab.go_on(Before::of(&run, lab.settings()))?;
    let cells = points::cells(lab.settings());
    let skipped = skipped(&lab, &cells);
    let resumed = resumed(&directory, &run, &lab, &cells)?;
    let points = planned(&lab, &cells)?;
    // What is damaged is kept beside the files before more is written to them.
    repair(&directory).map_err(|error| {
        let code = match &error {
            RepairError::NotWritten(_) => Code::Artifacts,
            _ => Code::RunFiles,
        };
        Failure::new(code, "the run cannot be repaired").caused_by(&error)
    })?;
    let plan = Plan { resumed: Some(resumed), ..lab.plan(run.id, points) };
    Ok(Experiment { lab, cells, plan, skipped, directory })
}

/// The points of a sweep, in order; those of a search are found out while it goes on.
fn planned(lab: &Lab, cells: &[Cell]) -> Result<Vec<Point>, Failure> {
    if lab.settings().find.is_some() {
        return Ok(Vec::new());
    }
    let order = points::order(lab.settings(), cells).into_iter();
    let within = order.filter(|(place, _)| lab.beyond_context(cells[*place]).is_none());
    within.map(|(place, repeat)| lab.point(place, cells[place], repeat)).collect()
}

/// Cells that cannot be measured, and why.
fn skipped(lab: &Lab, cells: &[Cell]) -> Vec<Value> {
    let why = |cell: &Cell| {
        let why = lab.beyond_context(*cell)?;
        let (target, workload) = (lab.name(cell.target), lab.workload_name(*cell));
        Some(json!({ "target": target, "workload": workload, "why": why }))
    };
    let mut skipped: Vec<Value> = cells.iter().filter_map(why).collect();
    // A workload is beyond the context under every load alike.
    skipped.dedup();
    skipped
}

/// The same in words.
fn skipped_words(skipped: &[Value]) -> impl Iterator<Item = String> {
    skipped.iter().map(|cell| {
        let text = |key: &str| cell[key].as_str().unwrap_or_default();
        format!("{} of {}: {}", text("workload"), text("target"), text("why"))
    })
}

impl Experiment {
    /// What will be measured.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The servers that have been found.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.lab.known().map(|(_, known)| &known.target)
    }

    /// What was noticed while everything was made ready, in words for the user.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.lab.notes();
        notes.extend(skipped_words(&self.skipped).map(|cell| format!("skipped: {cell}")));
        notes
    }

    /// Who counts the tokens of prompts, in a few words.
    pub fn tokens_by(&self) -> String {
        self.lab.tokens_by()
    }

    /// Where everything about it will lie.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Runs it, on this thread and the load threads. `sinks` hear of it beside the log of the run.
    ///
    /// # Errors
    ///
    /// When the measurement could not be done, or not be written down. What was written before is kept.
    pub fn run(self, sinks: Vec<Box<dyn MetricSink>>, stop: &Stop) -> Result<Finished, Failure> {
        let Self { lab, cells, plan, skipped, directory } = self;
        let settings = lab.settings().clone();
        let found_before = if plan.resumed.is_some() { 0 } else { lab.known().count() };
        let record = Record { asked: settings.plan.clone(), found: lab.environment(&skipped) };
        let lab = RefCell::new(lab);
        let map = settings.find.as_ref().map(|_| Map::new(&settings, &cells));
        let mut course: Box<dyn Course + '_> = match &map {
            Some(map) => Box::new(Search::new(&lab, map.clone())),
            None => Box::new(Sweep::new(plan.points.clone(), cells.clone(), settings)),
        };
        let prepare = |point: &Point| {
            let cell = cells.get(point.cell as usize).copied();
            let cell = cell.ok_or_else(|| Failure::new(Code::Bug, "a point without a cell"))?;
            lab.borrow_mut().prepare(point, cell)
        };
        let outcome = measure(&plan, &mut *course, prepare, record, sinks, &directory, stop)?;
        drop(course);
        let mut lab = lab.into_inner();
        lab.take_down();
        lab.servers().write_logs(directory.path()).map_err(|error| {
            Failure::new(Code::Artifacts, "the servers' logs cannot be written").caused_by(&error)
        })?;
        if lab.known().count() > found_before || lab.servers().any() {
            record_again(&directory, lab.environment(&skipped))?;
        }
        let exported = exports::write(&lab, &directory)?;
        let server_failures = lab.servers().failures().cloned().collect();
        let targets = lab.into_targets();
        let skipped = skipped_words(&skipped).collect();
        let found = Vec::new();
        let mut finished = Finished {
            plan,
            outcome,
            directory,
            exported,
            targets,
            server_failures,
            skipped,
            found,
        };
        if map.is_some()
            && let Some(summary) = finished.summary()?
        {
            finished.found = find::found(&finished.run()?, &summary);
        }
        Ok(finished)
    }
}

/// Records the servers, of which more are known than when the run began. What was recorded of others stays: of those that
/// were measured before the run went on, nobody may have looked for all.
fn record_again(directory: &RunDirectory, mut found: Value) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Artifacts, "the servers cannot be recorded").caused_by(error)
    };
    let mut run = directory.read_run().map_err(|error| failed(&error))?;
    found["targets"] = renewed(run.environment["targets"].take(), found["targets"].take());
    let mut add = |key: &str| directory.add_to_environment(key, found[key].take());
    add("targets").and_then(|()| add("notes")).map_err(|error| failed(&error))
}

/// What was recorded of targets, with `targets` in the place of those of the same names, or behind them.
fn renewed(before: Value, targets: Value) -> Value {
    let list = |value: Value| match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    };
    let mut all = list(before);
    for target in list(targets) {
        match all.iter_mut().find(|known| known["name"] == target["name"]) {
            Some(known) => *known = target,
            None => all.push(target),
        }
    }
    Value::Array(all)
}

/// What is written down beside the points.
struct Record {
    asked: Value,
    found: Value,
}

/// Runs the points that `course` chooses.
fn measure(
    plan: &Plan,
    course: &mut dyn Course,
    prepare: impl Fn(&Point) -> Result<Prepared, Failure>,
    record: Record,
    sinks: Vec<Box<dyn MetricSink>>,
    directory: &RunDirectory,
    stop: &Stop,
) -> Result<RunOutcome, Failure> {
    let log = RunLog::new(directory.clone(), record.asked, record.found);
    let mut all: Vec<Box<dyn MetricSink>> = vec![Box::new(log)];
    all.extend(sinks);
    let mut prepare = |point: &Point| prepare(point).map_err(Into::into);
    bench_core::run_course(plan, course, &mut prepare, &mut all, stop)
        .map_err(|error| run_failure(&error, directory))
}

impl Finished {
    /// The exit code that the numbers themselves ask for; how the run was stopped is the caller's to know.
    pub fn exit(&self) -> Exit {
        let points = || self.outcome.points.iter();
        let failed = |point: &PointOutcome| {
            let ratio = point.summary.value("error_ratio").unwrap_or(0.0);
            point.summary.succeeded() == 0 || ratio > MOST_FAILED
        };
        // Requests that this machine could not send are its own failure, not the server's.
        let ours = |point: &PointOutcome| {
            let (unsent, all) = (point.summary.unsendable(), point.summary.requests());
            unsent as f64 > all as f64 * MOST_FAILED
        };
        // A search meets loads that are too much on purpose, so that failures there are its answer.
        let is_search = !self.found.is_empty();
        let is_unanswered = || self.found.iter().any(|found| found.highest.is_none());
        if points().any(ours) {
            Exit::Resource
        } else if !self.server_failures.is_empty() {
            Exit::Server
        } else if points().any(PointOutcome::is_lost) && !points().all(is_failed) {
            Exit::Partial
        } else if points().any(|point| point.failure.is_some()) {
            Exit::Target
        } else if is_search && !points().all(is_failed) {
            if is_unanswered() { Exit::GoalMissed } else { Exit::Ok }
        } else if points().any(failed) {
            Exit::Failed
        } else if points().any(|point| point.verdict.trust == Trust::Void) {
            Exit::Void
        } else if self.misses_goals() {
            Exit::GoalMissed
        } else {
            Exit::Ok
        }
    }

    /// Whether a target with a workload meets its goals under no load at all. That it misses them beyond
    /// some load is what a sweep is to find out.
    fn misses_goals(&self) -> bool {
        let goals = &self.plan.goals;
        let mut cells: BTreeMap<u32, ((&str, &str), Probes)> = BTreeMap::new();
        for outcome in &self.outcome.points {
            let group = (outcome.point.target.as_str(), outcome.point.workload.as_str());
            let cell = cells.entry(outcome.point.cell).or_insert((group, Probes::default()));
            cell.1.add(outcome.meets(goals));
        }
        let mut groups: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        for (group, probes) in cells.values() {
            *groups.entry(*group).or_default() |= probes.is_met();
        }
        !goals.is_empty() && groups.values().any(|is_met| !is_met)
    }

    /// What was to be measured, as it stands in its directory.
    ///
    /// # Errors
    ///
    /// When that cannot be read back.
    pub fn run(&self) -> Result<RunFile, Failure> {
        self.directory.read_run().map_err(|error| {
            Failure::new(Code::RunFiles, "the run cannot be read back").caused_by(&error)
        })
    }

    /// What came of it, as it stands in its directory.
    ///
    /// # Errors
    ///
    /// When that cannot be read back.
    pub fn summary(&self) -> Result<Option<SummaryFile>, Failure> {
        self.directory.read_summary().map_err(|error| {
            Failure::new(Code::Artifacts, "the summary cannot be read back").caused_by(&error)
        })
    }
}

/// Failed requests that the gate lets pass.
const MOST_FAILED: f64 = 0.01;

fn directory(settings: &Settings) -> Result<RunDirectory, Failure> {
    let failed = |error: &StoreError| {
        let what = format!("results cannot be written to {}", settings.artifacts.display());
        Failure::new(Code::Artifacts, what)
            .caused_by(error)
            .fix("--artifact-dir DIR, one that you may write to")
    };
    let mut seed = Clock::start().anchor().wall_ns;
    loop {
        let id = new_id(&settings.artifacts, seed).map_err(|error| failed(&error))?;
        match RunDirectory::create(&settings.artifacts, &id, &settings.name) {
            // Another process was quicker with the same id.
            Err(StoreError::Taken { .. }) => seed = seed.wrapping_add(1),
            created => return created.map_err(|error| failed(&error)),
        }
    }
}

/// The run's id: the first part of its directory's name.
fn id_of(directory: &RunDirectory) -> String {
    let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
    name.split('-').next().unwrap_or_default().to_owned()
}

fn run_failure(error: &RunError, directory: &RunDirectory) -> Failure {
    let kept = format!("what was measured before is kept in {}", directory.path().display());
    match error {
        RunError::Sink(error) => Failure::new(Code::Artifacts, "the results cannot be written")
            .caused_by(error)
            .has(kept),
        RunError::Threads(error) => {
            Failure::new(Code::Resource, "the load threads cannot be started")
                .said(error.to_string())
        }
        error => Failure::new(Code::Bug, "the measurement broke off").caused_by(error).has(kept),
    }
}
