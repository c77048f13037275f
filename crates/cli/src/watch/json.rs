//! Readings and notes as JSON, one a line.

use std::time::Duration;

use bench_core::{Level, Polling, Reading, Said, SourceNote, Stop};
use bench_harness::Failure;
use bench_report::json;
use serde_json::{Value, json};

use super::{READ_FOR, WAITED_FOR, wait};
use crate::output;

/// How often what was read is printed.
const PRINTED_EVERY: Duration = Duration::from_millis(200);

/// Prints what is read until `stop`, or once.
pub(super) fn lines(polling: &mut Polling, stop: &Stop, once: bool) -> Result<(), Failure> {
    if once {
        wait(stop, READ_FOR);
        polling.read_now(WAITED_FOR);
        return print(polling).map(drop);
    }
    while stop.level() == Level::Go && print(polling)? {
        wait(stop, PRINTED_EVERY);
    }
    Ok(())
}

/// Prints what was read since; whether anybody reads that.
fn print(polling: &Polling) -> Result<bool, Failure> {
    let mut lines = String::new();
    for batch in polling.take() {
        for line in batch.notes.iter().map(note).chain(batch.readings.iter().map(reading)) {
            lines.push_str(&json::line(&line));
        }
    }
    if lines.is_empty() {
        return Ok(true);
    }
    output::stream(&lines)
}

fn reading(reading: &Reading) -> Value {
    json!({
        "at_ms": reading.at.as_nanos() as f64 / 1e6,
        "source": reading.source.as_ref(),
        "name": reading.name,
        "instance": reading.instance.as_deref(),
        "value": reading.value,
    })
}

fn note(note: &SourceNote) -> Value {
    let mut line = json!({
        "at_ms": note.at.as_nanos() as f64 / 1e6,
        "source": note.source.as_ref(),
        "instance": note.instance.as_deref(),
    });
    let (kind, what, text) = match &note.said {
        Said::Is { what, text } => ("is", Some(what.as_ref()), text.clone()),
        Said::Absent { name, why } => ("absent", Some(name.as_ref()), why.clone()),
        Said::Happened { what } => ("happened", None, what.clone()),
        Said::Lost { why } => ("lost", None, why.clone()),
        Said::Failed { why, .. } => ("failed", None, why.clone()),
        Said::Recovered { failed_for } => {
            ("recovered", None, format!("failed for {:.1} s", failed_for.as_secs_f64()))
        }
        _ => ("other", None, String::new()),
    };
    line["note"] = json!(kind);
    line["what"] = json!(what);
    line["text"] = json!(text);
    line
}
