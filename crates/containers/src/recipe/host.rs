//! What of this machine a launch depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use super::{Asked, Recipe};
use crate::models::ready;

/// What is known of this machine where a server is to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// Variables that are set, and to more than nothing.
    pub set: BTreeSet<String>,
    /// What those say that name folders, such as `HF_HOME`. None of them is a secret.
    pub folders: BTreeMap<String, PathBuf>,
    /// The model, where it is a folder or a file here.
    pub model: Option<LocalModel>,
    /// How many GPUs there are; `None` where that is not known, as of another machine.
    pub gpus: Option<u32>,
    /// Names that servers have already.
    pub taken: BTreeSet<String>,
}

/// A model that is a folder or a file of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// Where it is, from `/` on.
    pub path: PathBuf,
    /// The folder that also holds what the links in it lead to; `path` where none leads elsewhere.
    pub root: PathBuf,
    /// Whether it is a file.
    pub is_file: bool,
}

impl HostFacts {
    /// What this machine is, as far as a recipe and what is asked of it want to know. Servers and GPUs are for the caller
    /// to count.
    pub fn here(recipe: &Recipe, asked: &Asked) -> Self {
        let is_set = |name: &String| env::var_os(name).is_some_and(|value| !value.is_empty());
        let secrets = recipe.secrets().into_iter().chain(asked.secrets.iter().cloned());
        let folder = |name: String| Some((name.clone(), env::var_os(&name)?.into()));
        let folders = recipe.folder_variables().into_iter().filter(|name| is_set(name));
        let model = Path::new(&asked.model);
        Self {
            home: env::home_dir(),
            set: secrets.filter(is_set).collect(),
            folders: folders.filter_map(folder).collect(),
            model: ready(model, recipe.engine()).or_else(|| LocalModel::of(model)),
            gpus: None,
            taken: BTreeSet::new(),
        }
    }
}

impl LocalModel {
    /// The model at a path; `None` where nothing is.
    pub fn of(path: &Path) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        // Docker follows a link that is mounted, and none within what is mounted.
        let target = fs::canonicalize(&path).ok()?;
        let is_file = target.is_file();
        let folder = if is_file { target.parent()? } else { &target };
        let root = if is_file { folder.to_owned() } else { common_root(&target) };
        Some(Self { path: target, root, is_file })
    }
}

/// The folder that holds `folder` and whatever the links in it lead to, as Hugging Face's cache has them.
fn common_root(folder: &Path) -> PathBuf {
    // A model has some dozens of files.
    const MOST: usize = 10_000;
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST).flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let targets = links.filter_map(|link| fs::canonicalize(link.path()).ok());
    targets.fold(folder.to_owned(), |root, target| {
        let holds = |folder: &&Path| target.starts_with(folder);
        root.ancestors().find(holds).unwrap_or(Path::new("/")).to_owned()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::EngineName;

    #[test]
    fn what_this_machine_is_comes_from_its_environment() {
        let secrets = ["PATH", "INFERBENCH_NO_SUCH_VARIABLE"].map(str::to_owned).to_vec();
        let asked = Asked { model: ".".to_owned(), secrets, ..Asked::default() };
        let host = HostFacts::here(&Recipe::of(EngineName::Vllm), &asked);
        assert!(host.set.contains("PATH") && !host.set.contains("INFERBENCH_NO_SUCH_VARIABLE"));
        assert_eq!(host.model.map(|model| model.is_file), Some(false));
        assert_eq!((host.gpus, host.taken.len()), (None, 0));
    }

    #[test]
    fn a_models_links_lead_to_what_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap().join("models--a--b");
        let snapshot = root.join("snapshots/1");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(root.join("blobs")).unwrap();
        fs::write(root.join("blobs/x"), "").unwrap();
        let plain = LocalModel::of(&snapshot).unwrap();
        assert_eq!((plain.root, plain.is_file), (snapshot.clone(), false));
        symlink("../../blobs/x", snapshot.join("model.safetensors")).unwrap();
        symlink("nowhere", snapshot.join("broken")).unwrap();
        let linked = LocalModel::of(&snapshot).unwrap();
        assert_eq!((linked.root, linked.path), (root.clone(), snapshot.clone()));
        let file = LocalModel::of(&snapshot.join("model.safetensors")).unwrap();
        assert!(file.is_file && file.path == root.join("blobs/x"));
        assert_eq!(LocalModel::of(&root.join("none")), None);
    }
}
