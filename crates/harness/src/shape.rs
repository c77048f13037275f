//! What a request of a workload holds, which depends on the API that it goes to.

use std::{fmt, num::NonZeroUsize};

use bench_providers::Api;
use bench_workloads::{Images, Kind, Length, Mix};

use crate::WorkloadSettings;

/// The texts of a request, and the tokens asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Tokens of each text.
    pub(crate) isl: Length,
    /// Texts.
    pub(crate) texts: NonZeroUsize,
    /// Tokens of the query, beside which these are ranked.
    pub(crate) query: Option<Length>,
    /// Tokens to generate; results have none.
    pub(crate) osl: Option<Length>,
    /// Kinds of requests, where they are of several: instead of `isl` and `osl`.
    pub(crate) mix: Option<Mix>,
    /// Images beside its text, whose tokens are for the server to count.
    pub(crate) images: Option<Images>,
}

impl Shape {
    /// A text of `isl` tokens, of which `osl` are to be made.
    pub(crate) const fn text(isl: Length, osl: Option<Length>) -> Self {
        Self { isl, texts: NonZeroUsize::MIN, query: None, osl, mix: None, images: None }
    }

    /// What `workload` asks of `api`.
    pub(crate) fn of(workload: &WorkloadSettings, api: Api) -> Self {
        let WorkloadSettings { isl, osl, batch_size, documents, query, .. } = *workload;
        match api {
            Api::Embeddings => Self { texts: batch_size, ..Self::text(isl, None) },
            Api::Rerank => Self { texts: documents, query: Some(query), ..Self::text(isl, None) },
            _ => {
                Self { mix: workload.mix.clone(), images: workload.images, ..Self::text(isl, osl) }
            }
        }
    }

    /// Tokens of all its texts.
    pub(crate) fn input_tokens(&self) -> f64 {
        let isl = self.mix.as_ref().map_or(self.isl.mean(), |mix| mix.mean(|kind| kind.isl.mean()));
        isl * self.texts.get() as f64 + self.query.map_or(0.0, |query| query.mean())
    }

    /// What it takes to keep, in tokens of text: 40 bytes of images are one, so that they have some 2 GB where all
    /// text has 300 MB.
    pub(crate) fn kept_tokens(&self) -> f64 {
        const BYTES: f64 = 40.0;
        self.input_tokens() + self.images.map_or(0.0, |images| images.bytes() as f64 / BYTES)
    }

    /// Tokens that it has generated.
    pub(crate) fn output_tokens(&self) -> f64 {
        match &self.mix {
            Some(mix) => mix.mean(|kind| kind.osl.mean()),
            None => self.osl.map_or(0.0, |osl| osl.mean()),
        }
    }

    /// Why a model with this context cannot take it: a prompt and its answer, a text, or a document together
    /// with the query may be longer. Where nothing bounds a length, its mean is what counts.
    pub(crate) fn beyond_context(&self, context: u32) -> Option<String> {
        let Some(mix) = &self.mix else { return self.beyond(self.isl, self.osl, context) };
        let beyond = |kind: &Kind| self.beyond(kind.isl, Some(kind.osl), context);
        mix.kinds().iter().find_map(beyond)
    }

    fn beyond(&self, isl: Length, osl: Option<Length>, context: u32) -> Option<String> {
        let context = f64::from(context);
        let longest = |length: Length| length.longest().map_or_else(|| length.mean(), f64::from);
        let more = match (self.query, osl) {
            (Some(query), _) => format!(" + {:.0} of the query", longest(query)),
            (None, Some(osl)) => format!(" + OSL {:.0}", longest(osl)),
            (None, None) => String::new(),
        };
        let isl = longest(isl);
        let rest = osl.map_or(0.0, longest) + self.query.map_or(0.0, longest);
        (isl + rest > context)
            .then(|| format!("ISL {isl:.0}{more} tokens are beyond the context of {context:.0}"))
    }
}

/// `ISL 1024 OSL 128`, `ISL 512 x 8 texts`, `ISL 128 x 10 documents, query 32`, or what it is a mix of; and
/// `2 images of 512x512`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { isl, texts, query, osl, mix, images } = self;
        match (query, osl) {
            _ if mix.is_some() => mix.iter().try_for_each(|mix| mix.fmt(f)),
            (Some(query), _) => {
                let noun = if texts.get() == 1 { "document" } else { "documents" };
                write!(f, "ISL {isl} x {texts} {noun}, query {query}")
            }
            (None, Some(osl)) => write!(f, "ISL {isl} OSL {osl}"),
            (None, None) if texts.get() == 1 => write!(f, "ISL {isl}"),
            (None, None) => write!(f, "ISL {isl} x {texts} texts"),
        }?;
        images.iter().try_for_each(|images| write!(f, ", {images}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_as_long_as_its_kinds_are_together_and_the_longest_alone() {
        let kind = |weight, isl: &str, osl: &str| {
            let (isl, osl) = (isl.parse().unwrap(), osl.parse().unwrap());
            Kind { name: None, weight, isl, osl }
        };
        let mix = Mix::new([kind(3.0, "100", "20"), kind(1.0, "uniform(500,700)", "100")]).unwrap();
        let workload = WorkloadSettings { mix: Some(mix), ..WorkloadSettings::default() };
        let shape = Shape::of(&workload, Api::Chat);
        assert_eq!((shape.input_tokens(), shape.output_tokens()), (225.0, 40.0));
        assert_eq!(shape.to_string(), "75% ISL 100 OSL 20, 25% ISL uniform(500,700) OSL 100");
        let why = "ISL 700 + OSL 100 tokens are beyond the context of 799";
        assert_eq!(
            (shape.beyond_context(800), shape.beyond_context(799)),
            (None, Some(why.into()))
        );
    }

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
        let drawn = Shape::of(&WorkloadSettings { isl, osl, ..workload.clone() }, Api::Chat);
        assert_eq!(drawn.to_string(), "ISL uniform(1,100) OSL 20±5");
        let images = Images::new(2, 640, 480).ok();
        let shown = Shape::of(&WorkloadSettings { images, ..workload.clone() }, Api::Chat);
        assert_eq!(shown.to_string(), "ISL 100 OSL 20, 2 images of 640x480");
        // Some 2.5 bytes a pixel.
        let kept = shown.kept_tokens() * 40.0 / (2.0 * 640.0 * 480.0);
        assert!((2.0..3.0).contains(&kept), "{kept}");
        assert_eq!((drawn.beyond_context(120), drawn.beyond_context(119).is_some()), (None, true));
    }
}
