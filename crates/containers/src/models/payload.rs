//! What a payload consists of: files with their sizes, and nothing that leads elsewhere.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::record::FileRecord;
use crate::{
    Cause, Trouble,
    memory::{self, Model, ModelError},
};

/// Files of a payload: models of a trillion parameters have some hundreds.
const MOST_FILES: usize = 100_000;
/// Folders within folders.
const MOST_DEEP: usize = 16;
/// How deep below the payload a model is looked for: NGC has it in a folder of its own.
const MODEL_DEEP: usize = 3;

/// A payload that is whole and leads nowhere else.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    /// The folder with the model in it: a `config.json`, or `.gguf` files. Of a file the folder it is in.
    pub(super) model: PathBuf,
    /// That folder, from where the payload begins.
    pub(super) below: PathBuf,
    /// Where links in it may lead.
    pub(super) root: PathBuf,
    /// Its files, in order, by their paths below where it begins.
    pub(super) files: Vec<FileRecord>,
    /// The names of files beside one another in `model` that backends can be given.
    pub(super) names: Vec<String>,
    /// How its weights are quantized.
    pub(super) quantization: Option<String>,
}

impl Payload {
    /// The payload at a folder or a file, which may be a link itself. Links in it may lead within it; of a model in
    /// Hugging Face's cache, within what the cache has of it.
    ///
    /// # Errors
    ///
    /// When something in it leads elsewhere or is no file, when weights are cut off or missing, or it cannot be read.
    pub(super) fn read(at: &Path) -> Result<Self, Trouble> {
        let root = root_of(at).map_err(|error| unreadable(at, &error))?;
        let mut walk = Walk { begin: at.to_owned(), root: &root, files: Vec::new() };
        if at.is_file() {
            walk.begin = at.parent().unwrap_or(Path::new("")).to_owned();
            walk.entry(at, MOST_DEEP)?;
        } else {
            walk.folder(at, MOST_DEEP)?;
        }
        let Walk { begin, mut files, .. } = walk;
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        if files.is_empty() {
            return Err(refused(at, "it is empty"));
        }
        let is_file = at.is_file();
        let below = if is_file { PathBuf::new() } else { model_folder(&files) };
        let model = begin.join(&below);
        let names = match is_file {
            true => files.iter().filter_map(|file| name(&file.path)).collect(),
            false => names_in(&model),
        };
        let mut payload = Self { model, below, root, files, names, quantization: None };
        payload.check_weights(if is_file { at } else { &payload.model })?;
        payload.quantization = payload.label(if is_file { at } else { &payload.model });
        Ok(payload)
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add)
    }

    /// The names that end so.
    pub(super) fn named(&self, ending: &str) -> impl Iterator<Item = &str> {
        let ends = move |name: &&str| name.to_ascii_lowercase().ends_with(ending);
        self.names.iter().map(String::as_str).filter(ends)
    }

    /// Models in GGUF, each by its only or its first file.
    pub(super) fn gguf_models(&self) -> Vec<&str> {
        let is_first = |name: &&str| {
            !name.starts_with("mmproj") && (!is_part(name) || name.contains("-00001-of-"))
        };
        self.named(".gguf").filter(is_first).collect()
    }

    /// Whether it is a model as `transformers` keeps it, which vLLM and SGLang read.
    pub(super) fn is_transformers(&self) -> bool {
        let has = |ending| self.named(ending).next().is_some();
        self.names.iter().any(|name| name == "config.json") && (has(".safetensors") || has(".bin"))
    }

    /// Whether weights that are said to be there are there in full.
    fn check_weights(&self, model: &Path) -> Result<(), Trouble> {
        let is_known = model.is_file() || self.is_transformers();
        if !is_known || model.is_file() && self.named(".gguf").next().is_none() {
            return Ok(());
        }
        let read = Model::named(model).map_err(|error| match error {
            ModelError::Unreadable { path, source } => unreadable(&path, &source),
            other => broken(&self.model, &other.to_string()),
        })?;
        let missing = read.weights.as_ref().map_or(0, |weights| weights.missing);
        match missing {
            0 => Ok(()),
            missing => Err(broken(&self.model, &format!("{missing} of its files are not there"))),
        }
    }

    fn label(&self, model: &Path) -> Option<String> {
        let place = match self.gguf_models().as_slice() {
            [only] if !self.is_transformers() => self.model.join(only),
            _ => model.to_owned(),
        };
        // What is not understood of it is no reason to refuse the model.
        memory::detect_quantization(&place).ok().flatten().map(|known| known.label)
    }
}

/// Whether a file is one of several that make a model.
pub(super) fn is_part(name: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    stem.rsplit_once("-of-").is_some_and(|(_, of)| digits(of))
}

/// Going through a payload.
struct Walk<'r> {
    begin: PathBuf,
    root: &'r Path,
    files: Vec<FileRecord>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, deep: usize) -> Result<(), Trouble> {
        if deep == 0 {
            return Err(refused(folder, "it has folders within folders without end"));
        }
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            // What `hf` notes of its downloads, and what else is hidden, is no part of a model.
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            self.entry(&entry.path(), deep)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, deep: usize) -> Result<(), Trouble> {
        if name(path).is_none_or(|name| name.chars().any(char::is_control)) {
            return Err(refused(path, "its name is no text that can be shown"));
        }
        let kind =
            fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?.file_type();
        if kind.is_symlink() {
            let target = fs::canonicalize(path)
                .map_err(|_| refused(path, "it is a link to nothing, or to itself"))?;
            if !target.starts_with(self.root) {
                return Err(refused(path, &format!("it is a link to {}", target.display())));
            }
            // A folder would be gone through for ever, or twice.
            if !target.is_file() {
                return Err(refused(path, "it is a link to a folder"));
            }
        } else if kind.is_dir() {
            return self.folder(path, deep - 1);
        } else if !kind.is_file() {
            return Err(refused(path, "it is neither a file nor a folder"));
        }
        if self.files.len() >= MOST_FILES {
            return Err(refused(&self.begin, "it has more files than any model"));
        }
        let size_bytes = fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
        let path = path.strip_prefix(&self.begin).unwrap_or(path).to_owned();
        self.files.push(FileRecord { path, size_bytes });
        Ok(())
    }
}

/// Where links of a payload may lead.
fn root_of(at: &Path) -> io::Result<PathBuf> {
    let target = fs::canonicalize(at)?;
    let folder = if target.is_file() { target.parent().unwrap_or(&target) } else { &target };
    let of_hub = folder.ancestors().nth(2).filter(|root| {
        let name = root.file_name().map(|name| name.to_string_lossy());
        let is_model = name.is_some_and(|name| name.starts_with("models--"));
        is_model && folder.parent().is_some_and(|parent| parent.ends_with("snapshots"))
    });
    Ok(of_hub.unwrap_or(folder).to_owned())
}

/// The folder in a payload that has the model: the uppermost with a `config.json`, else with a `.gguf`.
fn model_folder(files: &[FileRecord]) -> PathBuf {
    let found = |is: &dyn Fn(&str) -> bool| {
        let of_kind = files.iter().map(|file| file.path.as_path());
        let of_kind = of_kind.filter(|path| name(path).is_some_and(|name| is(&name)));
        let of_kind = of_kind.filter(|path| path.components().count() <= MODEL_DEEP + 1);
        of_kind.min_by_key(|path| path.components().count()).and_then(Path::parent)
    };
    let folder = found(&|name| name == "config.json")
        .or_else(|| found(&|name| name.to_ascii_lowercase().ends_with(".gguf")));
    folder.unwrap_or(Path::new("")).to_owned()
}

/// The files right in a folder.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.filter_map(|entry| name(&entry.path())).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names
}

fn name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

fn refused(path: &Path, why: &str) -> Trouble {
    let what = format!("{} is refused: {why}", path.display());
    Trouble::new(Cause::ModelUnsafe, what)
        .fix("a model is files in folders, whose links lead to other files of it alone")
}

fn unreadable(path: &Path, error: &io::Error) -> Trouble {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => Cause::ModelMissing,
        io::ErrorKind::PermissionDenied => Cause::FolderDenied,
        _ => Cause::ModelUnsafe,
    };
    let what = format!("{} cannot be read", path.display());
    Trouble::new(cause, what).said(error.to_string()).fix("a folder or a file that is there")
}

pub(super) fn broken(folder: &Path, why: &str) -> Trouble {
    let what = format!("the model in {} is not whole: {why}", folder.display());
    Trouble::new(Cause::ModelBroken, what).fix("fetch it again")
}
