//! A model that was prepared, in the place of a model that is named.

use std::{fs, path::Path};

use super::{ModelBackend, ModelRecord};
use crate::{EngineName, LocalModel, memory::is_first};

/// What an engine is to be given of the model in a folder, if it was prepared; `None` if the folder is no such model's.
pub(crate) fn ready(folder: &Path, engine: EngineName) -> Option<LocalModel> {
    let record = ModelRecord::read(folder).ok()?;
    let folder = fs::canonicalize(folder).ok()?;
    let payload = || LocalModel::of(&folder.join(&record.payload));
    let made = |backend: &ModelBackend| backend.engine() == engine;
    let Some(backend) = ModelBackend::ALL.into_iter().find(made) else { return payload() };
    let of_backend = folder.join(backend.name());
    if backend == ModelBackend::LlamaCpp {
        return LocalModel::of(&of_backend.join(first_gguf(&of_backend)?));
    }
    let found = LocalModel::of(&of_backend)?;
    // A container is to see no more than the model: links to a payload elsewhere would have it see all between.
    match found.root.starts_with(&folder) {
        true => Some(found),
        false if backend == ModelBackend::Ollama => Some(found),
        false => payload(),
    }
}

/// The model in a folder: with several files the first of them.
fn first_gguf(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_first(name)).min()
}
