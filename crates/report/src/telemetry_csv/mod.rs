//! What was watched, as tables: [`FILE`] has a row for each series of readings of each point, [`READINGS_FILE`] a
//! row for each reading.

mod readings;
mod timeline;

use std::path::{Path, PathBuf};

use bench_store::{PointSummary, SeriesLine, SummaryFile};

pub use self::{
    readings::{READINGS_FILE, write_readings},
    timeline::{Place, Timeline},
};
use crate::{
    ExportError,
    csv::{neutral, table},
    export,
    telemetry::{mean, statistic},
};

/// The file's name.
pub const FILE: &str = "telemetry.csv";

const HEADER: [&str; 20] = [
    "point", "target", "workload", "load", "trust", "source", "name", "instance", "unit", "mean",
    "min", "max", "p50", "p90", "p99", "std", "count", "increase", "resets", "partial",
];

/// Writes [`FILE`] into `directory`.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(directory: &Path, summary: &SummaryFile) -> Result<PathBuf, ExportError> {
    export::write(directory, FILE, &render(summary))
}

/// The rows of all points of `summary`. A gauge has a mean over time, and statistics of its readings; a counter an
/// increase, how often it began anew, and whether something may be missing. What does not apply is empty.
pub fn render(summary: &SummaryFile) -> String {
    let rows = summary.points.iter().flat_map(rows);
    table(std::iter::once(HEADER.map(str::to_owned).to_vec()).chain(rows))
}

fn rows(point: &PointSummary) -> impl Iterator<Item = Vec<String>> {
    let series = point.telemetry.iter().flat_map(|telemetry| &telemetry.series);
    series.map(|series| row(point, series))
}

fn row(point: &PointSummary, series: &SeriesLine) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let statistic = |name| number(statistic(series, name));
    let of_counter = |text: String| series.increase.map_or_else(String::new, |_| text);
    vec![
        point.number.to_string(),
        neutral(&point.target),
        neutral(&point.workload),
        neutral(&point.load.to_string()),
        neutral(&point.trust),
        neutral(&series.source),
        neutral(&series.name),
        neutral(series.instance.as_deref().unwrap_or_default()),
        neutral(&series.unit),
        number(mean(series)),
        statistic("min"),
        statistic("max"),
        statistic("p50"),
        statistic("p90"),
        statistic("p99"),
        statistic("std"),
        statistic("count"),
        number(series.increase),
        of_counter(series.resets.to_string()),
        of_counter(if series.partial { "yes" } else { "no" }.to_owned()),
    ]
}
