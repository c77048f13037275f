//! What each backend can do with a payload, and the folder that it is given.

use std::{
    fmt, fs, io,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    launch_file,
    partial::unwritable,
    payload::{Payload, is_part},
    record::BackendRecord,
};
use crate::{EngineName, Trouble};

/// A backend that folders are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ModelBackend {
    /// `llama-server`.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Ollama.
    #[serde(rename = "ollama")]
    Ollama,
    /// SGLang.
    #[serde(rename = "sglang")]
    Sglang,
    /// vLLM.
    #[serde(rename = "vllm")]
    Vllm,
}

impl ModelBackend {
    /// All, in the order of their folders.
    pub const ALL: [Self; 4] = [Self::LlamaCpp, Self::Ollama, Self::Sglang, Self::Vllm];

    /// What its folder is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
            Self::Sglang => "sglang",
            Self::Vllm => "vllm",
        }
    }

    /// The engine that it is.
    pub const fn engine(self) -> EngineName {
        match self {
            Self::LlamaCpp => EngineName::LlamaCpp,
            Self::Ollama => EngineName::Ollama,
            Self::Sglang => EngineName::Sglang,
            Self::Vllm => EngineName::Vllm,
        }
    }
}

impl fmt::Display for ModelBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelBackend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known =
            |backend: &Self| backend.name().replace('.', "") == name.replace(['.', '-'], "");
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            format!(
                "no folder is made for `{name}`; there are {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

/// A model, as its backends' folders are made.
pub(super) struct Linking<'a> {
    pub(super) name: &'a str,
    pub(super) payload: &'a Payload,
    /// Where the model is made.
    pub(super) made_at: &'a Path,
    /// Where it is going to be.
    pub(super) target: &'a Path,
    /// The payload's folder, from the model's folder on.
    pub(super) place: &'a Path,
}

impl Linking<'_> {
    /// Makes the folder of a backend anew.
    pub(super) fn make(&self, backend: ModelBackend) -> Result<BackendRecord, Trouble> {
        let folder = self.made_at.join(backend.name());
        let failed = |error: io::Error| unwritable(&folder, &error);
        super::partial::remove(&folder).map_err(failed)?;
        fs::create_dir(&folder).map_err(failed)?;
        let unusable = match self.usable(backend) {
            Ok(names) => {
                self.link(&folder, &names).map_err(failed)?;
                if backend == ModelBackend::Ollama {
                    fs::write(folder.join("Modelfile"), modelfile(&names)).map_err(failed)?;
                }
                let text = launch_file::text(self, backend, &names)?;
                fs::write(folder.join("launch"), text).map_err(failed)?;
                None
            }
            Err(why) => {
                let text = format!("{backend} cannot run {}: {why}.\n", self.name);
                fs::write(folder.join("README"), text).map_err(failed)?;
                Some(why)
            }
        };
        Ok(BackendRecord { backend, unusable })
    }

    /// The files that a backend can use, the model's first; or why there are none.
    fn usable(&self, backend: ModelBackend) -> Result<Vec<&str>, String> {
        let payload = self.payload;
        let models = payload.gguf_models();
        let of_transformers = || {
            let is_other = |name: &&str| name.to_ascii_lowercase().ends_with(".gguf");
            payload.names.iter().map(String::as_str).filter(|name| !is_other(name)).collect()
        };
        let nothing = || {
            let kind = match payload.named(".engine").chain(payload.named(".plan")).next() {
                Some(_) => "it is an engine of TensorRT-LLM, for trtllm-serve and NIM",
                None => "it has no weights of a kind that it reads",
            };
            kind.to_owned()
        };
        match backend {
            ModelBackend::Vllm | ModelBackend::Sglang if payload.is_transformers() => {
                Ok(of_transformers())
            }
            ModelBackend::Vllm | ModelBackend::Sglang if !models.is_empty() => {
                Err("its weights are GGUF, for llama.cpp and Ollama; this wants safetensors with a config.json".to_owned())
            }
            ModelBackend::LlamaCpp | ModelBackend::Ollama if !models.is_empty() => {
                let is_first = |name: &&str| *name == models[0];
                let others = payload.named(".gguf").filter(|name| !is_first(name));
                let names: Vec<&str> = [models[0]].into_iter().chain(others).collect();
                match backend == ModelBackend::Ollama && is_part(models[0]) {
                    true => Err("it is in several GGUF files, and Ollama takes one: `llama-gguf-split --merge` makes it".to_owned()),
                    false => Ok(names),
                }
            }
            ModelBackend::Ollama if payload.named(".safetensors").next().is_some() && payload.is_transformers() => {
                Ok(of_transformers())
            }
            ModelBackend::LlamaCpp if payload.is_transformers() => {
                Err("it wants a .gguf file, and this has none: `convert_hf_to_gguf.py` of llama.cpp makes one".to_owned())
            }
            _ => Err(nothing()),
        }
    }

    /// Links the files into the folder, by paths that hold wherever the model's folder is moved to.
    fn link(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        let to = Path::new("..").join(self.place);
        names.iter().try_for_each(|name| symlink(&to.join(name), &folder.join(name)))
    }

    /// Where a file of the payload is going to be, with no link on the way but those that the payload has itself.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        match self.is_within() {
            true => self.target.join(self.place).join(name),
            false => self.payload.model.join(name),
        }
    }

    /// Whether the payload is in the model's folder, rather than where the user has it.
    pub(super) fn is_within(&self) -> bool {
        self.payload.root.starts_with(self.made_at)
    }
}

/// What Ollama is told: a model in GGUF, or the folder with safetensors.
fn modelfile(names: &[&str]) -> String {
    match names.first().filter(|name| name.to_ascii_lowercase().ends_with(".gguf")) {
        Some(name) => format!("FROM ./{name}\n"),
        None => "FROM ./\n".to_owned(),
    }
}

/// From a folder to another place, both from `/` on, by a path that begins in the folder.
pub(super) fn relative(from: &Path, to: &Path) -> PathBuf {
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        let _ = (from.next(), to.next());
    }
    from.map(|_| Component::ParentDir).chain(to).collect()
}

#[cfg(unix)]
pub(super) fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
pub(super) fn symlink(_to: &Path, _at: &Path) -> io::Result<()> {
    Err(io::Error::other("models are prepared by links, which only Unix lets everybody make"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_relative() {
        for (from, to, way) in [
            ("/models/a", "/models/a/ngc/x", "ngc/x"),
            ("/models/a", "/data/x", "../../data/x"),
            ("/models/a", "/models/ab", "../ab"),
            ("/", "/x", "x"),
        ] {
            assert_eq!(relative(from.as_ref(), to.as_ref()), Path::new(way), "{from} {to}");
        }
    }

    #[test]
    fn backends_go_by_the_names_of_their_folders() {
        for backend in ModelBackend::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
            let json = serde_json::to_string(&backend).unwrap();
            assert_eq!(json, format!("\"{backend}\""));
        }
        assert_eq!("llamacpp".parse(), Ok(ModelBackend::LlamaCpp));
        assert!("nim".parse::<ModelBackend>().unwrap_err().contains("sglang"));
    }
}
