//! All runs below one root, the newest first, and references to them.
//!
//! The directories are the truth. `<root>/.history.sqlite3` only remembers what was read from which files:
//! it may be removed at any time, is made anew when it is damaged, and is left aside where it cannot be
//! written or other processes hold it. Every row bears the sizes and times of its files; what has changed
//! since is read again.

mod entry;
mod headline;
mod index;
mod reference;
mod remove;
mod scan;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

pub use entry::{Entry, RunState};
pub use headline::Headline;
pub use reference::ResolveError;
pub use remove::RemoveError;

use crate::ReadError;
use index::{Index, Row};

/// What is known of all runs below a root, as it was when this was opened.
#[derive(Debug)]
pub struct History {
    root: PathBuf,
    entries: Vec<Entry>,
}

impl History {
    /// Looks at all runs below `root`, of which there are none if it does not exist.
    ///
    /// # Errors
    ///
    /// When `root` is there and cannot be looked into. A run that cannot be read is no error: its entry
    /// says so.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let root = root.into();
        let found = scan::runs(&root)
            .map_err(|source| ReadError::Unreadable { path: root.clone(), source })?;
        let mut index = (!found.is_empty()).then(|| Index::open(&root)).flatten();
        let mut known = index.as_mut().map(Index::rows).unwrap_or_default();
        let mut changed = Vec::new();
        let mut entries = Vec::with_capacity(found.len());
        for (name, stamp) in found {
            let path = root.join(&name);
            let kept = known.remove(&name).filter(|row| row.stamp == stamp);
            let kept = kept.and_then(|row| Entry::from_json(&row.entry, &path));
            let entry = kept.unwrap_or_else(|| {
                let entry = Entry::read(&path);
                changed.push(Row { name, stamp, entry: entry.to_json() });
                entry
            });
            entries.push(entry.refreshed());
        }
        if let Some(index) = index {
            // What is left of what was known is gone.
            index.update(&root, &changed, &gone(&known));
        }
        entries.sort_by(Entry::newest_first);
        Ok(Self { root, entries })
    }

    /// Where the runs lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The runs, the newest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn gone(known: &HashMap<String, Row>) -> Vec<&str> {
    known.keys().map(String::as_str).collect()
}
