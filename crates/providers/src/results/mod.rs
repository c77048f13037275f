//! Embeddings as OpenAI has them, and rerank as Jina and Cohere do, as every engine serves both: answers that
//! come whole, and are no text.
//!
//! An answer is complete with its document. It is well if it has results and none of them is empty. Wire
//! facts: the references of OpenAI, vLLM, NVIDIA NeMo Retriever and SGLang, and llama.cpp's answers.

mod embeddings;
mod rerank;
#[cfg(test)]
mod tests;

use std::{fmt, marker::PhantomData};

use bench_core::{Answer, Prompt, ProviderError, Stamp, Usage};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{Api, Config, dialect::Events, framing::Event, openai, said};

/// Where texts are turned into vectors.
pub(crate) const EMBEDDINGS: &str = "/v1/embeddings";
/// Where documents are ranked.
pub(crate) const RERANK: &str = "/v1/rerank";

/// The body that asks for the vectors of all texts.
pub(crate) fn embeddings(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    body([("model", json!(config.model)), ("input", json!(openai::texts(prompt)))])
}

/// The body that asks which of the documents suit the query.
pub(crate) fn rerank(config: &Config, prompt: &Prompt) -> Map<String, Value> {
    let (query, documents) = parts(prompt);
    let fields = [("query", json!(query)), ("documents", json!(documents))];
    body([("model", json!(config.model))].into_iter().chain(fields))
}

/// The query and the documents.
pub(crate) fn parts(prompt: &Prompt) -> (&str, Vec<&str>) {
    let mut documents = openai::texts(prompt);
    let query = if documents.is_empty() { "" } else { documents.remove(0) };
    (query, documents)
}

fn body(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The reader of one answer.
pub(crate) fn events(api: Api) -> Box<dyn Events> {
    let read = if api == Api::Rerank { rerank::read } else { embeddings::read };
    Box::new(ResultEvents { read, done: false })
}

/// What a document says.
struct Told {
    usage: Option<WireUsage>,
    /// Whether there are any, and none is empty.
    has_results: bool,
}

/// That a document is no error.
fn check(document: &[u8], error: Option<&RawValue>, object: &str) -> Result<(), ProviderError> {
    let is_error = error.is_some_and(|error| error.get() != "null") || object == "error";
    if is_error { Err(said::in_band(document)) } else { Ok(()) }
}

/// Reads results, which are complete with their document.
#[derive(Debug)]
struct ResultEvents {
    read: fn(&[u8]) -> Result<Told, ProviderError>,
    done: bool,
}

impl Events for ResultEvents {
    fn event(
        &mut self,
        answer: &mut Answer,
        event: Event<'_>,
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        self.whole(answer, event.data, stamp)
    }

    fn whole(
        &mut self,
        answer: &mut Answer,
        document: &[u8],
        stamp: Stamp,
    ) -> Result<(), ProviderError> {
        let told = (self.read)(document)?;
        let prompt = told.usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens));
        if let Some(prompt) = prompt {
            answer.usage(Usage { prompt, ..Usage::default() });
        }
        if told.has_results {
            answer.result(stamp);
        }
        self.done = true;
        answer.done(stamp.at);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn is_finished(&self) -> bool {
        self.done
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    prompt_tokens: Option<u32>,
    /// The same: nothing is generated.
    total_tokens: Option<u32>,
}

/// What a list of results is made of.
trait Item {
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
}

/// A list of results, of which nothing is kept: there may be thousands. Null is an empty list.
#[derive(Debug)]
struct Results<T> {
    /// Whether there are any, and none is empty.
    are_there: bool,
    item: PhantomData<T>,
}

impl<'de, T: Item + Deserialize<'de>> Deserialize<'de> for Results<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ResultsVisitor(PhantomData))
    }
}

struct ResultsVisitor<T>(PhantomData<T>);

impl<'de, T: Item + Deserialize<'de>> Visitor<'de> for ResultsVisitor<T> {
    type Value = Results<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results or null")
    }

    fn visit_unit<E>(self) -> Result<Results<T>, E> {
        Ok(Results { are_there: false, item: PhantomData })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Results<T>, A::Error> {
        let (mut items, mut empty) = (0_u64, 0_u64);
        while let Some(item) = list.next_element::<T>()? {
            items += 1;
            empty += u64::from(item.is_empty());
        }
        Ok(Results { are_there: items > 0 && empty == 0, item: PhantomData })
    }
}
