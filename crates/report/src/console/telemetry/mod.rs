//! What was watched meanwhile: GPUs and their energy, the server, the host, and how well they were watched.

mod gpu;
mod host;
mod reconciled;
mod series;
mod server;
mod sources;

use bench_core::{Reconciliation, Summary};
use bench_store::{PointSummary, ReconciledLine, SeriesLine, TelemetryLine};

use super::{LEAST_WIDTH, Page, Paint, Report, Span, Style};
use crate::telemetry::{Seen, mean, statistic};

/// A point's telemetry, and the numbers that belong beside it.
struct Watched<'a> {
    seen: Seen<'a>,
    /// A metric that is one number.
    value: &'a dyn Fn(&str) -> Option<f64>,
    /// Cores that inferbench used, and those that reading telemetry took of them.
    client_cores: Option<f64>,
    cost_cores: Option<f64>,
    /// Readings that are missing in the log.
    dropped: Option<u64>,
    /// By how much energy and its counter differ.
    difference: Option<f64>,
    /// What the server knows as well.
    both: Option<&'a ReconciledLine>,
    /// Whether each series is shown too.
    verbose: bool,
}

/// The telemetry of a stored point as text of at most `width` columns, but [`LEAST_WIDTH`] at least; empty where
/// nothing was watched.
pub fn render(point: &PointSummary, width: usize, style: Style, verbose: bool) -> String {
    let Some(telemetry) = &point.telemetry else { return String::new() };
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    let watched = Watched {
        seen: Seen(telemetry),
        value: &|id| point.number_of(id, None),
        client_cores: point.facts.client_cpu_cores,
        cost_cores: point.facts.telemetry_cpu_cores,
        dropped: point.facts.dropped_readings,
        difference: point.facts.energy_difference,
        both: point.reconciled.as_ref(),
        verbose,
    };
    watched.render(&|title| title.to_owned(), &mut page);
    page.finish()
}

/// The telemetry of a point that was just measured; nothing where nothing was watched.
pub(super) fn of_report(report: &Report<'_>, page: &mut Page) {
    let summary: &Summary = &report.outcome.summary;
    if summary.telemetry.is_empty() {
        return;
    }
    let telemetry = TelemetryLine::from(&summary.telemetry);
    let both = Reconciliation::of(summary).map(ReconciledLine::from);
    let watched = Watched {
        seen: Seen(&telemetry),
        value: &|id| summary.value(id),
        client_cores: summary.facts.client_cpu_cores,
        cost_cores: summary.facts.telemetry_cpu_cores,
        dropped: summary.facts.dropped_readings,
        difference: summary.facts.energy_difference,
        both: both.as_ref(),
        verbose: report.verbose,
    };
    watched.render(&|title| report.titled(title), page);
}

impl Watched<'_> {
    fn render(&self, titled: &dyn Fn(&str) -> String, page: &mut Page) {
        let gpus = self.seen.gpus();
        if !gpus.is_empty() {
            page.line(&[Span::new(titled("GPU & energy"), Paint::Bold)]);
            gpu::render(self, &gpus, page);
            page.blank();
        }
        let lines = server::lines(self, page);
        if !lines.is_empty() || self.both.is_some() {
            page.line(&[Span::new(titled("Server"), Paint::Bold)]);
            write(&lines, page);
            if let Some(both) = self.both {
                reconciled::render(both, self.verbose, page);
            }
            page.blank();
        }
        page.line(&[Span::new(titled("Telemetry"), Paint::Bold)]);
        write(&host::lines(self, page), page);
        sources::render(self, page);
        if self.verbose {
            series::render(self.seen, page);
        }
        page.blank();
    }
}

/// A label and its items.
type Items = (&'static str, Vec<String>);

fn write(lines: &[Items], page: &mut Page) {
    for (label, items) in lines {
        page.items(label, items);
    }
}

/// The lines that have items.
fn present<const N: usize>(lines: [Items; N]) -> Vec<Items> {
    lines.into_iter().filter(|(_, items)| !items.is_empty()).collect()
}

/// `41 % on average, 63 % at most`: of a gauge, each number as `words` has it.
fn mean_and_max(series: Option<&SeriesLine>, words: impl Fn(f64) -> String) -> Option<String> {
    let series = series?;
    let mean = mean(series).map(|mean| format!("{} on average", words(mean)));
    let max = statistic(series, "max").map(|max| format!("{} at most", words(max)));
    let both: Vec<String> = mean.into_iter().chain(max).collect();
    (!both.is_empty()).then(|| both.join(", "))
}

/// Bytes as GiB, without their unit.
fn gib(bytes: f64, page: &Page) -> String {
    page.number(bytes / 1_073_741_824.0)
}

/// What is not known.
fn unknown(page: &Page) -> &'static str {
    super::number::dash(page.style)
}
