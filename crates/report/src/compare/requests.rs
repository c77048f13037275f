//! What each request of a run came to, read from its samples when it is needed.

use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

use bench_core::{Metric, Phase, Quantity, Source};
use bench_store::{PointSummary, ReadError, RunDirectory, read_samples};

use super::view::View;
use crate::cells::Cell;

/// The values of metrics by request.
#[derive(Debug)]
pub(super) struct Requests {
    directory: Option<RunDirectory>,
    metrics: Vec<&'static Metric>,
    /// How many requests of each point succeeded, by the summary.
    succeeded: Vec<(u32, u64)>,
    read: OnceCell<Result<Read, ReadError>>,
}

/// What samples say.
#[derive(Debug, Default)]
struct Read {
    /// Values by point and metric.
    values: BTreeMap<(u32, &'static str), Vec<f64>>,
    /// How many requests of each point succeeded.
    succeeded: BTreeMap<u32, u64>,
    /// Whether questions were answered right, by point and metric.
    answers: BTreeMap<(u32, &'static str), Answers>,
}

/// What a dataset calls a question: its conversation, and the turn.
pub(super) type Question = (Arc<str>, u32);

/// The session that a question was asked in first, and whether it was answered right then.
type Answers = BTreeMap<Question, (u64, bool)>;

impl Requests {
    /// Of those of `selected` that each request has a value of.
    pub(super) fn of(view: &View<'_>, selected: &[Quantity]) -> Self {
        let mut metrics: Vec<&'static Metric> = selected.iter().map(Quantity::metric).collect();
        metrics.retain(|metric| matches!(metric.source, Source::Request(_)));
        metrics.sort_by_key(|metric| metric.id);
        metrics.dedup();
        let points = view.groups.iter().flat_map(|group| &group.cells).flat_map(Cell::measured);
        let succeeded = |point: &PointSummary| Some((point.number, *point.outcomes.get("ok")?));
        Self {
            directory: view.loaded.directory.clone(),
            metrics,
            succeeded: points.filter_map(succeeded).collect(),
            read: OnceCell::new(),
        }
    }

    /// The values of all requests of all repeats of a cell; `None` where there are no samples.
    pub(super) fn values(&self, cell: &Cell<'_>, metric: &Metric) -> Option<Vec<f64>> {
        let read = self.read(metric)?;
        let of = |number| read.values.get(&(number, metric.id)).into_iter().flatten().copied();
        let values: Vec<f64> = cell.measured().flat_map(|point| of(point.number)).collect();
        (!values.is_empty()).then_some(values)
    }

    /// Whether each question of a cell was answered right, by its first answer: to ask it again tells nothing of other
    /// questions. `None` where answers are not graded by this metric, or questions have no names.
    pub(super) fn answers(
        &self,
        cell: &Cell<'_>,
        metric: &Metric,
    ) -> Option<BTreeMap<Question, bool>> {
        if metric.unit != "ratio" {
            return None;
        }
        let read = self.read(metric)?;
        let mut answers = BTreeMap::new();
        for point in cell.measured() {
            for (question, (_, right)) in read.answers.get(&(point.number, metric.id))? {
                answers.entry(question.clone()).or_insert(*right);
            }
        }
        (!answers.is_empty()).then_some(answers)
    }

    fn read(&self, metric: &Metric) -> Option<&Read> {
        if !self.metrics.contains(&metric) {
            return None;
        }
        let directory = self.directory.as_ref()?;
        self.read.get_or_init(|| read(directory, &self.metrics)).as_ref().ok()
    }

    /// Why there are none, or not all, if they were asked for: they cannot be read, or were torn off.
    pub(super) fn note(&self) -> Option<String> {
        let read = match self.read.get()? {
            Ok(read) => read,
            Err(error) => {
                return Some(format!("its requests are not compared one by one: {error}"));
            }
        };
        let missing = |(point, succeeded): &(u32, u64)| {
            succeeded.saturating_sub(read.succeeded.get(point).copied().unwrap_or(0))
        };
        let missing: u64 = self.succeeded.iter().map(missing).sum();
        let all: u64 = self.succeeded.iter().map(|(_, succeeded)| succeeded).sum();
        (missing > 0).then(|| {
            format!(
                "{missing} of {all} requests are missing from its samples: the rest is compared"
            )
        })
    }
}

/// The measured requests that succeeded. What a torn file has lost is lost.
fn read(directory: &RunDirectory, metrics: &[&'static Metric]) -> Result<Read, ReadError> {
    let mut read = Read::default();
    for sample in read_samples(&directory.samples_path())? {
        let sample = sample?;
        if sample.phase != Phase::Measure || !sample.outcome.is_ok() {
            continue;
        }
        *read.succeeded.entry(sample.point).or_default() += 1;
        for metric in metrics {
            let value = metric.of(&sample).filter(|value| value.is_finite());
            if let (Some(value), Some(id), "ratio") = (value, &sample.id, metric.unit) {
                let answers = read.answers.entry((sample.point, metric.id)).or_default();
                let answer = (sample.session, value > 0.5);
                let first = answers.entry((Arc::clone(id), sample.turn)).or_insert(answer);
                *first = (*first).min(answer);
            }
            read.values.entry((sample.point, metric.id)).or_default().extend(value);
        }
    }
    Ok(read)
}
