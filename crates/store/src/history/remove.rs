//! Taking runs away.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{Entry, History};
use crate::{RunDirectory, StoreError, directory::is_directory, id::is_id, pack};

/// What is on its way out. Hidden, so that nobody takes it for a run.
const REMOVED: &str = ".removed-";

/// A run that is not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// It is being measured: stop it first.
    #[error("{} is being measured", path.display())]
    Running {
        /// Where.
        path: PathBuf,
    },
    /// It is none of the directories that this program makes in that place: remove it by hand.
    #[error("{} is not removed: {why}", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The system does not let it be removed.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl History {
    /// Removes the directory of the run that `entry` describes, which must lie below the root itself and
    /// be named as this program names them. Links are removed, not followed.
    ///
    /// # Errors
    ///
    /// When it is being measured, is not ours to remove, or cannot be removed.
    pub fn remove(&mut self, entry: &Entry) -> Result<(), RemoveError> {
        let path = self.removable(entry)?;
        self.sweep();
        let failed = |source| StoreError::new(&path, source);
        // First out of sight, at once: what is half removed must not look like a run.
        let hidden = self.hidden(&path);
        let removed = fs::rename(&path, &hidden).and_then(|()| fs::remove_dir_all(&hidden));
        removed.or_else(gone_is_fine).map_err(failed)?;
        self.entries.retain(|known| known.path != entry.path);
        Ok(())
    }

    /// The runs that can go: neither noted, nor measured just now, nor damaged; but not the newest `keep`,
    /// and none that began at or after `before_ms`.
    pub fn prunable(&self, keep: usize, before_ms: u64) -> Vec<Entry> {
        let old = |entry: &&Entry| {
            use super::RunState::{Running, Unreadable};
            entry.created_ms < before_ms
                && !entry.is_noted()
                && !matches!(entry.state, Running | Unreadable)
        };
        self.entries.iter().skip(keep).filter(old).cloned().collect()
    }

    fn removable(&self, entry: &Entry) -> Result<PathBuf, RemoveError> {
        let not_ours = |why| RemoveError::NotOurs { path: entry.path.clone(), why };
        let root = self.root.canonicalize().map_err(|e| StoreError::new(&self.root, e))?;
        if !is_directory(&entry.path) {
            return Err(not_ours("it is no directory"));
        }
        let path = entry.path.canonicalize().map_err(|e| StoreError::new(&entry.path, e))?;
        if path.parent() != Some(&root) {
            return Err(not_ours("it lies elsewhere than the runs do"));
        }
        let id = entry.directory_name().split_once('-').map_or("", |(id, _)| id);
        if !is_id(id) {
            return Err(not_ours("its name does not begin with an id"));
        }
        let directory = RunDirectory::open(&path).map_err(|_| not_ours("it has no run.json"))?;
        if directory.is_being_written() {
            return Err(RemoveError::Running { path });
        }
        Ok(path)
    }

    fn hidden(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.root.join(format!("{REMOVED}{name}-{}", std::process::id()))
    }

    /// Takes away what a process left that was killed while it removed, or took in.
    fn sweep(&self) {
        pack::sweep(&self.root);
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        for entry in entries.flatten() {
            let is_removed = entry.file_name().to_string_lossy().starts_with(REMOVED);
            if is_removed && is_directory(&entry.path()) {
                // What cannot be removed now is tried again with the next run.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Another process may remove the same.
fn gone_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
