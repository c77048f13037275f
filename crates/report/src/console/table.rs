//! Metrics by statistics, as far as they fit.

use bench_core::{
    Load, Summary, metric,
    stats::{Distribution, sample_floor},
};
use bench_store::is_below_floor;

use super::{Page, Paint, Report, Span};

/// The metrics shown, in order, and their short names.
const ROWS: [(&str, &str); 13] = [
    ("ttft_ms", "TTFT ms"),
    ("ttfo_ms", "TTFO ms"),
    ("ttst_ms", "TTST ms"),
    ("tool_call_ms", "Tool call ms"),
    ("tpot_ms", "TPOT ms"),
    ("itl_ms", "ITL ms"),
    ("icl_ms", "ICL ms"),
    ("e2e_ms", "E2E ms"),
    ("ttft_due_ms", "TTFT due ms"),
    ("e2e_due_ms", "E2E due ms"),
    ("tps_user", "tok/s/user"),
    ("osl", "OSL tokens"),
    ("isl", "ISL tokens"),
];

/// The statistics, in order of importance.
const COLUMNS: [Column; 8] = [
    Column::Mean,
    Column::Min,
    Column::Percentile(50.0),
    Column::Percentile(90.0),
    Column::Percentile(95.0),
    Column::Percentile(99.0),
    Column::Max,
    Column::Std,
];

#[derive(Clone, Copy)]
enum Column {
    Mean,
    Min,
    Percentile(f64),
    Max,
    Std,
}

impl Column {
    fn name(self) -> String {
        match self {
            Self::Mean => "avg".to_owned(),
            Self::Min => "min".to_owned(),
            Self::Percentile(p) => format!("p{p}"),
            Self::Max => "max".to_owned(),
            Self::Std => "std".to_owned(),
        }
    }

    /// What stands in a row's cell. A percentile of too few values is marked.
    fn cell(self, d: &Distribution, number: impl Fn(f64) -> String) -> Span {
        let value = number(match self {
            Self::Mean => d.mean,
            Self::Min => d.min,
            Self::Percentile(p) => d.percentile(p).unwrap_or(f64::NAN),
            Self::Max => d.max,
            Self::Std => d.std,
        });
        match self.is_marked(d) {
            true => Span::new(format!("~{value}"), Paint::Dim),
            false => Span::plain(value),
        }
    }

    fn is_marked(self, d: &Distribution) -> bool {
        matches!(self, Self::Percentile(p) if is_below_floor(d, p))
    }
}

/// A metric's row: its names and, for each of [`COLUMNS`], a cell.
struct Row {
    long: String,
    short: &'static str,
    cells: Vec<Span>,
}

/// The table, and below it what is marked and what is left out; nothing if nothing succeeded.
pub(super) fn render(report: &Report<'_>, page: &mut Page) {
    let shown = shown(report);
    if shown.is_empty() {
        return;
    }
    let rows: Vec<Row> = shown.iter().map(|(row, d)| self::row(row, d, page)).collect();
    let layout = Layout::of(&rows, page);
    page.line(&[Span::new(report.titled("LLM metrics"), Paint::Bold)]);
    let header = COLUMNS.map(|column| Span::plain(column.name()));
    layout.write("", &header, page);
    for row in &rows {
        layout.write(layout.name(row), &row.cells, page);
    }
    let columns = &COLUMNS[..layout.columns];
    if let Some(note) = floors(columns, &shown) {
        page.paragraph(2, &[Span::new(note, Paint::Dim)]);
    }
    if let Some(note) = layout.left_out() {
        page.paragraph(2, &[Span::new(note, Paint::Dim)]);
    }
    page.blank();
}

type ShortRow = (&'static str, &'static str);

/// The rows that have values and something to say.
fn shown<'a>(report: &'a Report<'_>) -> Vec<(ShortRow, &'a Distribution)> {
    let summary: &Summary = &report.outcome.summary;
    let open = matches!(report.point.load, Load::Open { .. });
    let is_same = |a, b| summary.distribution(a) == summary.distribution(b);
    let has_something_to_say = |id: &str| match id {
        "ttfo_ms" => !is_same("ttfo_ms", "ttft_ms"),
        "icl_ms" => summary.distribution("itl_ms").is_none(),
        "ttft_due_ms" | "e2e_due_ms" => open,
        _ => true,
    };
    let rows = ROWS.into_iter().filter(|(id, _)| has_something_to_say(id));
    rows.filter_map(|row| Some((row, summary.distribution(row.0)?))).collect()
}

fn row(&(id, short): &ShortRow, d: &Distribution, page: &Page) -> Row {
    let (title, unit) = metric(id).map_or((id, ""), |m| (m.title, m.unit));
    let number = |value| match unit {
        "tokens" => page.tokens(value),
        _ => page.number(value),
    };
    Row {
        long: if unit == "ms" { format!("{title}, ms") } else { title.to_owned() },
        short,
        cells: COLUMNS.iter().map(|column| column.cell(d, number)).collect(),
    }
}

/// How the rows are laid out: with long names and all columns if that fits, else with short names, and
/// then with as many columns as fit.
struct Layout {
    long: bool,
    label: usize,
    widths: Vec<usize>,
    columns: usize,
    /// The width that all columns would need.
    needed: usize,
}

/// Between two columns.
const GAP: usize = 2;

impl Layout {
    fn of(rows: &[Row], page: &Page) -> Self {
        let width_of = |column: usize| {
            let cells = rows.iter().map(|row| page.width_of(&row.cells[column].text));
            cells.max().unwrap_or(0).max(COLUMNS[column].name().len())
        };
        let widths: Vec<usize> = (0..COLUMNS.len()).map(width_of).collect();
        let width = |label: usize, columns: usize| {
            label + widths[..columns].iter().map(|width| GAP + width).sum::<usize>()
        };
        let all = COLUMNS.len();
        let longest = rows.iter().map(|row| row.long.len()).max().unwrap_or(0);
        let shortest = rows.iter().map(|row| row.short.len()).max().unwrap_or(0);
        let long = width(longest, all) <= page.width;
        let label = if long { longest } else { shortest };
        let fits = |columns: &usize| width(label, *columns) <= page.width;
        let columns = (1..=all).rev().find(fits).unwrap_or(1);
        Self { long, label, columns, needed: width(label, all), widths }
    }

    fn name<'a>(&self, row: &'a Row) -> &'a str {
        if self.long { &row.long } else { row.short }
    }

    fn write(&self, name: &str, cells: &[Span], page: &mut Page) {
        let mut line = vec![Span::plain(format!("{name:0$}", self.label))];
        for (cell, width) in cells.iter().zip(&self.widths).take(self.columns) {
            let padding = (GAP + width).saturating_sub(page.width_of(&cell.text));
            line.extend([Span::plain(" ".repeat(padding)), cell.clone()]);
        }
        page.line(&line);
    }

    /// Which columns are left out, and how much room all would need.
    fn left_out(&self) -> Option<String> {
        let names: Vec<String> = COLUMNS[self.columns..].iter().map(|c| c.name()).collect();
        let (names, needed) = (names.join(", "), self.needed);
        (!names.is_empty()).then(|| format!("not shown: {names}; all takes {needed} columns"))
    }
}

/// What the marks mean, if there are any.
fn floors(columns: &[Column], rows: &[(ShortRow, &Distribution)]) -> Option<String> {
    let marked = columns.iter().filter(|column| rows.iter().any(|(_, d)| column.is_marked(d)));
    let floors: Vec<String> = marked
        .filter_map(|column| match column {
            Column::Percentile(p) => Some(format!("p{p} {}", sample_floor(*p)?)),
            _ => None,
        })
        .collect();
    (!floors.is_empty())
        .then(|| format!("~ too few values to rely on; needed: {}", floors.join(", ")))
}
