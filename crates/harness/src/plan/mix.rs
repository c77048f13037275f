//! Prompts of several kinds in one workload, as AIPerf's sequence distributions have it.

use std::fmt;

use bench_workloads::{Kind, Mix};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    sweep::split,
    typed::shown,
    values::{Deviation, OR_VARIABLE, Tokens, Value},
};

/// Kinds of prompts, each with its share: `256,128:40;512,256:60`, or a list of sections.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct MixFile(Vec<KindFile>);

/// A kind of prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Said")]
pub struct KindFile {
    /// What it goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many of the requests are of it, relative to the others. 1 by default.
    #[serde(serialize_with = "plainly")]
    pub weight: f64,
    /// Input tokens.
    pub isl: Tokens,
    /// Output tokens.
    pub osl: Tokens,
}

/// 40 rather than 40.0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn plainly<S: Serializer>(weight: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match weight.to_string().parse::<u64>() {
        Ok(whole) => serializer.serialize_u64(whole),
        Err(_) => serializer.serialize_f64(*weight),
    }
}

/// A kind as people say it, and as AIPerf does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// What it goes by.
    #[serde(default)]
    name: Option<String>,
    /// How many of the requests are of it, relative to the others. 1 by default.
    #[serde(default, alias = "prob", alias = "probability")]
    weight: Option<f64>,
    /// Input tokens.
    isl: Tokens,
    /// Their standard deviation.
    #[serde(default)]
    isl_stddev: Option<Deviation>,
    /// Output tokens.
    osl: Tokens,
    /// Their standard deviation.
    #[serde(default)]
    osl_stddev: Option<Deviation>,
}

/// What AIPerf's JSON has around them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    pairs: Vec<KindFile>,
}

/// Kinds at most; beyond, a file of requests says it better.
const MOST: usize = 1_000;

impl TryFrom<Said> for KindFile {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        let tokens = |tokens: Tokens, deviation: Option<Deviation>| match deviation {
            Some(_) if !tokens.0.is_fixed() => {
                Err(format!("{tokens} is a distribution of its own; leave its stddev out"))
            }
            deviation => tokens.length(deviation.map_or(0.0, |d| d.0)).map(Tokens),
        };
        let is_odd = |c: char| c.is_control() || "\";,:=|/()[]{}$".contains(c);
        if let Some(name) = said.name.as_ref().filter(|n| n.trim().is_empty() || n.contains(is_odd))
        {
            return Err(format!("`{}` is no name: give letters and digits", shown(name)));
        }
        let (isl, osl) = (tokens(said.isl, said.isl_stddev)?, tokens(said.osl, said.osl_stddev)?);
        Ok(Self { name: said.name, weight: said.weight.unwrap_or(1.0), isl, osl })
    }
}

impl MixFile {
    /// The mix that it is.
    pub(super) fn mix(&self) -> Result<Mix, String> {
        let kind = |kind: &KindFile| Kind {
            name: kind.name.as_deref().map(Into::into),
            weight: kind.weight,
            isl: kind.isl.0,
            osl: kind.osl.0,
        };
        Mix::new(self.0.iter().map(kind)).map_err(|error| error.to_string())
    }

    /// Reads AIPerf's text: `256|10,128:40;512,256:60`, the same in brackets, or JSON. A name may stand before:
    /// `short=256,128:40`.
    ///
    /// # Errors
    ///
    /// Says why `text` is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('{') || text.starts_with("[{") {
            return serde_json::from_str(text).map_err(|error| error.to_string());
        }
        let kinds = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(inside) => split(inside, ','),
            None => split(text, ';'),
        };
        let kinds = kinds.into_iter().filter(|kind| !kind.trim().is_empty());
        Self::checked(kinds.map(kind).collect::<Result<_, _>>()?)
    }

    fn checked(kinds: Vec<KindFile>) -> Result<Self, String> {
        if kinds.len() > MOST {
            return Err(format!("{} kinds are too many: at most {MOST}", kinds.len()));
        }
        let mix = Self(kinds);
        mix.mix().map(|_| mix)
    }
}

/// `short=256|10,128:40`, or `(256|10,128):40`.
fn kind(text: &str) -> Result<KindFile, String> {
    let none = || {
        format!(
            "`{}` is no ISL,OSL:WEIGHT such as 256,128:40 or 256|10,128|5:40",
            shown(text.trim())
        )
    };
    let (name, rest) = match *split(text, '=').as_slice() {
        [rest] => (None, rest),
        [name, rest] => (Some(name.trim().to_owned()), rest),
        _ => return Err(none()),
    };
    let (lengths, weight) = rest.rsplit_once(':').ok_or_else(none)?;
    let lengths = lengths.trim();
    let bare = lengths.strip_prefix('(').and_then(|inside| inside.strip_suffix(')'));
    let [isl, osl] = *split(bare.unwrap_or(lengths), ',').as_slice() else { return Err(none()) };
    let weight = weight.trim().trim_end_matches('%').parse().map_err(|_| none())?;
    let said = |text: &str| match text.split_once('|') {
        None => Tokens::parse(text).map(|tokens| (tokens, None)),
        Some((mean, deviation)) => Ok((Tokens::parse(mean)?, Some(Deviation::parse(deviation)?))),
    };
    let ((isl, isl_stddev), (osl, osl_stddev)) = (said(isl)?, said(osl)?);
    KindFile::try_from(Said { name, weight: Some(weight), isl, isl_stddev, osl, osl_stddev })
}

impl<'de> Deserialize<'de> for MixFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MixVisitor)
    }
}

struct MixVisitor;

impl<'de> de::Visitor<'de> for MixVisitor {
    type Value = MixFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as `256,128:40;512,256:60`, or a list of sections")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<MixFile, E> {
        MixFile::parse(text).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<MixFile, A::Error> {
        let mut kinds = Vec::new();
        while let Some(kind) = seq.next_element()? {
            kinds.push(kind);
        }
        MixFile::checked(kinds).map_err(de::Error::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<MixFile, A::Error> {
        let said = Pairs::deserialize(de::value::MapAccessDeserializer::new(map))?;
        MixFile::checked(said.pairs).map_err(de::Error::custom)
    }
}

impl JsonSchema for MixFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mix".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<KindFile>();
        let text = format!(r":|{OR_VARIABLE}");
        json_schema!({"anyOf": [
            {"description": "AIPerf's sequence distribution: 256,128:40;512|20,256:60.", "type": "string", "pattern": text},
            {"type": "array", "items": kind, "minItems": 1},
        ]})
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_mix_is_the_same_mix() {
        let expected = "40% ISL 256±10 OSL 128, 60% ISL 512 OSL 256±15";
        for text in [
            "256|10,128:40;512,256|15:60",
            " 256±10 , 128 : 4 ; 512 , normal(256,15) : 6 ; ",
            "[(256|10,128):40,(512,256|15):60]",
            r#"{"pairs": [{"isl": 256, "isl_stddev": 10, "osl": 128, "prob": 40}, {"isl": 512, "osl": 256, "osl_stddev": 15, "prob": 60}]}"#,
            r#"[{"isl": "256±10", "osl": 128, "weight": 0.4}, {"isl": 512, "osl": "256±15", "probability": 0.6}]"#,
        ] {
            let mix = MixFile::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(mix.mix().unwrap().to_string(), expected, "{text}");
        }
        let drawn = "a=uniform(1,5,max=3),8:75%;b=9,zipf(1.2,64):25%";
        let mix = MixFile::parse(drawn).unwrap().mix().unwrap().to_string();
        assert_eq!(mix, "75% a (ISL uniform(1,5,max=3) OSL 8), 25% b (ISL 9 OSL zipf(1.2,64))");
    }

    #[test]
    fn what_is_no_mix_is_said_to_be_none() {
        for (text, said) in [
            ("", "there is nothing to mix"),
            ("256,128", "`256,128` is no ISL,OSL:WEIGHT such as"),
            ("256:40", "`256:40` is no ISL,OSL:WEIGHT"),
            ("256,128,64:40", "is no ISL,OSL:WEIGHT"),
            ("256,128:many", "is no ISL,OSL:WEIGHT"),
            ("a=b=256,128:40", "is no ISL,OSL:WEIGHT"),
            ("0,128:40", "0 is no length"),
            ("256,128:0", "0 is no weight"),
            ("256,128:-1", "-1 is no weight"),
            ("poisson(9)|3,128:1", "poisson(9) is a distribution of its own"),
            ("=256,128:1", "`` is no name"),
            (r#"{"pairs": [{"isl": 1}]}"#, "missing field `osl`"),
            (r#"{"pairs": [{"isl": 1, "osl": 1, "ols": 2}]}"#, "unknown field `ols`"),
        ] {
            let error = MixFile::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
