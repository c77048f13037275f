//! The run loop: points, their phases, and the threads that send.
//!
//! ```text
//! run ─► point ─► phase ─┬─► feeder thread: Workload ──sessions──┐
//!                        ├─► load thread 0: slots ─► Provider    │◄─ each takes the next session
//!                        ├─► load thread 1: …       │samples     ┘
//!                        └── collect: samples ─► Aggregate ─► MetricSink
//! ```
//!
//! What happens to one request is in `slot.rs`; when it happens, in `load_thread.rs`.

mod feed;
mod load_thread;
mod order;
mod outbox;
mod slot;
mod stop;

use std::{sync::Arc, thread, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::time::Instant;

pub use self::stop::{Level, Stop};
use self::{
    feed::Feeder,
    load_thread::LoadThreads,
    order::{KeepText, Order},
    outbox::Message,
};
use crate::{
    Aggregate, Clock, Facts, Grader, Load, MetricSink, Phase, Plan, Point, PointOutcome, Provider,
    RunEvent, RunInfo, RunOutcome, Sample, SinkError, Summary, TokenCounter, Until, Verdict,
    Workload,
};

/// What a point needs to be measured.
#[expect(missing_debug_implementations, reason = "it holds the user's own trait objects")]
pub struct Prepared {
    /// The server.
    pub provider: Arc<dyn Provider>,
    /// What to send. Warm-up takes the first sessions, the measured phase the next ones.
    pub workload: Box<dyn Workload>,
    /// Counts output tokens: of every answer if it is exact, else where the server does not.
    pub counter: Option<Arc<dyn TokenCounter>>,
    /// Judges answers of requests that expect something.
    pub grader: Option<Arc<dyn Grader>>,
    /// Whether samples keep the generated text.
    pub keep_text: bool,
}

impl Prepared {
    /// A provider and a workload, nothing else.
    pub fn new(provider: Arc<dyn Provider>, workload: Box<dyn Workload>) -> Self {
        Self { provider, workload, counter: None, grader: None, keep_text: false }
    }
}

/// Builds what a point needs; called right before the point is measured.
pub type Prepare<'a> =
    dyn FnMut(&Point) -> Result<Prepared, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// A measurement that could not be done. A request that fails is no such error: it is a sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A point could not be prepared.
    #[error("cannot prepare point {point}")]
    Prepare {
        /// Which.
        point: usize,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A sink gave up. What it had taken before is its own.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The system gave no thread or no runtime.
    #[error("cannot start a load thread")]
    Threads(#[source] std::io::Error),
    /// A provider, workload or grader panicked.
    #[error("a {role} panicked: {message}")]
    Panicked {
        /// Which part.
        role: &'static str,
        /// What it said.
        message: String,
    },
}

/// Runs `plan` and returns how it ended; everything else goes to `sink` while it happens.
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
    Run { plan, clock: Clock::start(), stop, sink, broken: None, pace: Pace::Real }.all(prepare)
}

/// [`run`] on paused time: one load thread, on which waiting takes no time at all.
///
/// A ten-minute benchmark of a scripted provider then takes milliseconds, with exact moments.
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
    Run { plan, clock: Clock::start(), stop, sink, broken: None, pace: Pace::Paused }.all(prepare)
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
}

impl Run<'_> {
    fn all(mut self, prepare: &mut Prepare<'_>) -> Result<RunOutcome, RunError> {
        self.sink.begin(&RunInfo { plan: self.plan.clone(), anchor: self.clock.anchor() })?;
        let mut outcome = RunOutcome { points: Vec::new(), interrupted: false };
        let mut failed = None;
        for (index, point) in self.plan.points.iter().enumerate() {
            if self.stop.level() != Level::Go {
                break;
            }
            let measured = prepare(point)
                .map_err(|cause| RunError::Prepare { point: index, cause })
                .and_then(|prepared| self.point(index, point, prepared));
            match measured {
                Ok(point) => outcome.points.push(point),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        outcome.interrupted = failed.is_some() || self.stop.level() != Level::Go;
        let finished = self.sink.finish(&outcome);
        if let Some(error) = failed {
            return Err(error);
        }
        self.broken.map_or(finished, Err)?;
        Ok(outcome)
    }

    fn point(
        &mut self,
        index: usize,
        point: &Point,
        prepared: Prepared,
    ) -> Result<PointOutcome, RunError> {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        self.tell(&RunEvent::PointBegan { point: number });
        let mut crew = self.crew(prepared)?;
        let mut measured = Measured::default();
        for (phase, load, until) in phases(point) {
            if self.stop.level() != Level::Go {
                break;
            }
            self.tell(&RunEvent::PhaseBegan { point: number, phase });
            let spec = PhaseSpec { point: number, phase, load, until, grace: point.grace };
            let result = self.phase(&mut crew, spec);
            self.tell(&RunEvent::PhaseEnded { point: number, phase });
            let result = result?;
            if phase == Phase::Measure {
                measured = result;
            }
        }
        let summary = measured.summary();
        let verdict = Verdict::on(&summary, self.stop.level() != Level::Go);
        let outcome = PointOutcome { summary, verdict };
        self.tell(&RunEvent::PointEnded {
            point: number,
            summary: outcome.summary.clone(),
            verdict: outcome.verdict.clone(),
        });
        Ok(outcome)
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
        let Prepared { provider, workload, counter, grader, .. } = prepared;
        Ok(Crew { threads, feeder: Feeder::new(workload), provider, counter, grader, keep_text })
    }

    fn phase(&mut self, crew: &mut Crew, phase: PhaseSpec<'_>) -> Result<Measured, RunError> {
        let threads = crew.threads.count();
        let feeding = crew.feeder.feed(phase.load, phase.until, threads);
        let (order, messages) = Order::new(order::Parts {
            run: self.plan.id.clone(),
            point: phase.point,
            phase: phase.phase,
            load: phase.load.clone(),
            until: phase.until,
            grace: phase.grace,
            provider: Arc::clone(&crew.provider),
            grader: crew.grader.clone(),
            keep_text: crew.keep_text,
            feeds: feeding.feeds(),
            stop: self.stop.clone(),
            clock: self.clock,
            threads,
        });
        let order = Arc::new(order);
        let usage = ProcessorTime::now();
        crew.threads.begin(&order);
        let mut aggregate = Aggregate::default();
        let panicked =
            self.collect(&order, &messages, threads, crew.counter.as_deref(), &mut aggregate);
        let facts = Facts {
            open_loop: matches!(phase.load, Load::Open { .. }),
            delayed_samples: order.delayed_samples(),
            starved: order.starved(),
            client_cpu_cores: usage.cores_since(),
            cores: thread::available_parallelism().ok().map(|n| n.get() as f64),
            ..Facts::default()
        };
        crew.feeder
            .take_back(feeding)
            .map_err(|message| RunError::Panicked { role: "workload", message })?;
        match panicked {
            Some(message) => {
                Err(RunError::Panicked { role: "provider, session or grader", message })
            }
            None => Ok(Measured { aggregate, facts }),
        }
    }

    /// Passes samples on until each load thread has said that its phase is over. Returns what a panic
    /// said, if there was one.
    fn collect(
        &mut self,
        order: &Order,
        messages: &Receiver<Message>,
        threads: usize,
        counter: Option<&dyn TokenCounter>,
        aggregate: &mut Aggregate,
    ) -> Option<String> {
        let (mut running, mut panicked) = (threads, None);
        let mut ticked = Instant::now();
        while running > 0 {
            match messages.recv_timeout(TICK) {
                Ok(Message::Sample(sample)) => {
                    let sample = counted(*sample, order.keeps_all_text(), counter);
                    aggregate.add(&sample);
                    self.tell(&RunEvent::Sample(sample));
                }
                Ok(Message::Ended(end)) => {
                    running -= 1;
                    panicked = panicked.or(end);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The order keeps the channel open, and each thread ends its phase whatever happens.
                Err(RecvTimeoutError::Disconnected) => unreachable!("the order holds a sender"),
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tell(&RunEvent::Progress(order.progress()));
            }
        }
        self.tell(&RunEvent::Progress(order.progress()));
        panicked
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
    provider: Arc<dyn Provider>,
    counter: Option<Arc<dyn TokenCounter>>,
    grader: Option<Arc<dyn Grader>>,
    keep_text: KeepText,
}

/// What a phase is to do.
#[derive(Clone, Copy)]
struct PhaseSpec<'a> {
    point: u32,
    phase: Phase,
    load: &'a Load,
    until: Until,
    grace: Duration,
}

/// What came of a phase: what its samples tell, and what only the run knows.
#[derive(Default)]
struct Measured {
    aggregate: Aggregate,
    facts: Facts,
}

impl Measured {
    fn summary(self) -> Summary {
        let run = self.facts;
        let mut summary = self.aggregate.summarize();
        summary.facts = Facts {
            open_loop: run.open_loop,
            delayed_samples: run.delayed_samples,
            starved: run.starved,
            client_cpu_cores: run.client_cpu_cores,
            cores: run.cores,
            ..summary.facts
        };
        summary
    }
}

/// How often sinks hear of progress.
const TICK: Duration = Duration::from_millis(100);

fn phases(point: &Point) -> impl Iterator<Item = (Phase, &Load, Until)> {
    let warm_up = point.warm_up.iter().map(|w| (Phase::WarmUp, &w.load, w.until));
    warm_up.chain([(Phase::Measure, &point.load, point.until)])
}

/// Counts the answer's tokens where there is a text to count, and drops the text unless it is kept.
fn counted(mut sample: Sample, keep: bool, counter: Option<&dyn TokenCounter>) -> Sample {
    if let (Some(text), Some(counter)) = (&sample.text, counter)
        && (counter.is_exact() || sample.usage.is_none())
    {
        sample.counted_tokens = Some(counter.count(text));
    }
    if !keep {
        sample.text = None;
    }
    sample
}

/// What this process has used of the processors.
struct ProcessorTime {
    at: Instant,
    used: Option<Duration>,
}

impl ProcessorTime {
    fn now() -> Self {
        Self { at: Instant::now(), used: processor_time() }
    }

    fn cores_since(&self) -> Option<f64> {
        let wall = self.at.elapsed().as_secs_f64();
        let used = processor_time()?.checked_sub(self.used?)?.as_secs_f64();
        (wall > 0.0).then(|| used / wall)
    }
}

#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests;
