//! YAML, whose values know their places.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Budget, Options, Spanned};

use super::{
    super::{Content, Entry, Node, Problems},
    MOST_DEPTH, MOST_NODES, at, first_line, wrong,
};

/// What is said of a bomb.
const TOO_MUCH: &str = "has more values, or deeper ones, than any plan";

pub(super) fn yaml(file: &Arc<str>, text: &str) -> Result<Node, Problems> {
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
            let said = if said.starts_with("budget breached") { TOO_MUCH } else { said };
            wrong(at(file, line, column), said)
        })?;
    let mut left = MOST_NODES;
    yaml_node(file, parsed, &mut left).ok_or_else(|| wrong(at(file, 0, 0), TOO_MUCH))
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
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
