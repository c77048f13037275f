//! inferbench's own CSV: one row for each statistic of each metric of each point.
//!
//! A table in this form needs no rules to read: filter by `metric` and `stat`, pivot as you like.

use std::path::{Path, PathBuf};

use bench_store::{PointSummary, SummaryFile};

use crate::{ExportError, export, text::clean};

/// The file's name.
pub const FILE: &str = "metrics.csv";

const HEADER: [&str; 8] =
    ["target", "workload", "load", "trust", "metric", "unit", "stat", "value"];

/// Writes [`FILE`] into `directory`.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(directory: &Path, summary: &SummaryFile) -> Result<PathBuf, ExportError> {
    export::write(directory, FILE, &render(summary))
}

/// The rows of all points of `summary`; `trust` stands in each, so that no number is seen without it.
pub fn render(summary: &SummaryFile) -> String {
    let points = summary.points.iter().flat_map(rows);
    table(std::iter::once(HEADER.map(str::to_owned).to_vec()).chain(points))
}

fn rows(point: &PointSummary) -> Vec<Vec<String>> {
    let place = [&point.target, &point.workload, &point.load.to_string(), &point.trust]
        .map(|text| neutral(text));
    let mut rows = Vec::new();
    for (metric, line) in &point.metrics {
        for (stat, value) in line.statistics() {
            let cells = [metric.as_str(), line.unit(), stat].map(str::to_owned);
            rows.push(place.iter().cloned().chain(cells).chain([value.to_string()]).collect());
        }
    }
    rows
}

/// Text that a spreadsheet takes for text, and a terminal too: a formula's first character is preceded by an
/// apostrophe.
pub(crate) fn neutral(text: &str) -> String {
    let text = clean(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']);
    if formula { format!("'{text}") } else { text }
}

/// Rows as CSV with CRLF line ends, as RFC 4180 and Python's `csv` have them.
pub(crate) fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let terminator = csv::Terminator::CRLF;
    let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("a Vec takes everything, and rows are equally long");
    }
    let bytes = writer.into_inner().expect("a Vec takes everything");
    String::from_utf8(bytes).expect("cells are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for (text, expected) in [
            ("chat", "chat"),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\t=x", "' =x"),
            ("\u{202e}=x\u{7f}", "'=x"),
            ("a\u{9b}2J\r\nb", "a  b"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(neutral(text), expected);
        }
    }
}
