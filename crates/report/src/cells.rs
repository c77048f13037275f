//! The points of a run by the cells of its plan: repeats of one cell are one row of every table.

use std::collections::BTreeMap;

use bench_core::{
    MOST_ERRORS, Probes,
    stats::{LEVEL, Repeats, outliers, percentile},
};
use bench_store::{LoadLine, MetricLine, PointSummary, SummaryFile};

/// All repeats of one cell: a load on a target with a workload.
#[derive(Clone, Debug)]
pub(crate) struct Cell<'a> {
    /// Its points, at least one, in order of measurement.
    points: Vec<&'a PointSummary>,
}

/// The cells of one target and workload, by load.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) target: &'a str,
    pub(crate) workload: &'a str,
    pub(crate) cells: Vec<Cell<'a>>,
}

/// A goal that repeats of a cell missed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missed {
    pub(crate) goal: String,
    /// The mean of what it came to in those.
    pub(crate) value: Option<f64>,
    /// How many repeats, of how many, unless all.
    pub(crate) repeats: Option<(usize, usize)>,
}

/// A mean of repeats, and how far from it the mean of all repeats that could be made may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// Half the width of its interval at [`LEVEL`]; `None` of a single value.
    pub(crate) half: Option<f64>,
}

impl Estimate {
    /// Of repeated values; `None` if there are none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Repeats::of(values).map(|repeats| Self::new(&repeats))
    }

    fn new(repeats: &Repeats) -> Self {
        let interval = repeats.interval(LEVEL);
        let half = interval.map(|interval| (interval.high - interval.low) / 2.0);
        Self { mean: repeats.mean, half }
    }

    /// Of the requests of one point, each of which gave a value.
    fn of_requests(line: &MetricLine) -> Option<Self> {
        // Another tool may have told the mean alone.
        let mean = line.statistic("mean")?;
        let count = line.statistic("count").filter(|count| *count > 1.0);
        let Some((n, std)) = count.zip(line.statistic("std")) else {
            return Some(Self { mean, half: None });
        };
        // The file holds the population's deviation.
        let std = std * (n / (n - 1.0)).sqrt();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was a count before it was a statistic"
        )]
        let count = n as u64;
        let repeats = Repeats {
            n: count,
            mean,
            std: Some(std),
            standard_error: Some(std / n.sqrt()),
            cv: None,
        };
        Some(Self::new(&repeats))
    }
}

/// The groups of `summary`, in the plan's order, each by ascending load.
pub(crate) fn groups(summary: &SummaryFile) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for point in &summary.points {
        let is_its = |g: &&mut Group<'_>| g.target == point.target && g.workload == point.workload;
        match groups.iter_mut().find(is_its) {
            Some(group) => group.add(point),
            None => groups.push(Group {
                target: &point.target,
                workload: &point.workload,
                cells: vec![Cell::of(point)],
            }),
        }
    }
    let by_load = |cell: &Cell<'_>| cell.load().place();
    for group in &mut groups {
        let order = |a: &Cell<'_>, b: &Cell<'_>| {
            let ((a, x), (b, y)) = (by_load(a), by_load(b));
            // Users before requests per second.
            b.cmp(a).then(x.total_cmp(&y))
        };
        group.cells.sort_by(order);
    }
    groups
}

impl<'a> Group<'a> {
    fn add(&mut self, point: &'a PointSummary) {
        let is_its = |cell: &&mut Cell<'a>| cell.points[0].is_repeat_of(point);
        match self.cells.iter_mut().find(is_its) {
            Some(cell) => cell.points.push(point),
            None => self.cells.push(Cell::of(point)),
        }
    }
}

impl<'a> Cell<'a> {
    /// That of one point alone.
    pub(crate) fn of(point: &'a PointSummary) -> Self {
        Self { points: vec![point] }
    }

    pub(crate) fn points(&self) -> &[&'a PointSummary] {
        &self.points
    }

    pub(crate) fn load(&self) -> &'a LoadLine {
        &self.points[0].load
    }

    /// `void` if a repeat is, else `doubtful` if one is.
    pub(crate) fn trust(&self) -> &'static str {
        let is = |word: &str| self.points.iter().any(|point| point.trust == word);
        match (is("void"), self.points.iter().all(|point| point.trust == "trusted")) {
            (true, _) => "void",
            (_, true) => "trusted",
            _ => "doubtful",
        }
    }

    pub(crate) fn is_void(&self) -> bool {
        self.trust() == "void"
    }

    /// The points that could be measured.
    pub(crate) fn measured(&self) -> impl Iterator<Item = &'a PointSummary> {
        self.points.iter().copied().filter(|point| point.failure.is_none())
    }

    /// Whether its answers have tokens: results have none.
    pub(crate) fn has_tokens(&self) -> bool {
        self.measured().any(|point| point.metrics.contains_key("output_tps"))
    }

    /// What a statistic came to in each repeat that has it.
    pub(crate) fn values(&self, metric: &str, statistic: Option<&str>) -> Vec<f64> {
        self.measured().filter_map(|point| finite(point, metric, statistic)).collect()
    }

    /// A statistic over the repeats.
    pub(crate) fn estimate(&self, metric: &str, statistic: Option<&str>) -> Option<Estimate> {
        Estimate::of(&self.values(metric, statistic))
    }

    /// The mean of a metric over requests: over repeats where there are several, else over the requests
    /// of the only one.
    pub(crate) fn mean_over_requests(&self, metric: &str) -> Option<Estimate> {
        let mut lines = self.measured().filter_map(|point| point.metrics.get(metric));
        match (lines.next(), lines.next()) {
            (Some(only), None) => Estimate::of_requests(only),
            _ => self.estimate(metric, Some("mean")),
        }
    }

    /// Whether a percentile rests on too few values in one of the repeats.
    pub(crate) fn is_below_floor(&self, metric: &str, statistic: &str) -> bool {
        self.measured().filter_map(|point| point.metrics.get(metric)).any(|line| match line {
            MetricLine::Distribution { below_floor, .. } => {
                below_floor.iter().any(|name| name == statistic)
            }
            MetricLine::Partial(partial) => {
                partial.below_floor.iter().any(|name| name == statistic)
            }
            MetricLine::Share { .. } | MetricLine::Value { .. } => false,
        })
    }

    /// How many repeats met every goal; `None` without goals, or if none says anything about this load.
    pub(crate) fn probes(&self) -> Option<Probes> {
        let told = self.points.iter().filter(|point| !point.goals.is_empty() && !point.is_lost());
        let probes: Probes = told.map(|point| point.meets_goals()).collect();
        (probes.count() > 0).then_some(probes)
    }

    /// Whether it meets every goal.
    pub(crate) fn met(&self) -> Option<bool> {
        self.probes().map(Probes::is_met)
    }

    /// The goals that repeats missed, and that of few errors, which goes with all others.
    pub(crate) fn missed(&self) -> Vec<Missed> {
        let mut missed: BTreeMap<&str, (Vec<f64>, usize)> = BTreeMap::new();
        let errors = format!("error_ratio <= {MOST_ERRORS}");
        for point in self.points.iter().filter(|point| !point.goals.is_empty()) {
            let mut add = |goal, value: Option<f64>| {
                let (values, repeats) = missed.entry(goal).or_default();
                values.extend(value);
                *repeats += 1;
            };
            for goal in point.goals.iter().filter(|goal| !goal.met) {
                add(&goal.goal, goal.value);
            }
            let failed = point.number_of("error_ratio", None);
            if let Some(ratio) = failed.filter(|ratio| *ratio > MOST_ERRORS) {
                add(&errors, Some(ratio));
            }
        }
        let of = self.points.len();
        let line = |(goal, (values, repeats)): (&str, (Vec<f64>, usize))| Missed {
            goal: goal.to_owned(),
            value: Repeats::of(&values).map(|repeats| repeats.mean),
            repeats: (repeats < of).then_some((repeats, of)),
        };
        missed.into_iter().map(line).collect()
    }

    /// How many requests succeeded, and how many failed.
    pub(crate) fn requests(&self) -> (u64, u64) {
        let outcomes = || self.points.iter().flat_map(|point| &point.outcomes);
        let ok = outcomes().filter(|(name, _)| *name == "ok").map(|(_, count)| count).sum();
        let is_failure = |name: &str| name != "ok" && name != "cancelled";
        (ok, outcomes().filter(|(name, _)| is_failure(name)).map(|(_, count)| count).sum())
    }

    /// The repeats whose value of a metric stands apart from the others', and that value. Of few repeats two
    /// are often close by chance: then only what is far off stands apart.
    pub(crate) fn apart(
        &self,
        metric: &str,
        statistic: Option<&str>,
    ) -> Vec<(&'a PointSummary, f64)> {
        let values: Vec<(&PointSummary, f64)> = self
            .measured()
            .filter_map(|point| Some((point, finite(point, metric, statistic)?)))
            .collect();
        let mut numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let apart = outliers(&numbers);
        numbers.sort_unstable_by(f64::total_cmp);
        let Some(median) = percentile(&numbers, 50.0) else { return Vec::new() };
        let least = if numbers.len() < 5 { 0.2 } else { 0.02 } * median.abs();
        let apart = apart.into_iter().filter_map(|place| values.get(place).copied());
        apart.filter(|(_, value)| (value - median).abs() > least).collect()
    }
}

fn finite(point: &PointSummary, metric: &str, statistic: Option<&str>) -> Option<f64> {
    point.number_of(metric, statistic).filter(|value| value.is_finite())
}

/// A load in as few words as a table has room for: `32 users`, `10 requests/s`.
pub(crate) fn load_words(load: &LoadLine) -> String {
    match (load, load.place()) {
        (LoadLine::Closed { concurrency: 1, .. }, _) => "1 user".to_owned(),
        (LoadLine::Open { requests_per_s: None, schedule, .. }, _) => schedule.clone(),
        (_, (unit, value)) => format!("{} {unit}", short(value)),
    }
}

/// A number as people type it: no more than three decimals, and none that are 0.
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
