//! What telemetry said of a point, in `summary.json`.

use bench_core::{
    GpuEnergy, Increase, Reconciliation, SeriesFigure, SeriesSummary, SourceSummary, Telemetry,
    reading_name,
};
use serde::{Deserialize, Serialize};

use super::{MetricLine, NoteLine, is_default};

/// What the sources of telemetry said of a point's measured phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TelemetryLine {
    /// How each source was read.
    pub sources: Vec<SourceLine>,
    /// The energy of each GPU whose power is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuLine>,
    /// Each series of readings, by source, name and instance.
    pub series: Vec<SeriesLine>,
    /// What the sources had to say beside, of the whole point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteLine>,
}

/// How a source was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceLine {
    /// Its name.
    pub name: String,
    /// Reads that gave something.
    pub reads: u64,
    /// Time from one to the next: its spread is the jitter, its maximum the longest gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<MetricLine>,
}

/// The energy of a GPU over the measured window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuLine {
    /// Which source read it.
    pub source: String,
    /// Which GPU of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Joules: power over time; absent where the GPU was not watched throughout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_j: Option<f64>,
    /// Watts: the mean of the power that was read.
    pub power_w: f64,
    /// Share of the window that readings span.
    pub coverage: f64,
    /// Joules as the GPU counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_j: Option<f64>,
    /// Share of it by which the two differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// Watts while nothing was asked of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_w: Option<f64>,
}

/// The readings of one name of one source and instance in the measured window: `values` of a gauge, `increase` of a
/// counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesLine {
    /// Which source.
    pub source: String,
    /// What was read, its unit last.
    pub name: String,
    /// Of which one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The unit; empty for a name of a user's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The mean over time, straight lines between readings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_mean: Option<f64>,
    /// How the readings are distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<MetricLine>,
    /// How much it grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increase: Option<f64>,
    /// How often it began anew meanwhile.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resets: u32,
    /// Whether it was not read both before the window and after it, so that something may be missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub partial: bool,
}

/// What client and server both know of a point, over the measured window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReconciledLine {
    /// Each thing that both know.
    pub rows: Vec<ComparedLine>,
    /// What the mean time to first token consists of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft: Option<TtftLine>,
}

/// One thing as client and server know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedLine {
    /// What it is.
    pub what: String,
    /// The unit.
    pub unit: String,
    /// What this client says.
    pub client: f64,
    /// What the server says.
    pub server: f64,
}

/// What the mean time to first token consists of, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TtftLine {
    /// As this client measured it.
    pub client_ms: f64,
    /// As the server says.
    pub server_ms: f64,
    /// Of the server's, the wait for a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<f64>,
    /// Of the server's, the time from a place to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_ms: Option<f64>,
    /// The client's less the server's: network, HTTP and tokenizing before the server's clock starts, and this
    /// client.
    pub residual_ms: f64,
}

impl From<Reconciliation> for ReconciledLine {
    fn from(of: Reconciliation) -> Self {
        let rows = of.rows.into_iter().map(|row| ComparedLine {
            what: row.what.title().to_owned(),
            unit: row.what.unit().to_owned(),
            client: row.client,
            server: row.server,
        });
        let ttft = of.ttft.map(|ttft| TtftLine {
            client_ms: ttft.client_ms,
            server_ms: ttft.server_ms,
            queue_ms: ttft.queue_ms,
            prefill_ms: ttft.prefill_ms,
            residual_ms: ttft.residual_ms(),
        });
        Self { rows: rows.collect(), ttft }
    }
}

impl ComparedLine {
    /// By which share of the client's value the server's is more; less is below 0.
    pub fn difference(&self) -> f64 {
        (self.server - self.client) / self.client
    }
}

impl From<&Telemetry> for TelemetryLine {
    fn from(of: &Telemetry) -> Self {
        Self {
            sources: of.sources.iter().map(SourceLine::from).collect(),
            gpus: of.gpus.iter().map(GpuLine::from).collect(),
            series: of.series.iter().map(SeriesLine::from).collect(),
            notes: of.notes.iter().filter_map(NoteLine::of).collect(),
        }
    }
}

impl From<&SourceSummary> for SourceLine {
    fn from(of: &SourceSummary) -> Self {
        let interval = of.interval_ms.as_ref();
        Self {
            name: of.name.to_string(),
            reads: of.reads,
            interval: interval.map(|d| MetricLine::of_values("ms", d, false)),
        }
    }
}

impl From<&GpuEnergy> for GpuLine {
    fn from(of: &GpuEnergy) -> Self {
        Self {
            source: of.source.to_string(),
            instance: of.instance.as_deref().map(str::to_owned),
            name: of.name.clone(),
            energy_j: of.energy_j,
            power_w: of.power_w,
            coverage: of.coverage,
            counted_j: of.counted_j,
            difference: of.difference,
            idle_w: of.idle_w,
        }
    }
}

impl From<&SeriesSummary> for SeriesLine {
    fn from(of: &SeriesSummary) -> Self {
        let unit = reading_name(&of.name).map_or("", |name| name.unit);
        let nothing = Self {
            source: of.source.to_string(),
            name: of.name.to_string(),
            instance: of.instance.as_deref().map(str::to_owned),
            unit: unit.to_owned(),
            time_mean: None,
            values: None,
            increase: None,
            resets: 0,
            partial: false,
        };
        match &of.figure {
            SeriesFigure::Gauge { mean, distribution } => Self {
                time_mean: *mean,
                values: Some(MetricLine::of_values(unit, distribution, false)),
                ..nothing
            },
            SeriesFigure::Counter(increase) => Self {
                increase: Some(increase.by),
                resets: increase.resets,
                partial: !increase.whole,
                ..nothing
            },
        }
    }
}

impl From<&TelemetryLine> for Telemetry {
    fn from(line: &TelemetryLine) -> Self {
        let sources = line.sources.iter().map(|source| SourceSummary {
            name: source.name.as_str().into(),
            reads: source.reads,
            interval_ms: source.interval.as_ref().and_then(MetricLine::distribution),
        });
        let gpus = line.gpus.iter().map(|gpu| GpuEnergy {
            source: gpu.source.as_str().into(),
            instance: gpu.instance.as_deref().map(Into::into),
            name: gpu.name.clone(),
            energy_j: gpu.energy_j,
            power_w: gpu.power_w,
            coverage: gpu.coverage,
            counted_j: gpu.counted_j,
            difference: gpu.difference,
            idle_w: gpu.idle_w,
        });
        Self {
            sources: sources.collect(),
            series: line.series.iter().filter_map(SeriesLine::summary).collect(),
            gpus: gpus.collect(),
            notes: line.notes.iter().cloned().map(Into::into).collect(),
        }
    }
}

impl SeriesLine {
    /// The series; `None` if the line says nothing of it.
    fn summary(&self) -> Option<SeriesSummary> {
        let figure = match (self.increase, &self.values) {
            (Some(by), _) => {
                SeriesFigure::Counter(Increase { by, resets: self.resets, whole: !self.partial })
            }
            (None, Some(values)) => {
                SeriesFigure::Gauge { mean: self.time_mean, distribution: values.distribution()? }
            }
            (None, None) => return None,
        };
        Some(SeriesSummary {
            source: self.source.as_str().into(),
            name: self.name.clone().into(),
            instance: self.instance.as_deref().map(Into::into),
            figure,
        })
    }
}

impl TelemetryLine {
    /// What `what` is of an instance of a source, as it says: such as `gpu_name`.
    pub fn is(&self, source: &str, instance: Option<&str>, what: &str) -> Option<&str> {
        self.notes.iter().find_map(|note| match &note.said {
            super::SaidLine::Is { what: of, text }
                if of == what && note.source == source && note.instance.as_deref() == instance =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }
}
