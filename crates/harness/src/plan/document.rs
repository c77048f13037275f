//! Plan files as they stand: YAML or TOML, read into a tree that knows its lines.

use std::{fmt, fs::File, io::Read, path::Path, sync::Arc};

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Budget, Options, Spanned};

use super::{Content, Entry, Node, Origin, Problem, Problems};

/// A plan file as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// All that it says.
    pub root: Node,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// YAML, and so JSON.
    #[default]
    Yaml,
    /// TOML.
    Toml,
}

/// A file that is larger is no plan.
const MOST_BYTES: u64 = 1 << 20;
/// The deepest that values may lie within values; fields of a request may be deep.
const MOST_DEPTH: usize = 32;
/// Values in a plan, those that aliases repeat counted again.
const MOST_NODES: usize = 100_000;

/// Reads the plan file at `path`: TOML if it ends in `.toml`, else YAML.
///
/// # Errors
///
/// When it cannot be read, is larger than 1 MiB, or is neither.
pub fn read(path: &Path) -> Result<Document, Problems> {
    let name = path.display().to_string();
    let at = Origin::File { file: name.as_str().into(), line: 0, column: 0 };
    let refused = |what: String| Problems::from(Problem::new(at.clone(), "", what));
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| refused(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refused("is larger than 1 MiB, which no plan is".to_owned()));
    }
    let text = String::from_utf8(text).map_err(|_| refused("is no text in UTF-8".to_owned()))?;
    let is_toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    Document::parse(&name, &text, if is_toml { Format::Toml } else { Format::Yaml })
}

impl Document {
    /// Reads `text`, which problems call `name`.
    ///
    /// # Errors
    ///
    /// When it is not of that format, or nested too deep.
    pub fn parse(name: &str, text: &str, format: Format) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = name.into();
        let root = match format {
            Format::Yaml => yaml(&file, text),
            Format::Toml => toml(&file, text),
        }?;
        Ok(Self { root })
    }
}

/// A tree as text.
pub(crate) fn write(root: &Node, format: Format) -> Result<String, String> {
    match format {
        Format::Yaml => serde_saphyr::to_string(root).map_err(|error| error.to_string()),
        Format::Toml if root.leaves().iter().any(|(_, leaf)| leaf.has_null()) => {
            Err("TOML has no null".to_owned())
        }
        Format::Toml => toml::to_string(&for_toml(root.clone())).map_err(|error| error.to_string()),
    }
}

/// TOML has no integers beyond 64 bits with a sign; texts are read as numbers where those are meant.
fn for_toml(mut node: Node) -> Node {
    node.content = match node.content {
        Content::Int(value) if i64::try_from(value).is_err() => Content::Text(value.to_string()),
        Content::List(items) => Content::List(items.into_iter().map(for_toml).collect()),
        Content::Map(entries) => {
            let entries = entries.into_iter();
            Content::Map(entries.map(|e| Entry { node: for_toml(e.node), ..e }).collect())
        }
        other => other,
    };
    node
}

fn at(file: &Arc<str>, line: usize, column: usize) -> Origin {
    Origin::File { file: Arc::clone(file), line, column }
}

fn wrong(at: Origin, what: impl Into<String>) -> Problems {
    Problem::new(at, "", what).into()
}

fn yaml(file: &Arc<str>, text: &str) -> Result<Node, Problems> {
    let mut budget = Budget::default();
    budget.max_depth = MOST_DEPTH;
    budget.flow_nesting_limit = MOST_DEPTH;
    budget.max_nodes = MOST_NODES;
    budget.max_events = 4 * MOST_NODES;
    budget.max_recorded_anchor_events = MOST_NODES;
    let mut options = Options::default();
    options.budget = Some(budget);
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::new(at(file, 1, 1), Content::default()));
    }
    let parsed: Spanned<Yaml> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location();
            let line = place.map_or(0, |place| index(place.line()));
            let column = place.map_or(0, |place| index(place.column()));
            let said = error.without_snippet().to_string();
            // It says its place once more, at its end.
            let said = first_line(&said);
            let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
            wrong(at(file, line, column), said)
        })?;
    let mut left = MOST_NODES;
    yaml_node(file, parsed, &mut left)
        .ok_or_else(|| wrong(at(file, 0, 0), "has too many values for a plan"))
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn first_line(said: &str) -> String {
    said.lines().next().unwrap_or_default().to_owned()
}

fn yaml_node(file: &Arc<str>, yaml: Spanned<Yaml>, left: &mut usize) -> Option<Node> {
    *left = left.checked_sub(1)?;
    let place = at(file, index(yaml.referenced.line()), index(yaml.referenced.column()));
    let content = match yaml.value {
        Yaml::Plain(content) => content,
        Yaml::List(items) => {
            let items = items.into_iter().map(|item| yaml_node(file, item, left));
            Content::List(items.collect::<Option<_>>()?)
        }
        Yaml::Map(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let at = at(file, index(key.referenced.line()), index(key.referenced.column()));
                Some(Entry { key: key.value, at, node: yaml_node(file, value, left)? })
            });
            Content::Map(entries.collect::<Option<_>>()?)
        }
    };
    Some(Node::new(place, content))
}

/// A YAML value whose parts know their places.
enum Yaml {
    Plain(Content),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> de::Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Null))
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Int(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Int(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Int(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Yaml, E> {
        if value.is_finite() {
            return Ok(Yaml::Plain(Content::Float(value)));
        }
        Err(E::custom("a number without end, or that is none, means nothing in a plan"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Plain(Content::Text(value.to_owned())))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Yaml, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Yaml::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Yaml::Map(entries))
    }
}

fn toml(file: &Arc<str>, text: &str) -> Result<Node, Problems> {
    let (root, errors) = toml::de::DeTable::parse_recoverable(text);
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

    fn table(&self, table: toml::de::DeTable<'_>, depth: usize) -> Result<Content, Problems> {
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

    fn node(
        &self,
        value: toml::Spanned<toml::de::DeValue<'_>>,
        depth: usize,
    ) -> Result<Node, Problems> {
        use toml::de::DeValue;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(root: &Node, path: &str) -> usize {
        match root.find(path).unwrap().at {
            Origin::File { line, .. } => line,
            _ => 0,
        }
    }

    fn parse(text: &str, format: Format) -> Result<Node, String> {
        let document = Document::parse("plan", text, format);
        document.map(|d| d.root).map_err(|problems| problems.to_string())
    }

    #[test]
    fn yaml_and_toml_give_the_same_tree_with_lines() {
        let yaml = "version: 1\ntargets:\n  - {name: a, labels: {tp: 1}}\nload:\n  concurrency: [1, 8]\n  grace: 0.5\n";
        let toml = "version = 1\n[[targets]]\nname = \"a\"\nlabels.tp = 1\n[load]\nconcurrency = [1, 8]\ngrace = 0.5\n";
        let yaml = parse(yaml, Format::Yaml).unwrap();
        let toml = parse(toml, Format::Toml).unwrap();
        assert_eq!((line(&yaml, "targets[0].labels.tp"), line(&yaml, "load.grace")), (3, 6));
        assert_eq!((line(&toml, "targets[0].labels.tp"), line(&toml, "load.grace")), (4, 7));
        let same = Origin::Default;
        assert_eq!(yaml.from_origin(&same), toml.from_origin(&same));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_line() {
        for (text, format, said) in [
            ("a: 1\nb: [1", Format::Yaml, "plan:"),
            ("a: 1\na: 2", Format::Yaml, "plan:2: "),
            ("a = 1\na = 2\nb = ", Format::Toml, "plan:2: "),
            ("a: .inf", Format::Yaml, "plan:1: non-finite"),
            ("a = nan", Format::Toml, "means nothing"),
        ] {
            let error = parse(text, format).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let deep = format!("a: {}1{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse(&deep, Format::Yaml).is_err());
        let deep = format!("a = {}1{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse(&deep, Format::Toml).is_err());
        let dots = format!("{} = 1", vec!["a"; 5_000].join("."));
        assert!(parse(&dots, Format::Toml).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let last = format!("*a{}, ", n - 1).repeat(10);
            bomb += &format!("a{n}: &a{n} [{last}]\n");
        }
        assert!(parse(&bomb, Format::Yaml).is_err());
    }
}
