//! The JSON of embeddings.

use std::fmt;

use bench_core::{Outcome, ProviderError};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Item, Results, Told, WireUsage, check};
use crate::json::{self, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    data: Option<Results<Embedding>>,
    usage: Option<WireUsage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Embedding {
    embedding: Vector,
}

impl Item for Embedding {
    fn is_empty(&self) -> bool {
        self.embedding.is_empty
    }
}

/// Numbers, or a text that encodes them; null has none. Nothing of it is kept.
#[derive(Debug)]
struct Vector {
    is_empty: bool,
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, a text that encodes them, or null")
    }

    fn visit_unit<E>(self) -> Result<Vector, E> {
        Ok(Vector { is_empty: true })
    }

    fn visit_str<E>(self, encoded: &str) -> Result<Vector, E> {
        Ok(Vector { is_empty: encoded.is_empty() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
        // What is no number, such as the null that stands for one that is infinite, is so from the first on.
        let first: Option<f64> = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Vector { is_empty: first.is_none() })
    }
}

/// What a document of embeddings says.
pub(super) fn read(document: &[u8]) -> Result<Told, ProviderError> {
    let found: Document<'_> = json::read(document)?;
    check(document, found.error, &found.object)?;
    let data = found.data.ok_or_else(|| {
        ProviderError::new(Outcome::Malformed, "the answer has no `data`: it is no embeddings")
    })?;
    Ok(Told { usage: found.usage, has_results: data.are_there })
}
