//! A point as another tool measured it, on its way into our format.

use std::collections::BTreeMap;

use bench_core::{Figure, Reason, Summary, metric, stats::sample_floor};

use super::{Tool, raw::APART};
use crate::{
    ErrorLine, FactsLine, LoadLine, MetricLine, PartialDistribution, PointSummary, ReasonLine,
};

/// What is known of a point so far.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) load: LoadLine,
    pub(super) workload: String,
    /// Requests that succeeded, where that is told.
    pub(super) ok: Option<u64>,
    /// Requests that failed, where that is told.
    pub(super) failed: Option<u64>,
    /// Requests that the client gave up, where that is told.
    pub(super) cancelled: Option<u64>,
    errors: BTreeMap<String, u64>,
    metrics: BTreeMap<&'static str, MetricLine>,
}

impl Draft {
    pub(super) fn new(load: LoadLine, workload: String) -> Self {
        let (ok, failed, cancelled, errors, metrics) = Default::default();
        Self { load, workload, ok, failed, cancelled, errors, metrics }
    }

    /// Notes what failed requests said.
    pub(super) fn said(&mut self, message: &str, count: u64) {
        const MOST_CHARS: usize = 200;
        *self.errors.entry(message.chars().take(MOST_CHARS).collect()).or_default() += count;
    }

    /// Metric `id` as the tool states it.
    pub(super) fn value(&mut self, id: &'static str, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        self.metrics.insert(id, MetricLine::Value { unit: unit(id), value });
    }

    /// Metric `id` by the statistics that the tool states, if there are any.
    pub(super) fn statistics(&mut self, id: &'static str, statistics: Statistics) {
        let Statistics { mut partial, count } = statistics;
        if partial.statistics().is_empty() {
            return;
        }
        if let Some(count) = count {
            partial.counted(count);
        }
        partial.unit = unit(id);
        self.metrics.insert(id, MetricLine::Partial(partial));
    }

    /// Those of the metrics `ids` that our formulas gave. They replace what the tool states, which goes as
    /// well where there is none of them because all events of each answer came in one read.
    pub(super) fn computed(&mut self, summary: &Summary, ids: &[&'static str]) {
        for id in ids {
            let metric = metric(id).expect("importers name metrics of the registry");
            match summary.figure(id) {
                Some(Figure::Distribution(d)) if d.mean.is_finite() => {}
                Some(Figure::Value(value)) if value.is_finite() => {}
                _ if APART.contains(id) => {
                    self.remove(id);
                    continue;
                }
                _ => continue,
            }
            let line = summary.figure(id).map(|figure| MetricLine::new(metric, figure));
            self.metrics.extend(line.map(|line| (metric.id, line)));
        }
    }

    /// Takes a metric away: what stands there does not mean what its id says.
    pub(super) fn remove(&mut self, id: &str) {
        self.metrics.remove(id);
    }

    /// Statistic `name` of metric `id` as it stands.
    pub(super) fn known(&self, id: &str, name: &str) -> Option<f64> {
        self.metrics.get(id)?.statistic(name)
    }

    /// The words for the workload where the tool has none: the mean lengths.
    pub(super) fn describe_lengths(&mut self) {
        let mean = |id| self.known(id, "mean").map_or("unknown".to_owned(), |n| format!("{n:.0}"));
        self.workload = format!("ISL {} OSL {}", mean("isl"), mean("osl"));
    }

    /// The finished point. `target` is what was measured.
    pub(super) fn finish(mut self, tool: Tool, target: &str) -> PointSummary {
        self.add_counts();
        let window_ns = self.known("window_s", "value").map_or(0.0, |s| (s * 1e9).clamp(0.0, 1e18));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to where it fits"
        )]
        let facts = FactsLine { ended_ns: window_ns as u64, ..FactsLine::default() };
        let reasons = self.reasons(tool);
        PointSummary {
            number: 0,
            cell: 0,
            repeat: 0,
            target: target.to_owned(),
            workload: self.workload,
            load: self.load,
            trust: reasons[0].trust.clone(),
            reasons,
            failure: None,
            goals: Vec::new(),
            outcomes: outcomes([
                ("ok", self.ok),
                (FAILED, self.failed),
                ("cancelled", self.cancelled),
            ]),
            errors: errors(self.errors),
            facts,
            metrics: self.metrics.into_iter().map(|(id, line)| (id.to_owned(), line)).collect(),
            turns: Vec::new(),
            telemetry: None,
            reconciled: None,
        }
    }

    /// What speaks against the numbers, worst first: of our reasons those that counts alone tell.
    fn reasons(&self, tool: Tool) -> Vec<ReasonLine> {
        let failed = self.failed.unwrap_or(0);
        let Some(have) = self.ok else { return vec![imported(tool)] };
        if have == 0 {
            let nothing = Reason::NoSuccess { requests: failed };
            return vec![ReasonLine::from(&nothing), imported(tool)];
        }
        let ratio = failed as f64 / (have + failed) as f64;
        let errors = (ratio > MOST_ERRORS).then_some(Reason::Errors { ratio });
        let is_few = sample_floor(90.0).is_some_and(|floor| have < floor);
        let few = is_few.then_some(Reason::FewSamples { have });
        let ours = [errors, few].into_iter().flatten();
        std::iter::once(imported(tool)).chain(ours.map(|reason| (&reason).into())).collect()
    }

    fn add_counts(&mut self) {
        self.value("requests_ok", self.ok.map(|ok| ok as f64));
        if let (Some(ok), Some(failed)) = (self.ok, self.failed)
            && ok + failed > 0
        {
            self.value("error_ratio", Some(failed as f64 / (ok + failed) as f64));
        }
    }
}

/// Failures beyond which the numbers of a run of ours are doubtful.
const MOST_ERRORS: f64 = 0.01;

/// How failed requests are counted, as the tools do not say how they failed.
const FAILED: &str = "failed";

fn outcomes(counts: [(&str, Option<u64>); 3]) -> BTreeMap<String, u64> {
    let some =
        counts.into_iter().filter_map(|(name, count)| Some((name, count.filter(|n| *n > 0)?)));
    some.map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Most frequent first.
fn errors(said: BTreeMap<String, u64>) -> Vec<ErrorLine> {
    let line = |(message, count)| ErrorLine { outcome: FAILED.to_owned(), message, count };
    let mut errors: Vec<ErrorLine> = said.into_iter().map(line).collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

fn imported(tool: Tool) -> ReasonLine {
    ReasonLine {
        code: "imported".to_owned(),
        trust: "doubtful".to_owned(),
        text: format!("measured by {tool}: when its moments were taken was not verified"),
        remedy:
            "measure with inferbench too, at the same load, before a small difference is believed"
                .to_owned(),
    }
}

fn unit(id: &str) -> String {
    metric(id).expect("importers name metrics of the registry").unit.to_owned()
}

/// The statistics of a distribution that a tool states.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics {
    partial: PartialDistribution,
    count: Option<u64>,
}

impl Statistics {
    /// Notes a statistic by our name for it, in the metric's unit; unknown names are passed over.
    pub(super) fn set(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.partial.set(name, value);
        }
    }

    /// Notes how many values there are.
    pub(super) fn counted(mut self, count: Option<u64>) -> Self {
        self.count = count;
        self
    }
}
