//! Where a model is from.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a model is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSpec {
    /// NVIDIA's registry: `ngc:ORG/[TEAM/]MODEL:VERSION`.
    Ngc {
        /// `ORG/MODEL` or `ORG/TEAM/MODEL`.
        path: String,
        /// Which version.
        version: String,
    },
    /// Hugging Face's hub: `hf:ORG/MODEL[@REVISION]`.
    Hub {
        /// `ORG/MODEL`.
        model: String,
        /// A branch, a tag or a commit; `main` if `None`.
        revision: Option<String>,
    },
    /// A folder or a file of this machine, which stays where it is.
    Local {
        /// Where it is.
        path: PathBuf,
        /// What the user called it, where that is no path: a model of Hugging Face's cache.
        name: Option<String>,
    },
}

/// A text that says no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{spec:?} is no {kind}: {form}")]
pub struct BadSpec {
    /// The text, or its beginning.
    pub spec: String,
    kind: &'static str,
    form: &'static str,
}

impl FromStr for ModelSpec {
    type Err = BadSpec;

    /// What has neither `ngc:` nor `hf:` before it is a path.
    fn from_str(spec: &str) -> Result<Self, BadSpec> {
        let bad = |kind, form| BadSpec { spec: spec.chars().take(200).collect(), kind, form };
        if let Some(rest) = spec.strip_prefix("ngc:") {
            return ngc(rest).ok_or_else(|| bad("model of NGC", "ngc:ORG/[TEAM/]MODEL:VERSION"));
        }
        if let Some(rest) = spec.strip_prefix("hf:") {
            let form = "hf:ORG/MODEL or hf:ORG/MODEL@REVISION";
            return hub(rest).ok_or_else(|| bad("model of Hugging Face's hub", form));
        }
        match spec.is_empty() || spec.contains('\0') {
            true => Err(bad("path", "a folder or a file, ngc:… or hf:…")),
            false => Ok(Self::Local { path: spec.into(), name: None }),
        }
    }
}

fn ngc(rest: &str) -> Option<ModelSpec> {
    let (path, version) = rest.split_once(':')?;
    let parts: Vec<&str> = path.split('/').collect();
    let is_known = (2..=3).contains(&parts.len()) && parts.iter().all(|part| is_word(part, ""));
    (is_known && is_word(version, "+"))
        .then(|| ModelSpec::Ngc { path: path.to_owned(), version: version.to_owned() })
}

fn hub(rest: &str) -> Option<ModelSpec> {
    let (model, revision) = match rest.split_once('@') {
        Some((model, revision)) => (model, Some(revision)),
        None => (rest, None),
    };
    let parts: Vec<&str> = model.split('/').collect();
    let is_known = parts.len() == 2 && parts.iter().all(|part| is_word(part, ""));
    let is_revision = |revision: &str| revision.split('/').all(|part| is_word(part, ""));
    (is_known && revision.is_none_or(is_revision))
        .then(|| ModelSpec::Hub { model: model.to_owned(), revision: revision.map(str::to_owned) })
}

/// A word that is no flag, no part of a path that leads elsewhere, and nothing to a shell.
fn is_word(word: &str, more: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c);
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.len() <= 128
        && !word.contains("..")
        && word.chars().all(is_known)
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ngc { path, version } => write!(f, "ngc:{path}:{version}"),
            Self::Hub { model, revision: None } => write!(f, "hf:{model}"),
            Self::Hub { model, revision: Some(revision) } => write!(f, "hf:{model}@{revision}"),
            Self::Local { name: Some(name), .. } => f.write_str(name),
            Self::Local { path, name: None } => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_what_it_was() {
        for spec in [
            "ngc:nim/meta/llama3-70b-instruct:hf",
            "ngc:nvidia/bert:1.0",
            "ngc:nim/meta/llama3-70b-instruct:0.10.0+cbc614f5-h100x4-fp8-throughput",
            "hf:Qwen/Qwen3-0.6B",
            "hf:Qwen/Qwen3-0.6B@refs/pr/1",
            "models/llama",
            "/data/a b.gguf",
        ] {
            let read: ModelSpec = spec.parse().unwrap();
            assert_eq!(read.to_string(), spec);
            let is_local = matches!(read, ModelSpec::Local { .. });
            assert_eq!(is_local, !spec.starts_with("ngc:") && !spec.starts_with("hf:"), "{spec}");
        }
    }

    #[test]
    fn what_would_be_something_else_to_a_program_is_refused() {
        for spec in [
            "",
            "a\0b",
            "ngc:",
            "ngc:org/model",
            "ngc:model:1",
            "ngc:a/b/c/d:1",
            "ngc:org/model:",
            "ngc:--org/model:1",
            "ngc:org/model:--dest",
            "ngc:org/../model:1",
            "ngc:org/model:../1",
            "ngc:/org/model:1",
            "ngc:org/model:1 --dest /etc",
            "ngc:org/$(id):1",
            "ngc:org/model:*",
            "hf:",
            "hf:model",
            "hf:a/b/c",
            "hf:../b",
            "hf:-a/b",
            "hf:a/b@",
            "hf:a/b@-r",
            "hf:a/b@../c",
            "hf:a/b\n",
        ] {
            assert!(spec.parse::<ModelSpec>().is_err(), "{spec:?}");
        }
    }
}
