//! Metrics from stored samples.

use std::collections::BTreeMap;

use bench_core::{Aggregate, LoadShape, Phase, Summary};

use crate::{EventKind, LoadLine, PointLine, ReadError, RunDirectory, TornTail, read_samples};

/// What the samples of a run say.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// The summary of each point's measured phase, as far as it has samples. What samples do not know,
    /// such as the client's processor time, is not in its facts.
    pub points: BTreeMap<u32, Summary>,
    /// What is missing at the end of the samples.
    pub torn: Option<TornTail>,
}

/// Computes the metrics of the run in `directory` again, from its samples alone.
///
/// They equal those of `summary.json`, and exist for a run that was killed before it wrote one.
///
/// # Errors
///
/// When the samples cannot be read, or a line of them is malformed; a torn end is no error.
pub fn summarize(directory: &RunDirectory) -> Result<Recomputed, ReadError> {
    let planned = planned_points(directory)?;
    let mut samples = read_samples(&directory.samples_path())?;
    let mut points: BTreeMap<u32, Aggregate> = BTreeMap::new();
    for sample in &mut samples {
        let sample = sample?;
        if sample.phase == Phase::Measure {
            let aggregate = || planned.get(&sample.point).map(aggregate).unwrap_or_default();
            points.entry(sample.point).or_insert_with(aggregate).add(&sample);
        }
    }
    let summaries = points.into_iter().map(|(point, aggregate)| (point, aggregate.summarize()));
    Ok(Recomputed { points: summaries.collect(), torn: samples.torn() })
}

/// What each point that was begun was to be, by its number.
///
/// # Errors
///
/// When the events cannot be read.
pub fn planned_points(directory: &RunDirectory) -> Result<BTreeMap<u32, PointLine>, ReadError> {
    let begun = directory.read_events()?.into_iter().filter_map(|event| match event.kind {
        EventKind::PointBegan { point, planned: Some(planned) } => Some((point, *planned)),
        _ => None,
    });
    Ok(begun.collect())
}

/// What `point` says of its samples: when their window is steady, and which of them are good.
fn aggregate(point: &PointLine) -> Aggregate {
    let shape = match &point.load {
        LoadLine::Closed { concurrency, .. } => LoadShape::Concurrency(*concurrency as u64),
        LoadLine::Open { requests_per_s: Some(_), .. } => LoadShape::Rate,
        LoadLine::Open { requests_per_s: None, .. } => LoadShape::Varying,
    };
    // What no program of this version wrote is left out.
    let goodput = point.goodput.as_ref().and_then(|goodput| goodput.parse().ok());
    Aggregate::judged_by(shape, goodput)
}
