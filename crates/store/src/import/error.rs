//! What can go wrong when another tool's results are read, by what the user can do about it.

use std::{io, path::PathBuf};

use super::Tool;

/// Results that cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is not there, or the system does not let it be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is larger than any result file: it is read as a whole, and is not let into memory.
    #[error("{} has {bytes} bytes, more than the {most} that are read", path.display(), most = super::text::MOST_BYTES)]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
    },
    /// No tool that is known wrote it: name another file.
    #[error("{} holds no results of a known tool: {}", path.display(), Tool::all())]
    Foreign {
        /// Which file or folder.
        path: PathBuf,
    },
    /// It is a run already: compare it as it is.
    #[error("{} is a run of inferbench, which needs no import", path.display())]
    Ours {
        /// Which folder.
        path: PathBuf,
    },
    /// It is damaged, or cut short.
    #[error("line {line}, column {column} of {} is malformed", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Which column, in bytes from 1; 0 where a whole line is meant.
        column: usize,
        /// What is wrong there.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is the tool's, and lacks what an import needs.
    #[error("{} is {tool}'s and {what}", path.display())]
    Incomplete {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        tool: Tool,
        /// What it lacks, or what to name instead.
        what: &'static str,
    },
    /// Results of several tools lie in one folder: name one of them.
    #[error("{} holds results of {one} and of {other}: name one of the files", path.display())]
    Mixed {
        /// Which folder.
        path: PathBuf,
        /// One tool.
        one: Tool,
        /// Another one.
        other: Tool,
    },
}
