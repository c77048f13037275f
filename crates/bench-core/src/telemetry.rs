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
/// Read from one task of its own, once a period, never from a load thread. A read that outlasts its
/// period delays only this source; the gap is recorded.
#[async_trait]
pub trait TelemetrySource: Send {
    /// The source's name, as it stands in each reading.
    fn name(&self) -> &str;

    /// Time from one read to the next.
    fn period(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// Reads everything once. Dropping the future abandons the read and must leave the source usable.
    ///
    /// # Errors
    ///
    /// When nothing could be read; what could be read before stays in `into` and counts.
    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError>;
}
