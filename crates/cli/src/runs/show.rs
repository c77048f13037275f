//! `runs show`: what is known of one run.

use bench_harness::{Failure, found as found_in};
use bench_report::{
    console::{
        self, matrix,
        sweep::{self, SweepReport},
    },
    text::clean,
};
use bench_store::{
    Entry, GoalLine, MetricLine, ReasonLine, RunFile, RunState, SummaryFile, TornTail, read_samples,
};
use serde_json::json;

use super::{
    listing::{model, number, when},
    now_ms, print_json, size,
    table::{Column, Table},
    to_json, unreadable,
};
use crate::{args::Color, output};

pub(super) fn show(entry: &Entry, as_json: bool) -> Result<(), Failure> {
    let summary = match entry.directory().read_summary() {
        Ok(summary) => summary,
        // The entry says what is wrong with it.
        Err(_) if entry.problem.is_some() => None,
        Err(error) => return Err(unreadable(&error)),
    };
    let run = entry.directory().read_run().ok();
    let found = run.as_ref().zip(summary.as_ref());
    let found = found.map_or(Vec::new(), |(run, summary)| found_in(run, summary));
    let tail = tail(entry);
    if as_json {
        let mut shown = to_json(entry);
        shown["summary"] = to_json(&summary);
        if !found.is_empty() {
            shown["found"] = to_json(&found);
        }
        if let Some(tail) = &tail {
            shown["samples"] = json!({
                "read": tail.read,
                "torn_bytes": tail.torn.map_or(0, |torn| torn.compressed_bytes),
            });
        }
        return print_json(&shown);
    }
    let mut text = facts(entry, tail.as_ref()).render(output::width());
    if let Some(summary) = summary.filter(|summary| !summary.points.is_empty()) {
        text += "\n";
        for found in &found {
            text += &format!("{}\n", clean(&format!("{}: {found}", found.target)));
        }
        text += &match &run {
            Some(run) if summary.points.len().max(run.points.len()) > 1 => several(run, &summary),
            _ => points(&summary).render(output::width()) + &telemetry(&summary),
        };
    }
    output::result(&text)
}

/// A run of several points, as it was shown when it ended.
fn several(run: &RunFile, summary: &SummaryFile) -> String {
    let report =
        SweepReport { version: env!("CARGO_PKG_VERSION"), run, summary, saved: &[], next: &[] };
    let (width, style) = (output::width(), output::style(Color::Auto, false));
    match matrix::applies(run) {
        true => matrix::render(&report, width, style),
        false => sweep::render(&report, width, style),
    }
}

/// What was watched beside the requests, of the only point.
fn telemetry(summary: &SummaryFile) -> String {
    let style = output::style(Color::Auto, false);
    let shown = |point| console::telemetry::render(point, output::width(), style, false);
    summary
        .points
        .iter()
        .map(shown)
        .filter(|text| !text.is_empty())
        .map(|text| format!("\n{text}"))
        .collect()
}

/// How many points ended, of how many where that is known: nobody knows how many a search will need.
fn ended(entry: &Entry) -> String {
    let Entry { points_ended, points, state, .. } = entry;
    let are_all = points_ended == points && *state == RunState::Finished;
    if points_ended < points || are_all {
        return format!("{points_ended} of {points} ended");
    }
    format!("{points_ended} ended")
}

/// What can be read of the samples of a run that did not end by itself.
struct Tail {
    read: u64,
    torn: Option<TornTail>,
}

fn tail(entry: &Entry) -> Option<Tail> {
    if !matches!(entry.state, RunState::Unfinished | RunState::Running) {
        return None;
    }
    let mut samples = read_samples(&entry.directory().samples_path()).ok()?;
    let read = samples.by_ref().filter(Result::is_ok).count() as u64;
    Some(Tail { read, torn: samples.torn() })
}

fn facts(entry: &Entry, tail: Option<&Tail>) -> Table {
    let state = match &entry.trust {
        Some(trust) => format!("{}, {trust}", entry.state.as_str()),
        None => entry.state.as_str().to_owned(),
    };
    let tags: Vec<String> = entry.tags.iter().map(|tag| format!("#{tag}")).collect();
    let mut facts = vec![
        ("name", entry.name.clone()),
        ("state", state),
        ("began", format!("{} ({} ago)", entry.created, when(entry.created_ms, now_ms()))),
        ("target", entry.targets.join(", ")),
        ("engine", entry.engines.join(", ")),
        ("model", model(entry)),
        ("load", entry.load.clone()),
        ("points", ended(entry)),
    ];
    if entry.simulated {
        facts.push(("simulated", "yes: these are numbers of the built-in simulator".to_owned()));
    }
    facts.extend(tail.map(|tail| ("samples", samples(entry, tail))));
    facts.extend(entry.baseline.then(|| ("baseline", "yes".to_owned())));
    facts.push(("tags", tags.join(" ")));
    facts.push(("note", entry.note.clone()));
    facts.extend(entry.imported.clone().map(|format| ("imported", format!("from {format}"))));
    facts.extend(entry.problem.clone().map(|problem| ("problem", problem)));
    facts.push(("size", size(entry.bytes)));
    facts.push(("path", entry.path.display().to_string()));
    let mut table = Table::new(&[("run", Column::Word), (&clean(&entry.id), Column::Text)]);
    for (name, fact) in facts.into_iter().filter(|(_, fact)| !fact.is_empty()) {
        table.row(vec![name.to_owned(), fact], Vec::new());
    }
    table
}

fn samples(entry: &Entry, tail: &Tail) -> String {
    let mut text = format!("{} requests can be read", tail.read);
    if let Some(torn) = tail.torn {
        text += &format!("; the last {} bytes are torn", torn.compressed_bytes);
    }
    if entry.state == RunState::Unfinished {
        text += &format!("; inferbench runs repair {} sums them up", entry.id);
    }
    text
}

fn points(summary: &SummaryFile) -> Table {
    let mut table = Table::new(&[
        ("target", Column::Text),
        ("load", Column::Text),
        ("tok/s", Column::Number),
        ("TTFT p50", Column::Number),
        ("p95 ms", Column::Number),
        ("TPOT p50", Column::Number),
        ("failed", Column::Number),
        ("trust", Column::Word),
    ]);
    for point in &summary.points {
        let figure = |metric: &str, name| {
            number(point.metrics.get(metric).and_then(|m: &MetricLine| m.statistic(name)), "")
        };
        table.row(
            vec![
                point.target.clone(),
                point.load.to_string(),
                figure("output_tps", "value"),
                figure("ttft_ms", "p50"),
                figure("ttft_ms", "p95"),
                figure("tpot_ms", "p50"),
                point.failed().to_string(),
                point.trust.clone(),
            ],
            point.goals.iter().map(goal).chain(point.reasons.iter().map(reason)).collect(),
        );
    }
    table
}

fn goal(goal: &GoalLine) -> String {
    let word = if goal.met { "met" } else { "missed" };
    format!("{word}: {}, at {}", goal.goal, number(goal.value, ""))
}

fn reason(reason: &ReasonLine) -> String {
    format!("{}: {}", reason.trust, reason.text)
}
