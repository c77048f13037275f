//! How an engine is started: data, each part of which may be replaced.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Gpus, Lifetime, Mount, Pull};

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
    /// Which engine.
    pub engine: EngineName,
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
    /// When its image is pulled.
    pub pull: Pull,
    /// Another deadline.
    pub ready_within: Option<Duration>,
    /// How long it is to live.
    pub lifetime: Option<Lifetime>,
}
