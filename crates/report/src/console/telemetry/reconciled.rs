//! What client and server both know.

use bench_core::{Compared, Reconciliation, TtftParts};

use crate::{
    console::{Page, grid},
    grid::{Column, Entry, Grid, Line},
};

/// A row for each figure, and what the time to first token consists of.
pub(super) fn render(both: &Reconciliation, page: &mut Page) {
    let columns = vec![
        Column::words("both know").kept(),
        Column::new("", "client").kept(),
        Column::new("", "server").kept(),
        Column::new("server", "is"),
    ];
    let lines = both.rows.iter().map(|row| Line::Row(entries(row, page))).collect();
    grid::write(&Grid { columns, lines }, page);
    if let Some(ttft) = &both.ttft {
        let words = parts(ttft, page);
        page.items("TTFT, ms", &words);
    }
}

fn entries(row: &Compared, page: &Page) -> Vec<Entry> {
    let unit = if row.what.unit() == "ms" { ", ms" } else { "" };
    // Counts have all their digits.
    let number = |value| if unit.is_empty() { page.tokens(value) } else { page.number(value) };
    vec![
        Entry::plain(format!("{}{unit}", row.what.title())),
        Entry::plain(number(row.client)),
        Entry::plain(number(row.server)),
        Entry::plain(format!("{:+.1} %", row.difference() * 100.0)),
    ]
}

/// `110 of the client   100 of the server: queue 2.1, prefill 95   10.0 network, HTTP and ...`
fn parts(ttft: &TtftParts, page: &Page) -> Vec<String> {
    let part = |name: &str, ms: Option<f64>| Some(format!("{name} {}", page.number(ms?)));
    let within: Vec<String> = [part("queue", ttft.queue_ms), part("prefill", ttft.prefill_ms)]
        .into_iter()
        .flatten()
        .collect();
    let within = if within.is_empty() { String::new() } else { format!(": {}", within.join(", ")) };
    vec![
        format!("{} here", page.number(ttft.client_ms)),
        format!("{} in the server{within}", page.number(ttft.server_ms)),
        format!("{} {}", page.number(ttft.residual_ms()), TtftParts::RESIDUAL),
    ]
}
