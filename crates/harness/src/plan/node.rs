//! A plan as a tree, each value of which knows where it came from.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap};

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    #[default]
    Default,
    /// A line of a plan file, counted from 1; 0 for the file as a whole.
    File {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// A flag of the command line.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line: 0, .. } => f.write_str(file),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// A value of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Where it came from.
    pub at: Origin,
    /// The value itself.
    pub content: Content,
    /// Whether a part of its text is from the environment, and not to be repeated.
    pub(crate) hidden: bool,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number, finite.
    Float(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values with names, in order.
    Map(Vec<Entry>),
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Where the name stands.
    pub at: Origin,
    /// The value.
    pub node: Node,
}

impl Default for Content {
    /// A map without entries: a plan that says nothing.
    fn default() -> Self {
        Self::Map(Vec::new())
    }
}

impl Node {
    /// A value from `at`.
    pub fn new(at: Origin, content: Content) -> Self {
        Self { at, content, hidden: false }
    }

    /// A text from `at`.
    pub fn text(at: Origin, text: impl Into<String>) -> Self {
        Self::new(at, Content::Text(text.into()))
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The values of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The value called `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value at `path`, such as `load.concurrency` or `targets[0].url`.
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split(['.', '[']).filter(|step| !step.is_empty()).try_fold(self, |node, step| {
            match step.strip_suffix(']') {
                Some(index) => node.items().get(index.parse::<usize>().ok()?),
                None => node.get(step),
            }
        })
    }

    /// The value at `keys`, with empty maps on the way to it where there was nothing.
    pub fn at_path(&mut self, keys: &[&str]) -> &mut Self {
        let Some((key, rest)) = keys.split_first() else { return self };
        if !matches!(self.content, Content::Map(_)) {
            self.content = Content::default();
        }
        let at = self.at.clone();
        let Content::Map(entries) = &mut self.content else { unreachable!("it was made a map") };
        let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
            let node = Self::new(at.clone(), Content::default());
            entries.push(Entry { key: (*key).to_owned(), at, node });
            entries.len() - 1
        });
        entries[index].node.at_path(rest)
    }

    /// Each value that holds no others, with its path.
    pub fn leaves(&self) -> Vec<(String, &Self)> {
        let mut leaves = Vec::new();
        self.collect_leaves(String::new(), &mut leaves);
        leaves
    }

    fn collect_leaves<'n>(&'n self, path: String, leaves: &mut Vec<(String, &'n Self)>) {
        match &self.content {
            Content::Map(entries) => {
                for entry in entries {
                    let dot = if path.is_empty() { "" } else { "." };
                    entry.node.collect_leaves(format!("{path}{dot}{}", entry.key), leaves);
                }
            }
            // A list of plain values, as of a sweep, is one value to whoever reads it.
            Content::List(items) if items.iter().any(|item| !item.entries().is_empty()) => {
                for (index, item) in items.iter().enumerate() {
                    item.collect_leaves(format!("{path}[{index}]"), leaves);
                }
            }
            _ => leaves.push((path, self)),
        }
    }

    /// Whether it is null, or a list with null in it.
    pub(crate) fn has_null(&self) -> bool {
        self.content == Content::Null || self.items().iter().any(Self::has_null)
    }

    /// The same tree, all of it from `at`.
    pub fn from_origin(mut self, at: &Origin) -> Self {
        self.at = at.clone();
        match &mut self.content {
            Content::List(items) => {
                *items = std::mem::take(items).into_iter().map(|i| i.from_origin(at)).collect();
            }
            Content::Map(entries) => {
                for entry in entries {
                    entry.at = at.clone();
                    entry.node = std::mem::take(&mut entry.node).from_origin(at);
                }
            }
            _ => {}
        }
        self
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "true or false",
            Content::Int(_) | Content::Float(_) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a section",
        }
    }
}

/// As on a command line: lists with commas.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Null => f.write_str("null"),
            Content::Bool(value) => write!(f, "{value}"),
            Content::Int(value) => write!(f, "{value}"),
            Content::Float(value) => write!(f, "{value}"),
            Content::Text(text) => f.write_str(text),
            Content::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_string).collect();
                f.write_str(&items.join(","))
            }
            Content::Map(_) => f.write_str("{}"),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Null => serializer.serialize_unit(),
            Content::Bool(value) => serializer.serialize_bool(*value),
            Content::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => serializer.serialize_str(&value.to_string()),
            },
            Content::Float(value) => serializer.serialize_f64(*value),
            Content::Text(text) => serializer.serialize_str(text),
            Content::List(items) => serializer.collect_seq(items),
            Content::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&entry.key, &entry.node)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_paths() {
        let mut root = Node::default();
        root.at_path(&["load", "concurrency"]).content = Content::Int(8);
        let item = root.get("load").cloned().unwrap_or_default();
        root.at_path(&["targets"]).content = Content::List(vec![item]);
        assert_eq!(root.find("load.concurrency").unwrap().content, Content::Int(8));
        assert_eq!(root.find("targets[0].concurrency").unwrap().content, Content::Int(8));
        assert!(root.find("targets[1]").is_none() && root.find("load.concurrency.x").is_none());
        let paths: Vec<String> = root.leaves().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["load.concurrency", "targets[0].concurrency"]);
    }
}
