//! GPUs: a section of `profile_export_aiperf.csv`, `telemetry_data` of `profile_export_aiperf.json`, and
//! [`JSONL_FILE`].
//!
//! Source: `gpu_telemetry/constants.py` for the metrics, `exporters/metrics_csv_exporter.py`,
//! `common/models/export_models.py` and `common/models/telemetry_models.py` for the layouts.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bench_core::{Moment, Reading, reading};
use bench_store::TelemetryLine;
use serde::Serialize;

use super::Watched;
use crate::{
    ExportError,
    csv::{neutral, table},
    genai_perf::Statistics,
    json::{self, InOrder},
    telemetry::{Device, Seen, statistic},
};

/// The name of the file of records.
pub const JSONL_FILE: &str = "gpu_telemetry_export.jsonl";

/// What watched a GPU that says nothing else of itself.
const PLATFORM: &str = "nvidia";

/// A metric as AIPerf has it, and what it is here.
struct Metric {
    label: &'static str,
    key: &'static str,
    unit: &'static str,
    name: &'static str,
    /// How many of its units one of ours is.
    factor: f64,
}

const fn metric(
    label: &'static str,
    key: &'static str,
    unit: &'static str,
    name: &'static str,
    factor: f64,
) -> Metric {
    Metric { label, key, unit, name, factor }
}

#[rustfmt::skip]
const METRICS: [Metric; 10] = [
    metric("NVIDIA GPU Power Usage", "nvidia_power_usage", "W", reading::GPU_POWER_W, 1.0),
    metric("NVIDIA Energy Consumption", "nvidia_energy_consumption", "MJ", reading::GPU_ENERGY_J, 1e-6),
    metric("NVIDIA GPU Utilization", "nvidia_gpu_utilization", "%", reading::GPU_UTILIZATION_RATIO, 100.0),
    metric("NVIDIA Memory Utilization", "nvidia_memory_utilization", "%", reading::GPU_MEMORY_UTILIZATION_RATIO, 100.0),
    metric("NVIDIA GPU Memory Used", "nvidia_memory_used", "GB", reading::GPU_MEMORY_USED_BYTES, 1e-9),
    metric("NVIDIA GPU Temperature", "nvidia_temperature", "°C", reading::GPU_TEMPERATURE_C, 1.0),
    metric("NVIDIA SM Utilization", "nvidia_sm_utilization", "%", reading::GPU_SM_ACTIVE_RATIO, 100.0),
    metric("NVIDIA Decoder Utilization", "nvidia_decoder_utilization", "%", reading::GPU_DECODER_UTILIZATION_RATIO, 100.0),
    metric("NVIDIA Encoder Utilization", "nvidia_encoder_utilization", "%", reading::GPU_ENCODER_UTILIZATION_RATIO, 100.0),
    metric("NVIDIA XID Errors", "nvidia_xid_errors", "count", reading::GPU_XID_ERRORS, 1.0),
];

/// The columns of the section, and what they are called here.
const STATISTICS: [&str; 14] = [
    "avg", "min", "max", "sum", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "std",
];

/// What a metric of a GPU came to; of a counter, how much it grew is its `avg`. As AIPerf orders it in JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Counter {
        unit: &'static str,
        avg: f64,
    },
    Gauge {
        unit: &'static str,
        #[serde(flatten)]
        statistics: Box<Statistics>,
        count: u64,
        sum: f64,
    },
}

/// The section of the CSV file, after two empty lines; nothing where no GPU was watched.
pub fn csv(watched: &Watched<'_>) -> String {
    let Some(telemetry) = &watched.point.telemetry else { return String::new() };
    let seen = Seen(telemetry);
    let mut rows = Vec::new();
    for gpu in seen.gpus() {
        for metric in &METRICS {
            if let Some(told) = told(metric, seen, gpu) {
                rows.push(row(seen, gpu, metric, &told));
            }
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns = ["Endpoint", "GPU_Index", "GPU_Name", "GPU_UUID", "Platform", "Metric"];
    let header = columns.iter().chain(&STATISTICS).map(|name| (*name).to_owned()).collect();
    format!("\r\n\r\n{}", table(std::iter::once(header).chain(rows)))
}

fn row(seen: Seen<'_>, gpu: Device<'_>, metric: &Metric, told: &Told) -> Vec<String> {
    let gpu = Gpu::of(seen, gpu);
    let names = [
        neutral(gpu.source),
        gpu.index.to_string(),
        neutral(gpu.name),
        neutral(&gpu.uuid),
        PLATFORM.to_owned(),
        format!("{} ({})", metric.label, metric.unit),
    ];
    let number =
        |name: &&str| told.of(name).map_or_else(String::new, |value| format!("{value:.2}"));
    names.into_iter().chain(STATISTICS.iter().map(number)).collect()
}

/// `telemetry_data` of the JSON file; `None` where no GPU was watched.
pub fn json(watched: &Watched<'_>) -> Option<impl Serialize> {
    let seen = Seen(watched.point.telemetry.as_ref()?);
    let mut endpoints: Vec<(String, Endpoint)> = Vec::new();
    for device in seen.gpus() {
        let gpu = Gpu::of(seen, device);
        let metrics = METRICS.iter();
        let metrics = metrics.filter_map(|m| Some((m.key.to_owned(), told(m, seen, device)?)));
        let (key, source) = (gpu.key(), gpu.source.to_owned());
        let summary = GpuSummary::new(&gpu, InOrder(metrics.collect()));
        match endpoints.iter_mut().find(|(known, _)| *known == source) {
            Some((_, endpoint)) => endpoint.gpus.0.push((key, summary)),
            None => endpoints.push((source, Endpoint { gpus: InOrder(vec![(key, summary)]) })),
        }
    }
    let sources: Vec<String> = endpoints.iter().map(|(source, _)| source.clone()).collect();
    let [start_time, end_time] = watched.window_text();
    let summary = Summary {
        endpoints_configured: sources.clone(),
        endpoints_successful: sources,
        start_time,
        end_time,
    };
    let is_known = !endpoints.is_empty();
    is_known.then_some(Telemetry { summary, endpoints: InOrder(endpoints) })
}

#[derive(Serialize)]
struct Telemetry {
    summary: Summary,
    endpoints: InOrder<Endpoint>,
}

#[derive(Serialize)]
struct Summary {
    endpoints_configured: Vec<String>,
    endpoints_successful: Vec<String>,
    start_time: String,
    end_time: String,
}

#[derive(Serialize)]
struct Endpoint {
    gpus: InOrder<GpuSummary>,
}

#[derive(Serialize)]
struct GpuSummary {
    gpu_index: u32,
    gpu_name: String,
    gpu_uuid: String,
    platform: &'static str,
    metrics: InOrder<Told>,
}

impl GpuSummary {
    fn new(gpu: &Gpu<'_>, metrics: InOrder<Told>) -> Self {
        Self {
            gpu_index: gpu.index,
            gpu_name: gpu.name.to_owned(),
            gpu_uuid: gpu.uuid.clone(),
            platform: PLATFORM,
            metrics,
        }
    }
}

/// A GPU by AIPerf's names for what is known of it.
struct Gpu<'a> {
    source: &'a str,
    instance: Option<&'a str>,
    index: u32,
    name: &'a str,
    uuid: String,
}

impl<'a> Gpu<'a> {
    fn of(seen: Seen<'a>, (source, instance): Device<'a>) -> Self {
        let is = |what| seen.is((source, instance), what);
        let number = instance.and_then(|instance| instance.split('/').next()?.parse().ok());
        let without_uuid = || format!("{source}-{}", instance.unwrap_or("0"));
        Self {
            source,
            instance,
            index: number.unwrap_or(0),
            name: is("gpu_name").unwrap_or("unknown"),
            uuid: is("gpu_uuid").map_or_else(without_uuid, str::to_owned),
        }
    }

    /// `gpu_0`
    fn key(&self) -> String {
        format!("gpu_{}", self.instance.unwrap_or("0"))
    }
}

fn told(metric: &Metric, seen: Seen<'_>, gpu: Device<'_>) -> Option<Told> {
    let (series, unit) = (seen.of(gpu, metric.name)?, metric.unit);
    if let Some(by) = series.increase.filter(|_| !series.partial) {
        return Some(Told::Counter { unit, avg: by * metric.factor });
    }
    let n = statistic(series, "count")?;
    // AIPerf's deviation is that of a sample.
    let of_sample = if n > 1.0 { (n / (n - 1.0)).sqrt() } else { 0.0 };
    let statistics = Statistics::of_names(|name| {
        let factor = if name == "std" { of_sample } else { 1.0 };
        Some(statistic(series, name)? * metric.factor * factor)
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was a count before it was a statistic"
    )]
    let count = n as u64;
    let sum = statistics.of("avg") * n;
    Some(Told::Gauge { unit, statistics: Box::new(statistics), count, sum })
}

impl Told {
    /// One of [`STATISTICS`].
    fn of(&self, name: &str) -> Option<f64> {
        match self {
            Self::Counter { avg, .. } => (name == "avg").then_some(*avg),
            Self::Gauge { sum, .. } if name == "sum" => Some(*sum),
            Self::Gauge { statistics, .. } => Some(statistics.of(name)),
        }
    }
}

/// Writes [`JSONL_FILE`]: a line for each read of each GPU, in all phases of the point; no file where there is none.
pub(super) fn write_records(
    directory: &Path,
    watched: &Watched<'_>,
    readings: impl IntoIterator<Item = Reading>,
) -> Result<Option<PathBuf>, ExportError> {
    let Some(telemetry) = &watched.point.telemetry else { return Ok(None) };
    if Seen(telemetry).gpus().is_empty() {
        return Ok(None);
    }
    let path = directory.join(JSONL_FILE);
    let written = File::create(&path).and_then(|file| {
        let mut file = BufWriter::new(file);
        records(&mut file, watched, telemetry, readings)?;
        file.flush()
    });
    match written {
        Ok(()) => Ok(Some(path)),
        Err(source) => Err(ExportError { path, source }),
    }
}

/// One read of a GPU.
#[derive(Serialize)]
struct Record<'a> {
    gpu_index: u32,
    gpu_uuid: &'a str,
    gpu_model_name: &'a str,
    platform: &'static str,
    timestamp_ns: u64,
    telemetry_source_url: String,
    telemetry_data: InOrder<f64>,
}

/// What one read gave of a GPU: values by their places in [`METRICS`].
#[derive(Default)]
struct Read {
    at: Moment,
    values: BTreeMap<usize, f64>,
}

fn records(
    file: &mut impl Write,
    watched: &Watched<'_>,
    telemetry: &TelemetryLine,
    readings: impl IntoIterator<Item = Reading>,
) -> io::Result<()> {
    // A read gives each value once, at moments of their own: where one comes again, the next read has begun.
    let mut reads: BTreeMap<Of, Read> = BTreeMap::new();
    let mut write = |of: &Of, read: Read| line(file, watched, telemetry, of, read);
    for reading in readings {
        let Some(place) = METRICS.iter().position(|metric| metric.name == reading.name) else {
            continue;
        };
        if watched.timeline.place(reading.at.as_nanos()).point != Some(watched.point.number) {
            continue;
        }
        let of = (reading.source, reading.instance);
        let read = reads.entry(of.clone()).or_default();
        if read.values.contains_key(&place) {
            write(&of, std::mem::take(read))?;
        }
        if read.values.is_empty() {
            read.at = reading.at;
        }
        read.values.insert(place, reading.value * METRICS[place].factor);
    }
    for (of, read) in reads {
        write(&of, read)?;
    }
    Ok(())
}

/// A source, and which GPU of it.
type Of = (Arc<str>, Option<Arc<str>>);

fn line(
    file: &mut impl Write,
    watched: &Watched<'_>,
    telemetry: &TelemetryLine,
    (source, instance): &Of,
    read: Read,
) -> io::Result<()> {
    let gpu = Gpu::of(Seen(telemetry), (source, instance.as_deref()));
    let values = read.values.into_iter();
    let values = values.map(|(place, value)| (METRICS[place].key.to_owned(), value));
    let record = Record {
        gpu_index: gpu.index,
        gpu_uuid: &gpu.uuid,
        gpu_model_name: gpu.name,
        platform: PLATFORM,
        timestamp_ns: watched.timeline.wall_ns(read.at.as_nanos()),
        telemetry_source_url: format!("{source}://localhost"),
        telemetry_data: InOrder(values.collect()),
    };
    file.write_all(json::line(&record).as_bytes())
}
