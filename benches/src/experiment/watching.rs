//! What watching does to what is measured: the same load with and without telemetry.

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::{Value, json};

use super::{Product, Programs, Run, Server};

/// The same load, by turns without telemetry and with all of it.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Streams at once.
    pub streams: u32,
    /// Answers on each stream.
    pub rounds: u32,
    /// Tokens of each answer, one every 10 ms.
    pub tokens: u32,
    /// GPUs of the library that stands for NVIDIA's.
    pub gpus: u32,
    /// Runs of each kind.
    pub repeats: usize,
}

/// What came of it: a pair is without telemetry, and with it.
#[derive(Clone, Debug)]
pub struct WatchingRow {
    /// What was compared.
    pub watched: Watched,
    /// Median time to first token in milliseconds, of all requests of all runs.
    pub ttft_ms: (f64, f64),
    /// Processor seconds of a run, the median.
    pub cpu_s: (f64, f64),
    /// Readings of a run with telemetry, the mean.
    pub readings: f64,
    /// Share of a core that telemetry took, as the product says, the median.
    pub cost: f64,
}

impl WatchingRow {
    /// Whether the median time to first token differs by less than 1 %.
    pub fn is_alike(&self) -> bool {
        (self.ttft_ms.1 / self.ttft_ms.0 - 1.0).abs() < 0.01
    }
}

/// Measures the truth server by turns, in the order ABBA.
///
/// # Errors
///
/// If one of the programs fails, or the library that stands for NVIDIA's has not been built.
pub fn watching(programs: &Programs, watched: Watched) -> anyhow::Result<WatchingRow> {
    let folder = tempfile::tempdir()?;
    let driver = driver(programs, folder.path(), watched.gpus)?;
    let server = Server::start(programs, &["--ttft-ms", "50", "--itl-ms", "10"])?;
    let Watched { streams, rounds, tokens, .. } = watched;
    let product = Product { url: &server.url, streams, rounds, tokens };
    let (mut ttft_ms, mut cpu_s) = (<[Vec<f64>; 2]>::default(), <[Vec<f64>; 2]>::default());
    let (mut readings, mut cost) = (0, Vec::new());
    for n in 0..watched.repeats * 2 {
        // A B B A A B B A ...
        let watches = n % 4 == 1 || n % 4 == 2;
        let mut command = product.command(programs);
        if watches {
            command.env("LD_LIBRARY_PATH", &driver);
            command.args(["--gpu-telemetry", "nvml", "--idle-baseline", "0s"]);
        } else {
            command.args(["--gpu-telemetry", "off", "--host-telemetry=false"]);
        }
        let (run, directory) = Run::kept(&mut command, folder.path())?;
        let kind = usize::from(watches);
        ttft_ms[kind].extend(run.ttft_ms());
        cpu_s[kind].push(run.cpu_s);
        if watches {
            readings += count_lines(&directory.join("readings.jsonl.zst"))?;
            cost.push(cost_of(&directory)?);
        }
    }
    let [ttft_without, ttft_with] = ttft_ms.map(median);
    let [cpu_without, cpu_with] = cpu_s.map(median);
    Ok(WatchingRow {
        watched,
        ttft_ms: (ttft_without, ttft_with),
        cpu_s: (cpu_without, cpu_with),
        readings: readings as f64 / watched.repeats as f64,
        cost: median(cost),
    })
}

/// A folder with a library that says what so many GPUs at work say.
fn driver(programs: &Programs, folder: &Path, gpus: u32) -> anyhow::Result<std::path::PathBuf> {
    let driver = folder.join("driver");
    fs::create_dir(&driver)?;
    let library = programs.folder().join("libfake_nvml.so");
    fs::copy(&library, driver.join("libnvidia-ml.so.1")).with_context(|| {
        format!("{}; build it with: cargo build --release -p fake-nvml", library.display())
    })?;
    let script = json!({
        "driver": "580.95.05",
        "cuda": 13_000,
        "devices": (0..gpus).map(device).collect::<Vec<_>>(),
    });
    fs::write(driver.join("script.json"), script.to_string())?;
    Ok(driver)
}

fn device(index: u32) -> Value {
    let says = |numbers: &[u64]| json!([{"value": {"numbers": numbers}}]);
    let text = |text: String| json!([{"value": {"text": text}}]);
    json!({
        "answers": {
            "nvmlDeviceGetName": text("NVIDIA H200".to_owned()),
            "nvmlDeviceGetUUID": text(format!("GPU-00000000-0000-0000-0000-{index:012}")),
            "nvmlDeviceGetIndex": says(&[index.into()]),
            "nvmlDeviceGetPciInfo_v3": text(format!("00000000:{:02X}:00.0", 16 + index)),
            "nvmlDeviceGetUtilizationRates": says(&[97, 60]),
            "nvmlDeviceGetMemoryInfo_v2": says(&[141 << 30, 1 << 29, 40 << 30, 100 << 30]),
            "nvmlDeviceGetPowerUsage": says(&[612_000]),
            "nvmlDeviceGetEnforcedPowerLimit": says(&[700_000]),
            "nvmlDeviceGetTemperature:0": says(&[66]),
            "nvmlDeviceGetClockInfo:1": says(&[1_755]),
            "nvmlDeviceGetClockInfo:2": says(&[3_201]),
            "nvmlDeviceGetMaxClockInfo:1": says(&[1_980]),
            "nvmlDeviceGetCurrentClocksThrottleReasons": says(&[0]),
        },
        "energy": {"start_mj": 1, "wraps_at_mj": null},
    })
}

fn count_lines(path: &Path) -> anyhow::Result<usize> {
    let text = zstd::decode_all(fs::File::open(path)?)?;
    Ok(memchr::memchr_iter(b'\n', &text).count())
}

fn cost_of(directory: &Path) -> anyhow::Result<f64> {
    let summary: Value = serde_json::from_reader(fs::File::open(directory.join("summary.json"))?)?;
    summary["points"][0]["facts"]["telemetry_cpu_cores"].as_f64().context("what telemetry cost")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
