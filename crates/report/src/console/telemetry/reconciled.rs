//! What client and server both know.

use bench_core::TtftParts;
use bench_store::{ComparedLine, ReconciledLine, TtftLine};

use crate::{
    console::{Page, grid, number},
    grid::{Column, Entry, Grid, Line},
};

/// Share by which client and server may differ in a count and still agree: the ends of the window may hold a request
/// that only one of them has counted.
const AGREED: f64 = 0.02;

/// Whether the counts agree, else or where `verbose` all figures; and what the time to first token consists of.
pub(super) fn render(both: &ReconciledLine, verbose: bool, page: &mut Page) {
    let counts: Vec<&ComparedLine> = both.rows.iter().filter(|row| !is_time(row)).collect();
    let most = counts.iter().map(|row| row.difference().abs()).fold(0.0, f64::max);
    if verbose || most > AGREED {
        table(both, page);
    } else if let Some((last, others)) = counts.split_last() {
        let others: Vec<_> = others.iter().map(|row| &*row.what).collect();
        let and = if others.is_empty() { "" } else { " and " };
        let counts = format!("{}{and}{}", others.join(", "), last.what);
        let off = (most >= 0.0005).then(|| format!("{} off at most", number::percent(most)));
        let agrees = format!("{counts} with the server's counts");
        page.items("Agrees", &[agrees].into_iter().chain(off).collect::<Vec<_>>());
    }
    if let Some(ttft) = &both.ttft {
        page.items("TTFT, ms", &parts(ttft, page));
    }
}

/// A row for each figure.
fn table(both: &ReconciledLine, page: &mut Page) {
    let columns = vec![
        Column::words("both know").kept(),
        Column::new("", "client").kept(),
        Column::new("", "server").kept(),
        Column::new("server", "is"),
    ];
    let lines = both.rows.iter().map(|row| Line::Row(entries(row, page))).collect();
    grid::write(&Grid { columns, lines }, page);
}

/// Whether it was measured, and not counted.
fn is_time(row: &ComparedLine) -> bool {
    row.unit == "ms"
}

fn entries(row: &ComparedLine, page: &Page) -> Vec<Entry> {
    let unit = if is_time(row) { ", ms" } else { "" };
    // Counts have all their digits.
    let number = |value| if unit.is_empty() { page.tokens(value) } else { page.number(value) };
    vec![
        Entry::plain(format!("{}{unit}", row.what)),
        Entry::plain(number(row.client)),
        Entry::plain(number(row.server)),
        Entry::plain(format!("{:+.1} %", row.difference() * 100.0)),
    ]
}

/// `110 of the client   100 of the server: queue 2.1, prefill 95   10.0 network, HTTP and ...`
fn parts(ttft: &TtftLine, page: &Page) -> Vec<String> {
    let part = |name: &str, ms: Option<f64>| Some(format!("{name} {}", page.number(ms?)));
    let within: Vec<String> = [part("queue", ttft.queue_ms), part("prefill", ttft.prefill_ms)]
        .into_iter()
        .flatten()
        .collect();
    let within = if within.is_empty() { String::new() } else { format!(": {}", within.join(", ")) };
    vec![
        format!("{} here", page.number(ttft.client_ms)),
        format!("{} in the server{within}", page.number(ttft.server_ms)),
        format!("{} {}", page.number(ttft.residual_ms), TtftParts::RESIDUAL),
    ]
}
