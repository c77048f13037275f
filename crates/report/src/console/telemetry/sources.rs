//! How well all that was watched: how often, at what cost, what is missing and why.

use std::collections::BTreeMap;

use bench_core::reading_name;
use bench_store::{NoteLine, SaidLine, SourceLine};

use super::Watched;
use crate::console::{Page, Paint, Span, number};

/// Notes of a kind that are shown where not all are asked for.
const MOST_NOTES: usize = 3;

pub(super) fn render(watched: &Watched<'_>, page: &mut Page) {
    let sources = &watched.seen.0.sources;
    for (place, source) in sources.iter().enumerate() {
        let label = if place == 0 { "Sources" } else { " " };
        let items = items(source, page);
        page.items(label, &items);
    }
    let share = |cores: f64| format!("{} % of a core", page.number(cores * 100.0));
    let cost = watched.cost_cores.map(share);
    let dropped = watched.dropped.map(|n| format!("{} readings not in the log", page.count(n)));
    let cost: Vec<String> = cost.into_iter().chain(dropped).collect();
    if !cost.is_empty() {
        page.items("Cost", &cost);
    }
    notes("Noted", &happened(&watched.seen.0.notes, page), watched.verbose, page);
    notes("Absent", &absent(&watched.seen.0.notes), watched.verbose, page);
}

/// `nvml   every 100 ms, 104 at p99, 212 at most   132 reads`
fn items(source: &SourceLine, page: &Page) -> Vec<String> {
    let interval = source.interval.as_ref().and_then(|interval| {
        let ms = |name| interval.statistic(name).map(|ms| page.number(ms));
        Some(format!("every {} ms, {} at p99, {} at most", ms("p50")?, ms("p99")?, ms("max")?))
    });
    let reads = format!("{} reads", page.count(source.reads));
    std::iter::once(source.name.clone()).chain(interval).chain([reads]).collect()
}

fn notes(label: &str, lines: &[String], all: bool, page: &mut Page) {
    let most = if all { lines.len() } else { MOST_NOTES };
    for (place, line) in lines.iter().take(most).enumerate() {
        page.labelled(if place == 0 { label } else { " " }, &[Span::plain(line)]);
    }
    let more = lines.len().saturating_sub(most);
    if more > 0 {
        let more = format!("and {more} more; --verbose shows all");
        page.labelled(" ", &[Span::new(more, Paint::Dim)]);
    }
}

/// What happened to sources and to what they watch.
fn happened(notes: &[NoteLine], page: &Page) -> Vec<String> {
    let said = |note: &NoteLine| {
        let words = match &note.said {
            SaidLine::Is { .. } | SaidLine::Absent { .. } => return None,
            SaidLine::Happened { what } => what.clone(),
            SaidLine::Lost { why } => format!("lost: {why}"),
            SaidLine::Failed { why, fatal: false } => format!("could not be read: {why}"),
            SaidLine::Failed { why, fatal: true } => format!("given up: {why}"),
            SaidLine::Recovered { failed_for_ns } => {
                let seconds = number::significant(*failed_for_ns as f64 / 1e9, page.style);
                format!("read again after {seconds} s")
            }
        };
        Some(format!("{}: {words}", who(note)))
    };
    notes.iter().filter_map(said).collect()
}

/// What sources cannot give, once for each reason.
fn absent(notes: &[NoteLine]) -> Vec<String> {
    let mut reasons: BTreeMap<(&str, &str), (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for note in notes {
        if let SaidLine::Absent { name, why } = &note.said {
            let title = reading_name(name).map_or(name.as_str(), |name| name.title);
            let (titles, instances) = reasons.entry((&note.source, why)).or_default();
            titles.extend((!titles.contains(&title)).then_some(title));
            let instance = note.instance.as_deref();
            instances.extend(instance.filter(|instance| !instances.contains(instance)));
        }
    }
    let line = |((source, why), (titles, instances)): ((&str, &str), (Vec<&str>, Vec<&str>))| {
        let of = format!("{source} {}", instances.join(", "));
        format!("{} of {}: {why}", titles.join(", "), of.trim_end())
    };
    reasons.into_iter().map(line).collect()
}

/// `nvml 0`
fn who(note: &NoteLine) -> String {
    let instance = note.instance.iter().map(|instance| format!(" {instance}"));
    note.source.clone() + &instance.collect::<String>()
}
