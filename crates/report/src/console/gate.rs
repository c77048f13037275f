//! Whether a change may pass, shown to a person.

use super::{LEAST_WIDTH, Page, Paint, Span, Style, compare::side, grid};
use crate::gate::{GateReport, GateVerdict, tables};

/// What the gate says in a line, for where its page is not shown.
pub fn line(report: &GateReport) -> String {
    let (word, text) = tables::sentence(report);
    format!("{word}  {text}")
}

/// What the gate says as text of at most `width` columns, but [`LEAST_WIDTH`] at least.
pub fn render(report: &GateReport, width: usize, style: Style) -> String {
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    let (word, text) = tables::sentence(report);
    let paint = match report.verdict {
        GateVerdict::Passed => Paint::Good,
        GateVerdict::Regressed | GateVerdict::Void => Paint::Bad,
    };
    let indent = word.len() + 2;
    page.begin(&Span::new(word, paint));
    page.skip(2);
    page.paragraph(indent, &[Span::plain(text)]);
    page.blank();
    side("Baseline", &report.baseline, &mut page);
    for candidate in &report.candidates {
        side("Candidate", candidate, &mut page);
    }
    page.blank();
    grid::write(&tables::checks(report, style), &mut page);
    for note in tables::notes(report) {
        page.paragraph(2, &[Span::new(note, Paint::Dim)]);
    }
    page.finish()
}
