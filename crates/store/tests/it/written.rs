//! Runs as they lie on the disk, made without measuring.

use std::{fs, path::Path};

use bench_core::{MetricSink, RunInfo};
use bench_store::{AnchorLine, PointSummary, RunDirectory, RunFile, RunLog, State, SummaryFile};
use serde_json::Value;

use crate::fixture::{events, outcome, run};

/// What differs from run to run.
pub(crate) struct Written<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) created_ms: u64,
    pub(crate) environment: Value,
    /// Points that ended.
    pub(crate) ended: usize,
}

impl<'a> Written<'a> {
    pub(crate) fn new(id: &'a str, name: &'a str, created_ms: u64) -> Self {
        Self { id, name, created_ms, environment: Value::Null, ended: 1 }
    }
}

fn point() -> PointSummary {
    let outcome = outcome(&events(), false);
    SummaryFile::new(&run().plan, &outcome.points, State::Finished).points.remove(0)
}

pub(crate) fn written(root: &Path, written: &Written<'_>) -> RunDirectory {
    write(root, written, &point())
}

/// So many runs, as fast as the disk takes them.
#[cfg(feature = "history")]
pub(crate) fn many(root: &Path, count: usize) {
    let point = point();
    for number in 0..count {
        let id = format!("{number:04X}");
        let run = Written::new(&id, "one-of-many", 1_000 + number as u64);
        write(root, &run, &point);
    }
}

fn write(root: &Path, written: &Written<'_>, point: &PointSummary) -> RunDirectory {
    let Written { id, name, created_ms, environment, ended } = written;
    let anchor = AnchorLine { wall_ns: created_ms * 1_000_000, monotonic_ns: None };
    let file = RunFile {
        id: (*id).into(),
        name: (*name).into(),
        created: format!("1970-01-01T00:00:00.{:03}Z", created_ms % 1_000),
        anchor,
        ..RunFile::new(&run(), Value::Null, environment.clone())
    };
    let summary = SummaryFile {
        format_version: file.format_version,
        id: (*id).into(),
        name: (*name).into(),
        state: if *ended > 0 { State::Finished } else { State::Interrupted },
        points: vec![point.clone(); *ended],
    };
    // `RunDirectory::create` looks at all others each time.
    let path = root.join(format!("{id}-{name}"));
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("run.json"), serde_json::to_vec(&file).unwrap()).unwrap();
    fs::write(path.join("summary.json"), serde_json::to_vec(&summary).unwrap()).unwrap();
    RunDirectory::open(path).unwrap()
}

/// A run that was measured to its end, with all its files.
pub(crate) fn finished(root: &Path, id: &str, name: &str) -> RunDirectory {
    let directory = RunDirectory::create(root, id, name).unwrap();
    let mut log =
        RunLog::new(directory.clone(), Value::Null, serde_json::json!({ "host": "spark" }));
    let mut run: RunInfo = run();
    (run.plan.id, run.plan.name) = (id.into(), name.into());
    let events = events();
    log.begin(&run).unwrap();
    events.iter().for_each(|event| log.event(event).unwrap());
    log.finish(&outcome(&events, false)).unwrap();
    directory
}
