//! Which runs there are, and whether they have changed: by names, sizes and times alone.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    num::NonZeroUsize,
    path::Path,
    thread,
};

/// Files of a run that say what is known of it.
const FILES: [&str; 3] = ["run.json", "summary.json", "notes.json"];

/// Names are looked at by one thread where there are no more.
const FEW: usize = 256;

/// Tells one state of a run's files from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) u64);

/// The names of directories below `root` that hold a run. Links are none, and what is hidden is not looked
/// at.
pub(super) fn runs(root: &Path) -> io::Result<Vec<(String, Stamp)>> {
    let entries = match fs::read_dir(root) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with('.') && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.push(name);
        }
    }
    Ok(stamped(root, names))
}

/// Asking for sizes and times is all that costs time here, so every core asks.
fn stamped(root: &Path, names: Vec<String>) -> Vec<(String, Stamp)> {
    let stamp = |name: String| Some((stamp(&root.join(&name))?, name));
    let stamp_all = move |names: Vec<String>| -> Vec<(String, Stamp)> {
        names.into_iter().filter_map(stamp).map(|(stamp, name)| (name, stamp)).collect()
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(8);
    if names.len() <= FEW || threads == 1 {
        return stamp_all(names);
    }
    let mut parts: Vec<Vec<String>> = vec![Vec::new(); threads];
    for (number, name) in names.into_iter().enumerate() {
        parts[number % threads].push(name);
    }
    thread::scope(|scope| {
        let started: Vec<_> =
            parts.into_iter().map(|part| scope.spawn(move || stamp_all(part))).collect();
        let joined = started.into_iter().map(|part| part.join().expect("nothing in it panics"));
        joined.flatten().collect()
    })
}

/// `None` if `directory` holds no run.
fn stamp(directory: &Path) -> Option<Stamp> {
    let mut hash = Fnv::default();
    // A file that is made, replaced or removed moves the time of the directory.
    hash.metadata(fs::metadata(directory).ok().as_ref());
    let mut path = directory.to_owned();
    for (number, file) in FILES.into_iter().enumerate() {
        path.push(file);
        let metadata = fs::metadata(&path).ok();
        path.pop();
        if number == 0 && metadata.is_none() {
            return None;
        }
        hash.metadata(metadata.as_ref());
    }
    Some(Stamp(hash.0))
}

/// Fowler, Noll and Vo's hash, 1a, of 64 bits: the same on every machine and in every version.
pub(super) struct Fnv(pub(super) u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn metadata(&mut self, metadata: Option<&Metadata>) {
        let Some(metadata) = metadata else { return self.bytes(&[0]) };
        self.bytes(&[1]);
        self.bytes(&metadata.len().to_le_bytes());
        let modified = metadata.modified().ok();
        let age = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        self.bytes(&age.map_or(0, |age| age.as_nanos()).to_le_bytes());
        // Files are replaced as a whole: the new one differs in this, however quickly it came.
        #[cfg(unix)]
        self.bytes(&std::os::unix::fs::MetadataExt::ino(metadata).to_le_bytes());
    }
}
