//! A row for each reading.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use bench_core::Reading;
use bench_store::PhaseLine;

use super::{Place, Timeline};
use crate::{ExportError, csv::neutral};

/// The file's name.
pub const READINGS_FILE: &str = "readings.csv";

const HEADER: [&str; 8] =
    ["t_s", "unix_s", "point", "phase", "source", "name", "instance", "value"];

/// Writes [`READINGS_FILE`] into `directory`, reading by reading, whatever their number.
///
/// `t_s` counts from the start of the run, as the moments of samples do; `unix_s` from the Unix epoch.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_readings(
    directory: &Path,
    timeline: &Timeline,
    readings: impl IntoIterator<Item = Reading>,
) -> Result<PathBuf, ExportError> {
    let path = directory.join(READINGS_FILE);
    let written = File::create(&path).and_then(|file| rows(file, timeline, readings));
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(ExportError { path, source }),
    }
}

fn rows(
    file: File,
    timeline: &Timeline,
    readings: impl IntoIterator<Item = Reading>,
) -> io::Result<()> {
    let terminator = csv::Terminator::CRLF;
    let mut writer =
        csv::WriterBuilder::new().terminator(terminator).from_writer(BufWriter::new(file));
    writer.write_record(HEADER)?;
    for reading in readings {
        writer.write_record(row(timeline, &reading))?;
    }
    let mut file = writer.into_inner().map_err(|error| error.into_error())?;
    file.flush()
}

fn row(timeline: &Timeline, reading: &Reading) -> [String; 8] {
    let at_ns = reading.at.as_nanos();
    let Place { point, phase } = timeline.place(at_ns);
    let phase = match phase {
        Some(PhaseLine::WarmUp) => "warmup",
        Some(PhaseLine::Measure) => "measure",
        None => "",
    };
    [
        seconds(at_ns),
        seconds(timeline.wall_ns(at_ns)),
        point.map_or_else(String::new, |point| point.to_string()),
        phase.to_owned(),
        neutral(&reading.source),
        neutral(&reading.name),
        neutral(reading.instance.as_deref().unwrap_or_default()),
        reading.value.to_string(),
    ]
}

/// Nanoseconds as seconds, with all digits.
fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}
