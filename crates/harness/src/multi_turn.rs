//! The files of vLLM's multi-turn benchmark, of a point.

use std::path::{Path, PathBuf};

use bench_core::{Phase, Sample};
use bench_report::multi_turn::{self, Parameters};
use bench_store::{LoadLine, PointSummary, RunDirectory, read_samples};
use jiff::Timestamp;

use crate::{Code, Failure, OutputLimits, lab::Lab};

/// Writes them into `into`, and beside them the conversations with their answers.
pub(crate) fn write(
    lab: &Lab,
    directory: &RunDirectory,
    point: &PointSummary,
    into: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Artifacts, "the files of multi-turn cannot be written").caused_by(error)
    };
    let samples = read_samples(&directory.samples_path()).map_err(|error| failed(&error))?;
    // A line that cannot be read is told by `runs repair`; the others are still worth having.
    let of_point = samples.flatten().filter(|sample| sample.point == point.number);
    let (warm_up, measured): (Vec<Sample>, Vec<Sample>) =
        of_point.partition(|sample| sample.phase == Phase::WarmUp);
    let parameters = parameters(lab, directory, point, &warm_up);
    let mut written =
        multi_turn::write(into, &measured, &parameters).map_err(|error| failed(&error))?;
    if let Some(input) = lab.input() {
        let first_turns = if lab.settings().warm_up_step { warm_up } else { Vec::new() };
        let conversations = input.answered(&[first_turns, measured].concat());
        let path = into.join("conversations.json");
        let json = serde_json::to_vec_pretty(&conversations).map_err(|error| failed(&error))?;
        std::fs::write(&path, json).map_err(|error| failed(&error))?;
        written.push(path);
    }
    Ok(written)
}

fn parameters(
    lab: &Lab,
    directory: &RunDirectory,
    point: &PointSummary,
    warm_up: &[Sample],
) -> Parameters {
    let settings = lab.settings();
    let (num_clients, active_conversations) = match &point.load {
        LoadLine::Closed { concurrency, open_sessions, .. } => (*concurrency, *open_sessions),
        LoadLine::Open { max_in_flight, .. } => (max_in_flight.unwrap_or(0), None),
    };
    let known = lab.known().find(|(index, _)| lab.name(*index) == point.target);
    let model = known.map_or_else(|| point.target.clone(), |(_, known)| known.target.model.clone());
    let output = settings.input.as_ref().map(|input| input.output).unwrap_or_default();
    let (min_tokens, max_tokens) = match output {
        OutputLimits::Between(least, most) => (Some(least), Some(most)),
        OutputLimits::Recorded | OutputLimits::Unlimited => (None, None),
    };
    let began = directory.read_run().ok().map(|run| run.anchor.wall_ns);
    Parameters {
        model,
        num_clients,
        num_conversations: lab.input().map_or(0, |input| input.len()),
        active_conversations,
        seed: settings.seed,
        min_tokens,
        max_tokens,
        generation: lab.input().map(|input| input.generation.clone()).unwrap_or_default(),
        warm_up_shares: settings.left_out_shares.clone(),
        warm_up_runtime_s: settings.warm_up_step.then(|| lasted(warm_up)).flatten(),
        verbose: settings.tells_turn_gaps,
        began: began.map_or_else(String::new, stamp),
    }
}

/// Seconds from the first sending to the last end.
fn lasted(samples: &[Sample]) -> Option<f64> {
    let began = samples.iter().filter_map(|sample| sample.sent).min()?;
    let ended = samples.iter().filter_map(|sample| sample.done).max()?;
    Some(ended.since(began).as_secs_f64())
}

/// A moment as the tool writes it into file names.
fn stamp(wall_ns: u64) -> String {
    let moment = Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or_default();
    moment.strftime("%d-%m-%Y_%H-%M-%S").to_string()
}
