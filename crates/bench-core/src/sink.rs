//! What a run tells, and who listens.

use crate::{Anchor, Phase, Plan, Point, Reading, Sample, SourceNote, Summary, Verdict};

/// What is known when a run begins.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// What is to be measured.
    pub plan: Plan,
    /// The start of the run's clock on other clocks.
    pub anchor: Anchor,
}

/// How far a phase has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests sent so far.
    pub sent: u64,
    /// Of these, requests that have ended.
    pub ended: u64,
    /// The number of requests after which the phase ends, if it has one.
    pub of: Option<u64>,
}

impl Progress {
    /// Requests in flight.
    pub const fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.ended)
    }
}

/// Something that happened in a run. Points are named by their number: 0 for the first one measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all events are samples, and a box for each would cost more"
)]
pub enum RunEvent {
    /// A point begins.
    PointBegan {
        /// Its number.
        number: u32,
        /// What is to be measured.
        point: Box<Point>,
    },
    /// A phase of it begins.
    PhaseBegan {
        /// Of which point.
        point: u32,
        /// Which.
        phase: Phase,
    },
    /// A request ended; in order of ending, or nearly.
    Sample(Sample),
    /// How far the phase has come; several times a second.
    Progress(Progress),
    /// A telemetry source was read.
    Reading(Reading),
    /// A telemetry source has something to say.
    SourceNote(SourceNote),
    /// A phase ended; no sample of it follows.
    PhaseEnded {
        /// Of which point.
        point: u32,
        /// Which.
        phase: Phase,
    },
    /// A point ended.
    PointEnded(Box<PointOutcome>),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// The points measured, in order, those of an earlier part of a resumed run first; fewer than
    /// planned if the run was stopped.
    pub points: Vec<PointOutcome>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// What came of a point.
#[derive(Clone, Debug)]
pub struct PointOutcome {
    /// Its number, which its samples bear.
    pub number: u32,
    /// What was measured.
    pub point: Point,
    /// Why it could not be measured; its summary is then empty, and its verdict void.
    pub failure: Option<String>,
    /// Its metrics.
    pub summary: Summary,
    /// Whether they can be trusted.
    pub verdict: Verdict,
}

/// A sink that could not take what it was given, such as a full disk.
#[derive(Debug, thiserror::Error)]
#[error("{sink} cannot go on")]
pub struct SinkError {
    /// Which sink.
    pub sink: &'static str,
    /// Why.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

/// A listener to a run: a log, a progress bar, a web page.
///
/// Called from one thread, which is no load thread, in this order: `begin`, any number of `event`s,
/// `finish`. It runs while requests are in flight: it should not block for long, and cannot delay a
/// request. After an error the run sends no more, and still gives the sink every event and `finish`.
pub trait MetricSink: Send {
    /// The run begins.
    ///
    /// # Errors
    ///
    /// When the sink cannot take the run, which then does not begin.
    fn begin(&mut self, run: &RunInfo) -> Result<(), SinkError> {
        let _ = run;
        Ok(())
    }

    /// Something happened.
    ///
    /// # Errors
    ///
    /// When the sink could not take it.
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError>;

    /// The run ended, if only because it was stopped.
    ///
    /// # Errors
    ///
    /// When the sink could not finish its work.
    fn finish(&mut self, outcome: &RunOutcome) -> Result<(), SinkError> {
        let _ = outcome;
        Ok(())
    }
}

/// Nobody listens.
impl MetricSink for () {
    fn event(&mut self, _event: &RunEvent) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Several sinks are one that forwards to each. All get everything; the first error is returned.
impl MetricSink for Vec<Box<dyn MetricSink>> {
    fn begin(&mut self, run: &RunInfo) -> Result<(), SinkError> {
        self.iter_mut().map(|sink| sink.begin(run)).fold(Ok(()), Result::and)
    }

    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        self.iter_mut().map(|sink| sink.event(event)).fold(Ok(()), Result::and)
    }

    fn finish(&mut self, outcome: &RunOutcome) -> Result<(), SinkError> {
        self.iter_mut().map(|sink| sink.finish(outcome)).fold(Ok(()), Result::and)
    }
}
