//! What is said below the rows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bench_core::stats::Repeats;
use bench_store::{PointSummary, ReasonLine, State};

use super::{Doubt, Note, Sweep, rows::BEST, sentence::came_to};
use crate::{
    cells::{Cell, Group, load_words},
    console::{Style, number},
    grid::Entry,
};

/// A metric, its statistic, and what it is called here.
type Compared = (&'static str, Option<&'static str>, &'static str);

/// The metrics by which a repeat can stand apart from the others.
const APART: [Compared; 2] =
    [("output_tps", None, "output tok/s"), ("ttft_ms", Some("p50"), "TTFT p50 ms")];

/// The same of results, which have no tokens.
const APART_OF_RESULTS: [Compared; 2] =
    [("rps", None, "req/s"), ("e2e_ms", Some("p50"), "E2E p50 ms")];

/// The metrics whose coefficient of variation is told.
const VARIATION: [Compared; 2] =
    [("output_tps", None, "output tok/s"), ("ttft_ms", Some("p95"), "TTFT p95")];

/// The same of results.
const VARIATION_OF_RESULTS: [Compared; 2] =
    [("rps", None, "req/s"), ("e2e_ms", Some("p95"), "E2E p95")];

impl<'a> Sweep<'a> {
    /// What is not in the rows: missed goals, failed points, errors, skipped cells, what was found wrong with targets,
    /// repeats that stand apart.
    pub(crate) fn notes(&self, style: Style) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut add = |label, text| notes.push(Note { label, text });
        for (group, cell) in self.cells() {
            for missed in cell.missed() {
                let place = self.place(group, cell);
                add("Missed", format!("{place}: {}{}", missed.goal, came_to(&missed, style)));
            }
        }
        for (group, cell) in self.cells() {
            for point in cell.points() {
                if let Some(failure) = &point.failure {
                    add("Not measured", format!("{}: {failure}", self.repeat(group, cell, point)));
                }
            }
        }
        let changes: BTreeSet<String> =
            self.cells().filter_map(|(_, cell)| cell.load().change()).collect();
        for change in changes {
            add("Load", format!("{change}: all but steady numbers cover it as it changes"));
        }
        for error in self.errors(style) {
            add("Errors", error);
        }
        for left_out in self.left_out() {
            add("Left out", left_out);
        }
        for skipped in self.environment.skipped() {
            add("Skipped", format!("{}: {}", skipped.what.join(", "), skipped.why));
        }
        for (target, what) in self.environment.issues() {
            add("Issue", format!("{target}: {what}"));
        }
        for note in self.environment.notes() {
            add("Note", note.to_owned());
        }
        for (group, cell) in self.cells() {
            let compared = if cell.has_tokens() { APART } else { APART_OF_RESULTS };
            for (metric, statistic, name) in compared {
                for (point, value) in cell.apart(metric, statistic) {
                    let value = number::significant(value, style);
                    let repeat = self.repeat(group, cell, point);
                    add("Stands apart", format!("{repeat}: {name} {value}, unlike the others"));
                }
            }
        }
        if let Some((tool, notes)) = self.environment.imported() {
            add("Imported", format!("from {tool}: its numbers mean what it says they mean"));
            notes.iter().for_each(|note| add("Imported", (*note).to_owned()));
        }
        notes
    }

    /// How far repeats lie apart, as a share of their mean; nothing where none are repeated.
    pub(crate) fn variation(&self, style: Style) -> Vec<Note> {
        let of_cells = |metric, statistic| {
            let of_cell = move |(group, cell): (&Group<'a>, &Cell<'a>)| {
                // Each cell by its own.
                let of_results = VARIATION_OF_RESULTS.iter().any(|(id, ..)| *id == metric);
                if of_results == cell.has_tokens() {
                    return None;
                }
                let cv = Repeats::of(&cell.values(metric, statistic))?.cv?;
                let percent = number::significant(cv * 100.0, style);
                Some(format!("{percent} % at {}", self.place(group, cell)))
            };
            self.cells().filter_map(of_cell).collect::<Vec<_>>()
        };
        let note = |(metric, statistic, name)| {
            let cells = of_cells(metric, statistic);
            let text = format!("of {name} over repeats: {}", cells.join(", "));
            (!cells.is_empty()).then_some(Note { label: "CV", text })
        };
        VARIATION.into_iter().chain(VARIATION_OF_RESULTS).filter_map(note).collect()
    }

    /// The failures of all points by outcome, most frequent first, each with one of the messages.
    fn errors(&self, style: Style) -> Vec<String> {
        const MOST: usize = 6;
        let points = &self.summary.points;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (outcome, count) in points.iter().flat_map(|point| &point.outcomes) {
            if outcome != "ok" && outcome != "cancelled" {
                *counts.entry(outcome).or_default() += count;
            }
        }
        let mut errors: Vec<(&str, u64)> = counts.into_iter().collect();
        errors.sort_by_key(|(_, count)| Reverse(*count));
        let more = errors.len().saturating_sub(MOST);
        let words = |(outcome, count): &(&str, u64)| {
            let mut lines = points.iter().flat_map(|point| &point.errors);
            let said = lines.find(|line| line.outcome == *outcome && !line.message.is_empty());
            let said = said.map_or_else(String::new, |line| format!(": {}", line.message));
            format!("{} x {outcome}{said}", number::count(*count, style))
        };
        let mut words: Vec<String> = errors.iter().take(MOST).map(words).collect();
        words.extend((more > 0).then(|| format!("and {more} more kinds")));
        words
    }

    /// Loads that were planned and not measured although the run came to its end: those beyond saturation,
    /// and those of a target that was lost.
    fn left_out(&self) -> Vec<String> {
        if self.summary.state != State::Finished {
            return Vec::new();
        }
        let measured: BTreeSet<u32> = self.summary.points.iter().map(|point| point.cell).collect();
        let mut loads: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        let mut seen = measured.clone();
        for point in self.run.points.iter().filter(|point| !measured.contains(&point.cell)) {
            if seen.insert(point.cell) {
                let of_target = loads.entry((&point.target, &point.workload)).or_default();
                of_target.push(load_words(&point.load));
            }
        }
        let words = |((target, workload), loads): ((&str, &str), Vec<String>)| {
            let lost = self.summary.points.iter().any(|p| p.target == target && p.is_lost());
            let why = if lost { "the target was lost" } else { "beyond saturation" };
            format!("{} of {target}, {workload}: {why}", loads.join(", "))
        };
        loads.into_iter().map(words).collect()
    }

    fn place(&self, group: &Group<'_>, cell: &Cell<'_>) -> String {
        let load = load_words(cell.load());
        match self.groups.len() {
            1 => load,
            _ => format!("{load}, {}", self.group_name(group)),
        }
    }

    fn repeat(&self, group: &Group<'_>, cell: &Cell<'_>, point: &PointSummary) -> String {
        let place = self.place(group, cell);
        match cell.points().len() {
            1 => place,
            _ => format!("{place}, repeat {}", u64::from(point.repeat) + 1),
        }
    }

    /// What speaks against the numbers, each reason once, that of most points first.
    pub(crate) fn doubts(&self) -> Vec<Doubt<'a>> {
        let points = &self.summary.points;
        let mut by_code: BTreeMap<&str, Vec<&'a ReasonLine>> = BTreeMap::new();
        for reason in points.iter().flat_map(|point| &point.reasons) {
            by_code.entry(&reason.code).or_default().push(reason);
        }
        let mut groups: Vec<_> = by_code.into_values().collect();
        let is_void = |reasons: &[&ReasonLine]| reasons.iter().any(|r| r.trust == "void");
        groups.sort_by_key(|reasons| (!is_void(reasons), Reverse(reasons.len())));
        let doubt = |reasons: Vec<&'a ReasonLine>| {
            let worst = reasons.iter().find(|r| r.trust == "void").unwrap_or(&reasons[0]);
            let differ = reasons.iter().any(|reason| reason.text != worst.text);
            let such = if differ { ", such as" } else { "" };
            let text = match points.len() {
                1 => worst.text.clone(),
                all => format!("{} of {all} points{such}: {}", reasons.len(), worst.text),
            };
            Doubt { text, remedy: &worst.remedy, is_void: worst.trust == "void" }
        };
        groups.into_iter().map(doubt).collect()
    }

    /// What the marks in the table mean, of whose entries these are `shown`.
    pub(crate) fn marks(&self, style: Style, shown: &[&Entry]) -> Vec<String> {
        let mut marks = Vec::new();
        let any = |has: &dyn Fn(&Entry) -> bool| shown.iter().any(|entry| has(entry));
        if any(&|entry| entry.span.text.starts_with('~')) {
            marks.push("~ too few requests to rely on; p95 needs 130, p99 662".to_owned());
        }
        if any(&|entry| entry.spread.is_some()) {
            let sign = if style.ascii { "+-" } else { "±" };
            marks.push(format!(
                "{sign} half of the 95 % interval of the mean over repeats (Student's t)"
            ));
        }
        let is_share = |text: &str| text.starts_with(['y', 'n']) && text.contains('/');
        if any(&|entry| is_share(&entry.span.text)) {
            marks.push("yes 2/3: so many repeats met every goal; most of them decide".to_owned());
        }
        if any(&|entry| entry.span.text.ends_with(BEST)) {
            marks.push("< best load that meets every goal".to_owned());
        }
        marks
    }
}
