//! Files that a user asked for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// An export that could not be written: choose another place, or free some room.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct ExportError {
    /// Which file.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

pub(crate) fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf, ExportError> {
    let path = directory.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(ExportError { path, source }),
    }
}
