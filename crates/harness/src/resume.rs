//! Going on with a run that was broken off.

use std::collections::BTreeMap;

use bench_core::{PointOutcome, Resumed, Verdict};
use bench_store::{EventKind, PointSummary, RunDirectory, RunFile, State, summarize};

use bench_providers::Engine;
use serde_json::{Value, json};

use crate::{
    Code, Failure, Settings, Target,
    lab::{Known, Lab},
    points::Cell,
};

/// The servers that a run was measured on before it was broken off.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// What was recorded of them.
    targets: Vec<Value>,
    /// Whether that is of each target, in the order of the settings.
    is_complete: bool,
}

impl Before {
    /// Of what `run` recorded, which goes on with `settings`.
    pub(crate) fn of(run: &RunFile, settings: &Settings) -> Self {
        let targets = run.environment["targets"].as_array().cloned().unwrap_or_default();
        Self { is_complete: targets.len() == settings.targets.len(), targets }
    }

    /// That a target is the same server as before, as far as both say what they are: numbers of two servers
    /// are no result of one.
    pub(crate) fn check(&self, index: usize, name: &str, known: &Known) -> Result<(), Failure> {
        let Some(before) = self.record(index, name) else { return Ok(()) };
        let Target { endpoint, info, model, .. } = &known.target;
        let told = [
            ("model", Some(model.as_str())),
            ("engine", info.engine.as_deref()),
            ("version", info.version.as_deref()),
        ];
        let differs = |(what, now): &(&str, Option<&str>)| {
            before[*what].as_str().zip(*now).is_some_and(|(then, now)| then != now)
        };
        if let Engine::Custom(template) = &known.target.engine
            && before["template"] != json!(template.file())
        {
            let what = format!("the template of {name} is another one than the run began with");
            return Err(Failure::new(Code::Setting, what).fix("measure anew: inferbench run"));
        }
        let Some((what, Some(now))) = told.into_iter().find(differs) else { return Ok(()) };
        let then = before[what].as_str().unwrap_or_default();
        let what = format!("{endpoint} is another server than the run began with: {what} {now}");
        Err(Failure::new(Code::Setting, what)
            .has(format!("{then}, at {}", before["url"].as_str().unwrap_or("an unknown address")))
            .fix("have the same server there as when it began, or measure anew: inferbench run"))
    }

    /// That a target is at another address than before, in words.
    pub(crate) fn moved(&self, index: usize, name: &str, known: &Known) -> Option<String> {
        let then = self.record(index, name)?["url"].as_str()?;
        let now = known.target.endpoint.to_string();
        // The simulator takes any free port.
        let is_moved = then != now && known.target.simulator.is_none();
        is_moved.then(|| format!("{name} is at {now}; before the run went on it was at {then}"))
    }

    /// That of the same name; without a name of the user's, a target is called by its model.
    fn record(&self, index: usize, name: &str) -> Option<&Value> {
        let named = self.targets.iter().find(|target| target["name"] == name);
        named.or_else(|| self.targets.get(index).filter(|_| self.is_complete))
    }
}

/// What was measured of the run in `directory`, to go on from there: the points that ended, but for those
/// that were cut short or could not be measured, which are measured again.
///
/// # Errors
///
/// When the run came to its end, cannot be read, or was of another plan than `cells`.
pub(crate) fn resumed(
    directory: &RunDirectory,
    run: &RunFile,
    lab: &Lab,
    cells: &[Cell],
) -> Result<Resumed, Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        Failure::new(Code::RunFiles, "the run cannot be read").caused_by(error)
    };
    let summary = directory.read_summary().map_err(|error| unreadable(&error))?;
    let ended: Vec<PointSummary> = match summary {
        Some(summary) => {
            let whole = summary.points.iter().all(is_whole);
            if summary.state == State::Finished && whole {
                let what = format!("run {} came to its end: nothing is left to measure", run.id);
                return Err(Failure::new(Code::Setting, what).fix("inferbench run measures anew"));
            }
            summary.points.into_iter().filter(is_whole).collect()
        }
        None => Vec::new(),
    };
    let mut summaries = match ended.is_empty() {
        true => BTreeMap::new(),
        false => summarize(directory).map_err(|error| unreadable(&error))?.points,
    };
    let mut measured = Vec::new();
    for line in ended {
        let cell = usize::try_from(line.cell).ok().and_then(|n| Some((n, *cells.get(n)?)));
        let (number, cell) = cell.ok_or_else(|| other_plan(&line))?;
        let point = lab.point(number, cell, line.repeat)?;
        if (&point.target, &point.workload) != (&line.target, &line.workload) {
            return Err(other_plan(&line));
        }
        // Nothing was lost of a point that ended: its samples were on the disk before it was noted.
        let Some(mut summary) = summaries.remove(&line.number) else { continue };
        line.facts.complete(&mut summary.facts);
        summary.facts.open_loop = matches!(point.load, bench_core::Load::Open { .. });
        let verdict = Verdict::on(&summary, false);
        measured.push(PointOutcome { number: line.number, point, failure: None, summary, verdict });
    }
    let next_number = begun(directory).map_err(|error| unreadable(&error))?;
    Ok(Resumed { anchor: run.anchor.into(), measured, next_number })
}

/// Whether a point was measured to its end, on a server that was there.
fn is_whole(point: &PointSummary) -> bool {
    !point.is_lost() && point.reasons.iter().all(|reason| reason.code != "interrupted")
}

/// The number after that of the last point that was begun.
fn begun(directory: &RunDirectory) -> Result<u32, bench_store::ReadError> {
    let numbers = directory.read_events()?.into_iter().filter_map(|event| match event.kind {
        EventKind::PointBegan { point, .. } => Some(point),
        _ => None,
    });
    Ok(numbers.max().map_or(0, |last| last + 1))
}

fn other_plan(point: &PointSummary) -> Failure {
    let what = format!("point {} is not of this plan", point.number);
    Failure::new(Code::Setting, what)
        .said(format!("it measured {} with {}", point.target, point.workload))
        .fix("have the same servers there as when it began, or measure anew")
}
