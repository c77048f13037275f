//! From the series of a text to what the vocabulary names.

use std::collections::{BTreeMap, BTreeSet};

use bench_core::ServerTime;

use super::dialect::{Dialect, Metric, Over};
use crate::prometheus::{Exposition, Series};

/// What one text tells.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Values by their names.
    pub(super) values: Vec<(&'static str, f64)>,
    pub(super) histograms: Vec<Histogram>,
    /// Since when it counts, in the server's seconds.
    pub(super) since: Option<f64>,
    /// The models of its series.
    pub(super) models: BTreeSet<String>,
}

/// One histogram, over all engines and models.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) time: ServerTime,
    pub(super) sum: f64,
    pub(super) count: f64,
    /// The highest value of each bucket, and how many were not above it.
    pub(super) buckets: Vec<(f64, f64)>,
}

/// Puts together what `text` tells of `model`, or of all models where it has no such one.
///
/// # Errors
///
/// When a bucket does not say what it counts.
pub(super) fn gather(
    text: &Exposition<'_>,
    dialect: &'static Dialect,
    model: Option<&str>,
) -> Result<Gathered, &'static str> {
    let models = models(text, dialect);
    let model = model.filter(|&model| models.contains(model));
    let of = Gathering { text, dialect, model };
    let values = dialect.values.iter().filter_map(|value| {
        let found = value.either.iter().find_map(|metrics| of.value(metrics, value.over))?;
        Some((value.reading, found))
    });
    let histogram = |time: &super::dialect::Time| {
        let found =
            time.either.iter().find_map(|metric| of.histogram(time.time, metric).transpose());
        found.transpose()
    };
    let histograms: Result<Vec<_>, _> =
        dialect.times.iter().filter_map(|time| histogram(time).transpose()).collect();
    Ok(Gathered { values: values.collect(), histograms: histograms?, since: of.since(), models })
}

fn models(text: &Exposition<'_>, dialect: &Dialect) -> BTreeSet<String> {
    let of_engine = |series: &&Series<'_>| series.name.starts_with(dialect.prefix);
    let model = |series: &Series<'_>| Some(series.label(dialect.model)?.into_owned());
    text.series().iter().filter(of_engine).filter_map(model).collect()
}

struct Gathering<'t> {
    text: &'t Exposition<'t>,
    dialect: &'static Dialect,
    model: Option<&'t str>,
}

impl<'t> Gathering<'t> {
    /// All `metrics` added up, if each is there.
    fn value(&self, metrics: &[Metric], over: Over) -> Option<f64> {
        let each = metrics.iter().map(|metric| {
            let series = self.series(metric, "");
            self.together(&series, over).filter(|value| value.is_finite())
        });
        let sum: f64 = each.collect::<Option<Vec<_>>>()?.iter().sum();
        (over != Over::HighestAboveZero || sum > 0.0).then_some(sum)
    }

    fn histogram(
        &self,
        time: ServerTime,
        metric: &Metric,
    ) -> Result<Option<Histogram>, &'static str> {
        let total = |suffix| self.together(&self.series(metric, suffix), Over::Sum);
        let (Some(sum), Some(count)) = (total("_sum"), total("_count")) else { return Ok(None) };
        let buckets = self.buckets(metric)?;
        Ok(Some(Histogram { time, sum, count, buckets }))
    }

    fn buckets(&self, metric: &Metric) -> Result<Vec<(f64, f64)>, &'static str> {
        let of_bound = |series: &'t Series<'t>| -> Option<(f64, &'t Series<'t>)> {
            let bound: f64 = series.label("le")?.parse().ok()?;
            (!bound.is_nan()).then_some((bound, series))
        };
        let series = self.series(metric, "_bucket");
        let bounded: Option<Vec<_>> = series.into_iter().map(of_bound).collect();
        let mut bounded = bounded.ok_or("a bucket does not say up to where it counts")?;
        bounded.sort_by(|a, b| a.0.total_cmp(&b.0));
        let same_bound = |a: &(f64, _), b: &(f64, _)| a.0.total_cmp(&b.0).is_eq();
        let each = bounded.chunk_by(same_bound).filter_map(|same| {
            let series: Vec<_> = same.iter().map(|(_, series)| *series).collect();
            Some((same[0].0, self.together(&series, Over::Sum)?))
        });
        Ok(each.collect())
    }

    /// The series of `metric`, with `suffix` behind its name.
    fn series(&self, metric: &Metric, suffix: &str) -> Vec<&'t Series<'t>> {
        let prefix = self.dialect.prefix;
        let is_named = |series: &&Series<'_>| {
            let name = series.name.strip_prefix(prefix).and_then(|name| name.strip_suffix(suffix));
            name == Some(metric.name)
        };
        let all = self.text.series().iter().filter(is_named);
        all.filter(|series| metric.which.has(series) && self.is_of_model(series)).collect()
    }

    fn is_of_model(&self, series: &Series<'_>) -> bool {
        let Some(model) = self.model else { return true };
        series.label(self.dialect.model).is_none_or(|of| of == model)
    }

    /// One value of many; `None` of none.
    fn together(&self, series: &[&Series<'_>], over: Over) -> Option<f64> {
        let values = series.iter().map(|series| series.value);
        match over {
            Over::Highest | Over::HighestAboveZero => values.reduce(f64::max),
            Over::Sum if series.is_empty() => None,
            Over::Sum if self.dialect.copies.is_empty() => Some(values.sum()),
            Over::Sum => {
                let mut each = BTreeMap::<_, f64>::new();
                for series in series {
                    let value = each.entry(self.identity(series)).or_insert(series.value);
                    *value = value.max(series.value);
                }
                Some(each.values().sum())
            }
        }
    }

    /// The labels of `series` without those in which copies differ.
    fn identity<'s>(&self, series: &Series<'s>) -> Vec<(&'s str, std::borrow::Cow<'s, str>)> {
        let copies = self.dialect.copies;
        let mut labels: Vec<_> = series.labels().filter(|(key, _)| !copies.contains(key)).collect();
        labels.sort();
        labels
    }

    /// When the oldest of the engine's series was created, or the process began.
    fn since(&self) -> Option<f64> {
        let is_created = |series: &&Series<'_>| {
            series.name.starts_with(self.dialect.prefix) && series.name.ends_with("_created")
        };
        let created = self.text.series().iter().filter(is_created).map(|series| series.value);
        let began =
            || self.text.named("process_start_time_seconds").map(|series| series.value).next();
        created.reduce(f64::min).or_else(began)
    }
}
