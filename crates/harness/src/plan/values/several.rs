//! One value or several, to be measured one after the other.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{super::sweep::split, Value};

/// One value, or several that differ: in a list, or in one text with commas between.
#[derive(Clone, Debug, PartialEq)]
pub struct Several<T>(Vec<T>);

impl<T: Value + PartialEq> Several<T> {
    /// They, at least one.
    pub fn values(&self) -> &[T] {
        &self.0
    }

    fn parse(text: &str) -> Result<Vec<T>, String> {
        split(text, ',').into_iter().map(T::parse).collect()
    }

    fn checked(values: Vec<T>) -> Result<Self, String> {
        let mut seen = values.iter().enumerate();
        match seen.find(|(index, value)| values[..*index].contains(value)) {
            Some((_, twice)) => Err(format!("{twice} is in the list twice")),
            None if values.is_empty() => Err("the list is empty; leave the key out".to_owned()),
            None => Ok(Self(values)),
        }
    }
}

impl<'de, T: Value + PartialEq> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeveralVisitor(PhantomData))
    }
}

struct SeveralVisitor<T>(PhantomData<T>);

impl<'de, T: Value + PartialEq> de::Visitor<'de> for SeveralVisitor<T> {
    type Value = Several<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Several<T>, E> {
        Several::parse(text).and_then(Several::checked).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Several<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(text) = seq.next_element::<Item<T>>()? {
            values.extend(text.0);
        }
        Several::checked(values).map_err(de::Error::custom)
    }
}

/// A text of a list, in which there may be several, too.
struct Item<T>(Vec<T>);

impl<'de, T: Value + PartialEq> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Several::parse(&text).map(Self).map_err(de::Error::custom)
    }
}

impl<T: Value> Serialize for Several<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => serializer.collect_str(only),
            several => serializer.collect_seq(several.iter().map(T::to_string)),
        }
    }
}

impl<T: Value> JsonSchema for Several<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("SeveralOf{}", T::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [T::schema(), {"type": "array", "items": T::schema(), "minItems": 1}]})
    }

    fn inline_schema() -> bool {
        true
    }
}
