//! The traffic scenarios of genai-bench.

use std::fmt;

use bench_providers::Api;
use bench_workloads::{Images, InvalidLength, Length};
use schemars::{Schema, json_schema};

use super::{
    typed::shown,
    values::{OR_VARIABLE, Value},
};
use crate::WorkloadSettings;

/// What is sent, as genai-bench writes it: `D(100,1000)`, `N(480,240)/(300,150)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A prompt and its answer.
    Text { isl: Length, osl: Length },
    /// A text to embed.
    Embeddings { isl: Length },
    /// Documents, and what they are ranked by.
    Rerank { isl: Length, query: Length },
    /// Images, beside a text whose lengths are said elsewhere.
    Images(Images),
}

impl Scenario {
    /// Whether a target that is asked by `api` can be asked this.
    pub(super) fn suits(&self, api: Api) -> bool {
        match self.kind {
            Kind::Text { .. } => api.generates(),
            Kind::Images(_) => takes_images(api),
            Kind::Embeddings { .. } => api == Api::Embeddings,
            Kind::Rerank { .. } => api == Api::Rerank,
        }
    }

    /// What targets it is for, in words.
    pub(super) fn suited(&self) -> &'static str {
        match self.kind {
            Kind::Text { .. } => "that generate text",
            Kind::Images(_) => "that take images: chat, responses, messages and native_chat",
            Kind::Embeddings { .. } => "asked for embeddings: --endpoint-type embeddings",
            Kind::Rerank { .. } => "asked to rerank: --endpoint-type rerank",
        }
    }

    /// Whether it is of images, and says nothing of lengths.
    pub(super) fn is_of_images(&self) -> bool {
        matches!(self.kind, Kind::Images(_))
    }

    /// Its workload, with what else `base` says of requests; of images, one for each of `plain`, whose lengths
    /// hold there.
    pub(super) fn workloads(
        &self,
        plain: &[WorkloadSettings],
        base: &WorkloadSettings,
    ) -> Vec<WorkloadSettings> {
        let label = Some(self.text.clone());
        let base = WorkloadSettings { label: label.clone(), osl: None, ..base.clone() };
        let one = match self.kind {
            Kind::Text { isl, osl } => WorkloadSettings { isl, osl: Some(osl), ..base },
            Kind::Embeddings { isl } => WorkloadSettings { isl, ..base },
            Kind::Rerank { isl, query } => WorkloadSettings { isl, query, ..base },
            Kind::Images(images) => {
                let shown = |text: &WorkloadSettings| WorkloadSettings {
                    label: label.clone(),
                    images: Some(images),
                    ..text.clone()
                };
                return plain.iter().map(shown).collect();
            }
        };
        vec![one]
    }
}

/// Whether requests by this API can have images.
pub(super) fn takes_images(api: Api) -> bool {
    matches!(api, Api::Chat | Api::Responses | Api::Messages | Api::NativeChat)
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value for Scenario {
    const NAME: &'static str = "Scenario";

    fn parse(text: &str) -> Result<Self, String> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match kind(&plain) {
            Some(Ok(kind)) => Ok(Self { text: plain, kind }),
            Some(Err(error)) => Err(format!("{}: {error}", shown(&plain))),
            None => Err(format!(
                "`{}` is no traffic scenario: give D(in,out), N(mean,deviation)/(mean,deviation), \
                 U(min,max)/(min,max), U(max,max), E(tokens) for embeddings, R(document,query) to rerank or I(width,height[,number]) for images; \
                 what is read from a file is given as --input-file",
                shown(text)
            )),
        }
    }

    fn schema() -> Schema {
        let description = "A traffic scenario of genai-bench: D(in,out), N(mean,deviation)/(mean,deviation), \
                           U(min,max)/(min,max), U(max,max), E(tokens), R(document,query), I(width,height,number).";
        json_schema!({"description": description, "type": "string", "pattern": format!(r"^ *[DNUERI] *\(.+\) *$|{OR_VARIABLE}")})
    }
}

/// `None` if it has the form of none.
fn kind(text: &str) -> Option<Result<Kind, String>> {
    let (letter, rest) = text.split_at_checked(1)?;
    let (first, second) = rest.split_once('/').map_or((rest, None), |(a, b)| (a, Some(b)));
    let first = numbers(first)?;
    let second = match second {
        Some(second) => Some(numbers(second)?),
        None => None,
    };
    let text = |isl: Drawn, osl: Drawn| {
        let both = isl.and_then(|isl| Ok(Kind::Text { isl, osl: osl? }));
        both.map_err(|error| error.to_string())
    };
    let fixed = |tokens: u32| Length::fixed(tokens).map_err(|error| error.to_string());
    let images = |count, width, height| {
        Images::new(count, width, height).map(Kind::Images).map_err(|error| error.to_string())
    };
    let normal = |mean: u32, deviation: u32| Length::normal(mean.into(), deviation.into());
    Some(match (letter, first.as_slice(), second.as_deref()) {
        ("D", [isl, osl], None) => text(Length::fixed(*isl), Length::fixed(*osl)),
        ("N", [isl, isl_deviation], Some([osl, osl_deviation])) => {
            text(normal(*isl, *isl_deviation), normal(*osl, *osl_deviation))
        }
        ("U", [least, most], Some([osl_least, osl_most])) => {
            text(Length::uniform(*least, *most), Length::uniform(*osl_least, *osl_most))
        }
        ("U", [isl, osl], None) => text(Length::uniform(1, *isl), Length::uniform(1, *osl)),
        ("E", [isl], None) => fixed(*isl).map(|isl| Kind::Embeddings { isl }),
        ("I", [width, height], None) => images(1, *width, *height),
        ("I", [width, height, count], None) => images(*count, *width, *height),
        ("R", [document, query], None) => {
            fixed(*document).and_then(|isl| Ok(Kind::Rerank { isl, query: fixed(*query)? }))
        }
        _ => return None,
    })
}

type Drawn = Result<Length, InvalidLength>;

/// The numbers of `(1,2)`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    let inside = text.strip_prefix('(')?.strip_suffix(')')?;
    inside.split(',').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_what_is_sent() {
        for (text, expected) in [
            ("D(100,1000)", "ISL 100 OSL 1000"),
            ("N(480,240)/(300,150)", "ISL 480±240 OSL 300±150"),
            ("U(50,100)/(200,250)", "ISL uniform(50,100) OSL uniform(200,250)"),
            ("U(100,200)", "ISL uniform(1,100) OSL uniform(1,200)"),
            ("E(512)", "ISL 512 OSL open"),
            ("R(1024,100)", "ISL 1024 OSL open query 100"),
            ("I(512,256)", "ISL 64 OSL 8, 1 image of 512x256"),
            ("I(512,256,3)", "ISL 64 OSL 8, 3 images of 512x256"),
        ] {
            let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let base = WorkloadSettings::default();
            let usual = base.query;
            let (isl, osl) = (Length::fixed(64).unwrap(), Length::fixed(8).ok());
            let plain = [WorkloadSettings { isl, osl, ..base.clone() }];
            let [workload] = &scenario.workloads(&plain, &base)[..] else { panic!("{text}") };
            let WorkloadSettings { label, isl, osl, query, images, .. } = workload;
            let images = images.map_or_else(String::new, |images| format!(", {images}"));
            let osl = osl.map_or("open".to_owned(), |osl| osl.to_string());
            let query = if *query == usual { String::new() } else { format!(" query {query}") };
            assert_eq!(format!("ISL {isl} OSL {osl}{query}{images}"), expected);
            assert_eq!(label.as_deref(), Some(text));
            assert_eq!(Scenario::parse(&scenario.to_string()).as_ref(), Ok(&scenario));
        }
        assert_eq!(Scenario::parse(" U( 1, 2 ) ").unwrap().to_string(), "U(1,2)");
    }

    #[test]
    fn what_is_none_is_told_the_forms() {
        for text in [
            "",
            "D",
            "D()",
            "D(1)",
            "D(1,2,3)",
            "D(1,2)/(3,4)",
            "D(-1,2)",
            "D(1.5,2)",
            "N(1,2)",
            "X(1,2)",
            "A(100)",
            "dataset",
            "D(1,2",
            "d(1,2)",
            "é(1,2)",
            "N(1,2)/3,4",
            "E(1,2)",
            "D(1,99999999999)",
        ] {
            let error = Scenario::parse(text).unwrap_err();
            assert!(error.contains("is no traffic scenario: give D(in,out)"), "{text}: {error}");
        }
        for (text, said) in [
            ("D(0,1)", "D(0,1): 0 is no length"),
            ("U(9,1)/(1,2)", "U(9,1)/(1,2): 9 to 1 goes down"),
            ("U(1,20000000)", "20000000 is no length"),
            ("I(0,9)", "0 x 9 pixels are no size of an image"),
            ("I(9,9,0)", "0 images are no number for a request"),
        ] {
            let error = Scenario::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
