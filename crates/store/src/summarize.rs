//! Metrics from stored samples.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bench_core::{Aggregate, LoadShape, Moment, Phase, SourceNote, Summary, Watched};

use crate::{
    EventKind, LoadLine, PointLine, ReadError, RunDirectory, TornTail, read_readings, read_samples,
};

/// What the samples of a run say.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// The summary of each point's measured phase, as far as it has samples. What samples do not know,
    /// such as the client's processor time, is not in its facts.
    pub points: BTreeMap<u32, Summary>,
    /// What is missing at the end of the samples.
    pub torn: Option<TornTail>,
}

/// Computes the metrics of the run in `directory` again, from its samples and readings alone.
///
/// They equal those of `summary.json`, and exist for a run that was killed before it wrote one.
///
/// # Errors
///
/// When the samples cannot be read, or a line of them is malformed; a torn end is no error.
pub fn summarize(directory: &RunDirectory) -> Result<Recomputed, ReadError> {
    let planned = planned_points(directory)?;
    let mut samples = read_samples(&directory.samples_path())?;
    let mut points: BTreeMap<u32, Aggregate> = BTreeMap::new();
    for sample in &mut samples {
        let sample = sample?;
        if sample.phase == Phase::Measure {
            let aggregate = || planned.get(&sample.point).map(aggregate).unwrap_or_default();
            points.entry(sample.point).or_insert_with(aggregate).add(&sample);
        }
    }
    for (point, watched) in watched(directory)? {
        if let Some(aggregate) = points.get_mut(&point) {
            aggregate.watch(watched);
        }
    }
    // What was told of a point when it ended stays as it was told: readings that came late are not in it.
    let told = directory.read_summary().ok().flatten();
    for point in told.iter().flat_map(|told| &told.points) {
        if let (Some(aggregate), Some(telemetry)) =
            (points.get_mut(&point.number), &point.telemetry)
        {
            aggregate.set_telemetry(telemetry.into());
        }
    }
    let summaries = points.into_iter().map(|(point, aggregate)| (point, aggregate.summarize()));
    Ok(Recomputed { points: summaries.collect(), torn: samples.torn() })
}

/// What was watched while a point was measured.
struct Watching {
    point: u32,
    target: Option<String>,
    began: Moment,
    /// When its first phase began; before, nothing was asked of the server.
    sends_from: Moment,
    /// When its phases ended that are not yet over.
    phase_ends: VecDeque<Moment>,
    ended: Moment,
    watched: Watched,
}

impl Watching {
    /// Ends the phases that ended before `at`, as the run did: what was read last is their end.
    fn end_phases_before(&mut self, at: Moment) {
        while self.phase_ends.front().is_some_and(|end| *end < at) {
            self.phase_ends.pop_front();
            self.watched.end_phase();
        }
    }
}

const FOREVER: Moment = Moment::from_nanos(u64::MAX);
/// Idle power is told from so much time without requests at least.
const LEAST_IDLE: Duration = Duration::from_millis(500);

/// What telemetry said while each point was measured.
fn watched(directory: &RunDirectory) -> Result<BTreeMap<u32, Watched>, ReadError> {
    if !directory.readings_path().exists() {
        return Ok(BTreeMap::new());
    }
    let (mut points, notes) = watching(directory)?;
    let of = |at: Moment, points: &[Watching]| {
        points.iter().rposition(|point| (point.began..=point.ended).contains(&at))
    };
    for note in &notes {
        if let Some(place) = of(note.at, &points) {
            points[place].watched.note(note);
        }
    }
    let mut idle: BTreeMap<Option<String>, Watched> = BTreeMap::new();
    for reading in &mut read_readings(&directory.readings_path())? {
        let reading = reading?;
        let Some(place) = of(reading.at, &points) else { continue };
        let point = &mut points[place];
        let is_idle = reading.at < point.sends_from;
        if is_idle && point.sends_from.since(point.began) > LEAST_IDLE {
            idle.entry(point.target.clone()).or_default().add(&reading);
        }
        point.end_phases_before(reading.at);
        point.watched.add(&reading);
    }
    idle.values_mut().for_each(Watched::mark_idle);
    let points = points.into_iter().map(|mut point| {
        point.end_phases_before(FOREVER);
        if let Some(idle) = idle.get(&point.target) {
            point.watched.set_idle_w(idle.idle_w().clone());
        }
        (point.point, point.watched)
    });
    Ok(points.collect())
}

/// When each point was measured, and what sources had to say.
fn watching(directory: &RunDirectory) -> Result<(Vec<Watching>, Vec<SourceNote>), ReadError> {
    let (mut points, mut notes): (Vec<Watching>, Vec<SourceNote>) = (Vec::new(), Vec::new());
    for event in directory.read_events()? {
        let at = Moment::from_nanos(event.at_ns);
        match event.kind {
            EventKind::PointBegan { point, planned } => points.push(Watching {
                point,
                target: planned.map(|planned| planned.target),
                began: at,
                sends_from: FOREVER,
                phase_ends: VecDeque::new(),
                ended: FOREVER,
                watched: Watched::default(),
            }),
            EventKind::PhaseBegan { .. } => {
                if let Some(point) = points.last_mut() {
                    point.sends_from = point.sends_from.min(at);
                }
            }
            EventKind::PhaseEnded { .. } => {
                if let Some(point) = points.last_mut() {
                    point.phase_ends.push_back(at);
                }
            }
            EventKind::PointEnded { .. } => {
                if let Some(point) = points.last_mut() {
                    point.ended = at;
                }
            }
            EventKind::SourceNote(note) => notes.push(note.into()),
            _ => {}
        }
    }
    Ok((points, notes))
}

/// What each point that was begun was to be, by its number.
///
/// # Errors
///
/// When the events cannot be read.
pub fn planned_points(directory: &RunDirectory) -> Result<BTreeMap<u32, PointLine>, ReadError> {
    let begun = directory.read_events()?.into_iter().filter_map(|event| match event.kind {
        EventKind::PointBegan { point, planned: Some(planned) } => Some((point, *planned)),
        _ => None,
    });
    Ok(begun.collect())
}

/// What `point` says of its samples: when their window is steady, and which of them are good.
fn aggregate(point: &PointLine) -> Aggregate {
    let shape = match &point.load {
        LoadLine::Closed { concurrency, .. } => LoadShape::Concurrency(*concurrency as u64),
        LoadLine::Open { requests_per_s: Some(_), .. } => LoadShape::Rate,
        LoadLine::Open { requests_per_s: None, .. } => LoadShape::Varying,
    };
    // What no program of this version wrote is left out.
    let goodput = point.goodput.as_ref().and_then(|goodput| goodput.parse().ok());
    Aggregate::judged_by(shape, goodput)
}
