//! An answer, and the bytes that it came in.

use bench_core::{Answer, Moment, ProviderError, Stamp};

use crate::http::{Head, Reader};

/// Some of an answer's body, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When this machine had it.
    pub at: Moment,
    /// Its bytes, without the framing of HTTP.
    pub bytes: Vec<u8>,
}

/// Bytes that are kept.
const MOST: usize = 4 << 20;

/// Keeps what another reader reads.
pub(crate) struct Recorder<'p, R> {
    pub(crate) reader: R,
    pub(crate) pieces: &'p mut Vec<Piece>,
    pub(crate) kept: usize,
}

impl<R: Reader> Reader for Recorder<'_, R> {
    fn answer(&mut self) -> &mut Answer {
        self.reader.answer()
    }

    fn is_streamed(&self) -> bool {
        self.reader.is_streamed()
    }

    fn head(&mut self, head: &Head) -> Result<(), ProviderError> {
        self.reader.head(head)
    }

    fn content(&mut self, bytes: &[u8], stamp: Stamp) -> Result<(), ProviderError> {
        if self.kept < MOST {
            self.kept += bytes.len();
            self.pieces.push(Piece { at: stamp.at, bytes: bytes.to_vec() });
        }
        self.reader.content(bytes, stamp)
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        self.reader.end()
    }
}
