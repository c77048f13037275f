//! A card for a pull request or a forum: the same sentences and tables as on the console, in Markdown.
//!
//! Every text is escaped: what a server or a file says makes no heading, link, picture or mention.

use bench_store::{RunFile, SummaryFile};

use crate::{
    compare::{self, CompareReport},
    console::Style,
    gate::{self, GateReport},
    grid::{Entry, Grid, Line},
    matrix,
    sweep::{Note, Sentence, Sweep},
    text,
};

/// The loads of a run: see [`console::sweep`](crate::console::sweep).
pub fn sweep(run: &RunFile, summary: &SummaryFile) -> String {
    let sweep = Sweep::of(run, summary);
    let style = Style::default();
    let grid = sweep.grid(style);
    let shown: Vec<&Entry> = grid.entries().map(|(_, entry)| entry).collect();
    let below = [sweep.variation(style), sweep.notes(style)].concat();
    let table = (&grid, sweep.marks(style, &shown), below);
    card(&sweep, &sweep.sentence(style), "Loads", table)
}

/// The matrix of input and output lengths of a run: see [`console::matrix`](crate::console::matrix).
pub fn matrix(run: &RunFile, summary: &SummaryFile) -> String {
    let sweep = Sweep::of(run, summary);
    let style = Style::default();
    let table = (&matrix::grid(&sweep, style), Vec::new(), matrix::notes(&sweep, style));
    card(&sweep, &matrix::sentence(&sweep, style), "Input and output lengths", table)
}

/// A comparison: see [`console::compare`](crate::console::compare).
pub fn compare(report: &CompareReport) -> String {
    let mut text = String::new();
    for candidate in &report.candidates {
        let (word, _, sentence) = compare::tables::sentence(candidate);
        let is_simulated = report.baseline.simulated || candidate.run.simulated;
        let simulated = if is_simulated { "simulated: " } else { "" };
        let sides = [&candidate.run, &report.baseline].map(|side| escaped(&side.title()));
        text += &format!("**{word}** {simulated}{}\n\n", escaped(&sentence));
        text += &format!("{} against {}\n\n", sides[0], sides[1]);
        text += &table(&compare::tables::points(candidate, Style::default()));
        let mut below: Vec<String> =
            compare::tables::marks(candidate).into_iter().map(str::to_owned).collect();
        let differences = compare::tables::differences(candidate);
        below.extend(differences.iter().map(|d| format!("Differs in {}", escaped(d))));
        let notes = [&report.baseline, &candidate.run].map(|side| (side.title(), &side.notes));
        for (title, notes) in notes {
            below
                .extend(notes.iter().map(|note| format!("{}: {}", escaped(&title), escaped(note))));
        }
        below.extend(candidate.unmatched.iter().map(|u| format!("Not compared: {}", escaped(u))));
        text += &list(&below);
    }
    if let Some(references) = compare::tables::references(report, Style::default()) {
        text += "\n";
        text += &table(&references);
        let notes = compare::tables::reference_notes(report);
        text += &list(&notes.iter().map(|note| escaped(note)).collect::<Vec<_>>());
    }
    text
}

/// Most limits that are shown one by one: the whole takes twelve lines.
const MOST_CHECKS: usize = 7;

/// What a gate says, in at most twelve lines: see [`console::gate`](crate::console::gate).
pub fn gate(report: &GateReport) -> String {
    let (word, sentence) = gate::tables::sentence(report);
    let mut grid = gate::tables::checks(report, Style::default());
    // The worst first, so that what is left out is kept.
    let mut order: Vec<usize> = (0..report.checks.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(report.checks[*place].outcome));
    grid.lines = order.iter().take(MOST_CHECKS).map(|place| grid.lines[*place].clone()).collect();
    let mut notes = gate::tables::notes(report);
    for side in report.candidates.iter().chain([&report.baseline]) {
        notes.extend(side.notes.iter().map(|note| format!("{}: {note}", side.title())));
    }
    let more = report.checks.len().saturating_sub(MOST_CHECKS);
    notes.extend((more > 0).then(|| format!("{more} more limits")));
    let candidates: Vec<String> = report.candidates.iter().map(|c| escaped(&c.title())).collect();
    format!(
        "**{word}** {} {} against {}: {}\n\n{}",
        escaped(&sentence),
        candidates.join(", "),
        escaped(&report.baseline.title()),
        escaped(&notes.join("; ")),
        table(&grid),
    )
}

fn card(
    sweep: &Sweep<'_>,
    sentence: &Sentence,
    title: &str,
    (grid, marks, notes): (&Grid, Vec<String>, Vec<Note>),
) -> String {
    let run = sweep.run;
    let mut text = format!(
        "**{}** {}\n\n{}, run {} \"{}\", inferbench {}\n\n",
        escaped(&sentence.word),
        escaped(&sentence.text),
        escaped(&sweep.titled(title)),
        escaped(&run.id),
        escaped(&run.name),
        escaped(&run.inferbench),
    );
    text += &table(grid);
    let mut below: Vec<String> = marks.iter().map(|mark| escaped(mark)).collect();
    below.extend(
        notes.iter().map(|note| format!("{}: {}", escaped(note.label), escaped(&note.text))),
    );
    let (trusted, all) = sweep.trusted();
    if all > 0 {
        below.push(format!("Trust: {trusted} of {all} points trusted"));
    }
    below.extend(sweep.doubts().iter().map(|doubt| format!("Doubt: {}", escaped(&doubt.text))));
    text + &list(&below)
}

/// Lines as a list, with an empty line before it; nothing if there are none.
pub(crate) fn list(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("- {line}\n")).collect();
    format!("\n{lines}")
}

/// A table with all its columns.
pub(crate) fn table(grid: &Grid) -> String {
    if grid.lines.is_empty() {
        return String::new();
    }
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = grid.columns.iter().map(|column| escaped(&column.full_name()));
    let mut text = row(names.collect());
    let rule = |words: bool| if words { ":---" } else { "---:" }.to_owned();
    text += &row(grid.columns.iter().map(|column| rule(column.words)).collect());
    for line in &grid.lines {
        text += &match line {
            Line::Row(entries) => row(entries.iter().map(cell).collect()),
            // A table has no headings within: the first cell holds it.
            Line::Section(title) => {
                let mut cells = vec![String::new(); grid.columns.len()];
                if let Some(first) = cells.first_mut() {
                    *first = format!("**{}**", escaped(title));
                }
                row(cells)
            }
        };
    }
    text
}

fn cell(entry: &Entry) -> String {
    escaped(&entry.in_one("±"))
}

/// `text` as text, whatever is in it.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text::shown(text, false) {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // Mentions and references.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            c => escaped.push(c),
        }
    }
    // Addresses would become links of themselves.
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        for (text, expected) in [
            ("plain 1.5 (x)", "plain 1.5 (x)"),
            ("a|b", "a\\|b"),
            ("a\nb\r\nc", "a b  c"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("![a](http://x)", "!\\[a\\](http&#58;//x)"),
            ("@all #1 `x` *b* _i_", "&#64;all &#35;1 \\`x\\` \\*b\\* \\_i\\_"),
            ("\u{1b}[31mred\u{1b}[0m\u{202e}", "red"),
            ("&lt;", "&amp;lt;"),
            ("\\|", "\\\\\\|"),
        ] {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }
}
