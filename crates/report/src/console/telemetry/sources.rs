//! How well all that was watched: how often, at what cost, what is missing and why.

use std::collections::BTreeMap;

use bench_core::reading_name;
use bench_store::{NoteLine, SaidLine, SourceLine};

use super::Watched;
use crate::console::{Page, Paint, Span, number};

/// Notes of a kind that are shown where not all are asked for.
const MOST_NOTES: usize = 3;

/// Periods that may pass between two reads of a source before it is shown by itself.
const LONGEST_GAP: f64 = 5.0;

/// Share by which the periods of sources that are named together may differ.
const SAME_PERIOD: f64 = 0.02;

pub(super) fn render(watched: &Watched<'_>, page: &mut Page) {
    let telemetry = watched.seen.0;
    let is_short = |source: &&SourceLine| !watched.verbose && is_fine(source, &telemetry.notes);
    let (fine, others): (Vec<_>, Vec<_>) = telemetry.sources.iter().partition(is_short);
    let short = (!fine.is_empty()).then(|| vec![together(&fine, page)]);
    let others = others.into_iter().map(|source| items(source, page));
    for (place, items) in short.into_iter().chain(others.collect::<Vec<_>>()).enumerate() {
        page.items(if place == 0 { "Sources" } else { " " }, &items);
    }
    let share = |cores: f64| format!("{} % of a core", page.number(cores * 100.0));
    let cost = watched.cost_cores.map(share);
    let dropped = watched.dropped.filter(|n| *n > 0);
    let dropped = dropped.map(|n| format!("{} readings not in the log", page.count(n)));
    let cost: Vec<String> = cost.into_iter().chain(dropped).collect();
    if !cost.is_empty() {
        page.items("Cost", &cost);
    }
    notes("Noted", &happened(&telemetry.notes, page), watched.verbose, page);
    if watched.verbose {
        notes("Absent", &absent(&telemetry.notes), true, page);
        return;
    }
    let is_absent = |note: &&NoteLine| matches!(note.said, SaidLine::Absent { .. });
    let absent = match telemetry.notes.iter().filter(is_absent).count() {
        0 => return,
        1 => "1 value that a source cannot give: --verbose".to_owned(),
        many => format!("{many} values that sources cannot give: --verbose"),
    };
    page.labelled("Absent", &[Span::plain(absent)]);
}

/// Whether it was read as often as it should be, and never failed.
fn is_fine(source: &SourceLine, notes: &[NoteLine]) -> bool {
    let failed = |note: &NoteLine| {
        note.source == source.name
            && matches!(note.said, SaidLine::Failed { .. } | SaidLine::Recovered { .. })
    };
    let gap = |period| Some(source.interval.as_ref()?.statistic("max")? <= LONGEST_GAP * period);
    period(source).and_then(gap).unwrap_or(false) && !notes.iter().any(failed)
}

/// Milliseconds from one read to the next: the median.
fn period(source: &SourceLine) -> Option<f64> {
    source.interval.as_ref()?.statistic("p50")
}

/// 500 of 499.6: in two digits where that is as good as the same.
fn even(ms: f64) -> f64 {
    let step = 10_f64.powf(ms.log10().floor() - 1.0);
    let rounded = (ms / step).round() * step;
    if (rounded - ms).abs() <= 0.01 * ms { rounded } else { ms }
}

/// `client, host every 500 ms; nvml every 100 ms`
fn together(sources: &[&SourceLine], page: &Page) -> String {
    let mut periods: Vec<(f64, Vec<&str>)> = Vec::new();
    for source in sources {
        let Some(ms) = period(source) else { continue };
        let is_same = |(other, _): &&mut (f64, _)| (ms - *other).abs() <= SAME_PERIOD * *other;
        match periods.iter_mut().find(is_same) {
            Some((_, names)) => names.push(&source.name),
            None => periods.push((ms, vec![&source.name])),
        }
    }
    let every = |(ms, names): &(f64, Vec<&str>)| {
        format!("{} every {} ms", names.join(", "), page.number(even(*ms)))
    };
    periods.iter().map(every).collect::<Vec<_>>().join("; ")
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
    let mut reasons: BTreeMap<(&str, &str), Missing<'_>> = BTreeMap::new();
    for note in notes {
        if let SaidLine::Absent { name, why } = &note.said {
            let title = reading_name(name).map_or(name.as_str(), |name| name.title);
            let missing = reasons.entry((&note.source, why)).or_default();
            missing.titles.extend((!missing.titles.contains(&title)).then_some(title));
            let instance = note.instance.as_deref().filter(|of| !missing.of.contains(of));
            missing.of.extend(instance);
        }
    }
    let line = |((source, why), Missing { titles, of }): ((&str, &str), Missing<'_>)| {
        let of = format!("{source} {}", of.join(", "));
        format!("{} of {}: {why}", titles.join(", "), of.trim_end())
    };
    reasons.into_iter().map(line).collect()
}

/// What is missing for one reason: titles of readings, and of which instances.
#[derive(Default)]
struct Missing<'a> {
    titles: Vec<&'a str>,
    of: Vec<&'a str>,
}

/// `nvml 0`
fn who(note: &NoteLine) -> String {
    let instance = note.instance.iter().map(|instance| format!(" {instance}"));
    note.source.clone() + &instance.collect::<String>()
}
