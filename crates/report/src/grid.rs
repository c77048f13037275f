//! Tables, before it is known what they are shown on.

use crate::{
    cells::Estimate,
    console::{Paint, Span, Style, number},
};

/// A table: columns in order of importance, and lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) lines: Vec<Line>,
}

impl Grid {
    /// All entries, each with the place of its column.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.lines.iter().flat_map(|line| {
            match line {
                Line::Row(entries) => entries.as_slice(),
                Line::Section(_) => &[],
            }
            .iter()
            .enumerate()
        })
    }
}

/// A column's heading.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// What it shares with its neighbours, such as `TTFT ms`; may be empty.
    pub(crate) group: String,
    /// What is its own, such as `p95`.
    pub(crate) name: String,
    /// Whether it holds words rather than numbers.
    pub(crate) words: bool,
    /// Whether it stays, however narrow the page is.
    pub(crate) kept: bool,
    /// Whether it goes before all others, wherever it stands.
    pub(crate) minor: bool,
}

impl Column {
    pub(crate) fn new(group: impl Into<String>, name: impl Into<String>) -> Self {
        Self { group: group.into(), name: name.into(), words: false, kept: false, minor: false }
    }

    /// A column of words.
    pub(crate) fn words(name: impl Into<String>) -> Self {
        Self { words: true, ..Self::new("", name) }
    }

    /// The same column, never left out.
    pub(crate) fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    /// The same column, left out before others.
    pub(crate) fn minor(self) -> Self {
        Self { minor: true, ..self }
    }

    /// Both parts of the heading.
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.group, self.name).trim().to_owned()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// What the lines below are about.
    Section(String),
    /// An entry for each column.
    Row(Vec<Entry>),
}

/// What stands in a column of a row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) span: Span,
    /// How far it may be from the truth, either way.
    pub(crate) spread: Option<String>,
}

impl Entry {
    pub(crate) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Self { span: Span::new(text, paint), spread: None }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Paint::Plain)
    }

    /// What is not known.
    pub(crate) fn unknown(style: Style) -> Self {
        Self::new(number::dash(style), Paint::Dim)
    }

    /// A mean and its spread, in `factor` times its unit.
    pub(crate) fn estimate(estimate: Option<Estimate>, factor: f64, style: Style) -> Self {
        let Some(Estimate { mean, half }) = estimate else { return Self::unknown(style) };
        let mean = number::significant(mean * factor, style);
        let half = half.filter(|half| *half > 0.0);
        let spread = half.map(|half| number::spread(half * factor, &mean, style));
        Self { span: Span::plain(mean), spread }
    }

    /// The same entry, marked as one that cannot be relied on.
    pub(crate) fn marked(mut self) -> Self {
        self.span = Span::new(format!("~{}", self.span.text), Paint::Dim);
        self
    }

    /// `142 ± 4`.
    pub(crate) fn in_one(&self, plus_minus: &str) -> String {
        match &self.spread {
            Some(spread) => format!("{} {plus_minus} {spread}", self.span.text),
            None => self.span.text.clone(),
        }
    }
}
