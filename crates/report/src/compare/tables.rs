//! A comparison as sentences and tables, for whatever they are shown on.

use super::{AlignedPoint, Amount, Basis, Candidate, CompareReport, MetricChange, ReferencePoint};
use crate::{
    console::{Paint, Style, number},
    grid::{Column, Entry, Grid, Line},
};

/// What became of a candidate, in a sentence, and the word before it.
pub(crate) fn sentence(candidate: &Candidate) -> (String, Paint, String) {
    let count =
        |word: &str| changes(candidate).filter(|(_, c)| c.word.as_deref() == Some(word)).count();
    let is_void = candidate.points.iter().any(AlignedPoint::is_void);
    let not_judged = changes(candidate).filter(|(_, change)| change.word.is_none()).count();
    let judged = changes(candidate).count() - not_judged;
    let (word, paint) = match (count("improved"), count("regressed"), count("no change")) {
        _ if is_void => ("VOID", Paint::Bad),
        // Neither better nor worse, but not the same either.
        (0, 0, _) if count("changed") > 0 => ("CHANGED", Paint::Doubt),
        // A few that are the same say nothing of the others.
        (0, 0, _) if not_judged > judged || judged == 0 => ("NOT JUDGED", Paint::Doubt),
        (0, 0, same) if same >= count("within noise") => ("NO CHANGE", Paint::Good),
        (0, 0, _) => ("WITHIN NOISE", Paint::Doubt),
        (_, 0, _) => ("IMPROVED", Paint::Good),
        (0, ..) => ("REGRESSED", Paint::Bad),
        _ => ("MIXED", Paint::Doubt),
    };
    let words = ["improved", "regressed", "changed", "no change", "within noise"];
    let mut counts: Vec<String> = words
        .iter()
        .map(|w| (count(w), w))
        .filter(|(n, _)| *n > 0)
        .map(|(n, w)| format!("{n} {w}"))
        .collect();
    counts.extend((not_judged > 0).then(|| format!("{not_judged} not judged")));
    let mut text = match counts.is_empty() {
        true => "nothing was compared.".to_owned(),
        false => format!("{}.", counts.join(", ")),
    };
    for (word, title) in
        [("regressed", "Regressed"), ("improved", "Improved"), ("changed", "Changed")]
    {
        if let Some(worst) = most(candidate, word) {
            text += &format!(" {title} most: {worst}.");
        }
    }
    if is_void {
        text += " Void numbers do not describe their server.";
    }
    (word.to_owned(), paint, text)
}

/// The largest change that is called `word`.
fn most(candidate: &Candidate, word: &str) -> Option<String> {
    let size = |change: &MetricChange| change.change.map_or(0.0, |amount| amount.change.abs());
    let called = changes(candidate).filter(|(_, change)| change.word.as_deref() == Some(word));
    let (point, change) = called.max_by(|a, b| size(a.1).total_cmp(&size(b.1)))?;
    Some(format!("{} {} at {}", change.id(), signed(change, change.change?.change), point.at))
}

fn changes(candidate: &Candidate) -> impl Iterator<Item = (&AlignedPoint, &MetricChange)> {
    let points = candidate.points.iter();
    let changes = points.flat_map(|point| point.metrics.iter().map(move |change| (point, change)));
    changes.filter(|(_, change)| change.metric != "load")
}

/// Each metric at each pair of points.
pub(crate) fn points(candidate: &Candidate, style: Style) -> Grid {
    let columns = vec![
        Column::words("metric").kept(),
        Column::new("", "baseline").kept(),
        Column::new("", "candidate").kept(),
        Column::new("", "change").kept(),
        Column::words("word").kept(),
        Column::new("", "95 % interval"),
        Column::new("", "p"),
    ];
    let mut lines = Vec::new();
    for point in &candidate.points {
        lines.push(Line::Section(section(point)));
        lines.extend(point.metrics.iter().map(|change| Line::Row(row(change, style))));
    }
    Grid { columns, lines }
}

fn section(point: &AlignedPoint) -> String {
    let who = match point.baseline == point.candidate {
        true => point.baseline.clone(),
        false => format!("{} against {}", point.candidate, point.baseline),
    };
    let trust = match point.trust.as_str() {
        "trusted" => "",
        "void" => ", VOID",
        _ => ", doubtful",
    };
    format!("{}: {who}{trust}", point.at)
}

fn row(change: &MetricChange, style: Style) -> Vec<Entry> {
    let value = |value| Entry::plain(value_words(change, value, style));
    let unknown = || Entry::unknown(style);
    let amount = change.change;
    vec![
        Entry::plain(change.id()),
        change.baseline.map_or_else(unknown, value),
        change.candidate.map_or_else(unknown, value),
        amount.map_or_else(unknown, |amount| Entry::plain(signed(change, amount.change))),
        word(change),
        amount.and_then(|a| interval(change, &a)).map_or_else(unknown, Entry::plain),
        amount.and_then(|a| a.p_value).map_or_else(unknown, |p| Entry::plain(p_words(p))),
    ]
}

pub(crate) fn value_words(change: &MetricChange, value: f64, style: Style) -> String {
    if change.is_share() { number::percent(value) } else { number::significant(value, style) }
}

fn word(change: &MetricChange) -> Entry {
    let Some(word) = &change.word else {
        return match change.basis {
            Basis::Void => Entry::new("VOID", Paint::Bad),
            Basis::TooFew | Basis::Counts => Entry::new("too few", Paint::Dim),
            _ if change.metric == "load" => Entry::plain(""),
            _ => Entry::new("not judged", Paint::Dim),
        };
    };
    let paint = match word.as_str() {
        "improved" => Paint::Good,
        "regressed" => Paint::Bad,
        "changed" => Paint::Doubt,
        _ => Paint::Plain,
    };
    Entry::new(word, paint)
}

/// `+3.1 %`, or `+0.50 pt` of a share.
pub(crate) fn signed(change: &MetricChange, amount: f64) -> String {
    if change.is_share() {
        format!("{:+.2} pt", amount * 100.0)
    } else {
        format!("{:+.1} %", amount * 100.0)
    }
}

/// `[+1.6, +4.6]`, in the unit of the change.
pub(crate) fn interval(change: &MetricChange, amount: &Amount) -> Option<String> {
    let (low, high) = (amount.change_low? * 100.0, amount.change_high? * 100.0);
    let decimals = match change.is_share() {
        true => 2,
        false => usize::from(low.abs().max(high.abs()) < 99.95),
    };
    Some(format!("[{low:+.decimals$}, {high:+.decimals$}]"))
}

fn p_words(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

/// What the words that judge nothing mean.
pub(crate) fn marks(candidate: &Candidate) -> Vec<&'static str> {
    let mut unjudged = changes(candidate).filter(|(_, change)| change.word.is_none());
    let is_equal = unjudged.any(|(_, change)| change.basis == Basis::Counts);
    let any = |basis| changes(candidate).any(|(_, change)| change.basis == basis);
    let mut marks = Vec::new();
    if any(Basis::Single) {
        marks.push("not judged: one run each; repeat at least 3 times to judge");
    }
    if any(Basis::TooFew) {
        marks.push("too few: p50 needs 20 requests on either side, p95 130, p99 662");
    }
    if is_equal {
        marks.push("too few: shares of 0 % need 765 requests on either side to be called equal");
    }
    marks
}

/// The differences of the plans, those that matter first.
pub(crate) fn differences(candidate: &Candidate) -> Vec<String> {
    let differences = candidate.differences.iter();
    differences
        .map(|d| {
            let unlike = if d.unlike { "UNLIKE " } else { "" };
            format!("{unlike}{}: {} -> {}", d.what, d.baseline, d.candidate)
        })
        .collect()
}

/// What the runs measured beside what others did; nothing without the others.
pub(crate) fn references(report: &CompareReport, style: Style) -> Option<Grid> {
    if report.references.is_empty() {
        return None;
    }
    let columns = vec![
        Column::words("configuration").kept(),
        Column::new("decode", "tok/s").kept(),
        Column::new("TPOT", "ms"),
        Column::new("model", "GiB"),
        Column::new("KV cache", "GiB"),
        Column::new("KV cache", "tokens"),
        Column::new("", "ISL"),
        Column::new("", "OSL"),
    ];
    let rows = |points: &[ReferencePoint]| -> Vec<Line> {
        points.iter().map(|point| Line::Row(reference(point, style))).collect()
    };
    let mut lines = vec![Line::Section("measured".to_owned())];
    lines.extend(rows(&report.measured));
    lines.push(Line::Section("reference".to_owned()));
    lines.extend(rows(&report.references));
    Some(Grid { columns, lines })
}

fn reference(point: &ReferencePoint, style: Style) -> Vec<Entry> {
    let number = |value: Option<f64>| match value {
        Some(value) => Entry::plain(number::significant(value, style)),
        None => Entry::unknown(style),
    };
    let void = if point.notes == "VOID" { " VOID" } else { "" };
    vec![
        Entry::plain(format!("{}{void}", point.configuration)),
        number(point.decode_tps),
        number(point.tpot_ms),
        number(point.model_memory_gib),
        number(point.kv_cache_gib),
        number(point.kv_cache_tokens),
        number(point.isl),
        number(point.osl),
    ]
}

/// What stands beside the numbers of others.
pub(crate) fn reference_notes(report: &CompareReport) -> Vec<String> {
    let with_notes = report.references.iter().filter(|point| !point.notes.is_empty());
    with_notes.map(|point| format!("{}: {}", point.configuration, point.notes)).collect()
}
