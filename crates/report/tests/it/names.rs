//! What is written about names is what they are.

use bench_core::{ReadingKind, VOCABULARY};

const PAGE: &str = include_str!("../../../../docs/telemetry.md");

#[test]
fn the_page_has_every_name_of_the_vocabulary() {
    let mut table = "| name | unit | kind | what is read |\n|---|---|---|---|\n".to_owned();
    for name in VOCABULARY {
        let kind = match name.kind {
            ReadingKind::Gauge => "gauge",
            ReadingKind::Counter => "counter",
        };
        table += &format!("| `{}` | {} | {kind} | {} |\n", name.id, name.unit, name.definition);
    }
    let (_, after) = PAGE.split_once("by a test -->\n").unwrap();
    let (written, _) = after.split_once("<!-- end of names -->").unwrap();
    assert!(written == table, "docs/telemetry.md should have these names:\n{table}");
}
