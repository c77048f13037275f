//! The sink that writes a run down while it goes on.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use bench_core::{
    Clock, MetricSink, Moment, PointOutcome, RunEvent, RunInfo, RunOutcome, SinkError,
};

use crate::{
    EventKind, EventLine, NoteLine, PointLine, ReadingLine, ReasonLine, RunDirectory, RunFile,
    SampleLine, State, StoreError, SummaryFile, directory::private_file, frames::FrameWriter,
};

/// What is in memory is written down after so long.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Writes a run into its directory.
///
/// It works on the thread that calls it, which is no load thread: a thread of its own would only add a
/// queue. A second of a thousand streams at a hundred tokens each is 3 MB of text, compressed in 7 ms. Time passes for it with each event, [`Progress`](RunEvent::Progress) included, so that
/// a quiet second is written down too.
#[derive(Debug)]
pub struct RunLog {
    directory: RunDirectory,
    plan: serde_json::Value,
    environment: serde_json::Value,
    open: Option<OpenLog>,
}

impl RunLog {
    /// A log in `directory`, which is new, or holds the run that is resumed. `plan` is what the user asked
    /// for and `environment` what it was measured with; both are kept as they are, so they must hold no
    /// secrets.
    pub fn new(
        directory: RunDirectory,
        plan: serde_json::Value,
        environment: serde_json::Value,
    ) -> Self {
        Self { directory, plan, environment, open: None }
    }
}

impl MetricSink for RunLog {
    fn begin(&mut self, run: &RunInfo) -> Result<(), SinkError> {
        let directory = self.directory.clone();
        let log = if run.plan.resumed.is_some() {
            OpenLog::reopen(directory, run)
        } else {
            let file = RunFile::new(run, self.plan.take(), self.environment.take());
            directory
                .write_json(&directory.run_path(), &file)
                .and_then(|()| OpenLog::create(directory, run))
        };
        self.open = Some(log.map_err(sink_error)?);
        Ok(())
    }

    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        // A run whose beginning could not be written does not begin.
        let Some(log) = &mut self.open else { return Ok(()) };
        log.write(event).map_err(sink_error)
    }

    fn finish(&mut self, outcome: &RunOutcome) -> Result<(), SinkError> {
        let Some(mut log) = self.open.take() else { return Ok(()) };
        log.finish(outcome).map_err(sink_error)
    }
}

fn sink_error(error: StoreError) -> SinkError {
    SinkError { sink: "the log of the run", cause: error.into() }
}

/// A run that is being written down.
struct OpenLog {
    directory: RunDirectory,
    run: RunInfo,
    samples: FrameWriter,
    readings: Option<FrameWriter>,
    events: File,
    ended: Vec<PointOutcome>,
    clock: RunClock,
    flushed: Moment,
}

impl OpenLog {
    fn create(directory: RunDirectory, run: &RunInfo) -> Result<Self, StoreError> {
        let path = directory.events_path();
        let events = private_file().append(true).create_new(true).open(&path);
        let events = events.map_err(|source| StoreError::new(&path, source))?;
        // Tells other processes that this one is alive; where nothing can be locked, they think it killed.
        let _ = events.lock();
        let clock = RunClock::of(run);
        Ok(Self {
            run: run.clone(),
            samples: FrameWriter::create(directory.samples_path())?,
            readings: None,
            events,
            ended: Vec::new(),
            flushed: clock.now(),
            clock,
            directory,
        })
    }

    /// Goes on with the files of a run that was broken off, behind what is whole of them.
    fn reopen(directory: RunDirectory, run: &RunInfo) -> Result<Self, StoreError> {
        let clock = RunClock::of(run);
        let readings = directory.readings_path();
        // Before anything is cut: another process may still be writing.
        let events = reopen_lines(&directory.events_path())?;
        let mut log = Self {
            run: run.clone(),
            samples: FrameWriter::reopen(directory.samples_path())?,
            readings: readings.exists().then(|| FrameWriter::reopen(readings)).transpose()?,
            events,
            ended: run.plan.resumed.iter().flat_map(|resumed| resumed.measured.clone()).collect(),
            flushed: clock.now(),
            clock,
            directory,
        };
        log.note(EventKind::RunResumed {
            anchor: Clock::start().anchor().into(),
            inferbench: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
        log.summarize(State::Unfinished)?;
        Ok(log)
    }

    fn write(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        match event {
            RunEvent::Sample(sample) => self.samples.push(&SampleLine::from(sample))?,
            RunEvent::Reading(reading) => self.write_reading(&ReadingLine::from(reading))?,
            RunEvent::SourceNote(note) => {
                if let Some(note) = NoteLine::of(note) {
                    self.note(EventKind::SourceNote(note))?;
                }
            }
            RunEvent::PointBegan { number, point } => {
                let planned = Some(Box::new(PointLine::from(&**point)));
                self.note(EventKind::PointBegan { point: *number, planned })?;
            }
            RunEvent::PhaseBegan { point, phase } => {
                self.note(EventKind::PhaseBegan { point: *point, phase: (*phase).into() })?;
            }
            RunEvent::PhaseEnded { point, phase } => {
                self.sync()?;
                self.note(EventKind::PhaseEnded { point: *point, phase: (*phase).into() })?;
            }
            RunEvent::PointEnded(ended) => {
                self.note(EventKind::PointEnded {
                    point: ended.number,
                    trust: ended.verdict.trust.to_string(),
                    warnings: ended.verdict.reasons.iter().map(ReasonLine::from).collect(),
                    failure: ended.failure.clone(),
                })?;
                self.ended.push((**ended).clone());
                self.summarize(State::Unfinished)?;
            }
            // Progress can be told from the samples.
            _ => {}
        }
        self.flush_in_time()
    }

    /// Writes what came of the points so far.
    fn summarize(&self, state: State) -> Result<(), StoreError> {
        let file = SummaryFile::new(&self.run.plan, &self.ended, state);
        self.directory.write_json(&self.directory.summary_path(), &file)
    }

    /// What cannot be read is absent from the readings; infinities and NaN are not in JSON.
    fn write_reading(&mut self, reading: &ReadingLine) -> Result<(), StoreError> {
        if !reading.value.is_finite() {
            return Ok(());
        }
        if self.readings.is_none() {
            self.readings = Some(FrameWriter::create(self.directory.readings_path())?);
        }
        self.readings.as_mut().map_or(Ok(()), |readings| readings.push(reading))
    }

    /// Events are few: each is written at once, uncompressed.
    fn note(&mut self, kind: EventKind) -> Result<(), StoreError> {
        let event = EventLine { at_ns: self.clock.now().as_nanos(), kind };
        let mut line = serde_json::to_vec(&event).expect("every key is a string");
        line.push(b'\n');
        self.events
            .write_all(&line)
            .map_err(|source| StoreError::new(&self.directory.events_path(), source))
    }

    fn flush_in_time(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if now.since(self.flushed) < FLUSH_EVERY {
            return Ok(());
        }
        self.flushed = now;
        self.each_writer(FrameWriter::flush)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.flushed = self.clock.now();
        self.each_writer(FrameWriter::sync)
    }

    /// Both get their turn, also when the first one fails.
    fn each_writer(
        &mut self,
        act: impl Fn(&mut FrameWriter) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let samples = act(&mut self.samples);
        samples.and(self.readings.as_mut().map_or(Ok(()), act))
    }

    /// As much as can be is written, whatever fails; the first failure is returned.
    fn finish(&mut self, outcome: &RunOutcome) -> Result<(), StoreError> {
        let state = State::of_ended(outcome.interrupted);
        let synced = self.sync();
        let noted = self.note(EventKind::RunEnded { state });
        let summarized = self.summarize(state);
        synced.and(noted).and(summarized)
    }
}

impl std::fmt::Debug for OpenLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut log = f.debug_struct("OpenLog");
        log.field("samples", &self.samples.path()).field("flushed", &self.flushed);
        log.finish_non_exhaustive()
    }
}

/// Opens a file of lines to append to it, without the line at its end that a kill cut short.
fn reopen_lines(path: &Path) -> Result<File, StoreError> {
    let reopen = || {
        let file = private_file().append(true).create(true).open(path)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(io::Error::other("another process is writing this run"));
        }
        let text = std::fs::read(path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        Ok(file)
    };
    reopen().map_err(|source| StoreError::new(path, source))
}

/// The run's clock, found again: a sink is told where it began, not what it shows.
struct RunClock {
    clock: Clock,
    /// From the start of the run to the start of `clock`.
    ahead: Duration,
}

impl RunClock {
    fn of(run: &RunInfo) -> Self {
        if run.plan.resumed.is_some() {
            return Self { clock: Clock::going_on(run.anchor), ahead: Duration::ZERO };
        }
        let clock = Clock::start();
        let (here, there) = (clock.anchor(), run.anchor);
        let ahead_ns = match (here.monotonic_ns, there.monotonic_ns) {
            (Some(here), Some(there)) => here.saturating_sub(there),
            _ => here.wall_ns.saturating_sub(there.wall_ns),
        };
        Self { clock, ahead: Duration::from_nanos(ahead_ns) }
    }

    fn now(&self) -> Moment {
        self.clock.now() + self.ahead
    }
}
