//! What each request of a run came to, read from its samples when it is needed.

use std::{cell::OnceCell, collections::BTreeMap};

use bench_core::{Metric, Phase, Quantity, Source};
use bench_store::{ReadError, RunDirectory, read_samples};

use super::view::View;
use crate::cells::Cell;

/// The values of metrics by request.
#[derive(Debug)]
pub(super) struct Requests {
    directory: Option<RunDirectory>,
    metrics: Vec<&'static Metric>,
    read: OnceCell<Result<Values, ReadError>>,
}

/// Values by point and metric.
type Values = BTreeMap<(u32, &'static str), Vec<f64>>;

impl Requests {
    /// Of those of `selected` that each request has a value of.
    pub(super) fn of(view: &View<'_>, selected: &[Quantity]) -> Self {
        let mut metrics: Vec<&'static Metric> = selected.iter().map(Quantity::metric).collect();
        metrics.retain(|metric| matches!(metric.source, Source::Request(_)));
        metrics.sort_by_key(|metric| metric.id);
        metrics.dedup();
        Self { directory: view.loaded.directory.clone(), metrics, read: OnceCell::new() }
    }

    /// The values of all requests of all repeats of a cell; `None` where there are no samples.
    pub(super) fn values(&self, cell: &Cell<'_>, metric: &Metric) -> Option<Vec<f64>> {
        if !self.metrics.contains(&metric) {
            return None;
        }
        let directory = self.directory.as_ref()?;
        let read = self.read.get_or_init(|| read(directory, &self.metrics)).as_ref().ok()?;
        let of = |number| read.get(&(number, metric.id)).into_iter().flatten().copied();
        let values: Vec<f64> = cell.measured().flat_map(|point| of(point.number)).collect();
        (!values.is_empty()).then_some(values)
    }

    /// Why there are none, if they were asked for and could not be read.
    pub(super) fn note(&self) -> Option<String> {
        let error = self.read.get()?.as_ref().err()?;
        Some(format!("its requests are not compared one by one: {error}"))
    }
}

/// The measured requests that succeeded. What a torn file has lost is lost.
fn read(directory: &RunDirectory, metrics: &[&'static Metric]) -> Result<Values, ReadError> {
    let mut values = Values::new();
    for sample in read_samples(&directory.samples_path())? {
        let sample = sample?;
        if sample.phase != Phase::Measure || !sample.outcome.is_ok() {
            continue;
        }
        for metric in metrics {
            let value = metric.of(&sample).filter(|value| value.is_finite());
            values.entry((sample.point, metric.id)).or_default().extend(value);
        }
    }
    Ok(values)
}
