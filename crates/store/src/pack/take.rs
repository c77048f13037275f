//! From a file to a directory; nothing in the file is trusted.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use tar::{Archive, Entry, EntryType};

use super::{PackError, files, staging::Staging};
use crate::RunDirectory;

/// Bytes that a run may have, unpacked.
const MOST: u64 = 64 << 30;
/// Samples do not shrink any more, and text shrinks to a tenth: what promises more wants to fill the disk.
const MOST_SHRUNK: u64 = 200;
/// What small files may have in any case.
const ALWAYS: u64 = 16 << 20;

/// What can be taken in as a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Importable {
    /// A file that [`pack`](super::pack) wrote, for [`unpack`].
    Packed,
    /// A directory of a run, for [`adopt`].
    Directory,
}

/// What is at `path`, by its contents and not by its name; `None` if it is nothing that is known.
///
/// # Errors
///
/// When there is nothing, or nothing that can be read.
pub fn recognize(path: &Path) -> Result<Option<Importable>, PackError> {
    if std::fs::metadata(path).map_err(PackError::unreadable(path))?.is_dir() {
        let is_run = RunDirectory::open(path).is_ok();
        return Ok(is_run.then_some(Importable::Directory));
    }
    let file = File::open(path).map_err(PackError::unreadable(path))?;
    // The magic of tar lies at the end of its first block.
    let mut block = Vec::new();
    let Ok(text) = zstd::Decoder::new(file) else { return Ok(None) };
    let read = text.take(512).read_to_end(&mut block);
    let is_tar = read.is_ok() && block.get(257..262) == Some(b"ustar");
    Ok(is_tar.then_some(Importable::Packed))
}

/// Takes the run that is packed in the file `packed` in below `root`. It keeps its id, unless that is
/// taken.
///
/// # Errors
///
/// When the file cannot be read, is none that [`pack`](super::pack) writes, or the run cannot be written;
/// nothing is left behind then.
pub fn unpack(packed: &Path, root: &Path) -> Result<RunDirectory, PackError> {
    let unreadable = PackError::unreadable(packed);
    let file = File::open(packed).map_err(&unreadable)?;
    let size = file.metadata().map_err(&unreadable)?.len();
    let room = size.saturating_mul(MOST_SHRUNK).saturating_add(ALWAYS).min(MOST);
    let mut staging = Staging::create(root, packed, room)?;
    let text = zstd::Decoder::new(BufReader::new(file)).map_err(&unreadable)?;
    // Also headers take room.
    let mut archive = Archive::new(text.take(room));
    // Raw: long names and the like are entries of their own, which no packed run has.
    for entry in archive.entries().map_err(&unreadable)?.raw(true) {
        add(&mut staging, entry.map_err(&unreadable)?)?;
    }
    // The checksum comes last.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(&unreadable)?;
    staging.finish(root)
}

fn add(staging: &mut Staging, entry: Entry<'_, impl Read>) -> Result<(), PackError> {
    let path = entry.path().map(PathBuf::from).unwrap_or_default();
    let kind = entry.header().entry_type();
    let mut components = path.components();
    if !matches!(components.next(), Some(Component::Normal(_))) {
        return Err(staging.refused(&path, "leads elsewhere"));
    }
    match kind {
        EntryType::Regular => {
            let inside = components.as_path().to_owned();
            let size = entry.size();
            staging.add(&inside, size, entry)
        }
        // Folders are made when a file is in them.
        EntryType::Directory => Ok(()),
        _ => Err(staging.refused(&path, "is neither a file nor a folder")),
    }
}

/// Copies the run at `path`, which lies anywhere, in below `root`. It keeps its id, unless that is taken.
///
/// # Errors
///
/// When it is being measured, is no run, or cannot be read or written; nothing is left behind then.
pub fn adopt(path: &Path, root: &Path) -> Result<RunDirectory, PackError> {
    let directory = RunDirectory::open(path)?;
    if directory.is_being_written() {
        return Err(PackError::Running { path: path.to_owned() });
    }
    let mut staging = Staging::create(root, path, MOST)?;
    for file in files(path)? {
        let from = File::open(path.join(&file)).map_err(PackError::unreadable(path))?;
        let size = from.metadata().map_err(PackError::unreadable(path))?.len();
        staging.add(&file, size, from)?;
    }
    staging.finish(root)
}
