//! The sections that GenAI-Perf adds where GPUs were watched.
//!
//! The names, units and order are those of `genai_perf/metrics/telemetry_metrics.py`, the tables those of
//! `genai_perf/export_data/telemetry_data_exporter_util.py`, how the names are written in the table is of
//! `genai_perf/constants.py`. GPUs go by their numbers, as DCGM's label `gpu` has them.
//!
//! Two things differ on purpose. GenAI-Perf averages the readings of the energy counter, which tell how long a
//! driver has been loaded; here `energy_consumption` is what was used in the measured window, a single value. And
//! what GenAI-Perf never read has no row, where its table says 0.00.

use bench_core::reading;
use bench_store::{GpuLine, SeriesLine, TelemetryLine};
use serde::Serialize;

use super::{COLUMNS, Statistics, two_decimals};
use crate::{
    csv,
    json::InOrder,
    telemetry::{Device, Seen, statistic},
};

/// A metric as GenAI-Perf has it: key, label, unit, whether it is told as one value, and what it is here.
#[derive(Clone, Copy)]
struct Row {
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    is_constant: bool,
    name: &'static str,
    /// How many of its units one of ours is.
    factor: f64,
}

const fn row(
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    name: &'static str,
    factor: f64,
) -> Row {
    Row { key, label, unit, is_constant: false, name, factor }
}

const fn constant(row: Row) -> Row {
    Row { is_constant: true, ..row }
}

const GB: f64 = 1e-9;
const PERCENT: f64 = 100.0;
const KB: f64 = 1.0 / 1024.0;

#[rustfmt::skip]
const ROWS: [Row; 16] = [
    row("gpu_power_usage", "GPU Power Usage", "W", reading::GPU_POWER_W, 1.0),
    constant(row("gpu_power_limit", "GPU Power Limit", "W", reading::GPU_POWER_LIMIT_W, 1.0)),
    row("energy_consumption", "Energy Consumption", "MJ", reading::GPU_ENERGY_J, 1e-6),
    constant(row("total_gpu_memory", "Total GPU Memory", "GB", reading::GPU_MEMORY_TOTAL_BYTES, GB)),
    row("gpu_memory_used", "GPU Memory Used", "GB", reading::GPU_MEMORY_USED_BYTES, GB),
    row("gpu_utilization", "GPU Utilization", "%", reading::GPU_UTILIZATION_RATIO, PERCENT),
    row("sm_utilization", "Sm Utilization", "%", reading::GPU_SM_ACTIVE_RATIO, PERCENT),
    row("memory_copy_utilization", "Memory Copy Utilization", "%", reading::GPU_MEMORY_UTILIZATION_RATIO, PERCENT),
    row("video_encoder_utilization", "Video Encoder Utilization", "%", reading::GPU_ENCODER_UTILIZATION_RATIO, PERCENT),
    row("video_decoder_utilization", "Video Decoder Utilization", "%", reading::GPU_DECODER_UTILIZATION_RATIO, PERCENT),
    row("gpu_clock_sm", "GPU Clock Sm", "MHz", reading::GPU_SM_CLOCK_MHZ, 1.0),
    row("gpu_clock_memory", "GPU Clock Memory", "MHz", reading::GPU_MEMORY_CLOCK_MHZ, 1.0),
    row("gpu_temperature", "GPU Temperature", "C", reading::GPU_TEMPERATURE_C, 1.0),
    row("total_ecc_sbe_volatile", "Total Ecc Sbe Volatile", "errors", reading::GPU_ECC_CORRECTED, 1.0),
    row("pcie_transmit_throughput", "Pcie Transmit Throughput", "KB/s", reading::GPU_PCIE_TX_BYTES_PER_S, KB),
    row("pcie_receive_throughput", "Pcie Receive Throughput", "KB/s", reading::GPU_PCIE_RX_BYTES_PER_S, KB),
];

/// What is known of a metric, by GPU.
type Gpus = Vec<(String, Statistics)>;

/// The tables of `telemetry`, each after an empty line; nothing where no GPU was watched.
pub(super) fn csv(telemetry: &TelemetryLine) -> String {
    let known = known(telemetry);
    if known.is_empty() {
        return String::new();
    }
    let columns = COLUMNS.map(|(column, _)| column);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut many = vec![names(&[&["Metric", "GPU"], &columns[..]].concat())];
    let mut single = vec![names(&["Metric", "GPU", "Value"])];
    for (row, gpus) in &known {
        for (gpu, statistics) in gpus {
            let metric = [format!("{} ({})", row.label, row.unit), csv::neutral(gpu)];
            let of = |column| two_decimals(statistics.of(column));
            match row.is_constant {
                true => single
                    .push(metric.into_iter().chain([format!("{:.2}", statistics.avg)]).collect()),
                false => many.push(metric.into_iter().chain(columns.map(of)).collect()),
            }
        }
    }
    format!("\r\n{}\r\n{}", csv::table(many), csv::table(single))
}

/// `telemetry_stats`: metrics by GPU; `None` where no GPU was watched.
pub(super) fn json(telemetry: &TelemetryLine) -> Option<impl Serialize> {
    let metrics = known(telemetry).into_iter().map(|(row, gpus)| {
        let gpus = gpus.into_iter().map(|(gpu, statistics)| (gpu, Told::new(row, statistics)));
        let unit = ("unit".to_owned(), Told::Unit(row.unit));
        (row.key.to_owned(), InOrder(std::iter::once(unit).chain(gpus).collect()))
    });
    let metrics: Vec<(String, InOrder<Told>)> = metrics.collect();
    (!metrics.is_empty()).then_some(InOrder(metrics))
}

/// What the JSON file tells of a metric.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Unit(&'static str),
    Constant { avg: f64 },
    Many(Box<Statistics>),
}

impl Told {
    fn new(row: &Row, statistics: Statistics) -> Self {
        match row.is_constant {
            true => Self::Constant { avg: statistics.avg },
            false => Self::Many(Box::new(statistics)),
        }
    }
}

/// The metrics that at least one GPU has.
fn known(telemetry: &TelemetryLine) -> Vec<(&'static Row, Gpus)> {
    let seen = Seen(telemetry);
    let gpus = seen.gpus();
    let of_row = |row: &'static Row| {
        let known = gpus.iter().filter_map(|gpu| {
            let statistics = statistics(row, seen, *gpu)?;
            Some((gpu.1.unwrap_or("0").to_owned(), statistics))
        });
        let known: Gpus = known.collect();
        (!known.is_empty()).then_some((row, known))
    };
    ROWS.iter().filter_map(of_row).collect()
}

fn statistics(row: &Row, seen: Seen<'_>, gpu: Device<'_>) -> Option<Statistics> {
    let of_series = |series: &SeriesLine| {
        let of = |name: &str| Some(statistic(series, name)? * row.factor);
        Statistics::of_names(of).or_else(|| Some(Statistics::single(series.increase? * row.factor)))
    };
    if row.name != reading::GPU_ENERGY_J {
        return of_series(seen.of(gpu, row.name)?);
    }
    let its = |line: &&GpuLine| (&*line.source, line.instance.as_deref()) == gpu;
    let energy_j = seen.0.gpus.iter().find(its)?.energy_j?;
    Some(Statistics::single(energy_j * row.factor))
}
