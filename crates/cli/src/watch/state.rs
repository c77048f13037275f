//! What has been read so far, as far as a page shows it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bench_core::{Batch, Moment, Reading, Said, SourceNote};
use bench_report::text::clean;

/// How far back curves go.
const KEPT: Duration = Duration::from_secs(60);
/// Values that are kept of each series: those of a minute, ten a second.
const MOST_KEPT: usize = 1_200;
/// After how long without a reading a value is not known any more.
const STALE: Duration = Duration::from_secs(10);
/// Over how long a rate is taken.
const RATED: Duration = Duration::from_secs(5);
/// Happenings that are kept of each source.
const MOST_HAPPENINGS: usize = 20;

/// What has been read so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// This moment.
    pub(crate) now: Moment,
    series: BTreeMap<Key, VecDeque<(Moment, f64)>>,
    sources: BTreeMap<Arc<str>, Told>,
}

pub(super) type Instance = Option<Arc<str>>;
/// Source, instance and name.
type Key = (Arc<str>, Instance, String);

/// What a source has said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Properties of its instances, such as names.
    is: BTreeMap<(Instance, String), String>,
    /// What it cannot read, and why.
    pub(crate) absent: BTreeMap<(Instance, String), String>,
    pub(crate) lost: BTreeMap<Instance, String>,
    /// Why it cannot be read now.
    pub(crate) failed: Option<String>,
    pub(crate) happened: VecDeque<(Moment, String)>,
}

impl State {
    pub(crate) fn add(&mut self, batch: Batch) {
        for note in batch.notes {
            self.note(note);
        }
        for reading in batch.readings {
            self.read(reading);
        }
    }

    fn read(&mut self, reading: Reading) {
        let Reading { source, name, instance, at, value } = reading;
        let instance = instance.map(shown);
        let values = self.series.entry((source, instance, name.into_owned())).or_default();
        values.push_back((at, value));
        while values.len() > MOST_KEPT
            || values.front().is_some_and(|(then, _)| at.since(*then) > KEPT)
        {
            values.pop_front();
        }
    }

    fn note(&mut self, note: SourceNote) {
        let SourceNote { source, instance, at, said } = note;
        let instance = instance.map(shown);
        let told = self.sources.entry(source).or_default();
        match said {
            Said::Is { what, text } => {
                told.is.insert((instance, what.into_owned()), clean(&text));
            }
            Said::Absent { name, why } => {
                told.absent.insert((instance, clean(&name)), clean(&why));
            }
            Said::Lost { why } => {
                told.lost.insert(instance, clean(&why));
            }
            Said::Failed { why, .. } => told.failed = Some(clean(&why)),
            Said::Recovered { .. } => told.failed = None,
            Said::Happened { what } => {
                if told.happened.len() == MOST_HAPPENINGS {
                    told.happened.pop_front();
                }
                told.happened.push_back((at, clean(&what)));
            }
            _ => {}
        }
    }

    /// What sources have said, by their names.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&Arc<str>, &Told)> {
        self.sources.iter()
    }

    /// All of which something was read whose name begins with `prefix`: instances of this host's sources first, by
    /// their numbers.
    pub(crate) fn all(&self, prefix: &str) -> Vec<Of<'_>> {
        let mut found: Vec<Of<'_>> = Vec::new();
        for (source, instance, name) in self.series.keys() {
            let is_known = |of: &Of<'_>| of.source == source && of.instance == instance;
            if name.starts_with(prefix) && !found.iter().any(is_known) {
                found.push(Of { state: self, source, instance });
            }
        }
        found.sort_by_key(|of| (of.host().map(str::to_owned), numbers(of.instance.as_deref())));
        found
    }

    /// The sources that have read something whose name begins with `prefix`, without instance.
    pub(crate) fn sources_of(&self, prefix: &str) -> Vec<Of<'_>> {
        let mut found = self.all(prefix);
        found.retain(|of| of.instance.is_none());
        found
    }

    fn values(&self, of: &Of<'_>, name: &str) -> Option<&VecDeque<(Moment, f64)>> {
        self.series.get(&(Arc::clone(of.source), of.instance.clone(), name.to_owned()))
    }
}

/// What of an instance's name may be shown: exporters and agents may call one anything.
fn shown(instance: Arc<str>) -> Arc<str> {
    let clean = clean(&instance);
    if *instance == *clean { instance } else { clean.into() }
}

/// `0/3` as numbers, to sort by; the text decides where there are none.
fn numbers(instance: Option<&str>) -> (Vec<u64>, String) {
    let instance = instance.unwrap_or_default();
    let parts = instance.split(['/', ':']).map(|part| part.parse().unwrap_or(u64::MAX));
    (parts.collect(), instance.to_owned())
}

/// What was read of one instance of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'s> {
    state: &'s State,
    pub(crate) source: &'s Arc<str>,
    pub(crate) instance: &'s Instance,
}

impl<'s> Of<'s> {
    /// The host that it is on, if that is another.
    pub(crate) fn host(&self) -> Option<&'s str> {
        self.source.split_once('@').map(|(_, host)| host)
    }

    /// The last value of `name`; `None` where there is none, or none any more.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let (at, value) = self.state.values(self, name)?.back()?;
        (self.state.now.since(*at) <= STALE).then_some(*value)
    }

    /// How much `name`, which adds up, grows in a second.
    pub(crate) fn rate(&self, name: &str) -> Option<f64> {
        let (grown, seconds) = self.grown(name)?;
        (seconds > 0.0).then(|| grown / seconds)
    }

    /// How much `name`, which adds up, has grown of late, and in how many seconds.
    pub(crate) fn grown(&self, name: &str) -> Option<(f64, f64)> {
        self.value(name)?;
        let values = self.state.values(self, name)?;
        let (last, _) = values.back()?;
        let of_late = values.iter().filter(|(at, _)| last.since(*at) <= RATED);
        let (mut first, mut before, mut grown) = (None, None, 0.0);
        for (at, value) in of_late {
            // One that is less has begun anew.
            grown +=
                before.map_or(0.0, |before| if *value < before { *value } else { value - before });
            first = first.or(Some(*at));
            before = Some(*value);
        }
        Some((grown, last.since(first?).as_secs_f64())).filter(|(_, seconds)| *seconds > 0.0)
    }

    /// The mean of `name`, a value for each second, the last one last.
    pub(crate) fn curve(&self, name: &str, seconds: usize) -> Vec<Option<f64>> {
        let mut cells = vec![(0.0, 0_u32); seconds];
        for (cell, value) in self.by_second(name, seconds) {
            cells[cell] = (cells[cell].0 + value, cells[cell].1 + 1);
        }
        let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
        cells.into_iter().map(mean).collect()
    }

    /// How much `name`, which adds up, grew in each second.
    pub(crate) fn growth(&self, name: &str, seconds: usize) -> Vec<Option<f64>> {
        let mut cells = vec![None; seconds];
        let mut before: Option<f64> = None;
        for (cell, value) in self.by_second(name, seconds) {
            if let Some(before) = before {
                let grown = if value < before { value } else { value - before };
                *cells[cell].get_or_insert(0.0) += grown;
            }
            before = Some(value);
        }
        cells
    }

    /// Values with the number of the second that they are of, counted from the first that is shown. The second that
    /// has just begun is not: it would flicker.
    fn by_second(&self, name: &str, seconds: usize) -> impl Iterator<Item = (usize, f64)> {
        let end = self.state.now.as_nanos() / 1_000_000_000;
        let begin = end.saturating_sub(seconds as u64);
        let shift = (seconds as u64 + begin).saturating_sub(end);
        let values = self.state.values(self, name).into_iter().flatten();
        values.filter_map(move |(at, value)| {
            let second = at.as_nanos() / 1_000_000_000;
            let cell = (begin..end).contains(&second).then(|| second - begin + shift)?;
            Some((usize::try_from(cell).ok()?, *value))
        })
    }

    /// What the source says of it.
    pub(crate) fn is(&self, what: &str) -> Option<&'s str> {
        let told = self.state.sources.get(self.source)?;
        told.is.get(&(self.instance.clone(), what.to_owned())).map(String::as_str)
    }

    /// Why nothing comes of it any more.
    pub(crate) fn lost(&self) -> Option<&'s str> {
        let told = self.state.sources.get(self.source)?;
        told.lost.get(self.instance).map(String::as_str)
    }

    /// The same source's other instances of which `name` was read.
    pub(crate) fn instances(&self, name: &str) -> Vec<Self> {
        let all = self.state.all(name).into_iter();
        all.filter(|of| of.source == self.source && of.instance.is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn state(values: &[(u64, f64)]) -> State {
        let mut state = State::default();
        for (ms, value) in values {
            let at = Moment::from_nanos(ms * 1_000_000);
            let (source, name) = ("nvml".into(), "n".into());
            let reading = Reading { source, name, instance: Some("0".into()), at, value: *value };
            state.add(Batch { readings: vec![reading], notes: vec![] });
            state.now = at;
        }
        state
    }

    #[test]
    fn a_value_is_known_until_it_is_old() {
        let mut state = state(&[(0, 1.0), (500, 2.0)]);
        assert_eq!(state.all("n")[0].value("n"), Some(2.0));
        assert_eq!(state.all("n")[0].value("m"), None);
        state.now = Moment::from_nanos(11 * SECOND);
        assert_eq!(state.all("n")[0].value("n"), None);
    }

    #[test]
    fn what_sources_call_things_can_do_nothing_to_a_terminal() {
        let mut state = State::default();
        let instance: Option<Arc<str>> = Some("0\u{1b}[2J\u{202e}1".into());
        let (source, at): (Arc<str>, _) = ("dcgm".into(), Moment::default());
        let (name, value) = ("gpu_power_w".into(), 1.0);
        let reading =
            Reading { source: Arc::clone(&source), name, instance: instance.clone(), at, value };
        let said = Said::Lost { why: "\u{1b}]0;x\u{7}gone".to_owned() };
        let note = SourceNote { source, instance, at, said };
        state.add(Batch { readings: vec![reading], notes: vec![note] });
        let gpu = state.all("gpu_")[0];
        assert_eq!((gpu.instance.as_deref(), gpu.lost()), (Some("01"), Some("gone")));
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds_and_outlives_a_restart() {
        let rate = |values: &[(u64, f64)]| state(values).all("n")[0].rate("n");
        assert_eq!(rate(&[(0, 5.0)]), None);
        assert_eq!(rate(&[(0, 5.0), (1_000, 15.0), (2_000, 25.0)]), Some(10.0));
        assert_eq!(rate(&[(0, 0.0), (20_000, 1e6), (21_000, 1e6 + 7.0)]), Some(7.0));
        assert_eq!(rate(&[(0, 50.0), (1_000, 60.0), (2_000, 4.0)]), Some(7.0));
    }

    #[test]
    fn curves_have_a_value_a_second_and_gaps() {
        let state = state(&[(1_100, 2.0), (1_900, 4.0), (3_500, 10.0), (4_000, 99.0)]);
        let of = state.all("n")[0];
        assert_eq!(of.curve("n", 4), [None, Some(3.0), None, Some(10.0)]);
        assert_eq!(of.curve("n", 6), [None, None, None, Some(3.0), None, Some(10.0)]);
        assert_eq!(of.growth("n", 4), [None, Some(2.0), None, Some(6.0)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let values: Vec<_> = (0..5_000).map(|n| (n, n as f64)).collect();
        assert_eq!(state(&values).series.values().next().unwrap().len(), MOST_KEPT);
    }

    #[test]
    fn instances_are_in_the_order_of_their_numbers() {
        let mut state = State::default();
        for (source, instance) in [("nvml@b", "0"), ("nvml", "10"), ("nvml", "2"), ("nvml", "0/3")]
        {
            let reading = Reading {
                source: source.into(),
                name: "gpu_power_w".into(),
                instance: Some(instance.into()),
                at: Moment::default(),
                value: 1.0,
            };
            state.add(Batch { readings: vec![reading], notes: vec![] });
        }
        let found: Vec<_> = state
            .all("gpu_")
            .iter()
            .map(|of| (&**of.source, of.instance.as_deref().unwrap()))
            .collect();
        assert_eq!(found, [("nvml", "0/3"), ("nvml", "2"), ("nvml", "10"), ("nvml@b", "0")]);
    }
}
