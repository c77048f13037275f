//! Metrics from stored samples.

use std::collections::BTreeMap;

use bench_core::{Aggregate, Phase, Summary};

use crate::{ReadError, RunDirectory, TornTail, read_samples};

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
    let mut samples = read_samples(&directory.samples_path())?;
    let mut points: BTreeMap<u32, Aggregate> = BTreeMap::new();
    for sample in &mut samples {
        let sample = sample?;
        if sample.phase == Phase::Measure {
            points.entry(sample.point).or_default().add(&sample);
        }
    }
    let summaries = points.into_iter().map(|(point, aggregate)| (point, aggregate.summarize()));
    Ok(Recomputed { points: summaries.collect(), torn: samples.torn() })
}
