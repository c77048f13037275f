//! The bytes of a file, and whether they can be text at all.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    rc::Rc,
};

use super::error::{ENCODING, Wrong};

/// The most bytes of a line, or of an entry of a JSON list.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// The beginning of a file, which tells what it is.
const HEAD_BYTES: u64 = 64 << 10;

/// Bytes that are text, as far as their beginning tells.
pub(super) struct Input<'i> {
    /// The beginning, without a byte order mark: all of it, if it is shorter than [`HEAD_BYTES`].
    pub(super) head: Vec<u8>,
    rest: Box<dyn Read + 'i>,
}

impl<'i> Input<'i> {
    pub(super) fn open(path: &Path) -> Result<Self, Wrong> {
        let file = File::open(path)?;
        // Only reading tells on some systems, and in other words.
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Self::of(file)
    }

    pub(super) fn of(mut bytes: impl Read + 'i) -> Result<Self, Wrong> {
        let mut head = Vec::new();
        bytes.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
        if let Some(wrong) = foreign(&head) {
            return Err(wrong);
        }
        if head.starts_with(b"\xEF\xBB\xBF") {
            head.drain(..3);
        }
        Ok(Self { head, rest: Box::new(bytes) })
    }

    /// What the first character that is not blank is.
    pub(super) fn first(&self) -> Option<u8> {
        self.head.iter().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    /// The first line that is not blank, as far as it is in the beginning.
    pub(super) fn first_line(&self) -> &[u8] {
        let mut lines = self.head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// All of it, from the beginning.
    pub(super) fn reader(self) -> impl BufRead + 'i {
        BufReader::new(Cursor::new(self.head).chain(self.rest))
    }

    /// All of it, with a meter that ends it where an entry is too long.
    pub(super) fn metered(self) -> (impl Read + 'i, Rc<Meter>) {
        let meter = Rc::new(Meter { newlines: Cell::new(0), left: Cell::new(MOST_BYTES) });
        (Metered { reader: self.reader(), meter: Rc::clone(&meter) }, meter)
    }
}

/// What the first bytes say of a file that is no text in UTF-8.
fn foreign(head: &[u8]) -> Option<Wrong> {
    let compressed =
        |with: &str, how: &'static str| Some(Wrong::new(format!("is compressed with {with}"), how));
    let other = |what: &str, how: &'static str| Some(Wrong::new(what.to_owned(), how));
    match head {
        [] => other("is empty", "name a file with conversations in it"),
        [0x1F, 0x8B, ..] => compressed("gzip", "unpack it with `gunzip`"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => compressed("zstd", "unpack it with `zstd -d`"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => compressed("bzip2", "unpack it with `bunzip2`"),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => compressed("xz", "unpack it with `unxz`"),
        [b'P', b'K', 3, 4, ..] => other("is a zip archive", "unpack it, and name a file of it"),
        [b'P', b'A', b'R', b'1', ..] => {
            other("is Parquet, which is read from files alone", "name the file by its path")
        }
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => other("is UTF-32", ENCODING),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => other("is UTF-16", ENCODING),
        _ if head.contains(&0) => other("holds NUL bytes: it is no text in UTF-8", ENCODING),
        _ => None,
    }
}

/// How far a [`Metered`] reader has come.
pub(super) struct Meter {
    newlines: Cell<u64>,
    /// Bytes that the present entry may still have.
    left: Cell<usize>,
}

impl Meter {
    /// The line that was come to, from 1.
    pub(super) fn line(&self) -> u64 {
        self.newlines.get() + 1
    }

    /// Begins an entry.
    pub(super) fn begin(&self) {
        self.left.set(MOST_BYTES);
    }

    /// Whether the entry was too long.
    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

struct Metered<R> {
    reader: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.meter.left.get());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("an entry is too long"));
        }
        let read = self.reader.read(&mut buffer[..most])?;
        let newlines = buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.meter.newlines.set(self.meter.newlines.get() + newlines);
        self.meter.left.set(self.meter.left.get() - read);
        Ok(read)
    }
}

/// What to say of an entry that is too long.
pub(super) fn too_long(what: &str) -> Wrong {
    Wrong::new(
        format!("{what} is longer than {} MiB", MOST_BYTES >> 20),
        "check that the file is what it should be; JSON lines have one entry a line",
    )
}
