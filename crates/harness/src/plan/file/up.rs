//! The section of a target that is started for the run.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use bench_containers::EngineName as Recipe;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::{
    labels::Label,
    values::{GpuRequest, Positive, Size, Time, Words},
};

/// A server to start, and to stop once it is measured: `ENGINE:MODEL`, or more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Up(pub UpFile);

/// How a server is started. What is left out, the engine's recipe says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpFile {
    /// The engine, or the recipe's file. By default the target's engine, or what the target is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The model: a name that the engine knows, a folder or a file; of NIM its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A variant of the recipe, such as `dgx-spark`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Where it runs. `docker` by default.
    #[serde(rename = "with", skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendName>,
    /// Another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Another program, of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// More arguments; one that the recipe has is replaced.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub args: Words,
    /// More of the environment. Secrets have no place here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Label>,
    /// Variables of this environment that are passed on, and whose values are secrets.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub secrets: Words,
    /// More folders that its container sees, `HERE:THERE` or `HERE:THERE:rw`.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub mounts: Words,
    /// The GPUs that it may use, as Docker has them: `all`, `none`, `2`, `device=0,1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuRequest>,
    /// The size of its shared memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Size>,
    /// The most memory that it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Docker's runtime for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Its port on this machine. A free one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Positive>,
    /// When its image is pulled. `missing` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullName>,
    /// How long it may take until it has answered with a token. 10m by default, where the recipe says no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Time>,
    /// Of NIM: which profile, by its id, its name, or a rule such as `precision=fp8,tp=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Values of its arguments to measure one after the other: a server for each, `max-num-seqs: [64, 256]`. Of several
    /// arguments, one for each combination.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vary: BTreeMap<String, Words>,
}

/// Where a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// In a container of Docker Engine.
    Docker,
    /// In a container of Podman.
    Podman,
    /// As a process of this machine.
    Process,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PullName {
    /// Where it is not here.
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl UpFile {
    /// The same, but for what `more` says; arguments are added.
    pub(crate) fn over_by(&self, more: Option<&Self>) -> Self {
        let Some(more) = more else { return self.clone() };
        let both = |own: &Words, more: &Words| Words([&*own.0, &*more.0].concat());
        let mut env = self.env.clone();
        env.extend(more.env.clone());
        let mut vary = self.vary.clone();
        vary.extend(more.vary.clone());
        Self {
            recipe: more.recipe.clone().or(self.recipe.clone()),
            model: more.model.clone().or(self.model.clone()),
            variant: more.variant.clone().or(self.variant.clone()),
            backend: more.backend.or(self.backend),
            image: more.image.clone().or(self.image.clone()),
            program: more.program.clone().or(self.program.clone()),
            args: both(&self.args, &more.args),
            env,
            secrets: both(&self.secrets, &more.secrets),
            mounts: both(&self.mounts, &more.mounts),
            gpus: more.gpus.clone().or(self.gpus.clone()),
            shm_size: more.shm_size.or(self.shm_size),
            memory: more.memory.or(self.memory),
            runtime: more.runtime.clone().or(self.runtime.clone()),
            port: more.port.or(self.port),
            pull: more.pull.or(self.pull),
            ready_within: more.ready_within.or(self.ready_within),
            profile: more.profile.clone().or(self.profile.clone()),
            vary,
        }
    }
}

impl UpFile {
    /// `recipe` or `model`, as it was said.
    pub fn part(&self, key: &str) -> Option<&str> {
        match key {
            "recipe" => self.recipe.as_deref(),
            "model" => self.model.as_deref(),
            _ => None,
        }
    }
}

impl Up {
    /// `MODEL`, or `ENGINE:MODEL` where there is a recipe of that name. Models of Ollama have colons of their own.
    pub fn parse(text: &str) -> Self {
        let (recipe, model) = match text.split_once(':') {
            Some((engine, model)) if engine.parse::<Recipe>().is_ok() => (Some(engine), model),
            _ => (None, text),
        };
        let recipe = recipe.map(str::to_owned);
        Self(UpFile { recipe, model: Some(model.to_owned()), ..UpFile::default() })
    }
}

impl<'de> Deserialize<'de> for Up {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpVisitor)
    }
}

struct UpVisitor;

impl<'de> de::Visitor<'de> for UpVisitor {
    type Value = Up;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as `vllm:MODEL`, or a section")
    }

    fn visit_str<E>(self, text: &str) -> Result<Up, E> {
        Ok(Up::parse(text))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Up, A::Error> {
        UpFile::deserialize(de::value::MapAccessDeserializer::new(map)).map(Up)
    }
}

impl Serialize for Up {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Up {
    fn schema_name() -> Cow<'static, str> {
        "Up".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let how = generator.subschema_for::<UpFile>();
        json_schema!({"anyOf": [{"type": "string"}, how]})
    }
}
