//! From a tree to typed values: all the mistakes at once, each with its place.
//!
//! Serde stops at the first mistake. So what is wrong is struck out and the tree read again, until what is
//! left is right.

use std::{collections::HashSet, fmt, ptr};

use bench_report::text::clean;
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};

use super::{Content, Entry, Node, Origin, Problem, problems::nearest};

/// What `root` says, less what is wrong in it, which is added to `problems`.
pub(crate) fn read<T: DeserializeOwned + Default>(root: &Node, problems: &mut Vec<Problem>) -> T {
    let mut struck = HashSet::new();
    strike_repeated(root, "", &mut struck, problems);
    for _ in 0..=super::Problems::MOST {
        let wrong = match T::deserialize(Cursor { node: root, struck: &struck }) {
            Ok(value) => return value,
            Err(wrong) => wrong,
        };
        let place = wrong.place.unwrap_or_else(|| Place::of(root, &struck));
        // What is wrong with the whole because a part of it was struck out is no mistake of its own.
        if !place.has_struck {
            problems.push(Problem {
                at: place.at,
                path: path(&place.steps),
                what: if place.hidden { HIDDEN.to_owned() } else { wrong.what },
                did_you_mean: wrong.did_you_mean,
            });
        }
        if !struck.insert(place.node) {
            break;
        }
    }
    T::default()
}

/// Strikes out what is given a second time: files refuse it, flags do not.
fn strike_repeated(
    node: &Node,
    path: &str,
    struck: &mut HashSet<*const Node>,
    problems: &mut Vec<Problem>,
) {
    let mut keys = HashSet::new();
    for entry in node.entries() {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", entry.key);
        if keys.insert(&entry.key) {
            strike_repeated(&entry.node, &path, struck, problems);
        } else {
            struck.insert(ptr::from_ref(&entry.node));
            problems.push(Problem::new(entry.at.clone(), path, "is given twice"));
        }
    }
    for (index, item) in node.items().iter().enumerate() {
        strike_repeated(item, &format!("{path}[{index}]"), struck, problems);
    }
}

/// A value from the environment may be a secret: no mistake repeats it.
const HIDDEN: &str = "what the environment gives for it is no value that it can have";

fn path(steps: &[Step]) -> String {
    steps.iter().rev().fold(String::new(), |path, step| match step {
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

/// A value, and which ones are struck out.
#[derive(Clone, Copy)]
struct Cursor<'n> {
    node: &'n Node,
    struck: &'n HashSet<*const Node>,
}

/// A mistake, and where.
#[derive(Debug)]
struct Wrong {
    what: String,
    did_you_mean: Option<String>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    node: *const Node,
    at: Origin,
    hidden: bool,
    has_struck: bool,
    /// From the value outwards.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl Place {
    fn of(node: &Node, struck: &HashSet<*const Node>) -> Self {
        let at = node.at.clone();
        let has_struck = has_struck(node, struck);
        Self { node: ptr::from_ref(node), at, hidden: node.hidden, has_struck, steps: Vec::new() }
    }
}

fn has_struck(node: &Node, struck: &HashSet<*const Node>) -> bool {
    let children = node.items().iter().chain(node.entries().iter().map(|entry| &entry.node));
    children
        .into_iter()
        .any(|child| struck.contains(&ptr::from_ref(child)) || has_struck(child, struck))
}

impl Wrong {
    fn new(what: String) -> Self {
        Self { what, did_you_mean: None, place: None }
    }

    /// The same mistake, seen from one step further out.
    fn within(mut self, cursor: Cursor<'_>, step: Step) -> Self {
        self.place.get_or_insert_with(|| Place::of(cursor.node, cursor.struck)).steps.push(step);
        self
    }

    /// The same mistake, of the name of `entry` rather than of its value.
    fn of_key(mut self, entry: &Entry) -> Self {
        let steps = vec![Step::Key(entry.key.clone())];
        let node = ptr::from_ref(&entry.node);
        let at = entry.at.clone();
        self.place = Some(Place { node, at, hidden: false, has_struck: false, steps });
        self
    }
}

impl std::error::Error for Wrong {}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
            de::Unexpected::Bool(value) => format!("{value}"),
            de::Unexpected::Unsigned(value) => format!("{value}"),
            de::Unexpected::Signed(value) => format!("{value}"),
            de::Unexpected::Float(value) => format!("{value}"),
            de::Unexpected::Str(text) => format!("`{}`", shown(text)),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "a section".to_owned(),
            _ => "another value".to_owned(),
        };
        Self::new(format!("{} belongs here, not {found}", expectation(&expected.to_string())))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut wrong = Self::new("unknown key".to_owned());
        wrong.did_you_mean = nearest(field, expected.iter().copied())
            .map(str::to_owned)
            .or_else(|| super::file::elsewhere(field));
        wrong
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let what = format!("`{}` is none of {}", shown(variant), expected.join(", "));
        let mut wrong = Self::new(what);
        wrong.did_you_mean = nearest(variant, expected.iter().copied()).map(str::to_owned);
        wrong
    }
}

/// What serde calls types, in plain words.
fn expectation(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "u16" | "u32" | "u64" | "usize" => "a whole number",
        "a nonzero u32" | "a nonzero usize" | "a nonzero u64" => "a whole number of at least 1",
        "f64" | "f32" => "a number",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "a section",
        text if text.starts_with("struct ") => "a section",
        text => text,
    }
}

/// A text as a message repeats it: its beginning.
pub(crate) fn shown(text: &str) -> String {
    let text = clean(text);
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

impl<'n> Cursor<'n> {
    fn at(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    fn is_struck(self, node: &Node) -> bool {
        self.struck.contains(&ptr::from_ref(node))
    }

    /// The text, if it is one that spells a number or a word of another type: as flags and variables do.
    fn spelled(self) -> Option<&'n str> {
        match &self.node.content {
            Content::Text(text) => Some(text.trim()),
            _ => None,
        }
    }
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.content {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Int(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => Err(Wrong::new(format!("{value} is too large a number"))),
            },
            Content::Float(value) => visitor.visit_f64(*value),
            Content::Text(text) => visitor.visit_str(text),
            Content::List(items) => visitor.visit_seq(Items { cursor: self, items, next: 0 }),
            Content::Map(entries) => {
                visitor.visit_map(Entries { cursor: self, entries, value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.content {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.spelled() {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.spelled().and_then(|text| text.parse().ok()) {
            Some(value) => visitor.visit_u64(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.spelled().and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite()) {
            Some(value) => visitor.visit_f64(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.content {
            // `name: 2024`
            Content::Int(number) => visitor.visit_string(number.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.content {
            Content::List(items) if items.is_empty() => {
                Err(Wrong::new("the list is empty; leave the key out".to_owned()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.content {
            // `load:` with nothing below it.
            Content::Null => visitor.visit_map(Entries { cursor: self, entries: &[], value: None }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.node.content {
            // Serde would take it for the values of the keys, in their order.
            Content::List(_) => Err(Wrong::new("a section belongs here, not a list".to_owned())),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.spelled() {
            Some(text) => visitor.visit_enum(text.into_deserializer()),
            None => {
                let (names, kind) = (variants.join(", "), self.node.kind());
                Err(Wrong::new(format!("one of {names} belongs here, not {kind}")))
            }
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 char str bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// The items of a list that are not struck out.
struct Items<'n> {
    cursor: Cursor<'n>,
    items: &'n [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        while let Some(item) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if !self.cursor.is_struck(item) {
                let cursor = self.cursor.at(item);
                let value = seed.deserialize(cursor);
                return value.map(Some).map_err(|wrong| wrong.within(cursor, Step::Index(index)));
            }
        }
        Ok(None)
    }
}

/// The entries of a map that are not struck out.
struct Entries<'n> {
    cursor: Cursor<'n>,
    entries: &'n [Entry],
    value: Option<&'n Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        while let Some((entry, rest)) = self.entries.split_first() {
            self.entries = rest;
            if !self.cursor.is_struck(&entry.node) {
                self.value = Some(entry);
                let key = seed.deserialize(entry.key.as_str().into_deserializer());
                return key.map(Some).map_err(|wrong: Wrong| wrong.of_key(entry));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let entry = self.value.take().expect("serde asks for a key before its value");
        let cursor = self.cursor.at(&entry.node);
        let step = || Step::Key(entry.key.clone());
        seed.deserialize(cursor).map_err(|wrong| wrong.within(cursor, step()))
    }
}
