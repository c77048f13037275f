//! The matrix of input and output lengths, shown to a person.

use bench_store::RunFile;

use super::{LEAST_WIDTH, Page, Paint, Span, Style, SweepReport, grid, sweep};
use crate::{environment::Environment, matrix, sweep::Sweep};

/// Whether a run is one of a matrix: whether its workloads have categories.
pub fn applies(run: &RunFile) -> bool {
    Environment::of(run).has_categories()
}

/// The run as text of at most `width` columns, but [`LEAST_WIDTH`] at least.
pub fn render(report: &SweepReport<'_>, width: usize, style: Style) -> String {
    let whole = Sweep::of(report.run, report.summary);
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    sweep::header(report, &whole, &mut page);
    page.blank();
    sweep::sentence(matrix::sentence(&whole, style), &mut page);
    if !whole.groups.is_empty() {
        page.blank();
        let title = whole.titled("Input and output lengths");
        page.paragraph(0, &[Span::new(title, Paint::Bold)]);
        grid::write(&matrix::grid(&whole, style), &mut page);
    }
    sweep::notes(&matrix::notes(&whole, style), &mut page);
    sweep::trust(&whole, &mut page);
    sweep::footer(report.saved, report.next, &mut page);
    page.finish()
}
