//! The parts of a recipe, and how one lies over another.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use super::{EngineName, flags};
use crate::Gpus;

/// Parts of a recipe. What is left out, those below say; what none says is left to the engine.
///
/// In arguments, variables and commands, `{model}`, `{name}`, `{host}` and `{port}` stand for what the engine is told of
/// the model, what requests call it, and where it listens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Parts {
    /// The engine whose recipe lies below: in a user's own file.
    pub(crate) extends: Option<EngineName>,
    pub(crate) image: Option<String>,
    /// What an image has at its name's end, before the tag.
    pub(crate) image_suffix: Option<String>,
    /// Where an image is whose name says no registry.
    pub(crate) registry: Option<String>,
    pub(crate) entrypoint: Option<Entrypoint>,
    /// How the program is called, before its arguments.
    pub(crate) command: Option<Vec<String>>,
    pub(crate) args: Vec<String>,
    /// Flags that mean the same.
    pub(crate) aliases: Vec<Vec<String>>,
    /// Flags that are not taken, and what to do instead.
    pub(crate) refused: BTreeMap<String, String>,
    pub(crate) model: Option<ModelForm>,
    /// The variable that says where the model is, of an image that has none.
    pub(crate) model_variable: Option<String>,
    /// Flags that say what requests call the model.
    pub(crate) name_flags: Vec<String>,
    /// The variable that says so.
    pub(crate) name_variable: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// Secrets that are passed on where they are set.
    pub(crate) secrets: Vec<String>,
    /// Secrets without which it does not start.
    pub(crate) requires: Option<Vec<String>>,
    pub(crate) port: Option<u16>,
    pub(crate) health: Option<String>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) gpus: Option<Gpus>,
    pub(crate) shm: Option<Bytes>,
    pub(crate) ipc_host: Option<bool>,
    pub(crate) ulimits: BTreeMap<String, i64>,
    pub(crate) runtime: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) then: Option<Vec<Vec<String>>>,
    pub(crate) ready_within_s: Option<u64>,
    pub(crate) stop_within_s: Option<u64>,
    /// What lies over the rest where the model is a folder or a file of this machine.
    pub(crate) local: Option<Box<Self>>,
    /// What lies over the rest where it is not.
    pub(crate) remote: Option<Box<Self>>,
    pub(crate) variants: BTreeMap<String, Self>,
}

/// What an image's own entrypoint is to the server's command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entrypoint {
    /// It is the command: arguments alone are given to it.
    #[default]
    Command,
    /// It runs what is given to it: the command with its arguments.
    Kept,
    /// The command stands in its place.
    Replaced,
}

/// What a model is to an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelForm {
    /// A name on Hugging Face's hub, or a folder.
    #[default]
    Hub,
    /// A name on the hub with a quantization at its end, or a file in GGUF.
    Gguf,
    /// A name in Ollama's library, or a folder with a Modelfile.
    Ollama,
    /// An image.
    Image,
    /// Whatever the user says that it is.
    Any,
}

/// A folder that outlives the container, such as a cache of models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    /// Where it is here, unless the variable says so. `{home}` is the user's home.
    pub(crate) outside: String,
    /// The variable of this machine that says where it is.
    pub(crate) variable: Option<String>,
    pub(crate) inside: String,
}

/// A size as Docker writes it: `16g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let factor = match &*text[end..].to_ascii_lowercase() {
            "" | "b" => 1,
            "k" | "kb" => 1 << 10,
            "m" | "mb" => 1 << 20,
            "g" | "gb" => 1 << 30,
            _ => return Err(D::Error::custom(format!("{text:?} is no size, such as `16g`"))),
        };
        let bytes = text[..end].parse().ok().and_then(|number: u64| number.checked_mul(factor));
        bytes
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no size, such as `16g`")))
    }
}

impl Parts {
    /// These parts with others over them.
    pub(crate) fn under(self, over: Self) -> Self {
        let aliases = [self.aliases, over.aliases].concat();
        Self {
            extends: over.extends.or(self.extends),
            image: over.image.or(self.image),
            image_suffix: over.image_suffix.or(self.image_suffix),
            registry: over.registry.or(self.registry),
            entrypoint: over.entrypoint.or(self.entrypoint),
            command: over.command.or(self.command),
            args: flags::combined(&self.args, &over.args, &aliases),
            aliases,
            refused: with(self.refused, over.refused),
            model: over.model.or(self.model),
            model_variable: over.model_variable.or(self.model_variable),
            name_flags: [self.name_flags, over.name_flags].concat(),
            name_variable: over.name_variable.or(self.name_variable),
            env: with(self.env, over.env),
            secrets: [self.secrets, over.secrets].concat(),
            requires: over.requires.or(self.requires),
            port: over.port.or(self.port),
            health: over.health.or(self.health),
            volumes: beside(self.volumes, over.volumes),
            gpus: over.gpus.or(self.gpus),
            shm: over.shm.or(self.shm),
            ipc_host: over.ipc_host.or(self.ipc_host),
            ulimits: with(self.ulimits, over.ulimits),
            runtime: over.runtime.or(self.runtime),
            user: over.user.or(self.user),
            then: over.then.or(self.then),
            ready_within_s: over.ready_within_s.or(self.ready_within_s),
            stop_within_s: over.stop_within_s.or(self.stop_within_s),
            local: both(self.local, over.local),
            remote: both(self.remote, over.remote),
            variants: over.variants.into_iter().fold(
                self.variants,
                |mut variants, (name, over)| {
                    let below = variants.remove(&name).unwrap_or_default();
                    variants.insert(name, below.under(over));
                    variants
                },
            ),
        }
    }

    /// Whether an engine is told what a model of this machine is called.
    pub(crate) fn tells_name(&self) -> bool {
        let local = self.local.iter().flat_map(|parts| &parts.args);
        self.args.iter().chain(local).any(|word| word.contains("{name}"))
    }
}

fn with<V>(mut below: BTreeMap<String, V>, over: BTreeMap<String, V>) -> BTreeMap<String, V> {
    below.extend(over);
    below
}

/// Both lists; of two volumes with one place inside, the latter.
fn beside(below: Vec<Volume>, over: Vec<Volume>) -> Vec<Volume> {
    let stays = |volume: &Volume| over.iter().all(|other| other.inside != volume.inside);
    below.into_iter().filter(stays).collect::<Vec<_>>().into_iter().chain(over).collect()
}

fn both(below: Option<Box<Parts>>, over: Option<Box<Parts>>) -> Option<Box<Parts>> {
    match (below, over) {
        (Some(below), Some(over)) => Some(Box::new(below.under(*over))),
        (below, over) => over.or(below),
    }
}
