//! What changed, shown to a person.

use super::{LEAST_WIDTH, Page, Paint, Span, Style, grid};
use crate::compare::{Candidate, CompareReport, Side, tables};

/// The comparison as text of at most `width` columns, but [`LEAST_WIDTH`] at least.
pub fn render(report: &CompareReport, width: usize, style: Style) -> String {
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    side("Baseline", &report.baseline, &mut page);
    for candidate in &report.candidates {
        page.blank();
        side("Candidate", &candidate.run, &mut page);
        of_candidate(&report.baseline, candidate, &mut page);
    }
    if let Some(references) = tables::references(report, style) {
        page.blank();
        page.paragraph(0, &[Span::new("Beside what others measured", Paint::Bold)]);
        grid::write(&references, &mut page);
        for note in tables::reference_notes(report) {
            page.labelled("Note", &[Span::plain(note)]);
        }
    }
    page.finish()
}

/// Which run, and what to know of its numbers.
pub(super) fn side(label: &str, side: &Side, page: &mut Page) {
    let mut words = vec![match side.target {
        Some(_) => format!("{} of run {} \"{}\"", side.title(), side.id, side.name),
        None => format!("run {}", side.title()),
    }];
    words.extend(side.simulated.then(|| "simulated".to_owned()));
    words.extend((!side.created.is_empty()).then(|| format!("begun {}", side.created)));
    page.items(label, &words);
    for note in &side.notes {
        page.labelled(" ", &[Span::plain(note)]);
    }
}

fn of_candidate(baseline: &Side, candidate: &Candidate, page: &mut Page) {
    for (place, difference) in tables::differences(candidate).iter().enumerate() {
        let label = if place == 0 { "Differs in" } else { " " };
        page.labelled(label, &[Span::plain(difference)]);
    }
    page.blank();
    let (word, paint, text) = tables::sentence(candidate);
    let indent = word.len() + 2;
    let is_simulated = baseline.simulated || candidate.run.simulated;
    let simulated = if is_simulated { "simulated: " } else { "" };
    page.begin(&Span::new(word, paint));
    page.skip(2);
    page.paragraph(indent, &[Span::plain(format!("{simulated}{text}"))]);
    if !candidate.points.is_empty() {
        page.blank();
        grid::write(&tables::points(candidate, page.style), page);
    }
    for mark in tables::marks(candidate) {
        page.paragraph(2, &[Span::new(mark, Paint::Dim)]);
    }
    for (place, unmatched) in candidate.unmatched.iter().enumerate() {
        let label = if place == 0 { "Not compared" } else { " " };
        page.labelled(label, &[Span::plain(unmatched)]);
    }
}
