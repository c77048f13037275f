//! Conversations turn by turn: what a longer history costs.

use bench_core::{TurnSummary, stats::Distribution};
use bench_store::is_below_floor;

use super::{Page, Paint, Report, Span, Style, grid, number};
use crate::grid::{Column, Entry, Grid, Line};

/// Turns that are shown; of more than these, the last one beside the first.
const MOST_TURNS: usize = 12;

/// The table; nothing where requests have one turn only.
pub(super) fn render(report: &Report<'_>, style: Style, page: &mut Page) {
    let turns = &report.outcome.summary.turns;
    if turns.is_empty() {
        return;
    }
    page.line(&[Span::new(report.titled("Turn by turn"), Paint::Bold)]);
    let left_out = turns.len().saturating_sub(MOST_TURNS);
    let (first, last) = match left_out {
        0 => (&turns[..], None),
        _ => (&turns[..MOST_TURNS - 1], turns.last()),
    };
    let lines = first.iter().chain(last).map(|turn| Line::Row(row(turn, style))).collect();
    let written = Grid { columns: columns(), lines };
    let shown = grid::write(&written, page);
    if shown.iter().any(|entry| entry.span.text.starts_with('~')) {
        page.paragraph(2, &[Span::new("~ too few values to rely on", Paint::Dim)]);
    }
    if left_out > 0 {
        let note = format!("not shown: {left_out} turns before the last; --json has all");
        page.paragraph(2, &[Span::new(note, Paint::Dim)]);
    }
    page.blank();
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("", "turn").kept(),
        Column::new("", "ok").kept(),
        Column::new("", "failed").minor(),
        Column::new("ISL", "avg").kept(),
        Column::new("TTFT ms", "p50").kept(),
        Column::new("TTFT ms", "p95"),
        Column::new("TPOT ms", "p50"),
        Column::new("E2E ms", "p50"),
        Column::new("OSL", "avg").minor(),
    ]
}

fn row(turn: &TurnSummary, style: Style) -> Vec<Entry> {
    let figure = |id: &str, of: fn(&Distribution) -> Option<f64>| {
        let value = turn.distribution(id).and_then(of);
        value.map_or_else(|| Entry::unknown(style), |v| Entry::plain(number::significant(v, style)))
    };
    let mean = |d: &Distribution| Some(d.mean);
    let median = |d: &Distribution| d.percentile(50.0);
    let p95 = figure("ttft_ms", |d| d.percentile(95.0));
    let is_doubtful = turn.distribution("ttft_ms").is_some_and(|d| is_below_floor(d, 95.0));
    let count = |n| Entry::plain(number::count(n, style));
    vec![
        count(u64::from(turn.turn) + 1),
        count(turn.succeeded),
        count(turn.failed),
        figure("isl", mean),
        figure("ttft_ms", median),
        if is_doubtful { p95.marked() } else { p95 },
        figure("tpot_ms", median),
        figure("e2e_ms", median),
        figure("osl", mean),
    ]
}
