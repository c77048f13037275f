//! Parts of a plan whose keys are the user's own, or that have two forms.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use bench_core::Goal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    typed::shown,
    values::{Percent, Positive, Time},
};

/// What else is known of a target: `gpu: H200`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, Label>);

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A label's text; numbers and yes or no are texts here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Label(pub String);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor)
    }
}

struct LabelVisitor;

impl de::Visitor<'_> for LabelVisitor {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Label, E> {
        Ok(Label(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Label, E> {
        Ok(Label(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Label, E> {
        Ok(Label(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Label, E> {
        Ok(Label(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Label, E> {
        Ok(Label(value.to_string()))
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// The built-in simulator: whether, or how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Simulate {
    /// Whether.
    Plain(bool),
    /// How.
    As(SimulateFile),
}

/// How the simulator behaves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimulateFile {
    /// From the request to the first token. 20ms by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft: Option<Time>,
    /// From one token to the next. 1ms by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl: Option<Time>,
    /// Standard deviation of both, as a share of them. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Percent>,
    /// Seed of the jitter. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The model's name. `simulated` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The most tokens of prompt and answer together. 131072 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<Positive>,
    /// Tokens in each event. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_chunk: Option<Positive>,
    /// Events in each write. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_write: Option<Positive>,
    /// Threads. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<Positive>,
    /// Requests served at once; further ones wait in line. Any number by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<Positive>,
    /// How much longer a token takes for each further request that is served, as a share. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<Percent>,
    /// How much faster all of it is: 1.03 is 3 % faster. 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Percent>,
}

impl<'de> Deserialize<'de> for Simulate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SimulateVisitor)
    }
}

struct SimulateVisitor;

impl<'de> de::Visitor<'de> for SimulateVisitor {
    type Value = Simulate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a section")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Simulate, E> {
        Ok(Simulate::Plain(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Simulate, E> {
        let none = || E::custom(format!("`{}` is neither true nor false", shown(text)));
        text.trim().parse().map(Simulate::Plain).map_err(|_| none())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Simulate, A::Error> {
        SimulateFile::deserialize(de::value::MapAccessDeserializer::new(map)).map(Simulate::As)
    }
}

impl Serialize for Simulate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(whether) => serializer.serialize_bool(*whether),
            Self::As(how) => how.serialize(serializer),
        }
    }
}

impl JsonSchema for Simulate {
    fn schema_name() -> Cow<'static, str> {
        "Simulate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let how = generator.subschema_for::<SimulateFile>();
        json_schema!({"anyOf": [{"type": ["boolean", "string"]}, how]})
    }
}

/// What a good request keeps to: a limit for each metric, a bare number in the metric's own unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Goodput(pub BTreeMap<String, Label>);

/// `ttft:500ms itl:50`.
impl fmt::Display for Goodput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits: Vec<String> =
            self.0.iter().map(|(name, l)| format!("{name}:{}", l.0)).collect();
        f.write_str(&limits.join(" "))
    }
}

impl Goodput {
    fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        let limits = words.filter(|word| !word.is_empty()).map(|word| {
            let none = || format!("`{}` is no limit for requests such as ttft:500", shown(word));
            let (metric, limit) = word.split_once(':').ok_or_else(none)?;
            Ok((metric.to_owned(), Label(limit.to_owned())))
        });
        Self(limits.collect::<Result<_, String>>()?).checked()
    }

    /// The same, if every limit is one.
    fn checked(self) -> Result<Self, String> {
        let valid = self.to_string().parse::<bench_core::Goodput>();
        valid.map(|_| self).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Goodput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GoodputVisitor)
    }
}

struct GoodputVisitor;

impl<'de> de::Visitor<'de> for GoodputVisitor {
    type Value = Goodput;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as `ttft:500 itl:50`, or a limit for each metric")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Goodput, E> {
        Goodput::parse(text).map_err(E::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Goodput, A::Error> {
        let mut limits = BTreeMap::new();
        while let Some((metric, limit)) = map.next_entry()? {
            limits.insert(metric, limit);
        }
        Goodput(limits).checked().map_err(de::Error::custom)
    }
}

impl JsonSchema for Goodput {
    fn schema_name() -> Cow<'static, str> {
        "Goodput".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let limit = generator.subschema_for::<Label>();
        json_schema!({"anyOf": [
            {"type": "string"},
            {"type": "object", "minProperties": 1, "additionalProperties": limit},
        ]})
    }
}

/// A goal of a point, such as `p95(ttft)<500ms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct GoalText(pub String);

impl<'de> Deserialize<'de> for GoalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<Goal>() {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}
