//! What a gate says as a sentence and a table.

use super::{Check, CheckOutcome, GateReport, GateVerdict};
use crate::{
    compare::{
        Basis,
        tables::{interval, signed, value_words},
    },
    console::{Paint, Style},
    grid::{Column, Entry, Grid, Line},
};

/// The verdict, and what it is about.
pub(crate) fn sentence(report: &GateReport) -> (&'static str, String) {
    let of = report.checks.len();
    let count = |outcome| report.checks.iter().filter(|check| check.outcome == outcome).count();
    let simulated = report.candidates.iter().chain([&report.baseline]).any(|side| side.simulated);
    let simulated = if simulated { "simulated: " } else { "" };
    let (word, text) = match report.verdict {
        GateVerdict::Void if !report.void.is_empty() => {
            ("VOID", format!("numbers do not describe their server at {}.", report.void.join(", ")))
        }
        GateVerdict::Void if !report.missing.is_empty() => {
            let missing = report.missing.join("; ");
            ("VOID", format!("the baseline measured what was not measured now: {missing}."))
        }
        GateVerdict::Void => ("VOID", "no limit could be judged.".to_owned()),
        GateVerdict::Regressed => {
            let broken = count(CheckOutcome::Broken);
            let alone = report.checks.iter().filter(|c| c.is_broken_by_limit_alone()).count();
            let alone = match alone {
                0 => String::new(),
                n if n == broken => ", judged by the limit alone".to_owned(),
                n => format!(", {n} of them judged by the limit alone"),
            };
            ("REGRESSED", format!("{broken} of {of} limits broken beyond the noise{alone}."))
        }
        GateVerdict::Passed => match count(CheckOutcome::NotJudged) {
            0 => ("PASS", format!("no limit of {of} broken beyond the noise.")),
            n => ("PASS", format!("no limit broken beyond the noise; {n} of {of} not judged.")),
        },
    };
    (word, format!("{simulated}{text}"))
}

/// A row for each limit, at the point where the change is worst.
pub(crate) fn checks(report: &GateReport, style: Style) -> Grid {
    let columns = vec![
        Column::words("limit").kept(),
        Column::new("", "baseline").kept(),
        Column::new("", "candidate").kept(),
        Column::new("", "change").kept(),
        Column::words("outcome").kept(),
        Column::words("worst at"),
        Column::new("", "95 % interval"),
    ];
    let lines = report.checks.iter().map(|check| Line::Row(row(check, style))).collect();
    Grid { columns, lines }
}

fn row(check: &Check, style: Style) -> Vec<Entry> {
    let unknown = || Entry::unknown(style);
    let worst = check.worst.as_ref();
    let value = |value: Option<f64>| match (worst, value) {
        (Some(change), Some(value)) => Entry::plain(value_words(change, value, style)),
        _ => unknown(),
    };
    let change = worst.and_then(|change| Some((change, change.change?)));
    let paint = match check.outcome {
        CheckOutcome::Broken => Paint::Bad,
        CheckOutcome::Kept => Paint::Good,
        CheckOutcome::WithinNoise | CheckOutcome::NotJudged => Paint::Doubt,
    };
    vec![
        Entry::plain(&check.limit),
        value(worst.and_then(|change| change.baseline)),
        value(worst.and_then(|change| change.candidate)),
        change.map_or_else(unknown, |(change, amount)| Entry::plain(signed(change, amount.change))),
        Entry::new(check.outcome.words(), paint),
        check.at.as_ref().map_or_else(unknown, |at| Entry::plain(at.as_str())),
        change.and_then(|(change, a)| interval(change, &a)).map_or_else(unknown, Entry::plain),
    ]
}

/// What to know of the table.
pub(crate) fn notes(report: &GateReport) -> Vec<String> {
    let mut notes = vec![format!("changes up to {:.1} % are noise", report.noise * 100.0)];
    let worst = || report.checks.iter().filter_map(|check| check.worst.as_ref());
    if worst().any(|change| change.basis == Basis::Single) {
        let what = "one run each where there is no interval: the limit alone judges";
        notes.push(format!("{what}; repeat at least 3 times"));
    }
    if worst().any(|change| change.basis == Basis::TooFew) {
        notes
            .push("too few requests to judge all: p50 needs 20 on either side, p95 130".to_owned());
    }
    if !report.unmatched.is_empty() {
        notes.push(format!("not compared: {}", report.unmatched.join("; ")));
    }
    notes
}
