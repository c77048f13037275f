//! Where in an event its parts are: JSON Pointers as one tree, which an event is read along. What lies elsewhere
//! is skipped, and nothing is kept but what is pointed at.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json::Text;

/// What a pointer may point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text,
    Reasoning,
    Finish,
    Error,
    PromptTokens,
    OutputTokens,
}

/// A place in a document: a part, or where to look for parts in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    part: Option<Part>,
    within: Vec<(Step, Self)>,
}

/// One step of a pointer: a key, and an index where the key is a number.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    key: Box<str>,
    index: Option<usize>,
}

impl Step {
    fn read(token: &str) -> Result<Self, String> {
        // RFC 6901: ~1 stands for a slash, and ~0 for a tilde.
        let rest = token.replace("~0", "").replace("~1", "");
        if rest.contains('~') {
            return Err("has a ~ that stands for nothing: ~0 is a tilde, ~1 a slash".to_owned());
        }
        let key: Box<str> = token.replace("~1", "/").replace("~0", "~").into();
        Ok(Self { index: key.parse().ok(), key })
    }
}

/// What is said of two pointers one of which leads through the other.
const TAKEN: &str = "points into, or at, what another key points at";

impl Place {
    /// Has `pointer` lead to `part`.
    pub(super) fn insert(&mut self, pointer: &str, part: Part) -> Result<(), String> {
        let mut place = self;
        let path = match pointer.strip_prefix('/') {
            Some(path) => path,
            None if pointer.is_empty() => return place.become_part(part),
            None => {
                return Err(format!(
                    "`{pointer}` is no JSON Pointer: write one such as /token/text"
                ));
            }
        };
        for token in path.split('/') {
            let step = Step::read(token)?;
            if place.part.is_some() {
                return Err(TAKEN.to_owned());
            }
            let known = place.within.iter().position(|(known, _)| *known == step);
            let known = known.unwrap_or_else(|| {
                place.within.push((step, Self::default()));
                place.within.len() - 1
            });
            place = &mut place.within[known].1;
        }
        place.become_part(part)
    }

    fn become_part(&mut self, part: Part) -> Result<(), String> {
        if self.part.is_some() || !self.within.is_empty() {
            return Err(TAKEN.to_owned());
        }
        self.part = Some(part);
        Ok(())
    }

    fn at_index(&self, index: usize) -> Option<&Self> {
        let found = self.within.iter().find(|(step, _)| step.index == Some(index));
        found.map(|(_, place)| place)
    }
}

/// What an event has where a template looks.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) text: Text<'a>,
    pub(super) reasoning: Text<'a>,
    pub(super) finish: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) prompt_tokens: Option<u32>,
    pub(super) output_tokens: Option<u32>,
}

/// Reads what is at a place and within it.
pub(super) struct Walk<'w, 'a> {
    pub(super) place: &'w Place,
    pub(super) found: &'w mut Found<'a>,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Walk<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { place, found } = self;
        match place.part {
            None => return deserializer.deserialize_any(Walk { place, found }),
            Some(Part::Text) => found.text = Text::deserialize(deserializer)?,
            Some(Part::Reasoning) => found.reasoning = Text::deserialize(deserializer)?,
            Some(Part::Finish) => found.finish = Option::deserialize(deserializer)?,
            Some(Part::Error) => found.error = Option::deserialize(deserializer)?,
            Some(Part::PromptTokens) => found.prompt_tokens = Option::deserialize(deserializer)?,
            Some(Part::OutputTokens) => found.output_tokens = Option::deserialize(deserializer)?,
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Walk<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(Key(self.place))? {
            match place {
                Some(place) => map.next_value_seed(Walk { place, found: &mut *self.found })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = match self.place.at_index(index) {
                Some(place) => {
                    list.next_element_seed(Walk { place, found: &mut *self.found })?.is_some()
                }
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    // What is no section has nothing in it.

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key, and finds where it leads; nothing of it is kept.
struct Key<'w>(&'w Place);

impl<'de, 'w> DeserializeSeed<'de> for Key<'w> {
    type Value = Option<&'w Place>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Key<'w> {
    type Value = Option<&'w Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let found = self.0.within.iter().find(|(step, _)| *step.key == *key);
        Ok(found.map(|(_, place)| place))
    }
}
