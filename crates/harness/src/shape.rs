//! What a request of a workload holds, which depends on the API that it goes to.

use std::{fmt, num::NonZeroUsize};

use bench_providers::Api;
use bench_workloads::Length;

use crate::WorkloadSettings;

/// The texts of a request, and the tokens asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Tokens of each text.
    pub(crate) isl: Length,
    /// Texts.
    pub(crate) texts: NonZeroUsize,
    /// Tokens of the query, beside which these are ranked.
    pub(crate) query: Option<Length>,
    /// Tokens to generate; results have none.
    pub(crate) osl: Option<Length>,
}

impl Shape {
    /// What `workload` asks of `api`.
    pub(crate) fn of(workload: &WorkloadSettings, api: Api) -> Self {
        let WorkloadSettings { isl, osl, batch_size, documents, query, .. } = *workload;
        let one = Self { isl, texts: NonZeroUsize::MIN, query: None, osl: None };
        match api {
            Api::Embeddings => Self { texts: batch_size, ..one },
            Api::Rerank => Self { texts: documents, query: Some(query), ..one },
            _ => Self { osl, ..one },
        }
    }

    /// Tokens of all its texts.
    pub(crate) fn input_tokens(&self) -> f64 {
        self.isl.mean() * self.texts.get() as f64 + self.query.map_or(0.0, |query| query.mean())
    }

    /// Tokens that it has generated.
    pub(crate) fn output_tokens(&self) -> f64 {
        self.osl.map_or(0.0, |osl| osl.mean())
    }

    /// Why a model with this context cannot take it: a prompt and its answer, a text, or a document together
    /// with the query may be longer. Where nothing bounds a length, its mean is what counts.
    pub(crate) fn beyond_context(&self, context: u32) -> Option<String> {
        let context = f64::from(context);
        let longest = |length: Length| length.longest().map_or_else(|| length.mean(), f64::from);
        let isl = longest(self.isl);
        let (osl, query) = (self.osl.map_or(0.0, longest), self.query.map_or(0.0, longest));
        let more = match (self.query, self.osl) {
            (Some(_), _) => format!(" + {query:.0} of the query"),
            (None, Some(_)) => format!(" + OSL {osl:.0}"),
            (None, None) => String::new(),
        };
        (isl + query + osl > context)
            .then(|| format!("ISL {isl:.0}{more} tokens are beyond the context of {context:.0}"))
    }
}

/// `ISL 1024 OSL 128`, `ISL 512 x 8 texts` or `ISL 128 x 10 documents, query 32`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { isl, texts, query, osl } = self;
        match (query, osl) {
            (Some(query), _) => {
                let noun = if texts.get() == 1 { "document" } else { "documents" };
                write!(f, "ISL {isl} x {texts} {noun}, query {query}")
            }
            (None, Some(osl)) => write!(f, "ISL {isl} OSL {osl}"),
            (None, None) if texts.get() == 1 => write!(f, "ISL {isl}"),
            (None, None) => write!(f, "ISL {isl} x {texts} texts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_is_asked_what_it_knows() {
        let length = |tokens| Length::fixed(tokens).unwrap();
        let workload = WorkloadSettings {
            isl: length(100),
            osl: Some(length(20)),
            batch_size: NonZeroUsize::new(8).unwrap(),
            documents: NonZeroUsize::new(3).unwrap(),
            query: length(5),
            ..WorkloadSettings::default()
        };
        for (api, words, input, output, longest) in [
            (Api::Chat, "ISL 100 OSL 20", 100.0, 20.0, 120),
            (Api::Embeddings, "ISL 100 x 8 texts", 800.0, 0.0, 100),
            (Api::Rerank, "ISL 100 x 3 documents, query 5", 305.0, 0.0, 105),
        ] {
            let shape = Shape::of(&workload, api);
            assert_eq!(shape.to_string(), words);
            assert_eq!((shape.input_tokens(), shape.output_tokens()), (input, output), "{api}");
            assert_eq!(shape.beyond_context(longest), None, "{api}");
            assert!(shape.beyond_context(longest - 1).is_some(), "{api}");
        }
        let (isl, osl) = ("uniform(1,100)".parse().unwrap(), Some("20±5".parse().unwrap()));
        let drawn = Shape::of(&WorkloadSettings { isl, osl, ..workload }, Api::Chat);
        assert_eq!(drawn.to_string(), "ISL uniform(1,100) OSL 20±5");
        assert_eq!((drawn.beyond_context(120), drawn.beyond_context(119).is_some()), (None, true));
    }
}
