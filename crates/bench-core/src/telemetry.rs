//! Watching the GPU, the host and the server while requests are in flight.

use std::time::Duration;

use async_trait::async_trait;

use crate::Moment;

/// One value of one source at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which source, such as `nvml`.
    pub source: String,
    /// What was read, its unit last, such as `gpu_power_w`.
    pub name: String,
    /// Which one of several, such as the GPU's number.
    pub instance: Option<String>,
    /// When.
    pub at: Moment,
    /// The value. What cannot be read is absent from the readings, never 0.
    pub value: f64,
}

impl Reading {
    /// 1 while the GPU runs slower than it was asked to, as for its heat or its power limit, else 0.
    pub const GPU_THROTTLED: &str = "gpu_throttled";
    /// Processes on the GPU beside the server under test and this one; only from a source that knows which
    /// those are.
    pub const GPU_OTHER_PROCESSES: &str = "gpu_other_processes";
}

/// Where a source writes what it reads.
#[derive(Debug)]
pub struct Readings {
    source: String,
    at: Moment,
    readings: Vec<Reading>,
}

impl Readings {
    /// No readings yet, of `source` at `at`.
    pub fn new(source: impl Into<String>, at: Moment) -> Self {
        Self { source: source.into(), at, readings: Vec::new() }
    }

    /// Adds a value; `instance` says of which one of several.
    pub fn push(&mut self, name: impl Into<String>, instance: Option<&str>, value: f64) {
        self.readings.push(Reading {
            source: self.source.clone(),
            name: name.into(),
            instance: instance.map(str::to_owned),
            at: self.at,
            value,
        });
    }

    /// What was read.
    pub fn into_vec(self) -> Vec<Reading> {
        self.readings
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
/// Read from one task of its own, once a period, while a point is warmed up and measured; never from a load
/// thread. A read that outlasts its period delays only this source: the reads missed meanwhile are not made
/// up, and the moments of its readings show the gap. A read that hangs is abandoned after ten seconds.
///
/// All sources of a point share one thread and its current-thread runtime: what blocks belongs into
/// `spawn_blocking`, or it delays the others. A source that panics is not read again; the run goes on.
///
/// A source may call its readings anything. The verdict looks at two names,
/// [`gpu_throttled`](Reading::GPU_THROTTLED) and [`gpu_other_processes`](Reading::GPU_OTHER_PROCESSES); all
/// others are for sinks alone.
#[async_trait]
pub trait TelemetrySource: Send {
    /// The source's name, as it stands in each reading.
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
