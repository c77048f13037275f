//! Watching the GPU, the host and the server while requests are in flight.

mod energy;
mod histogram;
mod series;
mod vocabulary;
mod watched;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::{
    energy::GpuEnergy,
    histogram::ServerHistogram,
    series::Increase,
    vocabulary::{ReadingKind, ReadingName, ServerTime, VOCABULARY, reading, reading_name},
    watched::{SeriesFigure, SeriesSummary, SourceSummary, Telemetry, Watched},
};
use crate::Moment;

/// One value of one source at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which source, such as `nvml`.
    pub source: Arc<str>,
    /// What was read, its unit last, such as `gpu_power_w`: one of the [`VOCABULARY`], or a name of the source's own.
    pub name: Cow<'static, str>,
    /// Which one of several, such as the GPU's number.
    pub instance: Option<Arc<str>>,
    /// When.
    pub at: Moment,
    /// The value. What cannot be read is absent from the readings, never 0.
    pub value: f64,
}

/// What a source has to say that is no number. Rare: a run holds a few.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceNote {
    /// Which source.
    pub source: Arc<str>,
    /// Of which one of several.
    pub instance: Option<Arc<str>>,
    /// When.
    pub at: Moment,
    /// What it has to say.
    pub said: Said,
}

/// What a source can have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// What it watches, such as `gpu_name` and `NVIDIA H200`. Once a point.
    Is {
        /// Which property.
        what: Cow<'static, str>,
        /// Which value it has.
        text: String,
    },
    /// A value that it cannot give, once a point.
    Absent {
        /// The name that its readings would have.
        name: Cow<'static, str>,
        /// Why.
        why: String,
    },
    /// Something happened to what it watches, such as an error that the driver reports.
    Happened {
        /// What, in words.
        what: String,
    },
    /// What it watches is gone, as a GPU that fell off the bus: nothing more comes of it.
    Lost {
        /// Why.
        why: String,
    },
    /// It could not be read; once until it can be again.
    Failed {
        /// Why.
        why: String,
        /// Whether it is not tried again.
        fatal: bool,
    },
    /// It can be read again.
    Recovered {
        /// Since when it could not.
        failed_for: Duration,
    },
}

/// Where a source writes what it reads.
#[derive(Debug)]
pub struct Readings {
    source: Arc<str>,
    at: Moment,
    readings: Vec<Reading>,
    notes: Vec<SourceNote>,
    cost: Duration,
}

impl Readings {
    /// No readings yet, of `source` at `at`.
    pub fn new(source: impl Into<Arc<str>>, at: Moment) -> Self {
        Self {
            source: source.into(),
            at,
            readings: Vec::new(),
            notes: Vec::new(),
            cost: Duration::ZERO,
        }
    }

    /// Adds a value of the only one of its kind.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.push_at(self.at, None, name.into(), value);
    }

    /// Adds a value of `instance`, which is one of several.
    pub fn push_of(&mut self, instance: &Arc<str>, name: impl Into<Cow<'static, str>>, value: f64) {
        self.push_at(self.at, Some(instance), name.into(), value);
    }

    /// Adds a value that was read at another moment than this, as by somebody else.
    pub fn push_at(
        &mut self,
        at: Moment,
        instance: Option<&Arc<str>>,
        name: Cow<'static, str>,
        value: f64,
    ) {
        let (source, instance) = (Arc::clone(&self.source), instance.cloned());
        self.readings.push(Reading { source, name, instance, at, value });
    }

    /// Adds something that is no number, of `instance` or of all.
    pub fn note(&mut self, instance: Option<&Arc<str>>, said: Said) {
        let (source, instance) = (Arc::clone(&self.source), instance.cloned());
        self.notes.push(SourceNote { source, instance, at: self.at, said });
    }

    /// Adds what another source read, which this one speaks for: it keeps that one's name.
    pub fn relay(&mut self, reading: Reading) {
        self.readings.push(reading);
    }

    /// Adds what another source has to say, which this one speaks for.
    pub fn relay_note(&mut self, note: SourceNote) {
        self.notes.push(note);
    }

    /// Adds processor time that the source used on another thread than the one that it is read from.
    pub fn cost(&mut self, processor_time: Duration) {
        self.cost += processor_time;
    }

    /// The moment of this read.
    pub const fn at(&self) -> Moment {
        self.at
    }

    /// What was read so far.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// What is to be said so far.
    pub fn notes(&self) -> &[SourceNote] {
        &self.notes
    }

    /// What was read, what is to be said, and the processor time that it took elsewhere.
    pub fn into_parts(self) -> (Vec<Reading>, Vec<SourceNote>, Duration) {
        (self.readings, self.notes, self.cost)
    }
}

/// A source that could not be read this time.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {source_name}")]
pub struct SourceError {
    /// The source's name.
    pub source_name: String,
    /// Whether reading it again is pointless, as when a GPU was lost.
    pub fatal: bool,
    /// Why.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

/// Something to watch during a run.
///
/// Read from one task of its own, once a period, while a point is warmed up and measured, and at once when a phase
/// begins and ends, so that counters tell what was counted within it; never from a load thread. A phase waits for that
/// for a second at most, and not again for a source that it waited for in vain. A read that outlasts its period delays
/// only this source: the reads missed meanwhile are not made up, and the moments of its readings show the gap. A read
/// that hangs is abandoned after ten seconds.
///
/// All sources of a point share one thread and its current-thread runtime: what blocks belongs into
/// `spawn_blocking`, or it delays the others. A source that panics is not read again; the run goes on.
///
/// A source may call its readings anything; metrics, verdict and reports look at names of the [`VOCABULARY`].
#[async_trait]
pub trait TelemetrySource: Send {
    /// The source's name, as it stands in each reading but those that it relays.
    fn name(&self) -> &str;

    /// Time from one read to the next, a millisecond at least; asked for once.
    fn period(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// Reads everything once. Dropping the future abandons the read and must leave the source usable.
    ///
    /// # Errors
    ///
    /// When nothing could be read; what could be read before stays in `into` and counts. After a fatal
    /// error the source is not read again, after another one it is at its next time.
    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError>;
}
