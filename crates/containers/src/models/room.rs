//! How much room is left on a disk, and how much a folder takes.

use std::{fs, path::Path};

use crate::{Cause, Trouble};

/// Folders within folders: models have two or three.
const MOST_DEEP: usize = 16;

/// Checks that so many more bytes have room at `folder`.
pub(super) fn check(folder: &Path, needed: u64) -> Result<(), Trouble> {
    let Some(free) = free_bytes(folder) else { return Ok(()) };
    if free >= needed {
        return Ok(());
    }
    let what = format!(
        "{} more are needed at {}, and {} are free",
        size(needed),
        folder.display(),
        size(free)
    );
    let fix = "make room, or name another folder with --dir";
    Err(Trouble::new(Cause::DiskFull, what).fix(fix))
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    // Their types differ from system to system.
    #[expect(clippy::useless_conversion, reason = "they differ elsewhere")]
    let (blocks, size) = (u64::from(disk.blocks_available()), u64::from(disk.fragment_size()));
    Some(blocks.saturating_mul(size))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// Bytes of the files in a folder, as far as they can be read. Links are not followed.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    bytes_within(folder, MOST_DEEP)
}

fn bytes_within(folder: &Path, deep: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() && deep > 0 => bytes_within(&entry.path(), deep - 1),
        Ok(found) if found.is_file() => found.len(),
        _ => 0,
    };
    entries.map(bytes).fold(0, u64::saturating_add)
}

/// `131.4 GB`, as registries write it: powers of 1000.
pub(super) fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b >= 1e12 => format!("{:.2} TB", b / 1e12),
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.1} KB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}
