//! Going on with a run that was broken off.

use std::collections::BTreeMap;

use bench_core::{PointOutcome, Resumed, Verdict};
use bench_store::{EventKind, PointSummary, RunDirectory, RunFile, State, summarize};

use crate::{Code, Failure, lab::Lab, points::Cell};

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
