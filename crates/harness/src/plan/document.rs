//! Plan files as they stand: YAML or TOML, read into a tree that knows its lines.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use super::{Content, Entry, Node, Origin, Problem, Problems};

mod toml;
mod yaml;

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
            Format::Yaml => yaml::yaml(&file, text),
            Format::Toml => toml::toml(&file, text),
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
        Format::Toml => {
            ::toml::to_string(&for_toml(root.clone())).map_err(|error| error.to_string())
        }
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

fn first_line(said: &str) -> String {
    said.lines().next().unwrap_or_default().to_owned()
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
