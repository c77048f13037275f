//! What engines call the things that the vocabulary has a name for, as data.

use bench_core::ServerTime;

use crate::prometheus::{Exposition, Series};

/// How one engine names its metrics.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The engine.
    pub(super) engine: &'static str,
    /// What its names begin with; those of the tables follow it.
    pub(super) prefix: &'static str,
    /// The label that tells the model.
    pub(super) model: &'static str,
    /// Labels of which series may differ and still tell the same thing, as the ranks of one replica do.
    pub(super) copies: &'static [&'static str],
    /// Values.
    pub(super) values: &'static [Value],
    /// Histograms.
    pub(super) times: &'static [Time],
}

/// One reading, and what it is made of.
#[derive(Debug)]
pub(super) struct Value {
    /// Its name.
    pub(super) reading: &'static str,
    /// How the series of several engines and models are put together.
    pub(super) over: Over,
    /// Where it stands: the first of these whose metrics are all there.
    pub(super) either: &'static [&'static [Metric]],
}

/// How several series become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// They add up.
    Sum,
    /// The highest one counts, as of ratios.
    Highest,
    /// The highest one counts, and 0 says that there is none, as of speculation that is off.
    HighestAboveZero,
}

/// A metric, or some of its series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    /// Its name, without the prefix.
    pub(super) name: &'static str,
    /// Which of its series.
    pub(super) which: Which,
}

/// Which series of a metric count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those whose label has one of these values.
    Only(&'static str, &'static [&'static str]),
    /// Those whose label has none of these values.
    Not(&'static str, &'static [&'static str]),
}

/// A histogram of seconds.
#[derive(Debug)]
pub(super) struct Time {
    /// What it tells.
    pub(super) time: ServerTime,
    /// Its name without the prefix and what follows; the first that is there counts.
    pub(super) either: &'static [Metric],
}

impl Dialect {
    /// The dialect of `read`: the first one of which any value or time is there.
    pub(super) fn of(read: &Exposition<'_>) -> Option<&'static Self> {
        super::tables::DIALECTS.iter().copied().find(|dialect| {
            let is_known = |name: &str| dialect.tells(name);
            read.series().iter().any(|series| is_known(series.name))
        })
    }

    /// Whether the metric `name` is one of this engine's.
    fn tells(&self, name: &str) -> bool {
        let Some(name) = name.strip_prefix(self.prefix) else { return false };
        let values = || self.values.iter().flat_map(|value| value.either.iter().copied().flatten());
        let times = || self.times.iter().flat_map(|time| time.either);
        values().any(|metric| metric.name == name)
            || times().any(|metric| name.strip_prefix(metric.name) == Some("_count"))
    }
}

impl Which {
    /// Whether `series` is one of them.
    pub(super) fn has(self, series: &Series<'_>) -> bool {
        let is_among = |key, values: &[&str]| {
            series.label(key).is_some_and(|value| values.contains(&value.as_ref()))
        };
        match self {
            Self::All => true,
            Self::Only(key, values) => is_among(key, values),
            Self::Not(key, values) => !is_among(key, values),
        }
    }
}
