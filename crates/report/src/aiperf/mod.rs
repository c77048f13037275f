//! The files in which NVIDIA's AIPerf 0.13.0 keeps what it watched: same names, keys, units and order.
//!
//! [`telemetry`] has the sections that AIPerf adds to its exports of a profile, and the records that it writes while
//! it watches GPUs; [`server_metrics`] what servers told of themselves. The numbers are ours, of the measured window.
//! What inferbench does not read, such as `nvidia_power_violation`, is absent, as AIPerf leaves out what a GPU does
//! not give.
//!
//! Source: ai-dynamo/aiperf, `src/aiperf/exporters`, `src/aiperf/gpu_telemetry`, `src/aiperf/server_metrics`.

pub mod server_metrics;
pub mod telemetry;

use std::path::{Path, PathBuf};

use bench_core::Reading;
use bench_store::PointSummary;
use jiff::{Timestamp, tz::TimeZone};

use crate::{ExportError, export, telemetry_csv::Timeline};

/// A point, and where it lies on the clock.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The point.
    pub point: &'a PointSummary,
    /// Of its run.
    pub timeline: &'a Timeline,
}

/// Writes the files that stand alone into `directory`: [`telemetry::JSONL_FILE`] where GPUs were watched,
/// [`server_metrics::CSV_FILE`] and [`server_metrics::JSON_FILE`] where the server was. `readings` are those of the
/// whole run; those of other points are passed over.
///
/// # Errors
///
/// When one of them cannot be written.
pub fn write(
    directory: &Path,
    watched: &Watched<'_>,
    readings: impl IntoIterator<Item = Reading>,
) -> Result<Vec<PathBuf>, ExportError> {
    let mut written = Vec::new();
    written.extend(telemetry::write_records(directory, watched, readings)?);
    if let Some(csv) = server_metrics::csv(watched) {
        written.push(export::write(directory, server_metrics::CSV_FILE, &csv)?);
    }
    if let Some(json) = server_metrics::json(watched) {
        written.push(export::write(directory, server_metrics::JSON_FILE, &json)?);
    }
    Ok(written)
}

impl Watched<'_> {
    /// When the measured window began and ended, in nanoseconds since the Unix epoch.
    fn window_ns(&self) -> [u64; 2] {
        let facts = &self.point.facts;
        [facts.began_ns, facts.ended_ns].map(|at_ns| self.timeline.wall_ns(at_ns))
    }

    /// The same as AIPerf writes it, though in UTC.
    fn window_text(&self) -> [String; 2] {
        self.window_ns().map(|ns| {
            let at = Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default();
            at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
        })
    }
}
