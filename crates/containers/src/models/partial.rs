//! A model in the making: `.partial-NAME`, which becomes `NAME` when it is whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{ModelName, ModelSpec, record, room};
use crate::{Cause, Trouble};

/// Says where what is in a partial folder is from.
const SOURCE: &str = ".source";
/// Where parts of models lie until they are whole.
pub(super) const PREFIX: &str = ".partial-";
/// Where a model lies that another one takes the place of.
const REPLACED: &str = ".replaced-";

/// A model in the making. Stays when it is dropped, so that the next try goes on from it.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// The folder for a model from `spec`, with what an earlier try left there of it; what it left of another is removed.
    pub(super) fn open(models: &Path, name: &ModelName, spec: &ModelSpec) -> Result<Self, Trouble> {
        let path = models.join(format!("{PREFIX}{name}"));
        let target = models.join(name.as_str());
        let failed = |error: io::Error| unwritable(&path, &error);
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_dir()) {
            return Err(unwritable(&path, &io::Error::other("it is no folder")));
        }
        let replaced = models.join(format!("{REPLACED}{name}"));
        remove(&replaced).map_err(|error| unwritable(&replaced, &error))?;
        if source(&path).is_none_or(|source| source != spec.to_string()) {
            remove(&path).map_err(failed)?;
            fs::create_dir(&path).map_err(failed)?;
            fs::write(path.join(SOURCE), spec.to_string()).map_err(failed)?;
        }
        Ok(Self { path, target })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is going to be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// A folder in it, empty but for what an earlier try fetched.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Trouble> {
        let folder = self.path.join(name);
        let made = match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => fs::remove_file(&folder).and_then(|()| fs::create_dir(&folder)),
            Err(_) => fs::create_dir(&folder),
        };
        made.map_err(|error| unwritable(&folder, &error))?;
        Ok(folder)
    }

    /// Removes it: nothing in it is worth going on from.
    pub(super) fn discard(self) {
        // What cannot be removed now is, by the next try.
        let _ = remove(&self.path);
    }

    /// Puts it in its place, where `is_forced` in that of the model that is there.
    pub(super) fn complete(self, is_forced: bool) -> Result<PathBuf, Trouble> {
        let Self { path, target } = self;
        let moved = || -> io::Result<()> {
            // It was of use until now.
            remove_file(&path.join(SOURCE))?;
            let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let replaced = target.with_file_name(format!("{REPLACED}{name}"));
            let is_there = fs::symlink_metadata(&target).is_ok();
            if is_there && is_forced {
                fs::rename(&target, &replaced)?;
            }
            // Of another process that knows nothing of the lock, this keeps what is there: a folder with something in it
            // is not replaced.
            if let Err(error) = fs::rename(&path, &target) {
                if is_there && is_forced {
                    fs::rename(&replaced, &target)?;
                }
                return Err(error);
            }
            remove(&replaced)
        };
        moved().map_err(|error| unwritable(&target, &error))?;
        Ok(target)
    }
}

/// Where what is in a partial folder is from.
pub(super) fn source(partial: &Path) -> Option<String> {
    let path = partial.join(SOURCE);
    let is_small = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() < 4_096);
    is_small.then(|| fs::read_to_string(path).ok())?
}

/// Whether a folder is a model that was prepared, and may be replaced.
pub(super) fn is_ours(folder: &Path) -> bool {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    is_folder && record::ModelRecord::read(folder).is_ok()
}

/// What is fetched of a partial model so far, in bytes.
pub(super) fn fetched_bytes(partial: &Path) -> u64 {
    room::bytes_in(partial)
}

/// Removes a folder with all in it; links in it, and not what they lead to.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Trouble {
    let cause = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::DiskFull,
        _ => Cause::FolderDenied,
    };
    Trouble::new(cause, format!("{} cannot be written", path.display()))
        .said(error.to_string())
        .fix("another folder with --dir, or make room there")
}
