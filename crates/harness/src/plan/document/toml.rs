//! TOML, whose values know where in the text they stand.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{
    super::{Content, Entry, Node, Origin, Problem, Problems},
    MOST_DEPTH, at, first_line, wrong,
};

pub(super) fn toml(file: &Arc<str>, text: &str) -> Result<Node, Problems> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let problems = errors.iter().map(|error| {
        let (line, column) = error.span().map_or((0, 0), |span| lines.place(span.start));
        Problem::new(at(file, line, column), "", first_line(error.message()))
    });
    Problems::none_or(problems.collect(), ())?;
    let source = TomlSource { file, lines: &lines };
    Ok(Node::new(at(file, 1, 1), source.table(root.into_inner(), MOST_DEPTH)?))
}

/// What is needed to turn TOML's values into ours.
struct TomlSource<'s> {
    file: &'s Arc<str>,
    lines: &'s Lines,
}

impl TomlSource<'_> {
    fn at(&self, start: usize) -> Origin {
        let (line, column) = self.lines.place(start);
        at(self.file, line, column)
    }

    fn table(&self, table: DeTable<'_>, depth: usize) -> Result<Content, Problems> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let at = self.at(key.span().start);
            // A table's own place is its header, which may come again; its name's is where it began.
            let node = self.node(value, depth)?;
            entries.push(Entry { key: key.into_inner().into_owned(), at, node });
        }
        // As they stand in the file: tables are kept in another order.
        entries.sort_by_key(|entry| match entry.at {
            Origin::File { line, column, .. } => (line, column),
            _ => (0, 0),
        });
        Ok(Content::Map(entries))
    }

    fn node(&self, value: toml::Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Problems> {
        let at = self.at(value.span().start);
        let Some(depth) = depth.checked_sub(1) else {
            return Err(wrong(at, "values lie too deep within values"));
        };
        let content = match value.into_inner() {
            DeValue::Boolean(value) => Content::Bool(value),
            DeValue::String(text) => Content::Text(text.into_owned()),
            DeValue::Datetime(time) => Content::Text(time.to_string()),
            DeValue::Integer(number) => {
                let parsed = i128::from_str_radix(number.as_str(), number.radix());
                let what = || wrong(at.clone(), format!("`{number}` is too large a number"));
                Content::Int(parsed.map_err(|_| what())?)
            }
            DeValue::Float(number) => {
                match number.as_str().parse::<f64>().ok().filter(|n| n.is_finite()) {
                    Some(value) => Content::Float(value),
                    None => {
                        return Err(wrong(
                            at,
                            "a number without end, or that is none, means nothing in a plan",
                        ));
                    }
                }
            }
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.node(item, depth));
                Content::List(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        };
        Ok(Node::new(at, content))
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self([0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// Line and column of a byte, counted from 1.
    fn place(&self, byte: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= byte);
        (line, byte + 1 - self.0[line.saturating_sub(1)])
    }
}
