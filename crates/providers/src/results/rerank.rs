//! The JSON of rankings.

use std::fmt;

use bench_core::{Outcome, ProviderError};
use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::value::RawValue;

use super::{Item, Results, Told, WireUsage, check};
use crate::json::{self, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    results: Option<Results<Ranked>>,
    /// NIM's name for them.
    rankings: Option<Results<Ranked>>,
    usage: Option<WireUsage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Text<'a>,
}

/// A document's place: each server has another name for its score.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ranked {
    relevance_score: Option<f64>,
    /// NIM's.
    logit: Option<f64>,
    /// SGLang's, and that of text-embeddings-inference.
    score: Option<f64>,
}

impl Item for Ranked {
    fn is_empty(&self) -> bool {
        [self.relevance_score, self.logit, self.score].iter().all(Option::is_none)
    }
}

/// An object with the results in it, or their list alone.
#[derive(Debug)]
struct Either<'a>(Document<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Either<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor).map(Self)
    }
}

struct EitherVisitor;

impl<'de> Visitor<'de> for EitherVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of results")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Document<'de>, A::Error> {
        Document::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Document<'de>, A::Error> {
        let results = Results::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Document { results: Some(results), ..Document::default() })
    }
}

/// What a ranking says.
pub(super) fn read(document: &[u8]) -> Result<Told, ProviderError> {
    let Either(found) = json::read(document)?;
    check(document, found.error, &found.object)?;
    let results = found.results.or(found.rankings).ok_or_else(|| {
        let what = "the answer has neither `results` nor `rankings`: it is no ranking";
        ProviderError::new(Outcome::Malformed, what)
    })?;
    Ok(Told { usage: found.usage, has_results: results.are_there })
}
