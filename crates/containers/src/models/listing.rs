//! What models are prepared, and what is wrong with them.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{ModelName, ModelRecord, partial};

/// Entries of a folder that are looked at.
const MOST: usize = 10_000;

/// A model in a folder of models.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed {
    /// One that was prepared.
    Prepared {
        /// Its folder.
        path: PathBuf,
        /// What it is.
        record: Box<ModelRecord>,
        /// What is wrong with it by now.
        trouble: Option<String>,
    },
    /// One that was broken off.
    Partial {
        /// What it is to be called.
        name: String,
        /// Where it is from.
        source: Option<String>,
        /// What is fetched so far, in bytes.
        fetched_bytes: u64,
    },
}

/// The models in a folder, by name, then those that were broken off. What else is in the folder is left out.
///
/// # Errors
///
/// When the folder cannot be read; one that is not there has no models.
pub fn list(models: &Path) -> std::io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(models) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names =
        entries.take(MOST).flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let prepared = names.iter().filter_map(|name| prepared(models, name));
    let partial = names.iter().filter_map(|name| {
        let folder = models.join(name);
        let name: ModelName = name.strip_prefix(partial::PREFIX)?.parse().ok()?;
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        is_folder.then(|| Listed::Partial {
            name: name.to_string(),
            source: partial::source(&folder),
            fetched_bytes: partial::fetched_bytes(&folder),
        })
    });
    Ok(prepared.chain(partial).collect())
}

fn prepared(models: &Path, name: &str) -> Option<Listed> {
    let path = models.join(name.parse::<ModelName>().ok()?.as_str());
    let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    let record = Box::new(ModelRecord::read(&path).ok().filter(|_| is_folder)?);
    let trouble = trouble(&path, &record);
    Some(Listed::Prepared { path, record, trouble })
}

/// What is wrong with a prepared model: a file that is not there any more, or was changed.
pub(super) fn trouble(folder: &Path, record: &ModelRecord) -> Option<String> {
    let is_within =
        |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_within(&record.payload) {
        return Some("its payload is elsewhere".to_owned());
    }
    let payload = folder.join(&record.payload);
    for file in record.files.iter().filter(|file| is_within(&file.path)) {
        let shown = file.path.display();
        match fs::metadata(payload.join(&file.path)) {
            Err(_) => return Some(format!("{shown} is not there any more")),
            Ok(found) if found.len() != file.size_bytes => {
                return Some(format!(
                    "{shown} has {} bytes, and had {}",
                    found.len(),
                    file.size_bytes
                ));
            }
            Ok(_) => {}
        }
    }
    None
}
