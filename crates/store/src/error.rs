//! What can go wrong with files, by what the user can do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// A run that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A run with this id exists, and no run overwrites another: take another id.
    #[error("a run exists already at {}", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// Nothing can be written there: choose another place, or make this one writable.
    #[error("cannot write to {}: make it writable, or choose another place with --artifact-dir", path.display())]
    NotWritable {
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The disk or the quota is full: free some room. What was written before is kept.
    #[error("no room left to write {}", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system failed in another way, such as a faulty disk.
    #[error("cannot write {}", path.display())]
    Failed {
        /// What was being written.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts what the system said while `path` was being written.
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::AlreadyExists => Self::Taken { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path, source },
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::NotFound => Self::NotWritable { path, source },
            _ => Self::Failed { path, source },
        }
    }
}

/// A run that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no run: name another place.
    #[error("{} holds no run: it has no run.json", path.display())]
    NotARun {
        /// Where.
        path: PathBuf,
    },
    /// A newer inferbench wrote it: use that one.
    #[error("{} has format version {version}, newer than this program's", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The file is there, and the system does not let it be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not what this program writes: damaged, or changed by hand.
    #[error("line {line} of {} is malformed", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A file of a run that cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// What is there cannot be read: mend or remove it.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// What is new cannot be written.
    #[error(transparent)]
    NotWritten(#[from] StoreError),
}
