//! What is one number for the whole point: throughput, requests, errors, and where the numbers are from.

use std::collections::BTreeMap;

use bench_core::{
    Outcome, Summary,
    stats::{Interval, Share},
};
use bench_store::{LoadLine, PointSummary};

use super::{Page, Paint, Report, Span, number};

/// Errors are shown by outcome; servers have no more ways to fail than fit on a screen, but nearly.
const MOST_ERRORS: usize = 6;

/// The totals, a line for each kind.
pub(super) fn render(report: &Report<'_>, page: &mut Page) {
    let summary = &report.outcome.summary;
    page.line(&[Span::new(report.titled("Totals"), Paint::Bold)]);
    let throughput = throughput(summary, page);
    if !throughput.is_empty() {
        page.items("Throughput", &throughput);
    }
    if LoadLine::from(&report.point.load).change().is_some() {
        page.items("Steady", &steady(summary, page));
    }
    let requests: Vec<String> = outcomes(summary, page);
    page.items("Requests", &requests);
    errors(summary, page);
    let accuracy = accuracy(summary, page);
    if !accuracy.is_empty() {
        page.items("Accuracy", &accuracy);
    }
    goals(report, page);
    let goodput = goodput(report, page);
    if !goodput.is_empty() {
        page.items("Goodput", &goodput);
    }
    let in_flight = in_flight(summary, page);
    if !in_flight.is_empty() {
        page.items("In flight", &in_flight);
    }
    let prompts = prompts(summary, page);
    if !prompts.is_empty() {
        page.items("Prompts", &prompts);
    }
    if let Some(window) = summary.value("window_s") {
        let last = if summary.value("output_tps").is_some() { "token" } else { "answer" };
        let window = format!("{} s from first request to last {last}", page.number(window));
        page.items("Duration", &[window]);
    }
    if let Some(stamps) = stamps(summary, page) {
        page.items("Stamps", &stamps);
    }
    if let Some(source) = summary.facts.output_token_source {
        page.items("Tokens from", &[source.as_str().to_owned()]);
    }
    page.blank();
}

fn throughput(summary: &Summary, page: &Page) -> Vec<String> {
    let words = [
        ("output_tps", "output tokens/s"),
        ("peak_output_tps", "at the peak"),
        ("total_tps", "with input tokens"),
        ("rps", "requests/s"),
    ];
    let of_results = [("rps", "requests/s"), ("input_tps", "input tokens/s")];
    let has_tokens = summary.value("output_tps").is_some();
    values(summary, page, if has_tokens { &words } else { &of_results })
}

/// How much of the prompts repeats what was sent before, and how much of them the server had kept.
fn prompts(summary: &Summary, page: &Page) -> Vec<String> {
    let share = |id, words| {
        let ratio = summary.value(id)?;
        Some(format!("{} % {words}", page.number(ratio * 100.0)))
    };
    let repeated = share("repeated_ratio", "repeated");
    let is_cached = repeated.is_some() || summary.value("prefix_hit_ratio") > Some(0.0);
    let cached = share("prefix_hit_ratio", "cached by the server").filter(|_| is_cached);
    repeated.into_iter().chain(cached).collect()
}

/// Throughput without what a changing load does to it.
fn steady(summary: &Summary, page: &Page) -> Vec<String> {
    let words = [
        ("steady_output_tps", "output tokens/s"),
        ("steady_rps", "requests/s"),
        ("steady_s", "s of it"),
    ];
    match values(summary, page, &words) {
        none if none.is_empty() => vec!["not known of this load".to_owned()],
        items => items,
    }
}

/// What was asked of the point, and whether it was reached.
fn goals(report: &Report<'_>, page: &mut Page) {
    let point = PointSummary::new(report.outcome, &report.plan.goals);
    for (place, goal) in point.goals.iter().enumerate() {
        let word = match goal.met {
            true => Span::new("met", Paint::Good),
            false => Span::new("missed", Paint::Bad),
        };
        let value = goal.value.map_or_else(String::new, |v| format!(": {}", page.number(v)));
        let label = if place == 0 { "Goals" } else { " " };
        page.labelled(label, &[word, Span::plain(format!("{}{value}", goal.goal))]);
    }
}

/// The requests that keep to every limit, and what these are.
fn goodput(report: &Report<'_>, page: &Page) -> Vec<String> {
    let summary = &report.outcome.summary;
    let mut items = values(summary, page, &[("goodput_rps", "requests/s")]);
    let good = summary.value("good_ratio").map(|good| format!("{} good", number::percent(good)));
    items.extend(good);
    let limits = report.point.goodput.as_ref().filter(|_| !items.is_empty());
    items.extend(limits.map(|limits| format!("within {limits}")));
    items
}

fn in_flight(summary: &Summary, page: &Page) -> Vec<String> {
    let words = [
        ("concurrency", "requests on average"),
        ("prefill_concurrency", "in prefill"),
        ("decode_concurrency", "in decode"),
    ];
    values(summary, page, &words)
}

fn values(summary: &Summary, page: &Page, words: &[(&str, &str)]) -> Vec<String> {
    let item =
        |(id, words): &(&str, &str)| Some(format!("{} {words}", page.number(summary.value(id)?)));
    words.iter().filter_map(item).collect()
}

/// How many requests succeeded, failed, and were cancelled.
fn outcomes(summary: &Summary, page: &Page) -> Vec<String> {
    let (ok, failed) = (summary.succeeded(), summary.failed());
    let cancelled = summary.requests() - ok - failed;
    let (retried, resent) = (summary.facts.retried, summary.facts.resent);
    let mut items =
        vec![format!("{} ok", page.count(ok)), format!("{} failed", page.count(failed))];
    items.extend((retried > 0).then(|| format!("{} of them tried again", page.count(retried))));
    let resent = (resent > 0)
        .then(|| format!("{} sent twice: kept connections were closed", page.count(resent)));
    items.extend(resent);
    items.extend((cancelled > 0).then(|| format!("{} cancelled", page.count(cancelled))));
    items
}

/// The failures by outcome, most frequent first, each with one of the messages.
fn errors(summary: &Summary, page: &mut Page) {
    let mut messages: BTreeMap<Outcome, &str> = BTreeMap::new();
    for (outcome, message) in summary.errors.keys().filter(|(_, message)| !message.is_empty()) {
        messages.entry(*outcome).or_insert(message);
    }
    let failures = summary.outcomes.iter().filter(|(outcome, _)| outcome.is_failure());
    let mut failures: Vec<(Outcome, u64)> = failures.map(|(o, count)| (*o, *count)).collect();
    failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (place, (outcome, count)) in failures.iter().take(MOST_ERRORS).enumerate() {
        let label = if place == 0 { "Errors" } else { " " };
        let count = page.count(*count);
        let words = match messages.get(outcome) {
            Some(message) => format!("{count} x {outcome}: {}", shortened(message)),
            None => format!("{count} x {outcome}"),
        };
        page.labelled(label, &[Span::plain(words)]);
    }
    let more = failures.len().saturating_sub(MOST_ERRORS);
    if more > 0 {
        page.labelled(" ", &[Span::plain(format!("and {more} more kinds"))]);
    }
}

/// The beginning of a message: a server may answer with a whole page.
fn shortened(message: &str) -> String {
    const MOST: usize = 200;
    let mut short: String = message.chars().take(MOST).collect();
    if short.len() < message.len() {
        short.push_str(" ...");
    }
    short
}

/// What shares of the answers were right, and of how many questions there is no answer.
fn accuracy(summary: &Summary, page: &Page) -> Vec<String> {
    let words = [
        ("accuracy", "answers right"),
        ("tool_call_accuracy", "answers with the right calls"),
        ("tool_name_accuracy", "with the right functions"),
    ];
    let mut items: Vec<String> = words
        .iter()
        .filter_map(|(id, words)| {
            let values = summary.distribution(id)?;
            let (of, ratio) = (values.count as f64, values.mean);
            let Interval { low, high } = Share { count: ratio * of, of }.interval();
            let [ratio, low, high] = [ratio, low, high].map(number::percent);
            Some(format!("{ratio} ({low} to {high}) of {} {words}", page.count(values.count)))
        })
        .collect();
    let f1 = summary.distribution("answer_f1").map(|f1| format!("F1 {}", page.number(f1.mean)));
    items.extend(f1);
    let unanswered = summary.facts.unanswered;
    items.extend((unanswered > 0).then(|| format!("{} not answered", page.count(unanswered))));
    items
}

fn stamps(summary: &Summary, page: &Page) -> Option<Vec<String>> {
    let kernel = summary.facts.kernel_stamped_ratio?;
    if kernel <= 0.0 {
        return Some(vec!["time of the read: no kernel stamps here".to_owned()]);
    }
    let mut items = vec![format!("kernel, {} of arrivals", number::percent(kernel))];
    let lag = summary.distribution("client_lag_ms").and_then(|d| d.percentile(99.0));
    items.extend(lag.map(|lag| format!("client lag p99 {} ms", page.number(lag))));
    Some(items)
}
