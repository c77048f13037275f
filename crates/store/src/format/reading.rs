//! `readings.jsonl.zst`: a line for each telemetry value.

use bench_core::{Moment, Reading};
use serde::{Deserialize, Serialize};

/// One value of one source at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadingLine {
    /// When, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Which source.
    pub source: String,
    /// What was read, its unit last.
    pub name: String,
    /// Which one of several, such as the GPU's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The value, which is finite: JSON knows nothing else.
    pub value: f64,
}

impl From<&Reading> for ReadingLine {
    fn from(reading: &Reading) -> Self {
        Self {
            at_ns: reading.at.as_nanos(),
            source: reading.source.to_string(),
            name: reading.name.to_string(),
            instance: reading.instance.as_deref().map(str::to_owned),
            value: reading.value,
        }
    }
}

impl From<ReadingLine> for Reading {
    fn from(line: ReadingLine) -> Self {
        Self {
            source: line.source.into(),
            name: line.name.into(),
            instance: line.instance.map(Into::into),
            at: Moment::from_nanos(line.at_ns),
            value: line.value,
        }
    }
}
