//! The files that a user asked for beside the results, once a run has ended.

use std::path::PathBuf;

use bench_core::Reading;
use bench_providers::Api;
use bench_report::{
    aiperf, csv, genai_perf,
    telemetry_csv::{self, Timeline},
};
use bench_store::{PointSummary, ReadError, RunDirectory, read_readings};

use crate::{Code, Export, Failure, lab::Lab, multi_turn};

/// Writes what `lab` is asked to, and tells the names of the files.
pub(crate) fn write(lab: &Lab, directory: &RunDirectory) -> Result<Vec<String>, Failure> {
    let settings = lab.settings();
    if settings.exports.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Artifacts, "the exports cannot be written").caused_by(error)
    };
    let summary = directory.read_summary().map_err(|e| failed(&e))?;
    // A run that was stopped before a point ended has nothing to export.
    let Some(summary) = summary else { return Ok(Vec::new()) };
    let measured = summary.points.iter().filter(|point| point.failure.is_none());
    let measured: Vec<&PointSummary> = measured.collect();
    let into = |point: &PointSummary| match measured.len() {
        1 => Ok(directory.path().to_owned()),
        _ => point_directory(directory, point),
    };
    let mut written = Vec::new();
    for export in &settings.exports {
        match export {
            Export::Csv => {
                let file = csv::write(directory.path(), &summary);
                written.push(file.map_err(|e| failed(&e))?);
            }
            Export::MultiTurn => {
                for point in &measured {
                    let into = into(point).map_err(|e| failed(&e))?;
                    written.extend(multi_turn::write(lab, directory, point, &into)?);
                }
            }
            Export::GenaiPerf => {
                for point in &measured {
                    let Some(input) = genai_perf_input(lab, point) else { continue };
                    let into = into(point).map_err(|e| failed(&e))?;
                    let files = genai_perf::write(&into, point, &input.as_input());
                    written.extend(files.map_err(|e| failed(&e))?);
                }
            }
            Export::TelemetryCsv => {
                let file = telemetry_csv::write(directory.path(), &summary);
                written.push(file.map_err(|e| failed(&e))?);
                if let Some(readings) = readings(directory).map_err(|e| failed(&e))? {
                    let timeline = timeline(directory).map_err(|e| failed(&e))?;
                    let file = telemetry_csv::write_readings(directory.path(), &timeline, readings);
                    written.push(file.map_err(|e| failed(&e))?);
                }
            }
            Export::AiperfTelemetry => {
                let timeline = timeline(directory).map_err(|e| failed(&e))?;
                for point in &measured {
                    let into = into(point).map_err(|e| failed(&e))?;
                    let watched =
                        aiperf::Watched { run_id: &summary.id, point, timeline: &timeline };
                    let readings = readings(directory).map_err(|e| failed(&e))?;
                    let files = aiperf::write(&into, &watched, readings.into_iter().flatten());
                    written.extend(files.map_err(|e| failed(&e))?);
                }
            }
        }
    }
    let name = |path: PathBuf| {
        let name = path.strip_prefix(directory.path()).unwrap_or(&path);
        name.display().to_string()
    };
    Ok(written.into_iter().map(name).collect())
}

/// The readings of a run, if there are any. A line that cannot be read is told by `runs repair`; the others are still
/// worth having.
fn readings(
    directory: &RunDirectory,
) -> Result<Option<impl Iterator<Item = Reading> + use<>>, ReadError> {
    let path = directory.readings_path();
    path.exists().then(|| Ok(read_readings(&path)?.flatten())).transpose()
}

fn timeline(directory: &RunDirectory) -> Result<Timeline, ReadError> {
    Ok(Timeline::of(&directory.read_run()?, &directory.read_events()?))
}

/// A folder of a point's own, for files that hold one point.
fn point_directory(directory: &RunDirectory, point: &PointSummary) -> std::io::Result<PathBuf> {
    let path = directory.path().join(format!("point-{}", point.number));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// What genai-perf would have been asked for.
struct Input {
    model: String,
    url: String,
    endpoint_type: &'static str,
    seed: u64,
}

impl Input {
    fn as_input(&self) -> genai_perf::Input<'_> {
        let Self { model, url, endpoint_type, seed } = self;
        genai_perf::Input { model, url, endpoint_type, seed: *seed }
    }
}

fn genai_perf_input(lab: &Lab, point: &PointSummary) -> Option<Input> {
    let (_, known) = lab.known().find(|(index, _)| lab.name(*index) == point.target)?;
    Some(Input {
        model: known.target.model.clone(),
        url: known.target.endpoint.to_string(),
        endpoint_type: match known.target.api {
            Api::Completions => "completions",
            Api::Embeddings => "embeddings",
            Api::Rerank => "rankings",
            _ => "chat",
        },
        seed: lab.settings().seed,
    })
}
