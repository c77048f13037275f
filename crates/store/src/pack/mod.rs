//! A run as one file, to be carried elsewhere.
//!
//! It is a tar archive, compressed by zstd, with one folder in it: `tar --zstd -xf` opens it too. The same
//! run gives the same bytes: files are in order of their names, without owners and times.

mod staging;
mod take;
mod write;

use std::{
    io,
    path::{Path, PathBuf},
};

#[cfg(feature = "history")]
pub(crate) use staging::sweep;
pub use take::{Importable, adopt, recognize, unpack};
pub use write::{pack, packed_name};

use crate::{ReadError, StoreError};

/// A run that cannot be packed or taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It is being measured: wait for its end.
    #[error("{} is being measured", path.display())]
    Running {
        /// Where.
        path: PathBuf,
    },
    /// No file is overwritten: choose another name.
    #[error("{} exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// It holds something that no packed run holds: do not trust it.
    #[error("{} is refused: {entry:?} {why}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// What in it. Somebody else's words: not to be trusted.
        entry: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// It cannot be read: damaged, or cut short.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What it holds is no run.
    #[error(transparent)]
    NotARun(#[from] ReadError),
    /// There is no room or no right to write it.
    #[error(transparent)]
    NotWritten(#[from] StoreError),
}

impl PackError {
    fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }
}

/// Files of the run in `directory`, relative to it, in order of their names: no links, and nothing hidden
/// or half written.
fn files(directory: &Path) -> Result<Vec<PathBuf>, PackError> {
    let mut files = Vec::new();
    collect(directory, Path::new(""), &mut files).map_err(PackError::unreadable(directory))?;
    files.sort();
    Ok(files)
}

fn collect(directory: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in directory.join(below).read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || shown.ends_with(".tmp") {
            continue;
        }
        let (path, kind) = (below.join(&name), entry.file_type()?);
        if kind.is_dir() && path.components().count() < staging::DEEPEST {
            collect(directory, &path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
