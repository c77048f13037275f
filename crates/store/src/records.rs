//! Reading samples and readings back.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use bench_core::{Reading, Sample};
use serde::de::DeserializeOwned;

use crate::{ReadError, ReadingLine, SampleLine, frames::FrameReader};

/// No line is longer: an answer of a million events takes a fifth of it.
const LONGEST_LINE: u64 = 256 << 20;

/// The samples in the file at `path`, in the order in which requests ended.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn read_samples(path: &Path) -> Result<Records<SampleLine, Sample>, ReadError> {
    Records::open(path)
}

/// The readings in the file at `path`, in the order in which they were taken.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn read_readings(path: &Path) -> Result<Records<ReadingLine, Reading>, ReadError> {
    Records::open(path)
}

/// Records of type `T`, from a file whose lines are of format `L`.
///
/// Ends at the end of the file, or where the file is torn, as [`torn`](Self::torn) then tells. A whole
/// line that makes no sense is an error, and the next ones can still be read; where the system cannot read
/// on, that is the last error.
pub struct Records<L, T> {
    path: PathBuf,
    text: BufReader<FrameReader<BufReader<File>>>,
    line: Vec<u8>,
    lines: u64,
    bytes: u64,
    torn: Option<TornTail>,
    /// The system could not read on, and would say so again and again.
    failed: bool,
    format: PhantomData<fn(L) -> T>,
}

/// How a file ends that was torn, as by a kill or a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Whole lines before the tear; all of them were read.
    pub lines: u64,
    /// Bytes of the file, compressed, that belong to no whole frame.
    pub compressed_bytes: u64,
    /// Bytes of an unfinished line that could still be decompressed.
    pub half_line_bytes: usize,
}

impl<L, T> Records<L, T> {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let open = || {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            Ok((bytes, FrameReader::new(BufReader::new(file))?))
        };
        let (bytes, frames) =
            open().map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self {
            path: path.to_owned(),
            text: BufReader::new(frames),
            line: Vec::new(),
            lines: 0,
            bytes,
            torn: None,
            failed: false,
            format: PhantomData,
        })
    }

    /// What is missing at the end of the file: nothing, or, once the iterator has ended, that.
    pub fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    /// Reads the next whole line; `false` if there is none.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        self.text.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        if self.line.ends_with(b"\n") {
            self.lines += 1;
            return Ok(true);
        }
        let compressed_bytes = self.bytes.saturating_sub(self.text.get_ref().whole());
        if compressed_bytes > 0 || !self.line.is_empty() {
            self.torn = Some(TornTail {
                lines: self.lines,
                compressed_bytes,
                half_line_bytes: self.line.len(),
            });
        }
        Ok(false)
    }
}

impl<L, T> Iterator for Records<L, T>
where
    L: DeserializeOwned,
    T: TryFrom<L>,
    T::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.torn.is_some() || self.failed {
            return None;
        }
        match self.read_line() {
            Ok(false) => return None,
            Ok(true) => {}
            Err(source) => {
                self.failed = true;
                return Some(Err(ReadError::Unreadable { path: self.path.clone(), source }));
            }
        }
        let parsed = serde_json::from_slice::<L>(&self.line)
            .map_err(Into::into)
            .and_then(|line| T::try_from(line).map_err(Into::into));
        Some(parsed.map_err(|source| ReadError::Malformed {
            path: self.path.clone(),
            line: self.lines,
            source,
        }))
    }
}

impl<L, T> std::fmt::Debug for Records<L, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut records = f.debug_struct("Records");
        records.field("path", &self.path).field("lines", &self.lines).field("torn", &self.torn);
        records.finish_non_exhaustive()
    }
}
