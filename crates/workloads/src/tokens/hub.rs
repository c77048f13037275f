//! Models that Hugging Face's programs have downloaded to this machine.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The folders that hold downloaded models here, in the order that they are looked through.
pub(super) fn caches(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut caches = Vec::new();
    caches.extend(folder("HF_HUB_CACHE"));
    caches.extend(folder("HF_HOME").map(|home| home.join("hub")));
    let users = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    caches.extend(users.map(|cache| cache.join("huggingface").join("hub")));
    caches.dedup();
    caches
}

/// The folder of a model that was downloaded to this machine before, such as `Qwen/Qwen3-8B`: of its newest revision. Looked
/// for in `HF_HUB_CACHE`, `HF_HOME/hub` and the user's `.cache/huggingface/hub`. Nothing is downloaded.
pub fn downloaded_model(name: &str) -> Option<PathBuf> {
    let caches = caches(|variable| env::var_os(variable));
    let folders = caches.iter().map(|cache| folder(cache, name));
    folders.filter(|_| is_model_name(name)).find_map(|folder| snapshot(&folder))
}

/// Whether `name` may be that of a model on the Hub, such as `Qwen/Qwen3-8B` or `gpt2`.
pub(super) fn is_model_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    let mut parts = name.split('/');
    parts.by_ref().take(2).all(is_part) && parts.next().is_none() && !name.contains("--")
}

/// The folder that a cache keeps the model `name` in.
pub(super) fn folder(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!("models--{}", name.replace('/', "--")))
}

/// The names of the models in `cache`.
pub(super) fn models(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let folder = entry.file_name().into_string().ok()?;
        Some(folder.strip_prefix("models--")?.replace("--", "/"))
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort_unstable();
    names
}

/// The files of the newest revision in a model's folder: of the branch `main`, or of the one revision
/// there is. `None` if it is no such folder.
pub(super) fn snapshot(model: &Path) -> Option<PathBuf> {
    let snapshots = model.join("snapshots");
    let main = fs::read_to_string(model.join("refs").join("main")).ok();
    // A revision is hexadecimal digits: what is not leads out of the folder.
    let main = main.as_deref().map(str::trim).filter(|main| is_model_name(main));
    if let Some(main) = main.map(|main| snapshots.join(main)).filter(|main| main.is_dir()) {
        return Some(main);
    }
    let mut revisions = fs::read_dir(snapshots).ok()?.flatten().map(|entry| entry.path());
    let only = revisions.next()?;
    if revisions.next().is_none() { Some(only) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caches_are_those_of_hugging_faces_programs() {
        let check = |set: &[(&str, &str)], expected: &[&str]| {
            let variable = |name: &str| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(caches(variable), expected, "{set:?}");
        };
        check(&[], &[]);
        check(&[("HOME", "/u")], &["/u/.cache/huggingface/hub"]);
        check(&[("HOME", "/u"), ("XDG_CACHE_HOME", "/c")], &["/c/huggingface/hub"]);
        check(
            &[("HOME", "/u"), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/hub")],
            &["/hub", "/hf/hub", "/u/.cache/huggingface/hub"],
        );
        check(&[("HF_HUB_CACHE", ""), ("HF_HOME", "/hf")], &["/hf/hub"]);
    }

    #[test]
    fn names_of_models_are_told_from_paths() {
        for name in ["gpt2", "Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B", "a_b/c.d"] {
            assert!(is_model_name(name), "{name}");
        }
        for name in ["", "/", "a/b/c", "../up", "./here", "~/x", "a/", "/a", "a//b", "a b", "a--b"]
        {
            assert!(!is_model_name(name), "{name}");
        }
    }
}
