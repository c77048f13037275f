//! The result in a sentence.

use bench_core::{Load, Reason, Trust, stats::Distribution};
use bench_store::{LoadLine, PointSummary, is_below_floor};

use super::{Page, Report, Span, verdict_word};
use crate::{
    cells::Cell,
    sweep::{changing, missed},
};

/// The verdict and what it is about, then the worst of what speaks against it.
pub(super) fn render(report: &Report<'_>, page: &mut Page) {
    let word = verdict_word(report.trust());
    let indent = word.text.len() + 2;
    let simulated = if report.target.simulated { "simulated: " } else { "" };
    let worst = report.outcome.verdict.reasons.first().map(Reason::to_string).unwrap_or_default();
    let said = match report.trust() {
        Trust::Void if report.outcome.summary.succeeded() == 0 => format!("{worst}."),
        Trust::Void => format!("{worst}. These numbers do not describe the server."),
        Trust::Trusted => result(report, page),
        Trust::Doubtful => format!("{} But: {worst}.", result(report, page)),
    };
    page.begin(&word);
    page.skip(indent - word.text.len());
    page.paragraph(indent, &[Span::plain(format!("{simulated}{said}"))]);
}

/// What it came to, whether its load was the same throughout, and whether it meets its goals.
fn result(report: &Report<'_>, page: &Page) -> String {
    let change = changing(&LoadLine::from(&report.point.load));
    format!("{}{change}{}", users(report, page), goals(report, page))
}

/// `32 users get the first token in 142 ms (p95), then 76.0 tok/s each.`
fn users(report: &Report<'_>, page: &Page) -> String {
    let summary = &report.outcome.summary;
    let users = match &report.point.load {
        Load::Closed { concurrency, .. } if concurrency.get() == 1 => "1 user gets".to_owned(),
        Load::Closed { concurrency, .. } => {
            format!("{} users get", page.count(concurrency.get() as u64))
        }
        load @ Load::Open { .. } => match LoadLine::from(load) {
            LoadLine::Open { requests_per_s: Some(rate), .. } => {
                format!("At {} requests/s users get", page.number(rate))
            }
            _ => "Users get".to_owned(),
        },
    };
    if summary.value("output_tps").is_none()
        && let Some(e2e) = summary.distribution("e2e_ms")
    {
        let (name, value) = quotable(e2e);
        return format!("{users} an answer in {} ms ({name}).", page.number(value));
    }
    let Some(ttft) = summary.distribution("ttft_ms") else {
        return format!("{} requests succeeded.", page.count(summary.succeeded()));
    };
    let (name, value) = quotable(ttft);
    let first = format!("{users} the first token in {} ms ({name})", page.number(value));
    match summary.distribution("tps_user") {
        Some(pace) => format!("{first}, then {} tok/s each.", page.number(pace.median())),
        None => format!("{first}."),
    }
}

/// Whether every goal is met, or which are missed; nothing without goals.
fn goals(report: &Report<'_>, page: &Page) -> String {
    let point = PointSummary::new(report.outcome, &report.plan.goals);
    let cell = Cell::of(&point);
    match cell.met() {
        None => String::new(),
        Some(true) => " Every goal is met.".to_owned(),
        Some(false) => format!(" {}.", missed(&cell, page.style)),
    }
}

/// p95 where there are values enough for it, else the median.
fn quotable(distribution: &Distribution) -> (&'static str, f64) {
    match distribution.percentile(95.0) {
        Some(p95) if !is_below_floor(distribution, 95.0) => ("p95", p95),
        _ => ("median", distribution.median()),
    }
}
