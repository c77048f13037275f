//! `--print-content`: what the server said, as it ends.

use bench_core::{MetricSink, Phase, RunEvent, Sample, SinkError};
use bench_report::text::clean;

use crate::output;

/// Says each answer. It is the server's: nothing of it moves the cursor or hides text.
#[derive(Debug)]
pub(crate) struct Content;

impl MetricSink for Content {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Sample(sample) = event {
            output::say(&clean(&said(sample)));
        }
        Ok(())
    }
}

/// `CONV_ID_3 turn 2: …`.
fn said(sample: &Sample) -> String {
    let id = sample.id.as_deref().map_or_else(|| sample.session.to_string(), str::to_owned);
    let phase = if sample.phase == Phase::WarmUp { "warm-up, " } else { "" };
    let text = match (&sample.text, &sample.error) {
        (_, Some(error)) => format!("{}: {error}", sample.outcome),
        (Some(text), None) => text.clone(),
        (None, None) => sample.outcome.to_string(),
    };
    format!("{phase}{id} turn {}: {text}", sample.turn + 1)
}
