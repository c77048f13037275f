//! How an engine is started: data, each part of which may be replaced.
//!
//! ```text
//! recipes/<engine>.toml ◄─ a user's file ◄─ a variant ◄─ local or remote model ◄─ Asked
//! ```
//!
//! What lies further to the right replaces what lies to the left, flag by flag and variable by variable.

mod check;
mod environment;
pub(crate) mod flags;
mod host;
mod image;
mod launching;
mod model;
mod parts;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::{check::refused, parts::Parts};
use crate::{Gpus, Lifetime, Mount, Pull, Trouble};

pub use self::host::{HostFacts, LocalModel};

/// A kind of server that there is a recipe for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// NVIDIA's NIM for LLMs.
    Nim,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// `trtllm-serve`.
    TrtLlm,
    /// `llama-server`.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Any other that speaks as OpenAI's servers do: the image, or the program, says all.
    Custom,
}

impl EngineName {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Nim,
        Self::Vllm,
        Self::Sglang,
        Self::TrtLlm,
        Self::LlamaCpp,
        Self::Ollama,
        Self::Custom,
    ];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nim => "nim",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::TrtLlm => "trtllm",
            Self::LlamaCpp => "llamacpp",
            Self::Ollama => "ollama",
            Self::Custom => "custom",
        }
    }

    /// The engines whose lines a log of this one has: NIM and Ollama run others within them, and a custom one may be
    /// any.
    pub(crate) const fn speaks(self) -> &'static [Self] {
        match self {
            Self::Nim => &[Self::Nim, Self::Vllm, Self::Sglang, Self::TrtLlm],
            Self::Vllm => &[Self::Vllm],
            Self::Sglang => &[Self::Sglang],
            Self::TrtLlm => &[Self::TrtLlm],
            Self::LlamaCpp => &[Self::LlamaCpp],
            Self::Ollama => &[Self::Ollama, Self::LlamaCpp],
            Self::Custom => &Self::ALL,
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = |engine: &Self| engine.name() == name.replace(['.', '-'], "");
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no recipe for `{name}`; there are {names}")
        })
    }
}

/// Where a server is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum With {
    /// A container of Docker Engine.
    #[default]
    Docker,
    /// A container of Podman.
    Podman,
    /// A process of this machine.
    Process,
}

/// How an engine is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    engine: EngineName,
    parts: Parts,
}

impl Recipe {
    /// The recipe that comes with inferbench.
    #[expect(clippy::missing_panics_doc, reason = "a test reads every recipe")]
    pub fn of(engine: EngineName) -> Self {
        let text = match engine {
            EngineName::Nim => include_str!("../../recipes/nim.toml"),
            EngineName::Vllm => include_str!("../../recipes/vllm.toml"),
            EngineName::Sglang => include_str!("../../recipes/sglang.toml"),
            EngineName::TrtLlm => include_str!("../../recipes/trtllm.toml"),
            EngineName::LlamaCpp => include_str!("../../recipes/llamacpp.toml"),
            EngineName::Ollama => include_str!("../../recipes/ollama.toml"),
            EngineName::Custom => include_str!("../../recipes/custom.toml"),
        };
        Self { engine, parts: toml::from_str(text).expect("the recipe is well-formed") }
    }

    /// A recipe of the user's: a file in the form of inferbench's own, which says whose parts it replaces by
    /// `extends = "vllm"`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no recipe.
    pub fn read(path: &Path) -> Result<Self, Trouble> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&text)).map_err(|why| {
            let fix = "a recipe says which engine's it extends, and what it has otherwise: docs/containers.md";
            refused(format!("{} is no recipe: {why}", path.display()), fix)
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let over: Parts = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("in line {}, {}", before.matches('\n').count() + 1, error.message())
        })?;
        match over.extends {
            Some(engine) => Ok(Self { engine, parts: Self::of(engine).parts.under(over) }),
            None => Err("it does not say by `extends` which engine's it is".to_owned()),
        }
    }

    /// Which engine it starts.
    pub const fn engine(&self) -> EngineName {
        self.engine
    }

    /// The variants that it has, such as `dgx-spark`.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        self.parts.variants.keys().map(String::as_str)
    }

    /// This recipe, but that no key has to be set.
    pub(crate) fn without_keys(mut self) -> Self {
        let keys = self.parts.requires.take();
        self.parts.secrets.extend(keys.into_iter().flatten());
        self
    }

    /// Secrets that it passes on, by their names.
    fn secrets(&self) -> BTreeSet<String> {
        let all = || [&self.parts].into_iter().chain(self.parts.variants.values());
        let required = all().flat_map(|parts| parts.requires.iter().flatten());
        required.chain(all().flat_map(|parts| &parts.secrets)).cloned().collect()
    }

    /// Variables that name folders.
    fn folder_variables(&self) -> BTreeSet<String> {
        let all = [&self.parts].into_iter().chain(self.parts.variants.values());
        all.flat_map(|parts| &parts.volumes).filter_map(|volume| volume.variable.clone()).collect()
    }
}

/// What is asked of a recipe: what is left out, the recipe says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The model: a name that the engine knows, a folder or a file of this machine, of NIM an image.
    pub model: String,
    /// A variant of the recipe, such as `dgx-spark`.
    pub variant: Option<String>,
    /// Where it runs.
    pub with: With,
    /// What it is called; a name that is not taken if `None`.
    pub name: Option<String>,
    /// Another image.
    pub image: Option<String>,
    /// Another program, of a process.
    pub program: Option<PathBuf>,
    /// More arguments; one that the recipe has is replaced.
    pub args: Vec<String>,
    /// More of the environment: texts.
    pub env: BTreeMap<String, String>,
    /// Variables of ours to pass on, whose values are secrets.
    pub secrets: Vec<String>,
    /// More folders.
    pub mounts: Vec<Mount>,
    /// Other GPUs.
    pub gpus: Option<Gpus>,
    /// Another size of the shared memory, in bytes.
    pub shm_bytes: Option<u64>,
    /// The most memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Another runtime of Docker's.
    pub runtime: Option<String>,
    /// A port of this machine's loopback address; a free one if `None`.
    pub port: Option<u16>,
    /// The profile that NIM is to take, by its id.
    pub profile: Option<String>,
    /// When its image is pulled.
    pub pull: Pull,
    /// Another deadline.
    pub ready_within: Option<Duration>,
    /// How long it is to live.
    pub lifetime: Option<Lifetime>,
}
