//! inferbench's own JSON: what `--json` prints, in the form of `summary.json`.

use bench_store::SummaryFile;
use serde::{Serialize, Serializer};

use crate::{compare::CompareReport, gate::GateReport, text::escaped_json};

/// `summary` as JSON text, indented, with a line break at its end.
pub fn render(summary: &SummaryFile) -> String {
    text(summary)
}

/// A comparison as JSON text, indented, with a line break at its end.
pub fn compare(report: &CompareReport) -> String {
    text(report)
}

/// What a gate says as JSON text, indented, with a line break at its end.
pub fn gate(report: &GateReport) -> String {
    text(report)
}

/// A value as JSON text, indented, with a line break at its end. What a terminal would take for a command,
/// or what hides or reorders other text, stands as an escape.
pub fn text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("every key is a string");
    escaped_json(&text) + "\n"
}

/// The same on one line.
pub fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("every key is a string");
    escaped_json(&text) + "\n"
}

/// An object whose keys stand in the order in which they were given.
pub(crate) struct InOrder<V>(pub(crate) Vec<(String, V)>);

impl<V: Serialize> Serialize for InOrder<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
