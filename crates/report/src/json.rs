//! inferbench's own JSON: what `--json` prints, in the form of `summary.json`.

use bench_store::SummaryFile;

/// `summary` as JSON text, indented, with a line break at its end.
pub fn render(summary: &SummaryFile) -> String {
    let text = serde_json::to_string_pretty(summary).expect("every key is a string");
    text + "\n"
}
