//! A file of another tool, and numbers as Python writes them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
};

use super::ImportError;

/// Two GiB: a result file is read as a whole.
pub(super) const MOST_BYTES: u64 = 2 << 30;

/// A file in memory.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    bytes: Vec<u8>,
}

impl Text {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is larger than [`MOST_BYTES`].
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > MOST_BYTES {
            return Err(ImportError::TooLarge { path: path.to_owned(), bytes });
        }
        Ok(Self::new(path, fs::read(path).map_err(unreadable)?))
    }

    fn new(path: &Path, mut bytes: Vec<u8>) -> Self {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        blank_non_finite(&mut bytes);
        Self { path: path.to_owned(), bytes }
    }

    /// What comes after white space.
    pub(super) fn start(&self) -> &[u8] {
        self.bytes.trim_ascii_start()
    }

    /// The first of the JSON values in it.
    pub(super) fn first<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        let mut values = serde_json::Deserializer::from_slice(&self.bytes).into_iter();
        let none = || self.malformed(1, 0, "nothing stands in it".into());
        values.next().ok_or_else(none)?.map_err(|e| self.not_json(e))
    }

    /// Its only JSON value.
    pub(super) fn only<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        serde_json::from_slice(&self.bytes).map_err(|e| self.not_json(e))
    }

    /// All JSON values in it, one after the other.
    pub(super) fn values<T: DeserializeOwned>(
        &self,
    ) -> impl Iterator<Item = Result<T, ImportError>> {
        let values = serde_json::Deserializer::from_slice(&self.bytes).into_iter();
        values.map(|value| value.map_err(|e| self.not_json(e)))
    }

    fn not_json(&self, source: serde_json::Error) -> ImportError {
        self.malformed(source.line(), source.column(), source.into())
    }

    /// What is wrong at a place of this file.
    pub(super) fn malformed(
        &self,
        line: usize,
        column: usize,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> ImportError {
        ImportError::Malformed { path: self.path.clone(), line, column, source }
    }
}

/// Python writes `NaN`, `Infinity` and `-Infinity`, which JSON does not know: they become something of
/// the same length that [`Number`] reads as none, so that places in error messages stay right.
fn blank_non_finite(bytes: &mut [u8]) {
    const WORDS: [(&[u8], &[u8]); 3] =
        [(b"-Infinity", b"null     "), (b"Infinity", b"null    "), (b"NaN", b"\"\" ")];
    let mut in_string = false;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if in_string => i += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some((word, blank)) = WORDS.iter().find(|(w, _)| bytes[i..].starts_with(w)) {
                    bytes[i..i + word.len()].copy_from_slice(blank);
                    i += word.len() - 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
}

/// A finite number; none where the file has null, a word such as `inf`, or Python's NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Number(pub(super) Option<f64>);

impl Number {
    /// As a count: whole and not negative.
    pub(super) fn count(self) -> Option<u64> {
        const MOST: f64 = 9e15; // whole numbers are exact below
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is looked at first"
        )]
        self.0.filter(|n| (0.0..MOST).contains(n)).map(|n| n as u64)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value.is_finite().then_some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Number, E> {
        Ok(Number(None))
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<Option<f64>> {
        let text = Text::new(Path::new("x.json"), text.as_bytes().to_vec());
        let numbers: Vec<Number> = text.only().unwrap();
        numbers.into_iter().map(|number| number.0).collect()
    }

    #[test]
    fn what_is_no_finite_number_is_none() {
        let found = numbers(r#"[1, -2.5, NaN, Infinity, -Infinity, "inf", null, "NaN \" NaN"]"#);
        assert_eq!(found, [Some(1.0), Some(-2.5), None, None, None, None, None, None]);
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (number, expected) in
            [(Some(12.0), Some(12)), (Some(-1.0), None), (Some(1e300), None), (None, None)]
        {
            assert_eq!(Number(number).count(), expected);
        }
    }

    #[test]
    fn an_error_has_its_place() {
        let text = Text::new(Path::new("x.json"), b"[NaN, -Infinity,\n 1, {}]".to_vec());
        let error = text.only::<Vec<Number>>().unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 6 of x.json is malformed");
    }
}
