//! A run that is taken in, until it is known to be one.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use bench_core::Clock;
use serde_json::{Value, json};

use super::PackError;
use crate::{
    RunDirectory, RunFile, StoreError,
    directory::{is_directory, private_directory, private_file, sync_directory},
    id::is_id,
    new_id,
};

/// Folders below one another, the file included.
pub(super) const DEEPEST: usize = 4;
const MOST_FILES: u32 = 4_096;
/// Of a file that is read as a whole.
const MOST_JSON: u64 = 64 << 20;

/// What is being taken in. Hidden, so that nobody takes it for a run.
const STAGED: &str = ".import-";

/// A hidden directory beside the runs, which is gone when this is dropped.
pub(super) struct Staging {
    directory: RunDirectory,
    /// Locked, which tells other processes that this one is alive; absent where directories cannot be.
    _lock: Option<File>,
    /// Where its files come from, for messages.
    from: PathBuf,
    /// Bytes that may yet come.
    room: u64,
    files: u32,
}

impl Staging {
    pub(super) fn create(root: &Path, from: &Path, room: u64) -> Result<Self, PackError> {
        fs::create_dir_all(root).map_err(|source| StoreError::new(root, source))?;
        sweep(root);
        let mut number = Clock::start().anchor().wall_ns;
        loop {
            let path = root.join(format!("{STAGED}{number:x}"));
            number += 1;
            match private_directory().create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(source) => return Err(StoreError::new(&path, source).into()),
                Ok(()) => {}
            }
            let lock = File::open(&path).and_then(|directory| {
                directory.lock()?;
                Ok(directory)
            });
            // Before it was locked, another process may have swept it away.
            if is_directory(&path) {
                let (directory, from) = (RunDirectory::at(path), from.to_owned());
                return Ok(Self { directory, _lock: lock.ok(), from, room, files: 0 });
            }
        }
    }

    /// Writes `size` bytes of `contents` to `path`, which is relative and may not be trusted.
    pub(super) fn add(
        &mut self,
        path: &Path,
        size: u64,
        contents: impl Read,
    ) -> Result<(), PackError> {
        self.check(path, size).map_err(|why| self.refused(path, why))?;
        self.room -= size;
        self.files += 1;
        let to = self.directory.path().join(path);
        let written = self.write(&to, size, contents)?;
        if written == size {
            Ok(())
        } else {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early");
            Err(PackError::Unreadable { path: self.from.clone(), source })
        }
    }

    fn check(&self, path: &Path, size: u64) -> Result<(), &'static str> {
        let mut depth = 0;
        for component in path.components() {
            let Component::Normal(name) = component else { return Err("leads elsewhere") };
            let name = name.to_str().ok_or("is no text")?;
            let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
            if name.starts_with('.') || name.contains(odd) {
                return Err("is no name of a file of a run");
            }
            depth += 1;
        }
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let read_whole = depth == 1 && (is_json || path == Path::new("events.jsonl"));
        match () {
            () if !(1..=DEEPEST).contains(&depth) => Err("is too deep, or nowhere"),
            () if self.files >= MOST_FILES => Err("is one file too many"),
            () if size > self.room || (read_whole && size > MOST_JSON) => Err("is too large"),
            () if self.directory.path().join(path).exists() => Err("comes twice"),
            () => Ok(()),
        }
    }

    pub(super) fn refused(&self, path: &Path, why: &'static str) -> PackError {
        let entry = path.to_string_lossy().into_owned();
        PackError::Refused { path: self.from.clone(), entry, why }
    }

    fn write(&self, to: &Path, size: u64, contents: impl Read) -> Result<u64, PackError> {
        let failed = |source| StoreError::new(to, source);
        let folder = to.parent().unwrap_or(self.directory.path());
        if folder != self.directory.path() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = private_file().write(true).create_new(true).open(to).map_err(failed)?;
        let mut contents = Source { contents: contents.take(size), failed: None };
        let written = io::copy(&mut contents, &mut file);
        if let Some(source) = contents.failed {
            return Err(PackError::Unreadable { path: self.from.clone(), source });
        }
        let written = written.map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(written)
    }

    /// Makes a run below `root` of it: under the id that it has, unless that is taken.
    pub(super) fn finish(self, root: &Path) -> Result<RunDirectory, PackError> {
        let run = self.directory.read_run()?;
        self.directory.read_summary()?;
        self.forget_baseline()?;
        loop {
            let id = free_id(root, &run)?;
            let place = match RunDirectory::create(root, &id, &run.name) {
                Err(StoreError::Taken { .. }) => continue,
                place => place?,
            };
            let moved = self.become_run(&run, &id).and_then(|()| self.move_to(&place));
            return moved.map(|()| place.clone()).inspect_err(|_| {
                let _ = fs::remove_dir(place.path());
            });
        }
    }

    /// What another machine's runs are compared with is nothing to this one.
    fn forget_baseline(&self) -> Result<(), PackError> {
        let mut notes = self.directory.read_notes()?;
        if notes.baseline {
            notes.baseline = false;
            self.directory.write_json(&self.directory.notes_path(), &notes)?;
        }
        Ok(())
    }

    fn become_run(&self, run: &RunFile, id: &str) -> Result<(), PackError> {
        self.edit(&self.directory.run_path(), |file| {
            file["id"] = id.into();
            // Whatever the file says of itself: nobody may take it for a run that was measured here.
            let environment = &mut file["environment"];
            if !environment.is_object() {
                *environment = json!({});
            }
            if !environment["imported"].is_object() {
                environment["imported"] = json!({ "format": "inferbench", "id": run.id });
            }
        })?;
        if id != run.id && self.directory.summary_path().exists() {
            self.edit(&self.directory.summary_path(), |file| file["id"] = id.into())?;
        }
        Ok(())
    }

    /// Changes a file, and keeps what this program does not know of it.
    fn edit(&self, path: &Path, change: impl FnOnce(&mut Value)) -> Result<(), PackError> {
        let text = fs::read(path).map_err(PackError::unreadable(path))?;
        let mut file: Value = serde_json::from_slice(&text)
            .map_err(|error| PackError::unreadable(path)(error.into()))?;
        if !file.is_object() {
            return Err(self.refused(path, "is no run's"));
        }
        change(&mut file);
        Ok(self.directory.write_json(path, &file)?)
    }

    fn move_to(&self, place: &RunDirectory) -> Result<(), PackError> {
        let move_to = || {
            if cfg!(windows) {
                // Only Unix puts a directory in the place of an empty one.
                fs::remove_dir(place.path())?;
            }
            fs::rename(self.directory.path(), place.path())?;
            sync_directory(place.path().parent().unwrap_or(place.path()))
        };
        move_to().map_err(|source| StoreError::new(place.path(), source).into())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.directory.path());
    }
}

/// Takes away what a process left that was killed while it took in a run. What a living one has is locked;
/// where nothing can be locked, nobody knows who lives, and everything stays.
pub(crate) fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let is_staged = entry.file_name().to_string_lossy().starts_with(STAGED);
        if !is_staged || !is_directory(&entry.path()) {
            continue;
        }
        let Ok(directory) = File::open(entry.path()) else { continue };
        if directory.try_lock().is_ok() {
            // What cannot be removed now is tried again next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn free_id(root: &Path, run: &RunFile) -> Result<String, StoreError> {
    if is_id(&run.id) && RunDirectory::with_id(root, &run.id)?.is_none() {
        return Ok(run.id.clone());
    }
    new_id(root, Clock::start().anchor().wall_ns)
}

/// Remembers that it was reading that failed, not writing.
struct Source<R> {
    contents: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.contents.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}
