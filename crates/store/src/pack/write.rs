//! From a directory to a file.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    path::Path,
};

use tar::{Builder, EntryType, Header};

use super::{PackError, files};
use crate::{RunDirectory, StoreError, directory::private_file};

/// Samples are compressed already; what else there is is small.
const LEVEL: i32 = 3;

/// The name that a file with the run in `directory` has, unless somebody wants another one.
pub fn packed_name(directory: &RunDirectory) -> String {
    format!("{}.tar.zst", folder(directory))
}

fn folder(directory: &RunDirectory) -> String {
    let path = directory.path().canonicalize().unwrap_or_else(|_| directory.path().to_owned());
    path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Packs the run in `directory` into the new file `to`, which only its owner may read.
///
/// # Errors
///
/// When the run is being measured, when `to` exists, or when one of them cannot be read or written; there
/// is no file then.
pub fn pack(directory: &RunDirectory, to: &Path) -> Result<(), PackError> {
    if directory.is_being_written() {
        return Err(PackError::Running { path: directory.path().to_owned() });
    }
    let files = files(directory.path())?;
    let file =
        private_file().write(true).create_new(true).open(to).map_err(|source| {
            match source.kind() {
                ErrorKind::AlreadyExists => PackError::Exists { path: to.to_owned() },
                _ => StoreError::new(to, source).into(),
            }
        })?;
    write(directory, &files, file).map_err(|source| {
        let _ = fs::remove_file(to);
        StoreError::new(to, source).into()
    })
}

fn write(directory: &RunDirectory, files: &[std::path::PathBuf], to: File) -> io::Result<()> {
    let mut compressed = zstd::Encoder::new(BufWriter::new(to), LEVEL)?;
    compressed.include_checksum(true)?;
    let mut archive = Builder::new(compressed);
    let folder = folder(directory);
    for file in files {
        let from = File::open(directory.path().join(file))?;
        let size = from.metadata()?.len();
        let header = header(&Path::new(&folder).join(file), size)?;
        // What grows while it is read is cut at the size that its header tells.
        archive.append(&header, io::Read::take(from, size))?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// A header with nothing in it that differs between machines.
fn header(path: &Path, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}
