//! Every series of readings.

use bench_core::ServerTime;
use bench_store::SeriesLine;

use crate::{
    console::{Page, Paint, Span, grid},
    grid::{Column, Entry, Grid, Line},
    telemetry::{Seen, mean, statistic},
};

/// A row for each, but for the buckets of histograms.
pub(super) fn render(seen: Seen<'_>, page: &mut Page) {
    let is_bucket =
        |series: &&SeriesLine| ServerTime::ALL.iter().any(|time| time.names()[2] == series.name);
    let shown = seen.0.series.iter().filter(|series| !is_bucket(series));
    let lines: Vec<Line> = shown.map(|series| Line::Row(row(series, page))).collect();
    if lines.is_empty() {
        return;
    }
    let columns = vec![
        Column::words("readings").kept(),
        Column::words("of").kept(),
        Column::new("", "mean"),
        Column::new("", "increase"),
        Column::new("", "min"),
        Column::new("", "max"),
        Column::new("", "p50").minor(),
        Column::new("", "p99").minor(),
        Column::new("", "count").minor(),
    ];
    page.line(&[Span::new("Series", Paint::Bold)]);
    grid::write(&Grid { columns, lines }, page);
}

fn row(series: &SeriesLine, page: &Page) -> Vec<Entry> {
    let number = |value: Option<f64>| match value {
        Some(value) => Entry::plain(page.number(value)),
        None => Entry::unknown(page.style),
    };
    let of: Vec<&str> =
        std::iter::once(&*series.source).chain(series.instance.as_deref()).collect();
    let increase = number(series.increase);
    vec![
        Entry::plain(&series.name),
        Entry::plain(of.join(" ")),
        number(mean(series)),
        // Something of it may be missing.
        if series.partial { increase.marked() } else { increase },
        number(statistic(series, "min")),
        number(statistic(series, "max")),
        number(statistic(series, "p50")),
        number(statistic(series, "p99")),
        number(statistic(series, "count")),
    ]
}
