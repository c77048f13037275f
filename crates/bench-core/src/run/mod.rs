//! The run loop: points, their phases, and the threads that send.
//!
//! ```text
//! run ─► point ─► phase ─┬─► feeder thread: Workload ──sessions──┐
//!                        ├─► load thread 0: slots ─► Provider    │◄─ each takes the next session
//!                        ├─► load thread 1: …       │samples     ┘
//!                        ├── collect: samples ─► Aggregate ─► MetricSink
//!                        └─► telemetry thread: TelemetrySource ──readings──► collect
//! ```
//!
//! What happens to one request is in `slot.rs`; when it happens, in `load_thread.rs`. Sources are read in
//! `telemetry.rs`.

mod course;
mod feed;
mod load_thread;
mod order;
mod outbox;
mod parking;
mod prepared;
mod processor;
mod slot;
mod stop;
mod telemetry;
mod watch;

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::time::Instant;

pub use self::{
    course::{Course, InOrder},
    prepared::{Prepare, Prepared, RunError},
    stop::{Level, Stop},
    telemetry::{Batch, Polling},
    watch::{EarlyEnd, Watch},
};
use self::{
    feed::{Feeder, Feeds},
    load_thread::LoadThreads,
    order::{KeepText, Order},
    outbox::Message,
    processor::ProcessorTime,
};
use crate::{
    Aggregate, Clock, Facts, Grader, Load, MetricSink, Moment, Phase, Plan, Point, PointOutcome,
    Provider, RunEvent, RunInfo, RunOutcome, Sample, SinkError, Summary, TokenCounter, Until,
    Verdict, Watched,
};

/// Runs the points of `plan` in their order and returns how it ended; everything else goes to `sink`
/// while it happens.
///
/// Blocks the calling thread until the run is over: from async code call it through `spawn_blocking`.
/// `prepare` is called once for each point, right before it. `stop` ends the run early; its points so far
/// then count as interrupted.
///
/// # Errors
///
/// When the measurement itself could not be done.
pub fn run(
    plan: &Plan,
    prepare: &mut Prepare<'_>,
    sink: &mut dyn MetricSink,
    stop: &Stop,
) -> Result<RunOutcome, RunError> {
    run_course(plan, &mut InOrder::of(plan), prepare, sink, stop)
}

/// [`run`] with the points that `course` chooses, one after the other, rather than those of `plan`.
///
/// # Errors
///
/// As [`run`].
pub fn run_course(
    plan: &Plan,
    course: &mut dyn Course,
    prepare: &mut Prepare<'_>,
    sink: &mut dyn MetricSink,
    stop: &Stop,
) -> Result<RunOutcome, RunError> {
    let clock = match &plan.resumed {
        Some(resumed) => Clock::going_on(resumed.anchor),
        None => Clock::start(),
    };
    let idle_w = BTreeMap::new();
    Run { plan, clock, stop, sink, broken: None, pace: Pace::Real, idle_w }.all(course, prepare)
}

/// [`run`] on paused time: one load thread, on which waiting takes no time at all.
///
/// A ten-minute benchmark of a scripted provider then takes milliseconds, with exact moments. Telemetry
/// sources are not read: they have a thread of their own, on which paused time does not pass.
///
/// # Errors
///
/// As [`run`].
#[cfg(any(test, feature = "testing"))]
pub fn run_on_paused_time(
    plan: &Plan,
    prepare: &mut Prepare<'_>,
    sink: &mut dyn MetricSink,
    stop: &Stop,
) -> Result<RunOutcome, RunError> {
    let course = &mut InOrder::of(plan);
    let clock = Clock::start();
    let idle_w = BTreeMap::new();
    Run { plan, clock, stop, sink, broken: None, pace: Pace::Paused, idle_w }.all(course, prepare)
}

/// Whether time passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Real,
    #[cfg(any(test, feature = "testing"))]
    Paused,
}

struct Run<'a> {
    plan: &'a Plan,
    clock: Clock,
    stop: &'a Stop,
    sink: &'a mut dyn MetricSink,
    /// The first error of the sink: the run then sends no more.
    broken: Option<SinkError>,
    pace: Pace,
    /// What the GPUs of each target draw while nothing is asked of it.
    idle_w: BTreeMap<String, IdlePower>,
}

impl Run<'_> {
    fn all(
        mut self,
        course: &mut dyn Course,
        prepare: &mut Prepare<'_>,
    ) -> Result<RunOutcome, RunError> {
        self.sink.begin(&RunInfo { plan: self.plan.clone(), anchor: self.clock.anchor() })?;
        let (measured, mut number) = match &self.plan.resumed {
            Some(resumed) => (resumed.measured.clone(), resumed.next_number),
            None => (Vec::new(), 0),
        };
        let mut outcome = RunOutcome { points: measured, interrupted: false };
        let mut failed = None;
        let mut is_first = true;
        while self.stop.level() == Level::Go
            && let Some(point) = course.next_point(&outcome.points)
        {
            if !std::mem::take(&mut is_first) && !self.cool_down() {
                break;
            }
            match self.point(number, &point, prepare) {
                Ok(measured) => {
                    self.tell(&RunEvent::PointEnded(Box::new(measured.clone())));
                    outcome.points.push(measured);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            number += 1;
        }
        outcome.interrupted = failed.is_some() || self.stop.level() != Level::Go;
        let finished = self.sink.finish(&outcome);
        if let Some(error) = failed {
            return Err(error);
        }
        self.broken.map_or(finished, Err)?;
        Ok(outcome)
    }

    /// Leaves the server alone for a while; false if the run was stopped meanwhile.
    fn cool_down(&self) -> bool {
        if self.pace == Pace::Real {
            self.stop.wait_at_most(self.plan.cool_down);
        }
        self.stop.level() == Level::Go
    }

    fn point(
        &mut self,
        number: u32,
        point: &Point,
        prepare: &mut Prepare<'_>,
    ) -> Result<PointOutcome, RunError> {
        self.tell(&RunEvent::PointBegan { number, point: Box::new(point.clone()) });
        let (measured, failure) = match prepare(point) {
            Ok(prepared) => (self.phases(number, point, prepared)?, None),
            Err(cause) => (Measured::nothing(point), Some(with_causes(&*cause))),
        };
        let summary = measured.summary();
        let verdict = match &failure {
            Some(_) => Verdict::not_measured(),
            None => Verdict::on(&summary, self.stop.level() != Level::Go),
        };
        Ok(PointOutcome { number, point: point.clone(), failure, summary, verdict })
    }

    fn phases(
        &mut self,
        number: u32,
        point: &Point,
        prepared: Prepared,
    ) -> Result<Measured, RunError> {
        let stop = self.stop.of_point();
        let idle = prepared.idle;
        let mut crew = self.crew(prepared)?;
        self.watch_idle(&mut crew, &point.target, idle);
        let mut measured = Measured::nothing(point);
        for (phase, load, until) in phases(point) {
            if stop.level() != Level::Go {
                break;
            }
            self.tell(&RunEvent::PhaseBegan { point: number, phase });
            let spec = PhaseSpec { number, point, phase, load, until, stop: &stop };
            let result = self.phase(&mut crew, spec);
            self.tell(&RunEvent::PhaseEnded { point: number, phase });
            let result = result?;
            match phase {
                Phase::Measure => measured = result,
                // A point that ended in its warm-up has this alone to say.
                Phase::WarmUp => measured.facts.early_end = result.facts.early_end,
            }
        }
        Ok(measured)
    }

    fn crew(&self, prepared: Prepared) -> Result<Crew, RunError> {
        let threads = match self.pace {
            Pace::Real => self.plan.threads.get(),
            #[cfg(any(test, feature = "testing"))]
            Pace::Paused => 1,
        };
        let threads =
            LoadThreads::start(threads, self.clock, self.pace).map_err(RunError::Threads)?;
        let keep_text = KeepText::new(prepared.keep_text, prepared.counter.as_deref());
        let Prepared { provider, workload, warm_up, counter, grader, watch, sources, .. } =
            prepared;
        let polling = match self.pace {
            Pace::Real => Polling::start(sources, self.clock).map_err(RunError::Threads)?,
            #[cfg(any(test, feature = "testing"))]
            Pace::Paused => None,
        };
        let (feeder, of_warm_up) = (Feeder::new(workload), warm_up.map(Feeder::new));
        Ok(Crew {
            threads,
            feeder,
            of_warm_up,
            provider,
            counter,
            grader,
            keep_text,
            watch,
            polling,
            watched: Watched::default(),
            quiet_since: Moment::default(),
        })
    }

    /// Watches the GPUs of `target` for a while in which nothing is asked of it, unless that was done before.
    fn watch_idle(&mut self, crew: &mut Crew, target: &str, idle: Duration) {
        if crew.polling.is_none() || idle.is_zero() {
            return;
        }
        match self.idle_w.get(target) {
            Some(known) => crew.watched.set_idle_w(known.clone()),
            None => {
                let until = Instant::now() + idle;
                while self.stop.level() == Level::Go && Instant::now() < until {
                    self.stop.wait_at_most(TICK.min(until - Instant::now()));
                    self.tell_readings(crew);
                }
                crew.watched.mark_idle();
                self.idle_w.insert(target.to_owned(), crew.watched.idle_w().clone());
            }
        }
    }

    /// Has every source read where a phase begins or ends: what is counted within it is then told from what was
    /// counted before and after.
    fn read_sources(&mut self, crew: &mut Crew) {
        if let Some(polling) = &mut crew.polling {
            polling.read_now(LONGEST_READ);
            self.tell_readings(crew);
        }
    }

    fn phase(&mut self, crew: &mut Crew, phase: PhaseSpec<'_>) -> Result<Measured, RunError> {
        let threads = crew.threads.count();
        let feeder = crew.feeder_of(phase.phase);
        let feeding = feeder.feed(phase.load, phase.until, threads);
        let (order, messages) = Order::new(self.parts(crew, phase, feeding.feeds()));
        let order = Arc::new(order);
        self.read_sources(crew);
        crew.watched.begin_phase(crew.quiet_since);
        let telemetry_time = crew.polling.as_ref().map(Polling::processor_time);
        let usage = ProcessorTime::now();
        let anchor = Clock::start().anchor();
        crew.threads.begin(&order);
        let mut aggregate = Aggregate::of(phase.point);
        let mut collected = self.collect(&order, &messages, crew, &mut aggregate);
        let ended = RunEvent::PhaseEnded { point: phase.number, phase: phase.phase };
        collected.watch(&mut crew.watch, &ended, &order);
        // Paused time says nothing of how long the processors took.
        let client_cpu_cores = usage.cores_since().filter(|_| self.pace == Pace::Real);
        let telemetry_cpu_cores = telemetry_time.and_then(|before| {
            let used = crew.polling.as_ref()?.processor_time().saturating_sub(before);
            Some(used.as_secs_f64() / usage.wall().as_secs_f64())
        });
        crew.quiet_since = self.clock.now();
        self.read_sources(crew);
        crew.watched.end_phase();
        if phase.phase == Phase::Measure {
            aggregate.watch(std::mem::take(&mut crew.watched));
        }
        let facts = Facts {
            open_loop: matches!(phase.load, Load::Open { .. }),
            delayed_samples: order.delayed_samples(),
            starved: order.starved(),
            cut_off: order.requests_cut_off(),
            unsent: order.unsent(),
            client_cpu_cores,
            telemetry_cpu_cores,
            cores: thread::available_parallelism().ok().map(|n| n.get() as f64),
            clock_step_ms: Clock::start().anchor().step_ms_since(anchor),
            early_end: collected.early_end,
            dropped_readings: crew.polling.as_ref().map(Polling::take_dropped),
            ..Facts::default()
        };
        crew.feeder_of(phase.phase)
            .take_back(feeding)
            .map_err(|message| RunError::Panicked { role: "workload", message })?;
        match collected.panicked {
            Some(message) => {
                Err(RunError::Panicked { role: "provider, session or grader", message })
            }
            None => {
                let approximate = crew.counter.as_ref().is_some_and(|counter| !counter.is_exact());
                Ok(Measured { aggregate, facts, approximate })
            }
        }
    }

    /// What the load threads are to know of a phase.
    fn parts(&self, crew: &Crew, phase: PhaseSpec<'_>, feeds: Feeds) -> order::Parts {
        let measures = phase.phase == Phase::Measure;
        order::Parts {
            run: self.plan.id.clone(),
            seed: self.plan.seed,
            point: phase.number,
            phase: phase.phase,
            load: phase.load.clone(),
            until: phase.until,
            grace: phase.point.grace,
            retries: phase.point.retries,
            cancellation: phase.point.cancellation.filter(|_| measures),
            provider: Arc::clone(&crew.provider),
            grader: crew.grader.clone(),
            keep_text: crew.keep_text,
            feeds,
            stop: phase.stop.clone(),
            clock: self.clock,
            threads: crew.threads.count(),
        }
    }

    /// Passes samples on until each load thread has said that its phase is over.
    fn collect(
        &mut self,
        order: &Order,
        messages: &Receiver<Message>,
        crew: &mut Crew,
        aggregate: &mut Aggregate,
    ) -> Collected {
        let mut running = crew.threads.count();
        let mut collected = Collected::default();
        let mut ticked = Instant::now();
        while running > 0 {
            match messages.recv_timeout(TICK) {
                Ok(Message::Sample(sample)) => {
                    let counter = crew.counter.as_deref();
                    let sample = counted(*sample, order.keeps_all_text(), counter);
                    aggregate.add(&sample);
                    let event = RunEvent::Sample(sample);
                    collected.watch(&mut crew.watch, &event, order);
                    self.tell(&event);
                }
                Ok(Message::Ended(end)) => {
                    running -= 1;
                    collected.panicked = collected.panicked.or(end);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The order keeps the channel open, and each thread ends its phase whatever happens.
                Err(RecvTimeoutError::Disconnected) => unreachable!("the order holds a sender"),
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tell_readings(crew);
                let event = RunEvent::Progress(order.progress());
                collected.watch(&mut crew.watch, &event, order);
                self.tell(&event);
            }
        }
        self.tell_readings(crew);
        self.tell(&RunEvent::Progress(order.progress()));
        collected
    }

    /// Passes on what the sources have read meanwhile.
    fn tell_readings(&mut self, crew: &mut Crew) {
        let Crew { polling, watched, .. } = crew;
        for batch in polling.iter().flat_map(Polling::take) {
            for note in batch.notes {
                watched.note(&note);
                self.tell(&RunEvent::SourceNote(note));
            }
            for reading in batch.readings {
                watched.add(&reading);
                self.tell(&RunEvent::Reading(reading));
            }
        }
    }

    /// A sink that fails stops the run, and still gets the rest of it.
    fn tell(&mut self, event: &RunEvent) {
        if let Err(error) = self.sink.event(event)
            && self.broken.is_none()
        {
            self.broken = Some(error);
            self.stop.at_least(Level::Drain);
        }
    }
}

/// Who measures a point.
struct Crew {
    threads: LoadThreads,
    feeder: Feeder,
    /// That of the warm-up, where it has its own.
    of_warm_up: Option<Feeder>,
    provider: Arc<dyn Provider>,
    counter: Option<Arc<dyn TokenCounter>>,
    grader: Option<Arc<dyn Grader>>,
    keep_text: KeepText,
    watch: Option<Box<dyn Watch>>,
    /// Absent without sources.
    polling: Option<Polling>,
    /// What the sources said of the point so far.
    watched: Watched,
    /// Since when nothing is asked of the server, while it is so.
    quiet_since: Moment,
}

impl Crew {
    fn feeder_of(&mut self, phase: Phase) -> &mut Feeder {
        match (phase, &mut self.of_warm_up) {
            (Phase::WarmUp, Some(own)) => own,
            _ => &mut self.feeder,
        }
    }
}

/// What a phase is to do.
#[derive(Clone, Copy)]
struct PhaseSpec<'a> {
    number: u32,
    point: &'a Point,
    phase: Phase,
    load: &'a Load,
    until: Until,
    stop: &'a Stop,
}

/// What collecting the samples of a phase came to.
#[derive(Default)]
struct Collected {
    early_end: Option<EarlyEnd>,
    /// What a panic said, if there was one.
    panicked: Option<String>,
}

impl Collected {
    /// Lets the watch see `event`; what it says first ends the point.
    fn watch(&mut self, watch: &mut Option<Box<dyn Watch>>, event: &RunEvent, order: &Order) {
        if self.early_end.is_none()
            && let Some(end) = watch.as_mut().and_then(|watch| watch.event(event))
        {
            self.early_end = Some(end);
            order.parts().stop.at_least(Level::Drain);
        }
    }
}

/// What came of a phase: what its samples tell, and what only the run knows.
struct Measured {
    aggregate: Aggregate,
    facts: Facts,
    /// Whether tokens that the server did not count are guessed.
    approximate: bool,
}

impl Measured {
    /// What comes of `point` where nothing is measured.
    fn nothing(point: &Point) -> Self {
        Self { aggregate: Aggregate::of(point), facts: Facts::default(), approximate: false }
    }

    fn summary(self) -> Summary {
        let mut summary = self.aggregate.summarize_with(self.facts);
        if self.approximate {
            summary.facts = summary.facts.counted_approximately();
        }
        summary
    }
}

/// Watts, by source and instance.
type IdlePower = BTreeMap<(Arc<str>, Option<Arc<str>>), f64>;

/// How long a phase waits for sources to be read at its edges: a server that is slow to tell its metrics is not to
/// hold up the run.
const LONGEST_READ: Duration = Duration::from_secs(1);

/// How often sinks hear of progress.
const TICK: Duration = Duration::from_millis(100);

fn phases(point: &Point) -> impl Iterator<Item = (Phase, &Load, Until)> {
    let warm_up = point.warm_up.iter().map(|w| (Phase::WarmUp, &w.load, w.until));
    warm_up.chain([(Phase::Measure, &point.load, point.until)])
}

/// Counts the answer's tokens where there is a text to count, and drops the text unless it is kept. Of calls of
/// tools nobody knows the text that the model wrote.
fn counted(mut sample: Sample, keep: bool, counter: Option<&dyn TokenCounter>) -> Sample {
    if let (Some(text), Some(counter)) = (&sample.text, counter)
        && (counter.is_exact() || sample.usage.is_none())
        && !sample.is_result()
        && sample.tool_calls.is_empty()
    {
        sample.counted_tokens = Some(counter.count(text));
    }
    if !keep {
        sample.text = None;
        sample.tool_calls.clear();
    }
    sample
}

/// What `error` says, and what its causes say.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
