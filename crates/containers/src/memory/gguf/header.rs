//! Reading a header, which anybody may have written.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::{Gguf, Kept};
use crate::memory::ModelError;

/// Entries of a header: models have some dozens.
const MOST_ENTRIES: u64 = 1 << 16;
/// Tensors of a file: the largest models have some thousands.
const MOST_TENSORS: u64 = 1 << 20;
/// Bytes of a key, or of a text that is kept.
const MOST_TEXT: u64 = 1 << 16;
/// Elements of a list that is kept, which has one for each layer.
const MOST_KEPT: u64 = 1 << 12;
/// Elements of a list of texts: of a vocabulary.
const MOST_WORDS: u64 = 1 << 24;

/// A header while it is read.
pub(super) struct Header<'p> {
    path: &'p Path,
    file: BufReader<File>,
    length: u64,
    /// Bytes that were read or skipped.
    at: u64,
}

impl<'p> Header<'p> {
    pub(super) fn open(path: &'p Path) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(ModelError::malformed(path, "it is no file"));
        }
        Ok(Self { path, file: BufReader::new(file), length: metadata.len(), at: 0 })
    }

    pub(super) fn read(mut self) -> Result<Gguf, ModelError> {
        if self.bytes::<4>()? != *b"GGUF" {
            return Err(self.malformed("it is no GGUF file"));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(self.malformed(format!("version {version} of GGUF is not known")));
        }
        let tensors = self.count("tensors", MOST_TENSORS)?;
        let entries = self.count("entries", MOST_ENTRIES)?;
        let (mut values, mut words) = (BTreeMap::new(), None);
        for _ in 0..entries {
            let key = self.text()?;
            let kind = self.u32()?;
            match self.value(kind)? {
                Some(Kept::Words(count)) if key == "tokenizer.ggml.tokens" => words = Some(count),
                Some(value) => drop(values.insert(key, value)),
                None => {}
            }
        }
        let (parameters, last) = self.tensors(tensors)?;
        let alignment = match values.get("general.alignment") {
            Some(Kept::Number(alignment)) if *alignment > 0 => *alignment,
            _ => 32,
        };
        let header = self.at.checked_next_multiple_of(alignment);
        let weights_bytes = header.map_or(0, |header| self.length.saturating_sub(header));
        if tensors > 0 && last >= weights_bytes {
            return Err(self.cut_off());
        }
        Ok(Gguf { values, weights_bytes, parameters, words, parts: 1, missing: 0 })
    }

    /// The numbers of all tensors, whose descriptions come next; and where the last one begins.
    fn tensors(&mut self, count: u64) -> Result<(u64, u64), ModelError> {
        let (mut numbers, mut last) = (0_u64, 0);
        for _ in 0..count {
            self.text()?;
            let dimensions = self.u32()?;
            if dimensions > 8 {
                return Err(self.malformed(format!("a tensor has {dimensions} dimensions")));
            }
            let mut of_tensor = 1_u64;
            for _ in 0..dimensions {
                of_tensor = of_tensor.saturating_mul(self.u64()?);
            }
            numbers = numbers.saturating_add(of_tensor);
            let _kind = self.u32()?;
            last = self.u64()?.max(last);
        }
        Ok((numbers, last))
    }

    /// A value, if it is one that may be of use.
    fn value(&mut self, kind: u32) -> Result<Option<Kept>, ModelError> {
        const TEXT: u32 = 8;
        const LIST: u32 = 9;
        match kind {
            TEXT => {
                let length = self.u64()?;
                if length <= MOST_TEXT {
                    return Ok(Some(Kept::Text(self.text_of(length)?)));
                }
                self.skip(length)?;
                Ok(None)
            }
            LIST => self.list(),
            _ => Ok(self.scalar(kind)?.map(Kept::Number)),
        }
    }

    fn list(&mut self) -> Result<Option<Kept>, ModelError> {
        const TEXT: u32 = 8;
        let kind = self.u32()?;
        let count = self.u64()?;
        if kind == TEXT {
            if count > MOST_WORDS {
                return Err(self.malformed(format!("it has a list of {count} texts")));
            }
            for _ in 0..count {
                let length = self.u64()?;
                self.skip(length)?;
            }
            return Ok(Some(Kept::Words(count)));
        }
        if count > MOST_KEPT {
            self.skip(count.saturating_mul(self.width(kind)?))?;
            return Ok(None);
        }
        let numbers: Vec<Option<u64>> =
            (0..count).map(|_| self.scalar(kind)).collect::<Result<_, _>>()?;
        Ok(numbers.into_iter().collect::<Option<_>>().map(Kept::Numbers))
    }

    /// A whole number that is not negative, or a truth; of others `None`.
    fn scalar(&mut self, kind: u32) -> Result<Option<u64>, ModelError> {
        let signed = |number: i64| u64::try_from(number).ok();
        Ok(match kind {
            0 | 7 => Some(self.bytes::<1>()?[0].into()),
            1 => signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Some(u16::from_le_bytes(self.bytes()?).into()),
            3 => signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Some(u32::from_le_bytes(self.bytes()?).into()),
            5 => signed(i32::from_le_bytes(self.bytes()?).into()),
            10 => Some(self.u64()?),
            11 => signed(i64::from_le_bytes(self.bytes()?)),
            _ => {
                self.skip(self.width(kind)?)?;
                None
            }
        })
    }

    fn width(&self, kind: u32) -> Result<u64, ModelError> {
        match kind {
            0 | 1 | 7 => Ok(1),
            2 | 3 => Ok(2),
            4..=6 => Ok(4),
            10..=12 => Ok(8),
            _ => Err(self.malformed(format!("it has a value of an unknown kind, {kind}"))),
        }
    }

    fn count(&mut self, what: &str, most: u64) -> Result<u64, ModelError> {
        let count = self.u64()?;
        match count <= most {
            true => Ok(count),
            false => Err(self.malformed(format!("it is to have {count} {what}"))),
        }
    }

    fn text(&mut self) -> Result<String, ModelError> {
        let length = self.u64()?;
        match length <= MOST_TEXT {
            true => self.text_of(length),
            false => Err(self.malformed(format!("it has a name of {length} bytes"))),
        }
    }

    fn text_of(&mut self, length: u64) -> Result<String, ModelError> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes);
        self.at += length;
        match read {
            Ok(read) if read as u64 == length => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(_) => Err(self.cut_off()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ModelError> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|error| self.failed(error))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ModelError> {
        let left = self.length.saturating_sub(self.at);
        let by = i64::try_from(bytes).ok().filter(|_| bytes <= left);
        let Some(by) = by else { return Err(self.cut_off()) };
        self.at += bytes;
        // Unlike `seek`, it keeps what is buffered.
        self.file.seek_relative(by).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ModelError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.cut_off(),
            _ => ModelError::Unreadable { path: self.path.to_owned(), source: error },
        }
    }

    fn cut_off(&self) -> ModelError {
        self.malformed("it is cut off")
    }

    fn malformed(&self, what: impl Into<String>) -> ModelError {
        ModelError::malformed(self.path, what)
    }
}
