//! The search for the highest load that meets every goal.
//!
//! Loads are doubled until one misses a goal; between the last that met them and that one, the middle is
//! tried, until they are neighbours; both are then probed again until each has been probed as often as
//! asked. What a load is called is what most of its probes say, so a stray one does not end the search in
//! the wrong place: it goes on from there. Nothing is remembered but the points measured, so that a search
//! that was broken off goes on where it was.

use std::{cell::RefCell, collections::BTreeMap, fmt};

use bench_core::{Course, Point, PointOutcome, Probes};
use bench_store::{LoadLine, PointSummary, RunFile, State, SummaryFile};
use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::{Settings, lab::Lab, loads, points::Cell, sweep::is_failed};

/// Loads to try, in rising order: from `from` to `to`, each more than the one before by a share of
/// `precision`, and whole numbers by one at least.
pub fn candidates(from: f64, to: f64, precision: f64, whole: bool) -> Vec<f64> {
    const MOST: usize = 10_000;
    let next = |at: &f64| {
        let next = at * (1.0 + precision.max(1e-3));
        Some(if whole { next.round().max(at + 1.0) } else { next })
    };
    let rising = std::iter::successors(Some(from), next).take(MOST);
    let mut loads: Vec<f64> = rising.take_while(|load| *load < to).collect();
    loads.push(to.max(from));
    loads
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Probe the load at this place.
    Probe(usize),
    /// Nothing: the highest load that meets the goals is at the first place, if there is one; the lowest that
    /// misses one at the second.
    Done(Option<usize>, Option<usize>),
}

/// What to do next, with `loads` in rising order, `probes` by place, and `enough` of them for each load that
/// matters.
fn next(loads: &[f64], probes: &BTreeMap<usize, Probes>, enough: u32) -> Next {
    let (met, missed) = Probes::edge(probes.iter().map(|(place, probes)| (*place, *probes)));
    match (met, missed) {
        (None, None) => return Next::Probe(0),
        (Some(met), None) if met + 1 < loads.len() => {
            let twice = loads[met] * 2.0;
            let doubled = loads.partition_point(|load| *load < twice);
            return Next::Probe(doubled.clamp(met + 1, loads.len() - 1));
        }
        (met, Some(missed)) => {
            // Nothing is known to be met below the least load.
            let low = met.map_or(0, |met| met + 1);
            if low < missed {
                let middle = (loads[low] * loads[missed]).sqrt();
                let place = loads.partition_point(|load| *load < middle);
                return Next::Probe(place.clamp(low, missed - 1));
            }
        }
        (Some(_), None) => {}
    }
    let unsure = |place: &usize| probes.get(place).is_none_or(|probes| probes.count() < enough);
    match met.filter(unsure).or(missed.filter(unsure)) {
        Some(place) => Next::Probe(place),
        None => Next::Done(met, missed),
    }
}

/// What a search found, for one target and workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The target's name.
    pub target: String,
    /// What was sent.
    pub workload: String,
    /// `concurrency` or `requests_per_s`.
    pub of: &'static str,
    /// The highest load that met every goal; absent if not even the least one did.
    pub highest: Option<Tried>,
    /// The lowest load that missed one; absent if not even the most that was allowed did.
    pub lowest_missed: Option<Tried>,
    /// How sure both are, from 0 to 1: the chance that probes of a load that meets its goals only every
    /// second time would not have come out so clearly.
    pub confidence: f64,
    /// Whether this machine rather than the server set the limit: its numbers were void at the lowest load
    /// that missed.
    pub limited_by_client: bool,
    /// Whether the search was broken off.
    pub unfinished: bool,
}

/// A load that was probed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The load.
    pub load: f64,
    /// Probes that met every goal.
    pub met: u32,
    /// All probes.
    pub probes: u32,
}

/// `highest concurrency 24: met in 3 of 3 probes; 25 missed in 3 of 3 (88 % sure)`.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of.replace("requests_per_s", "rate");
        let load = |tried: &Tried| (tried.load * 1e3).round() / 1e3;
        let (met, missed) = (&self.highest, &self.lowest_missed);
        match met {
            Some(met) => write!(
                f,
                "highest {of} {}: met in {} of {} probes",
                load(met),
                met.met,
                met.probes
            )?,
            None => write!(f, "no {of} meets every goal")?,
        }
        match missed {
            Some(missed) => write!(
                f,
                "; {} missed in {} of {}",
                load(missed),
                missed.probes - missed.met,
                missed.probes
            )?,
            None => write!(f, "; more was not tried")?,
        }
        write!(f, " ({:.0} % sure)", self.confidence * 100.0)?;
        if self.limited_by_client {
            write!(f, "; there this machine, not the server, was the limit")?;
        }
        if self.unfinished {
            write!(f, "; the search was broken off")?;
        }
        Ok(())
    }
}

/// The searches of a run: one for each target and workload, in turn.
pub(crate) struct Search<'a> {
    lab: &'a RefCell<Lab>,
    map: Map,
}

/// What has to be known of a run to read its points as probes.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    cells: Vec<Cell>,
    loads: Vec<f64>,
    enough: u32,
    settings: Settings,
}

impl Map {
    pub(crate) fn new(settings: &Settings, cells: &[Cell]) -> Self {
        Self {
            cells: cells.to_vec(),
            loads: settings.loads.iter().map(loads::size).collect(),
            enough: settings.find.as_ref().map_or(1, |find| find.probes.get()),
            settings: settings.clone(),
        }
    }

    /// Targets and workloads, each with the place of its first cell.
    fn groups(&self) -> impl Iterator<Item = usize> {
        (0..self.cells.len()).step_by(self.loads.len().max(1))
    }

    fn probes(&self, group: usize, measured: &[PointOutcome]) -> BTreeMap<usize, Probes> {
        let mut probes: BTreeMap<usize, Probes> = BTreeMap::new();
        // That nobody was there says nothing about a load.
        for outcome in measured.iter().filter(|outcome| !outcome.is_lost()) {
            let place = (outcome.point.cell as usize).checked_sub(group);
            let Some(place) = place.filter(|place| *place < self.loads.len()) else { continue };
            let entry = probes.entry(place).or_default();
            entry.add(outcome.meets(&self.settings.goals.slo));
        }
        probes
    }
}

/// What the points of `run` found, for each target and workload; nothing where nothing was sought. Like what
/// is shown of the points, it is told from what is stored of them: the two cannot contradict each other.
pub fn found(run: &RunFile, summary: &SummaryFile) -> Vec<Found> {
    if run.plan["find"].is_null() {
        return Vec::new();
    }
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for point in &summary.points {
        let group = (point.target.as_str(), point.workload.as_str());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups.into_iter().filter_map(|group| found_in(group, summary)).collect()
}

/// What was found for one target and workload.
fn found_in((target, workload): (&str, &str), summary: &SummaryFile) -> Option<Found> {
    let in_group = |point: &&PointSummary| point.target == target && point.workload == workload;
    let points: Vec<&PointSummary> = summary.points.iter().filter(in_group).collect();
    let first = points.first()?;
    let mut loads: BTreeMap<u32, (f64, Probes)> = BTreeMap::new();
    for point in points.iter().filter(|point| !point.is_lost()) {
        let (_, load) = point.load.place();
        loads.entry(point.cell).or_insert((load, Probes::default())).1.add(point.meets_goals());
    }
    let (places, loads): (Vec<u32>, Vec<(f64, Probes)>) = loads.into_iter().unzip();
    let probes = loads.iter().map(|(_, probes)| *probes);
    let (met, missed) = Probes::edge(probes.enumerate());
    let tried = |place: usize| {
        let (load, probes) = loads[place];
        Tried { load, met: probes.met, probes: probes.count() }
    };
    let is_void = |point: &&PointSummary| point.trust == "void" && point.succeeded() > 0;
    let is_void_at =
        |place: usize| points.iter().filter(|point| point.cell == places[place]).any(is_void);
    let sure = |place: usize| confidence(loads[place].1);
    // Groups are searched one after the other: what was stopped is the last one.
    let is_stopped =
        summary.state != State::Finished && summary.points.last().as_ref().is_some_and(in_group);
    Some(Found {
        target: target.to_owned(),
        workload: workload.to_owned(),
        of: match first.load {
            LoadLine::Closed { .. } => "concurrency",
            LoadLine::Open { .. } => "requests_per_s",
        },
        highest: met.map(tried),
        lowest_missed: missed.map(tried),
        confidence: met.into_iter().chain(missed).map(sure).fold(1.0, f64::min),
        limited_by_client: missed.is_some_and(is_void_at),
        unfinished: is_stopped
            || first.succeeded() == 0
            || points.iter().any(|point| point.is_lost()),
    })
}

/// How unlikely it is that probes of a load at the edge, which meets its goals every second time, come out
/// as clearly as these: P(X < k) of k equal probes among n, X binomial with p = 1/2.
fn confidence(probes: Probes) -> f64 {
    let clear = probes.met.max(probes.missed);
    let coin = Binomial::new(0.5, u64::from(probes.count()));
    coin.map_or(0.0, |coin| clear.checked_sub(1).map_or(0.0, |k| coin.cdf(u64::from(k))))
}

impl<'a> Search<'a> {
    pub(crate) fn new(lab: &'a RefCell<Lab>, map: Map) -> Self {
        Self { lab, map }
    }
}

impl Course for Search<'_> {
    fn next_point(&mut self, measured: &[PointOutcome]) -> Option<Point> {
        let lab = self.lab.borrow();
        for group in self.map.groups() {
            let of_group = |outcome: &&PointOutcome| {
                let place = (outcome.point.cell as usize).checked_sub(group);
                place.is_some_and(|place| place < self.map.loads.len())
            };
            let mut of_group = measured.iter().filter(of_group);
            // A server that is lost, or answers nothing at the least load, is not to be searched.
            if of_group.clone().next().is_some_and(is_failed)
                || of_group.any(PointOutcome::is_lost)
                || lab.beyond_context(self.map.cells[group]).is_some()
            {
                continue;
            }
            let probes = self.map.probes(group, measured);
            if let Next::Probe(place) = next(&self.map.loads, &probes, self.map.enough) {
                let repeat = probes.get(&place).map_or(0, |probes| probes.count());
                let number = group + place;
                return lab.point(number, self.map.cells[number], repeat).ok();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches `loads` against a server that meets its goals at a load as `meets` says, given how often it
    /// was probed there; returns the answer and how many probes it took.
    fn search(
        loads: &[f64],
        enough: u32,
        meets: impl Fn(f64, u32) -> bool,
    ) -> (Option<f64>, Option<f64>, u32) {
        let mut probes: BTreeMap<usize, Probes> = BTreeMap::new();
        let mut count = 0;
        loop {
            match next(loads, &probes, enough) {
                Next::Probe(place) => {
                    let entry = probes.entry(place).or_default();
                    entry.add(meets(loads[place], entry.count()));
                    count += 1;
                    assert!(count < 500, "the search does not end");
                }
                Next::Done(met, missed) => {
                    return (met.map(|at| loads[at]), missed.map(|at| loads[at]), count);
                }
            }
        }
    }

    #[test]
    fn candidates_rise_by_a_share_and_by_one_at_least() {
        let loads = candidates(1.0, 64.0, 0.05, true);
        assert_eq!(loads[..5], [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(loads.last(), Some(&64.0));
        assert!(
            loads.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= (w[0] * 0.05).max(1.0) + 0.5)
        );
        assert_eq!(candidates(0.5, 0.5, 0.1, false), [0.5]);
        assert_eq!(candidates(8.0, 2.0, 0.1, true), [8.0], "never below the start");
    }

    #[test]
    fn every_edge_is_found_in_few_probes() {
        let loads = candidates(1.0, 256.0, 0.01, true);
        for edge in 1..256_u32 {
            let edge = f64::from(edge);
            let (met, missed, count) = search(&loads, 3, |load, _| load <= edge);
            let expected = loads.iter().rev().find(|load| **load <= edge);
            assert_eq!(met, expected.copied());
            assert_eq!(missed, loads.iter().find(|load| **load > edge).copied());
            assert!(count <= 24, "{count} probes for {edge}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_answers_too() {
        let loads = candidates(1.0, 32.0, 0.05, true);
        assert_eq!(search(&loads, 3, |_, _| true), (Some(32.0), None, 5 + 1 + 2));
        let (met, missed, count) = search(&loads, 3, |_, _| false);
        assert_eq!((met, missed, count), (None, Some(1.0), 3));
    }

    #[test]
    fn a_stray_probe_does_not_decide() {
        let loads = candidates(1.0, 128.0, 0.01, true);
        // The first probe of 8 misses, and that of 41 meets, against the truth, which is 40.
        let stray = |load: f64, probe: u32| match (load, probe) {
            (8.0, 0) => false,
            (41.0, 0) => true,
            _ => load <= 40.0,
        };
        let (met, missed, _) = search(&loads, 3, stray);
        assert_eq!((met, missed), (Some(40.0), Some(41.0)));
    }

    #[test]
    fn confidence_grows_with_agreement() {
        let sure = |met, missed| confidence(Probes { met, missed });
        for (probes, expected) in [((3, 0), 0.875), ((0, 5), 0.96875), ((2, 1), 0.5), ((1, 0), 0.5)]
        {
            assert!((sure(probes.0, probes.1) - expected).abs() < 1e-12, "{probes:?}");
        }
        assert!(sure(0, 0).abs() < 1e-12);
    }
}
