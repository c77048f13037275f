//! Answers that are no text: embeddings and rankings, in vLLM's JSON. The same text has the same vector, and
//! the same score beside the same query.

use std::{
    fmt::Arguments,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
};

use crate::generation::words;

/// Numbers of a vector, as many as small models have.
const DIMENSIONS: usize = 384;

/// What stands for a text once it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextHash(u64);

impl TextHash {
    pub(crate) fn of(text: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Numbers in 0..1 that follow from it: the finaliser of SplitMix64, over and over.
    fn numbers(self) -> impl Iterator<Item = f64> {
        (1_u64..).map(move |n| {
            let mut z = self.0.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    /// A vector of length 1.
    fn vector(self) -> Vec<f64> {
        let numbers: Vec<f64> = self.numbers().take(DIMENSIONS).map(|n| n * 2.0 - 1.0).collect();
        let length = numbers.iter().map(|n| n * n).sum::<f64>().sqrt();
        numbers.into_iter().map(|n| n / length).collect()
    }

    /// How well a document suits a query.
    fn score(self) -> f64 {
        self.numbers().next().unwrap_or_default()
    }
}

/// Each document beside the query, as a model that ranks reads them: their tokens together, and what stands for
/// the two.
pub(crate) fn pairs(query: &str, documents: &[String]) -> Vec<(u32, TextHash)> {
    let pair = |document: &String| {
        let tokens = words(query).saturating_add(words(document));
        (tokens, TextHash::of(&(query, document)))
    };
    documents.iter().map(pair).collect()
}

/// The items of `data`.
pub(crate) fn write_embeddings(out: &mut Vec<u8>, texts: &[TextHash]) {
    for (index, text) in texts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write(out, format_args!(r#"{comma}{{"object":"embedding","index":{index},"embedding":["#));
        for (place, number) in text.vector().iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write(out, format_args!("{comma}{number:.6}"));
        }
        write(out, format_args!("]}}"));
    }
}

/// The items of `results`, the best first.
pub(crate) fn write_ranking(out: &mut Vec<u8>, documents: &[TextHash]) {
    let mut ranked: Vec<(usize, f64)> =
        documents.iter().map(|document| document.score()).enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    for (place, (index, score)) in ranked.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        write(out, format_args!(r#"{comma}{{"index":{index},"relevance_score":{score:.6}}}"#));
    }
}

fn write(out: &mut Vec<u8>, text: Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all bytes");
}
