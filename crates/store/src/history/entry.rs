//! What is known of a run without reading its samples.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::headline::{Headline, worst_trust};
use crate::{
    LoadLine, NotesFile, PointSummary, ReadError, RunDirectory, RunFile, State, SummaryFile,
};

/// What is known of a run without reading its samples. Also what `inferbench runs ls --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The run's id; empty if its `run.json` cannot be read.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// When it began, in UTC (RFC 3339).
    pub created: String,
    /// The same in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How far it has come.
    pub state: RunState,
    /// `trusted`, `doubtful` or `void`, as its worst point is; absent before a point has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// Points of its plan; those that have ended, where no plan names them: of a search, or of another tool.
    pub points: usize,
    /// Points that have ended.
    pub points_ended: usize,
    /// The names of the targets.
    pub targets: Vec<String>,
    /// The models that were asked for.
    pub models: Vec<String>,
    /// The engines that answered, with their versions, as far as they are known.
    pub engines: Vec<String>,
    /// Whether a target is the built-in simulator.
    pub simulated: bool,
    /// When requests were sent, in words.
    pub load: String,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
    /// A remark; empty if there is none.
    pub note: String,
    /// Whether others are compared with it.
    pub baseline: bool,
    /// Numbers of its best load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<Headline>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// Which tool's result it was made from, `inferbench` for a run of another place; absent if it was
    /// measured here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// What cannot be read of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// It is being measured.
    Running,
    /// It was killed: points may be missing, and the end of its files.
    Unfinished,
    /// It was stopped before its end: points may be missing, and the last one is partial.
    Interrupted,
    /// It came to its end.
    Finished,
    /// Its files cannot be read.
    Unreadable,
}

impl RunState {
    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unfinished => "unfinished",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<State> for RunState {
    fn from(state: State) -> Self {
        match state {
            State::Unfinished => Self::Unfinished,
            State::Interrupted => Self::Interrupted,
            State::Finished => Self::Finished,
        }
    }
}

impl Entry {
    /// What is known of the run in the directory `path`. What cannot be read of it, it says itself.
    pub fn read(path: &Path) -> Self {
        let directory = RunDirectory::at(path.to_owned());
        let entry = match directory.read_run() {
            Ok(run) => Self::of(&directory, &run),
            Err(error) => Self::unreadable(path, &error),
        };
        entry.refreshed()
    }

    /// Whether a point of it has ended.
    pub fn has_result(&self) -> bool {
        self.points_ended > 0
    }

    /// Whether its owner noted something about it.
    pub fn is_noted(&self) -> bool {
        !self.tags.is_empty() || !self.note.is_empty() || self.baseline
    }

    /// The name of its directory, `<id>-<name>`.
    pub fn directory_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Its directory.
    pub fn directory(&self) -> RunDirectory {
        RunDirectory::at(self.path.clone())
    }

    fn of(directory: &RunDirectory, run: &RunFile) -> Self {
        let mut problem = None;
        let summary = directory.read_summary().unwrap_or_else(|error| {
            problem = Some(chain(&error));
            None
        });
        let notes = directory.read_notes().unwrap_or_else(|error| {
            problem.get_or_insert(chain(&error));
            NotesFile::default()
        });
        let ended = summary.as_ref().map_or(&[][..], |summary| &summary.points);
        let points = points(run, ended);
        let targets = targets(run);
        let models = distinct(targets.iter().filter_map(|target| target["model"].as_str()));
        let state = summary.as_ref().map_or(RunState::Unfinished, |s: &SummaryFile| s.state.into());
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            created: run.created.clone(),
            created_ms: run.anchor.wall_ns / 1_000_000,
            state,
            trust: worst_trust(ended),
            points: points.len(),
            points_ended: ended.len(),
            targets: distinct(points.iter().map(|(target, _)| *target)),
            models,
            engines: engines(&targets),
            simulated: targets.iter().any(|target| target["simulated"] == true),
            load: loads(&points),
            tags: notes.tags,
            note: notes.note,
            baseline: notes.baseline,
            headline: Headline::of(ended),
            bytes: 0,
            path: directory.path().to_owned(),
            imported: run.imported().map(str::to_owned),
            problem,
        }
    }

    fn unreadable(path: &Path, error: &ReadError) -> Self {
        Self {
            id: String::new(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            created: String::new(),
            created_ms: 0,
            state: RunState::Unreadable,
            trust: None,
            points: 0,
            points_ended: 0,
            targets: Vec::new(),
            models: Vec::new(),
            engines: Vec::new(),
            simulated: false,
            load: String::new(),
            tags: BTreeSet::new(),
            note: String::new(),
            baseline: false,
            headline: None,
            bytes: 0,
            path: path.to_owned(),
            imported: None,
            problem: Some(chain(error)),
        }
    }

    /// The same entry, with what no file's time or name tells: a run grows while it is measured.
    pub(super) fn refreshed(mut self) -> Self {
        if matches!(self.state, RunState::Running | RunState::Unfinished) {
            let running = self.directory().is_being_written();
            self.state = if running { RunState::Running } else { RunState::Unfinished };
            self.bytes = 0;
        }
        if self.bytes == 0 {
            self.bytes = bytes(&self.path);
        }
        self
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every key is a string")
    }

    /// What [`to_json`](Self::to_json) wrote of the run at `path`.
    pub(super) fn from_json(text: &str, path: &Path) -> Option<Self> {
        let entry: Self = serde_json::from_str(text).ok()?;
        Some(Self { path: path.to_owned(), ..entry })
    }

    /// Of runs that began together, in order of their names.
    pub(super) fn newest_first(a: &Self, b: &Self) -> Ordering {
        b.created_ms.cmp(&a.created_ms).then_with(|| a.path.cmp(&b.path))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// What the environment says of the targets: of the only one, or of each.
fn targets(run: &RunFile) -> Vec<&Value> {
    let environment = &run.environment;
    let several = environment["targets"].as_array().into_iter().flatten();
    several.chain(environment.get("target")).collect()
}

fn engines(targets: &[&Value]) -> Vec<String> {
    let engines = targets.iter().filter_map(|target| {
        let engine = target["engine"].as_str()?;
        Some(match target["version"].as_str() {
            Some(version) => format!("{engine} {version}"),
            None => engine.to_owned(),
        })
    });
    distinct(engines.collect::<Vec<_>>().iter().map(String::as_str))
}

/// Each once, in the order in which they come.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for text in texts {
        if !distinct.iter().any(|known| known == text) {
            distinct.push(text.to_owned());
        }
    }
    distinct
}

/// The target and the load of each point: of those that were planned, or, where a search found out which to
/// measure or another tool measured, of those that have ended.
fn points<'a>(run: &'a RunFile, ended: &'a [PointSummary]) -> Vec<(&'a str, &'a LoadLine)> {
    if run.points.is_empty() {
        return ended.iter().map(|point| (point.target.as_str(), &point.load)).collect();
    }
    run.points.iter().map(|point| (point.target.as_str(), &point.load)).collect()
}

/// The loads of all points in a few words.
fn loads(points: &[(&str, &LoadLine)]) -> String {
    let users = points.iter().map(|(_, load)| match load {
        LoadLine::Closed { concurrency, .. } => Some(*concurrency),
        LoadLine::Open { .. } => None,
    });
    let users: Option<BTreeSet<usize>> = users.collect();
    if let Some(users) = users
        && let (Some(least), Some(most)) = (users.first(), users.last())
        && least < most
    {
        return format!("closed loop, {least} to {most} users");
    }
    let words: Vec<String> = points.iter().map(|(_, load)| load.to_string()).collect();
    match &distinct(words.iter().map(String::as_str))[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
    }
}

/// Bytes of all files of the run, links not followed.
fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes(&entry.path()),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    };
    entries.flatten().map(of_entry).sum()
}
