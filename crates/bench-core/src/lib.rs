//! Measures LLM inference servers, and says whether the numbers can be trusted.
//!
//! The primary thing here is a function, [`run`], which sends what a [`Workload`] yields, when a [`Load`]
//! says so, through a [`Provider`], and tells each [`MetricSink`] what happens. Implement one of these
//! traits for a server, a workload or an output of your own; `examples/` has one of each, and an agent that
//! calls tools. The program `inferbench` is made of the same parts.
//!
//! ```text
//! the calling thread    run(plan, prepare, sink, stop)
//!                         for each Point: prepare it, then its warm-up, then its measured phase
//!
//! a telemetry thread      TelemetrySource::read           once a period, if there are sources: Readings
//!
//! a feeder thread         Workload::next_session          ahead of need, in order
//!                               ▼
//! load threads            when a place is free (Load::Closed), or n is due (Schedule::due):
//!                           Session::next_turn            ─► Request, a body ready to be sent
//!                           Provider::send                writes moments: sent, headers, each
//!                                                         arrival, done; the clock runs here only
//!                           Answer ─► Sample              raw moments, counts, Outcome
//!                               ▼                         a channel on which no load thread waits
//! the calling thread      MetricSink::event               each sample, as it ends, and each reading
//!                         Aggregate ─► Summary            every metric of the registry
//!                         Verdict::on                     trusted, doubtful or void, and why
//! ```
//!
//! A measurement, whole. The server stands in this process and takes 2 ms for each token:
//!
//! ```
//! use std::{iter, sync::Arc, time::Duration};
//!
//! use bench_core::*;
//!
//! #[derive(Debug)]
//! struct Ticker;
//!
//! #[async_trait]
//! impl Provider for Ticker {
//!     async fn send(&self, _: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
//!         let clock = answer.clock();
//!         answer.sent(clock.now());
//!         for word in ["tick ", "tock"] {
//!             tokio::time::sleep(Duration::from_millis(2)).await;
//!             answer.generated(Stamp::of_read(clock.now()), ArrivalKind::Content, word, Some(1));
//!         }
//!         answer.usage(Usage { prompt: 1, completion: 2, ..Usage::default() });
//!         answer.done(clock.now());
//!         Ok(())
//!     }
//!     // What follows is not timed.
//!     fn name(&self) -> &str { "ticker" }
//!     fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> { Ok(Request::new(prompt, "")) }
//! }
//!
//! // Four requests in flight until a hundred are sent.
//! let load = Load::closed(4.try_into()?);
//! let plan = Plan::of(Point::new(load, Until::requests(100)));
//! let sessions = || iter::repeat_with(|| Box::new(Single::new(Request::default())) as _);
//! let mut prepare = |_: &Point| Ok(Prepared::new(Arc::new(Ticker), Box::new(sessions())));
//!
//! let outcome = run(&plan, &mut prepare, &mut (), &Stop::new())?;
//!
//! let PointOutcome { summary, verdict, .. } = &outcome.points[0];
//! let ttft = summary.distribution("ttft_ms").expect("requests succeeded");
//! println!("first token after {:.1} ms (median): {}", ttft.median(), verdict.trust);
//! assert!(ttft.min >= 2.0 && summary.succeeded() == 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The main decision is to stamp first and think later. A provider writes moments into an [`Answer`], and
//! everything else is derived from them afterwards, elsewhere, by the formulas of one [`registry`]; so a
//! metric means the same wherever it is shown, and one defined tomorrow can be had of yesterday's
//! samples. Load threads share nothing while a request is timed: each has its own runtime, timers and
//! connections, and no sink, however slow, delays a request. The price is memory (24 bytes for each event
//! until its sample is taken in), a provider that must name its moments instead of returning a text, and
//! a `run` that blocks its caller, for the threads are its own.
//!
//! What it deliberately does not do: it opens no socket, writes no file and prints nothing; it knows no
//! dialect and no GPU. It does not retry, and drops no request: one that fails is a [`Sample`] with its
//! [`Outcome`], and an `Err` from [`run`] means that nothing can be said. It looks nothing up: a [`Plan`]
//! says all. And it gives no number without a [`Verdict`] beside it.

mod answer;
mod clock;
mod goal;
mod grade;
mod metrics;
mod outcome;
mod plan;
mod provider;
mod request;
mod run;
mod sample;
mod schedule;
mod sink;
pub mod stats;
mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timer;
mod verdict;
mod workload;

pub use answer::{Answer, ToolCall};
/// What implements [`Provider`] and [`TelemetrySource`] is marked with it.
pub use async_trait::async_trait;
pub use clock::{Anchor, Clock, Moment};
pub use goal::{
    Goal, GoalResult, Goodput, InvalidGoal, InvalidGoodput, InvalidLimit, InvalidQuantity,
    MOST_ERRORS, Probes, Quantity, UnknownMetric, meets_all,
};
pub use grade::{Expected, Grade, Grader};
pub use metrics::{
    Aggregate, Better, Compared, Facts, Figure, LoadShape, Metric, Reconciliation, SharedFigure,
    Source, Summary, TtftParts, TurnSummary, metric, registry,
};
pub use outcome::{Outcome, UnknownOutcome};
pub use plan::{Counts, Limits, Load, Pick, Plan, Point, Resumed, Until, WarmUp};
pub use provider::{Model, Provider, ProviderError, Readiness, ServerInfo, TokenCounter};
pub use request::{Message, Prompt, Request, Role, Tool, ToolChoice, call_id};
#[cfg(any(test, feature = "testing"))]
pub use run::run_on_paused_time;
pub use run::{
    Batch, Course, EarlyEnd, InOrder, Level, Polling, Prepare, Prepared, RunError, Stop, Watch,
    run, run_course,
};
pub use sample::{
    Arrival, ArrivalKind, Connect, FinishReason, Phase, Sample, ServerTimes, Stamp, TokenSource,
    Usage,
};
pub use schedule::{
    Arrivals, Cancellation, ConcurrencyRamp, InvalidRate, InvalidRatio, InvalidSeries,
    InvalidSmoothness, InvalidTrace, Paced, Ramp, RampShape, Rate, RateCurve, RateSeries, Schedule,
    Smoothness, Trace,
};
pub use sink::{MetricSink, PointOutcome, Progress, RunEvent, RunInfo, RunOutcome, SinkError};
pub use telemetry::{
    GpuEnergy, Increase, Reading, ReadingKind, ReadingName, Readings, Said, SeriesFigure,
    SeriesSummary, ServerHistogram, ServerTime, SourceError, SourceNote, SourceSummary, Telemetry,
    TelemetrySource, VOCABULARY, Watched, reading, reading_name,
};
pub use verdict::{REASONS, Reason, Trust, Verdict};
pub use workload::{Session, Single, Turn, Workload};
