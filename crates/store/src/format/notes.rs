//! `notes.json`: what people note about a run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;

/// What its owner noted about a run, which is no part of the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesFile {
    /// [`FORMAT_VERSION`] of this file.
    pub format_version: u32,
    /// Words to find it by.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// A remark; empty if there is none.
    #[serde(default)]
    pub note: String,
    /// Whether others are compared with it.
    #[serde(default)]
    pub baseline: bool,
}

impl NotesFile {
    /// Whether nothing is noted.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.note.is_empty() && !self.baseline
    }
}

/// Nothing noted.
impl Default for NotesFile {
    fn default() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            tags: BTreeSet::new(),
            note: String::new(),
            baseline: false,
        }
    }
}
