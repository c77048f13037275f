//! The directory of a run.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ChangeError, EventLine, FORMAT_VERSION, NotesFile, ReadError, RunFile, StoreError, SummaryFile,
};

/// The directory of a run, which belongs to that run alone and is never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes `<root>/<id>-<name>/`, and `root` where it is missing.
    ///
    /// Characters of the name other than letters, digits, `.`, `_` and `-` become `-`. Only its owner may
    /// look into the directory: prompts and answers are nobody else's business.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] when a run below `root` has this id; another one will do. Otherwise when
    /// `root` cannot be written.
    pub fn create(root: &Path, id: &str, name: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(|source| match source.kind() {
            // Something else has the name, such as a file.
            ErrorKind::AlreadyExists => StoreError::NotWritable { path: root.to_owned(), source },
            _ => StoreError::new(root, source),
        })?;
        if let Some(path) = Self::with_id(root, id)? {
            return Err(StoreError::Taken { path });
        }
        let path = root.join(Self::name(id, name));
        private_directory().create(&path).map_err(|source| StoreError::new(&path, source))?;
        // Another process may have taken the id between the look and the making, for another name. Each
        // of the two then sees the other one, and both give way.
        if let Some(other) = Self::others(root, id, &path)?.into_iter().next() {
            fs::remove_dir(&path).map_err(|source| StoreError::new(&path, source))?;
            return Err(StoreError::Taken { path: other });
        }
        Ok(Self { path })
    }

    /// The name of the directory of the run `id` called `name`.
    pub(crate) fn name(id: &str, name: &str) -> String {
        format!("{}-{}", file_name(id), file_name(name))
    }

    /// The directory of a run that was written before.
    ///
    /// # Errors
    ///
    /// When `path` holds no run.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let directory = Self { path: path.into() };
        match directory.run_path().try_exists() {
            Ok(true) => Ok(directory),
            Ok(false) => Err(ReadError::NotARun { path: directory.path }),
            Err(source) => Err(ReadError::Unreadable { path: directory.path, source }),
        }
    }

    /// The directory at `path`, whatever it holds.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where the run below `root` with this id lies, if there is one.
    pub(crate) fn with_id(root: &Path, id: &str) -> Result<Option<PathBuf>, StoreError> {
        Ok(Self::others(root, id, Path::new(""))?.into_iter().next())
    }

    /// Where runs below `root` with this id lie, `own` left out.
    fn others(root: &Path, id: &str, own: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let prefix = format!("{}-", file_name(id));
        let entries = match fs::read_dir(root) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| StoreError::new(root, source))?,
        };
        let mut others = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| StoreError::new(root, source))?;
            let path = entry.path();
            if path != own && entry.file_name().to_string_lossy().starts_with(&prefix) {
                others.push(path);
            }
        }
        Ok(others)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its [`RunFile`] is.
    pub fn run_path(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Where its samples are, one [`SampleLine`](crate::SampleLine) each.
    pub fn samples_path(&self) -> PathBuf {
        self.path.join("samples.jsonl.zst")
    }

    /// Where its readings are, one [`ReadingLine`](crate::ReadingLine) each; missing if there are none.
    pub fn readings_path(&self) -> PathBuf {
        self.path.join("readings.jsonl.zst")
    }

    /// Where its events are, one [`EventLine`](crate::EventLine) each.
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Where its [`SummaryFile`] is; missing until a point has ended.
    pub fn summary_path(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// Where its [`NotesFile`] is; missing until somebody notes something.
    pub fn notes_path(&self) -> PathBuf {
        self.path.join("notes.json")
    }

    /// Whether a process writes into it at this moment, which holds its events locked until it ends,
    /// however it ends.
    pub fn is_being_written(&self) -> bool {
        let Ok(events) = File::open(self.events_path()) else { return false };
        matches!(events.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// What was to be measured.
    ///
    /// # Errors
    ///
    /// When `run.json` cannot be read, or is newer than this program.
    pub fn read_run(&self) -> Result<RunFile, ReadError> {
        let path = self.run_path();
        read_json(&path)?.ok_or(ReadError::NotARun { path: self.path.clone() })
    }

    /// Puts `value` under `key` of what is recorded of the run's environment: for what was found out only
    /// while it went on.
    ///
    /// # Errors
    ///
    /// When `run.json` cannot be read or written.
    pub fn add_to_environment(
        &self,
        key: &str,
        value: serde_json::Value,
    ) -> Result<(), ChangeError> {
        let mut run = self.read_run()?;
        if let Some(environment) = run.environment.as_object_mut() {
            environment.insert(key.to_owned(), value);
        }
        Ok(self.write_json(&self.run_path(), &run)?)
    }

    /// What came of it; `None` if the run did not get as far as the end of a point.
    ///
    /// # Errors
    ///
    /// When `summary.json` is there and cannot be read, or is newer than this program.
    pub fn read_summary(&self) -> Result<Option<SummaryFile>, ReadError> {
        read_json(&self.summary_path())
    }

    /// What happened in it, in order; nothing where nothing was written. A line that was cut short, or
    /// that a newer program wrote, is left out.
    ///
    /// # Errors
    ///
    /// When `events.jsonl` is there and cannot be read.
    pub fn read_events(&self) -> Result<Vec<EventLine>, ReadError> {
        let path = self.events_path();
        let text = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| ReadError::Unreadable { path, source })?,
        };
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// What its owner noted about it.
    ///
    /// # Errors
    ///
    /// When `notes.json` is there and cannot be read, or is newer than this program.
    pub fn read_notes(&self) -> Result<NotesFile, ReadError> {
        Ok(read_json(&self.notes_path())?.unwrap_or_default())
    }

    /// Changes what is noted about it. Of two processes that do so at once, each changes what the other
    /// one left.
    ///
    /// # Errors
    ///
    /// When the notes cannot be read or written.
    pub fn change_notes(&self, change: impl FnOnce(&mut NotesFile)) -> Result<(), ChangeError> {
        let run = File::open(self.run_path());
        let run = run.map_err(|source| StoreError::new(&self.run_path(), source))?;
        // Where nothing can be locked, as on some network disks, the last one wins.
        let _ = run.lock();
        let mut notes = self.read_notes()?;
        change(&mut notes);
        Ok(self.write_json(&self.notes_path(), &notes)?)
    }

    /// Replaces `path` by `contents` at once: a reader sees the old file or the new one, whenever this
    /// process or the machine stops.
    pub(crate) fn write_json(
        &self,
        path: &Path,
        contents: &impl Serialize,
    ) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(contents).expect("every key is a string");
        text.push(b'\n');
        let draft = path.with_extension("json.tmp");
        let write = || -> std::io::Result<()> {
            let mut file = private_file().write(true).create(true).truncate(true).open(&draft)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            sync_directory(&self.path)
        };
        write().map_err(|source| StoreError::new(path, source))
    }
}

/// Options for a file that only its owner may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A builder of directories into which only their owner may look.
pub(crate) fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Whether `path` is a directory itself, and no link to one.
pub(crate) fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Makes a rename last; only Unix opens directories.
pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// What of `text` can be part of a file's name on any system: never empty, hidden or long.
fn file_name(text: &str) -> String {
    const LONGEST: usize = 64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let replaced: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name: String = replaced.trim_matches(['.', '-']).chars().take(LONGEST).collect();
    if name.is_empty() { "run".to_owned() } else { name }
}

/// The version stands in the file itself, and is looked at before anything else of it.
#[derive(serde::Deserialize)]
struct Version {
    format_version: u32,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReadError> {
    let text = match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?,
    };
    let malformed = |source: serde_json::Error| ReadError::Malformed {
        path: path.to_owned(),
        line: source.line() as u64,
        source: source.into(),
    };
    let Version { format_version: version } = serde_json::from_slice(&text).map_err(malformed)?;
    if version > FORMAT_VERSION {
        return Err(ReadError::Newer { path: path.to_owned(), version });
    }
    serde_json::from_slice(&text).map(Some).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_part_of_a_file_name() {
        let long = "x".repeat(200);
        for (name, expected) in [
            ("chat", "chat"),
            ("Llama 3.1 (8B)", "Llama-3.1--8B"),
            ("../../etc/passwd", "etc-passwd"),
            ("...", "run"),
            ("", "run"),
            ("日本", "run"),
            ("a\0b\nc", "a-b-c"),
            (&long, &long[..64]),
        ] {
            assert_eq!(file_name(name), expected, "{name:?}");
        }
    }
}
