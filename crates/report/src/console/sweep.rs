//! A run of several points, shown to a person: the best load in a sentence, a row for each load, what
//! speaks against them.

use bench_store::{RunFile, SummaryFile};

use super::{LEAST_WIDTH, Page, Paint, Span, Style, grid};
use crate::sweep::{Note, Sentence, Sweep};

/// What is shown of a run.
#[derive(Clone, Copy, Debug)]
pub struct SweepReport<'a> {
    /// The version of inferbench.
    pub version: &'a str,
    /// What was to be measured, where and with what.
    pub run: &'a RunFile,
    /// What came of it.
    pub summary: &'a SummaryFile,
    /// What was written where: a directory first, then names of formats.
    pub saved: &'a [String],
    /// Commands that may come next.
    pub next: &'a [String],
}

/// The run as text of at most `width` columns, but [`LEAST_WIDTH`] at least.
pub fn render(report: &SweepReport<'_>, width: usize, style: Style) -> String {
    let sweep = Sweep::of(report.run, report.summary);
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    header(report, &sweep, &mut page);
    page.blank();
    sentence(sweep.sentence(style), &mut page);
    if !sweep.groups.is_empty() {
        page.blank();
        page.paragraph(0, &[Span::new(sweep.titled("Loads"), Paint::Bold)]);
        let grid = sweep.grid(style);
        let shown = grid::write(&grid, &mut page);
        for mark in sweep.marks(style, &shown) {
            page.paragraph(2, &[Span::new(mark, Paint::Dim)]);
        }
    }
    let below = [sweep.variation(style), sweep.notes(style)].concat();
    notes(&below, &mut page);
    trust(&sweep, &mut page);
    footer(report.saved, report.next, &mut page);
    page.finish()
}

/// Who was measured, and what was asked for.
pub(super) fn header(report: &SweepReport<'_>, sweep: &Sweep<'_>, page: &mut Page) {
    let SweepReport { version, run, .. } = report;
    let targets = sweep.environment.targets();
    let mut who = vec![format!("inferbench {version}"), format!("run {} \"{}\"", run.id, run.name)];
    who.extend(sweep.environment.is_simulated().then(|| "simulated".to_owned()));
    who.extend(sweep.partial().map(|_| "partial".to_owned()));
    let mut what = Vec::new();
    if let [target] = targets.as_slice() {
        who.extend(match (target.engine(), target.host()) {
            (Some(engine), Some(host)) => Some(format!("{engine} @ {host}")),
            (engine, host) => engine.or(host.map(str::to_owned)),
        });
        what.extend(target.text("model").map(|model| format!("model {model}")));
    } else if targets.len() > 1 {
        who.push(format!("{} targets", targets.len()));
    }
    let mut workloads: Vec<&str> = sweep.groups.iter().map(|group| group.workload).collect();
    workloads.sort_unstable();
    workloads.dedup();
    match workloads.as_slice() {
        [one] => what.push((*one).to_owned()),
        several => what.push(format!("{} workloads", several.len())),
    }
    let repeats = sweep.groups.iter().flat_map(|g| &g.cells).map(|cell| cell.points().len()).max();
    what.extend(repeats.filter(|n| *n > 1).map(|n| format!("{n} repeats")));
    what.push(format!("seed {}", run.seed));
    page.items("", &who);
    page.items("", &what);
    if !run.created.is_empty() {
        page.items("", &[format!("begun {}", run.created)]);
    }
}

pub(super) fn sentence(sentence: Sentence, page: &mut Page) {
    let indent = sentence.word.len() + 2;
    let word = Span::new(sentence.word, sentence.paint);
    page.begin(&word);
    page.skip(indent - word.text.len());
    page.paragraph(indent, &[Span::plain(sentence.text)]);
}

/// Each kind under its label.
pub(super) fn notes(notes: &[Note], page: &mut Page) {
    if !notes.is_empty() {
        page.blank();
    }
    for same in notes.chunk_by(|a, b| a.label == b.label) {
        for (place, note) in same.iter().enumerate() {
            let label = if place == 0 { note.label } else { " " };
            page.labelled(label, &[Span::plain(&note.text)]);
        }
    }
}

/// Each reason once, with the points it holds for.
pub(super) fn trust(sweep: &Sweep<'_>, page: &mut Page) {
    let (trusted, all) = sweep.trusted();
    if all == 0 {
        return;
    }
    page.blank();
    page.labelled("Trust", &[Span::plain(format!("{trusted} of {all} points trusted"))]);
    for doubt in sweep.doubts() {
        let paint = if doubt.is_void { Paint::Bad } else { Paint::Doubt };
        page.skip(2);
        page.paragraph(5, &[Span::new("!!", paint), Span::plain(&doubt.text)]);
        page.skip(5);
        page.paragraph(5, &[Span::new(doubt.remedy, Paint::Dim)]);
    }
}

pub(super) fn footer(saved: &[String], next: &[String], page: &mut Page) {
    if !saved.is_empty() || !next.is_empty() {
        page.blank();
    }
    if !saved.is_empty() {
        page.items("Saved", saved);
    }
    for (place, command) in next.iter().enumerate() {
        page.items(if place == 0 { "Next" } else { " " }, std::slice::from_ref(command));
    }
}
