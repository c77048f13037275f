//! What all sources said while a point was measured, taken in one by one.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    mem,
    sync::Arc,
    time::Duration,
};

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

/// Notes that are kept of a point: of what is and what is gone, as of sixteen GPUs in seven parts each, and of what
/// happens, which may happen again and again.
const MOST_FACTS: usize = 4_096;
const MOST_HAPPENINGS: usize = 200;

/// Series that are kept of a point: sixteen GPUs and a server have some 1 000. They take 1 GiB at most, where each is read
/// for a quarter of an hour.
const MOST_SERIES: usize = 4_096;

/// The readings and notes of a point, in bounded memory.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    series: BTreeMap<Key, Series>,
    /// Whether there were more of them.
    is_more: bool,
    sources: BTreeMap<Arc<str>, Reads>,
    notes: Vec<SourceNote>,
    /// How many of the notes are of what happened.
    happenings: usize,
    /// Power of each GPU while nothing was asked of the server.
    idle_w: BTreeMap<Gpu, f64>,
    /// When the phase before ended, of which counters must not tell anything.
    quiet_since: Moment,
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
    /// Takes a reading in. One of a new series is left out where there are too many, which a note says.
    pub fn add(&mut self, reading: &Reading) {
        let is_full = self.series.len() >= MOST_SERIES;
        let key = (Arc::clone(&reading.source), reading.name.clone(), reading.instance.clone());
        let series = match self.series.entry(key) {
            Entry::Vacant(_) if is_full => return self.leave_out(reading),
            entry => entry.or_insert_with_key(|(_, name, _)| Series::new(kind_of(name))),
        };
        series.add(reading.at, reading.value);
        self.reads(&reading.source).read(reading);
    }

    fn leave_out(&mut self, reading: &Reading) {
        if mem::replace(&mut self.is_more, true) {
            return;
        }
        let what =
            format!("there are more than {MOST_SERIES} series of readings: the rest is left out");
        let (source, said) = (Arc::clone(&reading.source), Said::Happened { what });
        // Though others may have happened too often.
        self.notes.push(SourceNote { source, instance: None, at: reading.at, said });
        self.happenings += 1;
    }

    /// Takes in what a source had to say.
    pub fn note(&mut self, note: &SourceNote) {
        let is_fact = is_fact(&note.said);
        let facts = self.notes.len() - self.happenings;
        let has_room = if is_fact { facts < MOST_FACTS } else { self.happenings < MOST_HAPPENINGS };
        if has_room && !self.notes.iter().any(|known| is_same(known, note)) {
            self.happenings += usize::from(!is_fact);
            self.notes.push(note.clone());
        }
    }

    /// A phase begins, and nothing was asked of the server since `quiet_since`: what was read last is what counters
    /// are compared with. What was read before that says nothing of how much they grew in the phase alone.
    pub fn begin_phase(&mut self, quiet_since: Moment) {
        self.end_phase();
        self.quiet_since = quiet_since;
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
            let figure = self.figure(series, kind_of(&name), from, to)?;
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

    fn figure(
        &self,
        series: &Series,
        kind: ReadingKind,
        from: Moment,
        to: Moment,
    ) -> Option<SeriesFigure> {
        Some(match kind {
            ReadingKind::Counter => {
                let increase = series.increase(from, to)?;
                let whole = increase.whole && series.was_read(self.quiet_since, from);
                SeriesFigure::Counter(Increase { whole, ..increase })
            }
            ReadingKind::Gauge => {
                let mut values: Vec<f64> = series.values(from, to).collect();
                let distribution = Distribution::of(&mut values)?;
                let mean = series.mean(from, to).map(|mean| mean.value);
                SeriesFigure::Gauge { mean, distribution }
            }
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

/// Whether `said` holds once and for all; what happens may happen twice.
const fn is_fact(said: &Said) -> bool {
    matches!(said, Said::Is { .. } | Said::Absent { .. } | Said::Lost { .. })
}

/// Whether `note` says nothing that `known` did not.
fn is_same(known: &SourceNote, note: &SourceNote) -> bool {
    is_fact(&note.said)
        && (&known.source, &known.instance, &known.said)
            == (&note.source, &note.instance, &note.said)
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

    /// Share of the time for which a GPU was throttled; of several GPUs, the one that was most.
    pub(crate) fn throttled_ratio(&self) -> Option<f64> {
        let gauges = self.gauges(reading::GPU_THROTTLED);
        // One reading tells of no time, but of something.
        let ratios = gauges.map(|(_, over_time, each)| over_time.unwrap_or(each.mean));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn requests(ms: u64, value: f64) -> Reading {
        let (source, name) = ("server".into(), reading::SERVER_REQUESTS.into());
        Reading { source, name, instance: None, at: at(ms), value }
    }

    #[test]
    fn a_counter_that_was_not_read_between_two_phases_tells_of_no_phase_alone() {
        for (last_read, whole) in [(400, false), (550, true)] {
            let mut watched = Watched::default();
            watched.begin_phase(at(0));
            watched.add(&requests(100, 0.0));
            watched.add(&requests(last_read, 20.0));
            watched.end_phase();
            watched.begin_phase(at(500));
            watched.add(&requests(900, 70.0));
            watched.end_phase();
            let telemetry = watched.telemetry(at(600), at(800));
            let increase = telemetry.increase(reading::SERVER_REQUESTS).unwrap();
            assert_eq!(increase.whole, whole, "read at {last_read} ms");
        }
    }

    #[test]
    fn a_gpu_is_throttled_for_a_share_of_the_time_however_often_it_is_read() {
        let mut watched = Watched::default();
        let throttled = |ms, value| Reading {
            name: reading::GPU_THROTTLED.into(),
            instance: Some("0".into()),
            ..requests(ms, value)
        };
        assert_eq!(watched.telemetry(at(0), at(1)).throttled_ratio(), None);
        watched.add(&throttled(0, 1.0));
        assert_eq!(watched.telemetry(at(0), at(1)).throttled_ratio(), Some(1.0));
        (1..=10).for_each(|n| watched.add(&throttled(n * 100, 1.0)));
        watched.add(&throttled(1_001, 0.0));
        watched.add(&throttled(10_000, 0.0));
        let ratio = watched.telemetry(at(0), at(10_000)).throttled_ratio().unwrap();
        assert!((ratio - 0.1).abs() < 0.001, "{ratio}");
    }

    #[test]
    fn series_without_end_are_left_out_and_said_to_be() {
        let mut watched = Watched::default();
        let made_up = |n: usize, ms| Reading {
            source: format!("made up {n}").into(),
            ..requests(ms, n as f64)
        };
        for n in 0..2 * MOST_SERIES {
            watched.add(&made_up(n, 0));
        }
        watched.add(&made_up(MOST_SERIES - 1, 1));
        let telemetry = watched.telemetry(at(0), at(1));
        assert_eq!((telemetry.series.len(), telemetry.sources.len()), (MOST_SERIES, MOST_SERIES));
        assert_eq!(telemetry.sources.iter().map(|source| source.reads).max(), Some(2));
        let [note] = &telemetry.notes[..] else { panic!("{:?}", telemetry.notes) };
        assert_eq!(*note.source, *format!("made up {MOST_SERIES}"));
        assert!(matches!(&note.said, Said::Happened { what } if what.contains("left out")));
    }

    #[test]
    fn a_source_that_comes_and_goes_hides_nothing_that_is_lost() {
        let mut watched = Watched::default();
        let note = |said| SourceNote { source: "nvml".into(), instance: None, at: at(0), said };
        for n in 0..10_000 {
            let failed_for = Duration::from_nanos(n);
            watched.note(&note(Said::Recovered { failed_for }));
        }
        for _ in 0..2 {
            watched.note(&note(Said::Lost { why: "it fell off the bus".to_owned() }));
        }
        let telemetry = watched.telemetry(at(0), at(1));
        assert_eq!(telemetry.notes.len(), MOST_HAPPENINGS + 1);
        assert_eq!(telemetry.lost().count(), 1, "it is lost once, however often that is said");
    }
}
