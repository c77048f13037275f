//! A table on a page: as many columns as fit, and what is left out.

use super::{Page, Paint, Span};
use crate::grid::{Column, Entry, Grid, Line};

/// Between two columns.
const GAP: usize = 2;

/// Writes `grid`: spreads beside their numbers where that fits, else below them; then as many columns as
/// fit, from the left, minor ones last. Says which are left out, and returns the entries of the others.
pub(super) fn write<'g>(grid: &'g Grid, page: &mut Page) -> Vec<&'g Entry> {
    let layout = Layout::of(grid, page);
    layout.headings(page);
    for line in &grid.lines {
        match line {
            Line::Section(title) => page.paragraph(2, &[Span::new(title, Paint::Bold)]),
            Line::Row(entries) => layout.row(entries, page),
        }
    }
    if let Some(note) = layout.left_out() {
        page.paragraph(2, &[Span::new(note, Paint::Dim)]);
    }
    grid.entries().filter(|(column, _)| layout.shown.contains(column)).map(|(_, e)| e).collect()
}

struct Layout<'a> {
    columns: &'a [Column],
    /// The places of the columns that are shown.
    shown: Vec<usize>,
    /// How wide each column is, shown or not.
    widths: Vec<usize>,
    /// Whether spreads stand beside their numbers.
    beside: bool,
    /// The width that all columns would need.
    needed: usize,
}

impl<'a> Layout<'a> {
    fn of(grid: &'a Grid, page: &Page) -> Self {
        let columns = &grid.columns;
        let all: Vec<usize> = (0..columns.len()).collect();
        for beside in [true, false] {
            let widths = with_headings(columns, &all, widths(grid, page, beside), page);
            let needed = total(&all, &widths);
            if needed <= page.width {
                return Self { columns, shown: all, widths, beside, needed };
            }
        }
        let single = widths(grid, page, false);
        let needed = total(&all, &with_headings(columns, &all, single.clone(), page));
        let mut shown = all;
        loop {
            let widths = with_headings(columns, &shown, single.clone(), page);
            let minor = shown.iter().rposition(|column| columns[*column].minor);
            let last = minor.or(shown.iter().rposition(|column| !columns[*column].kept));
            match last {
                Some(place) if total(&shown, &widths) > page.width => shown.remove(place),
                _ => return Self { columns, shown, widths, beside: false, needed },
            };
        }
    }

    /// The names, and above them what neighbours share.
    fn headings(&self, page: &mut Page) {
        if self.shown.iter().any(|column| !self.columns[*column].group.is_empty()) {
            let mut line = Vec::new();
            let same = |a: &usize, b: &usize| self.columns[*a].group == self.columns[*b].group;
            for columns in self.shown.chunk_by(same) {
                let first = line.is_empty();
                let width = total(columns, &self.widths);
                let group = &self.columns[columns[0]].group;
                let padding =
                    width.saturating_sub(page.width_of(group)) + if first { 0 } else { GAP };
                line.push(Span::plain(format!("{}{group}", " ".repeat(padding))));
            }
            page.line(&line);
        }
        let names = self.columns.iter().map(|column| Span::plain(&column.name));
        self.write(&names.collect::<Vec<_>>(), page);
    }

    fn row(&self, entries: &[Entry], page: &mut Page) {
        let plus_minus = plus_minus(page);
        let text = |entry: &Entry| match self.beside {
            true => entry.in_one(plus_minus),
            false => entry.span.text.clone(),
        };
        let spans = entries.iter().map(|entry| Span::new(text(entry), entry.span.paint));
        self.write(&spans.collect::<Vec<_>>(), page);
        let has_spread = |column: &usize| entries.get(*column).is_some_and(|e| e.spread.is_some());
        if self.beside || !self.shown.iter().any(has_spread) {
            return;
        }
        let below = |entry: &Entry| {
            let spread = entry.spread.as_ref();
            Span::new(spread.map_or(String::new(), |s| format!("{plus_minus}{s}")), Paint::Dim)
        };
        self.write(&entries.iter().map(below).collect::<Vec<_>>(), page);
    }

    fn write(&self, spans: &[Span], page: &mut Page) {
        let mut line = Vec::new();
        for (place, column) in self.shown.iter().enumerate() {
            let Some(span) = spans.get(*column) else { continue };
            let gap = " ".repeat(if place == 0 { 0 } else { GAP });
            let free = " ".repeat(self.widths[*column].saturating_sub(page.width_of(&span.text)));
            let [before, after] = if self.columns[*column].words {
                [gap, free]
            } else {
                [gap + &free, String::new()]
            };
            line.extend([Span::plain(before), span.clone(), Span::plain(after)]);
        }
        page.line(&line);
    }

    /// Which columns are left out, and how much room all would need.
    fn left_out(&self) -> Option<String> {
        let is_left_out = |place: &usize| !self.shown.contains(place);
        let places = (0..self.columns.len()).filter(is_left_out);
        let names: Vec<String> = places.map(|place| self.columns[place].full_name()).collect();
        let (names, needed) = (names.join(", "), self.needed);
        (!names.is_empty()).then(|| format!("not shown: {names}; all takes {needed} columns"))
    }
}

/// How wide each column is with its spreads `beside` the numbers, or below.
fn widths(grid: &Grid, page: &Page, beside: bool) -> Vec<usize> {
    let plus_minus = plus_minus(page);
    let width_of = |entry: &Entry| match (&entry.spread, beside) {
        (_, true) => page.width_of(&entry.in_one(plus_minus)),
        (spread, false) => {
            let below = spread.as_ref().map_or(0, |s| page.width_of(s) + page.width_of(plus_minus));
            page.width_of(&entry.span.text).max(below)
        }
    };
    let rows = || {
        grid.lines.iter().filter_map(|line| match line {
            Line::Row(entries) => Some(entries),
            Line::Section(_) => None,
        })
    };
    let width = |(place, column): (usize, &Column)| {
        let entries = rows().filter_map(|entries| entries.get(place));
        let entries = entries.map(width_of).max().unwrap_or(0);
        entries.max(page.width_of(&column.name))
    };
    grid.columns.iter().enumerate().map(width).collect()
}

/// `widths`, with room for what the neighbours among `shown` share.
fn with_headings(
    columns: &[Column],
    shown: &[usize],
    mut widths: Vec<usize>,
    page: &Page,
) -> Vec<usize> {
    for neighbours in shown.chunk_by(|a, b| columns[*a].group == columns[*b].group) {
        let first = neighbours[0];
        let heading = page.width_of(&columns[first].group);
        widths[first] += heading.saturating_sub(total(neighbours, &widths));
    }
    widths
}

/// The width of these columns, side by side.
fn total(columns: &[usize], widths: &[usize]) -> usize {
    let gaps = GAP * columns.len().saturating_sub(1);
    columns.iter().map(|column| widths[*column]).sum::<usize>() + gaps
}

pub(super) fn plus_minus(page: &Page) -> &'static str {
    if page.style.ascii { "+-" } else { "±" }
}
