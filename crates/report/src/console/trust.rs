//! What speaks for the numbers and what speaks against them.

use bench_core::{PointOutcome, Reason};

use super::{Page, Paint, Report, Span, number::percent, verdict_word};

/// Each reason with its remedy, then what was looked at and found in order.
pub(super) fn render(report: &Report<'_>, page: &mut Page) {
    page.labelled("Trust", &[verdict_word(report.trust())]);
    for reason in &report.outcome.verdict.reasons {
        let why = report.outcome.failure.as_ref().filter(|_| *reason == Reason::NotMeasured);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let text = [Span::new("!!", Paint::Doubt), Span::plain(format!("{reason}{why}"))];
        page.skip(2);
        page.paragraph(5, &text);
        page.skip(5);
        page.paragraph(5, &[Span::new(reason.remedy(), Paint::Dim)]);
    }
    for text in in_order(report, page) {
        page.skip(2);
        page.paragraph(5, &[Span::new("ok", Paint::Good), Span::plain(text)]);
    }
}

/// What was looked at and gave no reason.
fn in_order(report: &Report<'_>, page: &Page) -> Vec<String> {
    let PointOutcome { summary, verdict, .. } = report.outcome;
    let facts = &summary.facts;
    if summary.succeeded() == 0 {
        return Vec::new();
    }
    let errors = summary.value("error_ratio");
    let output = facts.delivered_output_ratio;
    let late = facts.late_ms_p99.filter(|_| facts.open_loop);
    let lag = summary.distribution("client_lag_ms").and_then(|d| d.percentile(99.0));
    let cpu = facts.client_cpu_cores.zip(facts.cores);
    let coalesced = summary.value("coalesced_ratio");
    let counted = facts.server_requests_difference.or(facts.server_output_difference);
    let throttled = facts.gpu_throttled_ratio;
    // Of a part of the GPUs, or of the time, nobody is told.
    let energy = facts.energy_difference.filter(|_| summary.value("energy_j").is_some());
    let checks = [
        ("errors", errors.map(|ratio| format!("errors {}", percent(ratio)))),
        ("osl", output.map(|ratio| format!("output {} of the tokens asked for", percent(ratio)))),
        ("late_sends", late.map(|ms| format!("sent in time: {} ms late (p99)", page.number(ms)))),
        ("lag", lag.map(|ms| format!("read in time: client lag {} ms (p99)", page.number(ms)))),
        ("client_cpu", cpu.map(|(used, of)| format!("client used {used:.2} of {of:.0} cores"))),
        ("coalesced", coalesced.map(|ratio| format!("{} of chunks shared a read", percent(ratio)))),
        ("server_disagrees", counted.map(|_| "the server counted what was sent".to_owned())),
        (
            "gpu_throttled",
            throttled.map(|ratio| format!("GPU throttled {} of the time", percent(ratio))),
        ),
        ("energy", energy.map(|ratio| format!("energy {} off the GPU's counter", percent(ratio)))),
    ];
    let is_reason = |code: &str| verdict.reasons.iter().any(|reason| reason.code() == code);
    let in_order = checks.into_iter().filter(|(code, _)| !is_reason(code));
    in_order.filter_map(|(_, text)| text).collect()
}
