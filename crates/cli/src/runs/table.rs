//! Tables that fit their width: what does not fit in a column goes on below, and nothing is cut.

use bench_report::text::clean;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: usize = 2;

/// No column that can go on below becomes narrower.
const NARROWEST: usize = 6;

/// How a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Text, on several lines where it is long.
    Text,
    /// A word, never broken.
    Word,
    /// A number, at the right, never broken.
    Number,
}

/// Rows of cells. The first one holds the headings.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    /// Lines below it, over all columns but the first.
    below: Vec<String>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Column)]) -> Self {
        let mut table =
            Self { columns: columns.iter().map(|(_, kind)| *kind).collect(), rows: Vec::new() };
        table.row(columns.iter().map(|(heading, _)| (*heading).to_owned()).collect(), Vec::new());
        table
    }

    /// Adds a row. Anything can be in its cells: they are cleaned here.
    pub(super) fn row(&mut self, cells: Vec<String>, below: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        let clean = |texts: Vec<String>| texts.iter().map(|text| clean(text)).collect();
        self.rows.push(Row { cells: clean(cells), below: clean(below) });
    }

    pub(super) fn render(&self, width: usize) -> String {
        let widths = self.widths(width);
        let indent = widths.first().copied().unwrap_or(0) + GAP;
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<Vec<String>> =
                row.cells.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..height {
                text += &self.line(&cells, &widths, line);
            }
            for below in &row.below {
                for line in wrap(below, width.saturating_sub(indent).max(NARROWEST)) {
                    text += &format!("{}{line}\n", " ".repeat(indent));
                }
            }
        }
        text
    }

    fn line(&self, cells: &[Vec<String>], widths: &[usize], line: usize) -> String {
        let mut text = String::new();
        for ((cell, width), column) in cells.iter().zip(widths).zip(&self.columns) {
            let shown = cell.get(line).map_or("", String::as_str);
            let space = " ".repeat(width.saturating_sub(shown.width()));
            match column {
                Column::Number => text += &format!("{space}{shown}"),
                Column::Text | Column::Word => text += &format!("{shown}{space}"),
            }
            text += &" ".repeat(GAP);
        }
        format!("{}\n", text.trim_end())
    }

    /// As wide as their widest cells, the widest ones of text narrowed until the line fits.
    fn widths(&self, width: usize) -> Vec<usize> {
        let of_column = |number: usize| {
            self.rows.iter().map(|row| row.cells[number].width()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(of_column).collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let text = (0..widths.len()).filter(|n| self.columns[*n] == Column::Text);
            let Some(widest) = text.max_by_key(|n| widths[*n]) else { break };
            if widths[widest] <= NARROWEST {
                break;
            }
            widths[widest] -= 1;
        }
        widths
    }
}

/// Lines of `width` columns, broken between words, and within those that are longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while line.width() > width {
            let rest = line.split_off(break_in(&line, width));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// Where to break a word that is longer than `width`: after a sign in its second half, if there is one.
fn break_in(word: &str, width: usize) -> usize {
    let mut columns = 0;
    let (mut end, mut sign) = (0, 0);
    for (at, c) in word.char_indices() {
        columns += c.width().unwrap_or(0);
        // A character that is wider than a line has one of its own.
        if columns > width && at > 0 {
            break;
        }
        end = at + c.len_utf8();
        if matches!(c, '-' | '_' | '/') && columns > width / 2 {
            sign = end;
        }
    }
    if sign > 0 { sign } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_never_cut() {
        for (text, expected) in [
            ("", &[""][..]),
            ("one two", &["one two"]),
            ("one two three", &["one two", "three"]),
            ("abcdefghijkl mn", &["abcdefgh", "ijkl mn"]),
            ("日本語日本語", &["日本語日", "本語"]),
            ("ab a-long-name", &["ab", "a-long-", "name"]),
            ("llama-3.1-8b-instruct", &["llama-", "3.1-8b-", "instruct"]),
        ] {
            assert_eq!(wrap(text, 8), expected, "{text}");
        }
    }

    #[test]
    fn a_table_fits_its_width() {
        let mut table = Table::new(&[
            ("id", Column::Word),
            ("name", Column::Text),
            ("model", Column::Text),
            ("n", Column::Number),
        ]);
        table.row(
            vec!["7Q4K".into(), "a-long-name-of-a-run".into(), "short".into(), "1".into()],
            vec!["a remark that is longer than a line".into()],
        );
        table.row(vec!["8".into(), "x".into(), "m\u{1b}".into(), "1000".into()], vec![]);
        let expected = "\
id    name         model     n
7Q4K  a-long-      short     1
      name-of-a-
      run
      a remark that is longer
      than a line
8     x            m      1000
";
        assert_eq!(table.render(30), expected);
    }
}
