//! What all sources said while a point was measured, taken in one by one.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    energy::GpuEnergy,
    reading,
    series::{Increase, Series},
    vocabulary::kind_of,
};
use crate::{
    Moment, Reading, ReadingKind, Said, SourceNote,
    stats::{Distribution, Durations},
};

/// Notes that are kept of a point.
const MOST_NOTES: usize = 200;

/// The readings and notes of a point, in bounded memory.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    series: BTreeMap<Key, Series>,
    sources: BTreeMap<Arc<str>, Reads>,
    notes: Vec<SourceNote>,
    /// Power of each GPU while nothing was asked of the server.
    idle_w: BTreeMap<Gpu, f64>,
}

/// Source, name, instance.
type Key = (Arc<str>, Cow<'static, str>, Option<Arc<str>>);
/// Source and instance.
pub(super) type Gpu = (Arc<str>, Option<Arc<str>>);

/// When a source was read in a phase.
///
/// One series stands for the source, the first that came: others may be read less often, or a moment later.
#[derive(Clone, Debug, Default)]
struct Reads {
    name: Option<(Cow<'static, str>, Option<Arc<str>>)>,
    last: Option<Moment>,
    intervals: Durations,
    count: u64,
}

/// What telemetry says of a point's measured phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// Each source that was read.
    pub sources: Vec<SourceSummary>,
    /// Each series of readings, by source, name and instance.
    pub series: Vec<SeriesSummary>,
    /// The energy of each GPU whose power is known.
    pub gpus: Vec<GpuEnergy>,
    /// What the sources had to say beside, of the whole point.
    pub notes: Vec<SourceNote>,
}

/// How a source was read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSummary {
    /// Its name.
    pub name: Arc<str>,
    /// Reads that gave something.
    pub reads: u64,
    /// Time from one to the next in milliseconds: its spread is the jitter, its maximum the longest gap.
    pub interval_ms: Option<Distribution>,
}

/// The readings of one name of one source and instance, in the measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSummary {
    /// Which source.
    pub source: Arc<str>,
    /// What was read.
    pub name: Cow<'static, str>,
    /// Of which one of several.
    pub instance: Option<Arc<str>>,
    /// What it came to.
    pub figure: SeriesFigure,
}

/// What a series came to.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesFigure {
    /// Of a gauge.
    Gauge {
        /// The mean over time, straight lines between readings; absent where it was read but once.
        mean: Option<f64>,
        /// How its readings are distributed.
        distribution: Distribution,
    },
    /// Of a counter.
    Counter(Increase),
}

impl Watched {
    /// Takes a reading in.
    pub fn add(&mut self, reading: &Reading) {
        self.reads(&reading.source).read(reading);
        let key = (Arc::clone(&reading.source), reading.name.clone(), reading.instance.clone());
        let series =
            self.series.entry(key).or_insert_with_key(|(_, name, _)| Series::new(kind_of(name)));
        series.add(reading.at, reading.value);
    }

    /// Takes in what a source had to say.
    pub fn note(&mut self, note: &SourceNote) {
        if self.notes.len() < MOST_NOTES && !self.notes.iter().any(|known| is_same(known, note)) {
            self.notes.push(note.clone());
        }
    }

    /// A phase begins: what was read last is what counters are compared with.
    pub fn begin_phase(&mut self) {
        self.end_phase();
        for reads in self.sources.values_mut() {
            *reads = Reads { name: reads.name.take(), last: reads.last, ..Reads::default() };
        }
    }

    /// A phase ends: so is what was read last.
    pub fn end_phase(&mut self) {
        self.series.values_mut().for_each(Series::mark_edge);
    }

    /// Takes what was read so far for what GPUs draw while nothing is asked of the server.
    pub fn mark_idle(&mut self) {
        let power = self.series.iter().filter(|((_, name, _), _)| name == reading::GPU_POWER_W);
        let means = power.filter_map(|((source, _, instance), series)| {
            let mean = series.mean(Moment::default(), Moment::from_nanos(u64::MAX))?;
            Some(((Arc::clone(source), instance.clone()), mean.value))
        });
        self.idle_w = means.collect();
    }

    /// Power of each GPU while nothing is asked of the server, by source and instance.
    pub fn idle_w(&self) -> &BTreeMap<(Arc<str>, Option<Arc<str>>), f64> {
        &self.idle_w
    }

    /// Takes the idle power as known, as from an earlier point with the same server.
    pub fn set_idle_w(&mut self, idle_w: BTreeMap<(Arc<str>, Option<Arc<str>>), f64>) {
        self.idle_w = idle_w;
    }

    /// What all this says of the time from `from` to `to`.
    pub fn telemetry(&self, from: Moment, to: Moment) -> Telemetry {
        let sources = self.sources.iter().filter(|(_, reads)| reads.count > 0);
        let sources = sources.map(|(name, reads)| SourceSummary {
            name: Arc::clone(name),
            reads: reads.count,
            interval_ms: reads.intervals.distribution_ms(),
        });
        let series = self.series.iter().filter_map(|((source, name, instance), series)| {
            let (source, name, instance) = (Arc::clone(source), name.clone(), instance.clone());
            let figure = figure(series, kind_of(&name), from, to)?;
            Some(SeriesSummary { source, name, instance, figure })
        });
        Telemetry {
            sources: sources.collect(),
            series: series.collect(),
            gpus: self.energy(from, to),
            notes: self.notes.clone(),
        }
    }

    pub(super) fn series(&self, (source, instance): &Gpu, name: &'static str) -> Option<&Series> {
        self.series.get(&(Arc::clone(source), Cow::Borrowed(name), instance.clone()))
    }

    /// Each GPU that was read `name` of.
    pub(super) fn gpus_with(&self, name: &str) -> impl Iterator<Item = Gpu> {
        let keys = self.series.keys().filter(move |(_, of, _)| of == name);
        keys.map(|(source, _, instance)| (Arc::clone(source), instance.clone()))
    }

    /// What `what` is of a source's instance, as it says.
    pub(super) fn is(&self, (source, instance): &Gpu, what: &str) -> Option<&str> {
        self.notes.iter().find_map(|note| match &note.said {
            Said::Is { what: of, text }
                if of == what && note.source == *source && note.instance == *instance =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    fn reads(&mut self, source: &Arc<str>) -> &mut Reads {
        // Looked up twice, so that a name that is known is not cloned.
        if !self.sources.contains_key(source) {
            self.sources.insert(Arc::clone(source), Reads::default());
        }
        self.sources.get_mut(source).expect("it was just put there")
    }
}

impl Reads {
    /// Counts a read by the one of its readings that stands for all.
    fn read(&mut self, reading: &Reading) {
        let Reading { name, instance, at, .. } = reading;
        let known = self.name.get_or_insert_with(|| (name.clone(), instance.clone()));
        let stands_for_all = known.0 == *name && known.1 == *instance;
        if !stands_for_all || self.last.is_some_and(|last| *at <= last) {
            return;
        }
        if let Some(last) = self.last {
            let since = u64::try_from(at.since(last).as_nanos()).unwrap_or(u64::MAX);
            self.intervals.add(since, 1);
        }
        self.last = Some(*at);
        self.count += 1;
    }
}

/// Whether `note` says nothing that `known` did not: what happens may happen twice.
fn is_same(known: &SourceNote, note: &SourceNote) -> bool {
    matches!(note.said, Said::Is { .. } | Said::Absent { .. })
        && (&known.source, &known.instance, &known.said)
            == (&note.source, &note.instance, &note.said)
}

fn figure(series: &Series, kind: ReadingKind, from: Moment, to: Moment) -> Option<SeriesFigure> {
    Some(match kind {
        ReadingKind::Counter => SeriesFigure::Counter(series.increase(from, to)?),
        ReadingKind::Gauge => {
            let mut values: Vec<f64> = series.values(from, to).collect();
            let distribution = Distribution::of(&mut values)?;
            SeriesFigure::Gauge { mean: series.mean(from, to).map(|mean| mean.value), distribution }
        }
    })
}

impl Telemetry {
    /// Whether nothing was watched.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.notes.is_empty()
    }

    /// The gauges of this name: instance, mean over time, distribution.
    pub fn gauges(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (&SeriesSummary, Option<f64>, &Distribution)> {
        self.series.iter().filter(move |series| series.name == name).filter_map(|series| {
            match &series.figure {
                SeriesFigure::Gauge { mean, distribution } => Some((series, *mean, distribution)),
                SeriesFigure::Counter(_) => None,
            }
        })
    }

    /// How much the counters of this name grew, over all sources and instances; `None` without any.
    pub fn increase(&self, name: &str) -> Option<Increase> {
        let counters = self.series.iter().filter(|series| series.name == name);
        let increases = counters.filter_map(|series| match series.figure {
            SeriesFigure::Counter(increase) => Some(increase),
            SeriesFigure::Gauge { .. } => None,
        });
        increases.reduce(|sum, next| Increase {
            by: sum.by + next.by,
            resets: sum.resets + next.resets,
            whole: sum.whole && next.whole,
        })
    }

    /// By how much the counters of this name grew; `None` where one was not read before and after, or began anew.
    pub(crate) fn exact_increase(&self, name: &str) -> Option<f64> {
        let exact = self.increase(name).filter(|increase| increase.whole && increase.resets == 0);
        exact.map(|increase| increase.by)
    }

    /// What `what` is of an instance of a source, as it says: such as `gpu_name`.
    pub fn is(&self, source: &str, instance: Option<&str>, what: &str) -> Option<&str> {
        self.notes.iter().find_map(|note| match &note.said {
            Said::Is { what: of, text }
                if of == what
                    && *note.source == *source
                    && note.instance.as_deref() == instance =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// Share of the readings at which a GPU was throttled; of several GPUs, the one that was most.
    pub(crate) fn throttled_ratio(&self) -> Option<f64> {
        let ratios = self.gauges(reading::GPU_THROTTLED).map(|(_, _, throttled)| throttled.mean);
        ratios.reduce(f64::max)
    }

    /// The most processes that were seen on a GPU beside the server.
    pub(crate) fn other_processes(&self) -> Option<u32> {
        let others = self.gauges(reading::GPU_OTHER_PROCESSES).map(|(_, _, others)| others.max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates, and fewer than none are none"
        )]
        others.reduce(f64::max).map(|others| others as u32)
    }

    /// How often the server's counters began anew.
    pub(crate) fn server_restarts(&self) -> u32 {
        let counters = self.series.iter().filter(|series| series.name.starts_with("server_"));
        let resets = counters.map(|series| match series.figure {
            SeriesFigure::Counter(increase) => increase.resets,
            SeriesFigure::Gauge { .. } => 0,
        });
        resets.max().unwrap_or(0)
    }

    /// How long sources could not be read, by source, until they could be again.
    pub fn gaps(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.notes.iter().filter_map(|note| match note.said {
            Said::Recovered { failed_for } => Some((&*note.source, failed_for)),
            _ => None,
        })
    }

    /// What was lost while it was watched, such as a GPU: source and instance.
    pub fn lost(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let lost = self.notes.iter().filter(|note| matches!(note.said, Said::Lost { .. }));
        lost.map(|note| (&*note.source, note.instance.as_deref()))
    }
}
