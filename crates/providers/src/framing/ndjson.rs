//! Lines of JSON, from bytes cut anywhere.

use memchr::memchr;

use super::{Event, LIMIT, Oversize, append};

/// Takes lines out of a stream.
///
/// Lines end in LF or CRLF; a blank one is none; the last may lack its end. A line that lies whole in what
/// is fed is borrowed from there; only one that is cut is put together in a buffer.
#[derive(Debug)]
pub struct Ndjson {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    limit: usize,
}

impl Default for Ndjson {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Ndjson {
    /// A decoder at the start of a stream whose lines have at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { line: Vec::new(), limit }
    }

    /// Takes in the next bytes of the stream, and passes each line that they complete to `on_event`.
    ///
    /// # Errors
    ///
    /// When a line is beyond the bound; the stream is then of no more use.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), Oversize> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            self.check(line)?;
            if self.line.is_empty() {
                pass(line, &mut on_event);
            } else {
                append(&mut self.line, line);
                pass(&self.line, &mut on_event);
                self.line.clear();
            }
            bytes = rest;
        }
        self.check(bytes)?;
        append(&mut self.line, bytes);
        Ok(())
    }

    /// The stream ended: passes the last line to `on_event` if its end is missing.
    pub fn end(&mut self, mut on_event: impl FnMut(Event<'_>)) {
        pass(&std::mem::take(&mut self.line), &mut on_event);
    }

    fn check(&self, more: &[u8]) -> Result<(), Oversize> {
        let limit = self.limit;
        if self.line.len() + more.len() > limit { Err(Oversize { limit }) } else { Ok(()) }
    }

    /// The memory that it holds.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.line.capacity()
    }
}

fn pass(line: &[u8], on_event: &mut impl FnMut(Event<'_>)) {
    let data = line.trim_ascii();
    if !data.is_empty() {
        on_event(Event { name: b"", data });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let (mut ndjson, mut lines) = (Ndjson::default(), Vec::new());
        for piece in pieces {
            ndjson.feed(piece, |event| lines.push(event.data.to_vec())).unwrap();
        }
        ndjson.end(|event| lines.push(event.data.to_vec()));
        lines
    }

    #[test]
    fn lines_end_as_they_like() {
        let lines = decode([&b"{\"a\":1}\n\r\n  \n{\"b\":2}\r\n{\"c\":3}"[..]]);
        assert_eq!(lines, [b"{\"a\":1}", b"{\"b\":2}", b"{\"c\":3}"]);
        assert!(decode([&b""[..]]).is_empty() && decode([&b"\n"[..]]).is_empty());
    }

    #[test]
    fn a_line_beyond_the_bound_is_an_error_however_it_comes() {
        for size in [1, 3, 100] {
            let mut ndjson = Ndjson::with_limit(10);
            let fed =
                b"0123456789a\n".chunks(size).try_for_each(|piece| ndjson.feed(piece, |_| {}));
            assert_eq!(fed, Err(Oversize { limit: 10 }), "in pieces of {size}");
        }
        assert_eq!(Ndjson::with_limit(10).feed(b"0123456789\n0123456789\n", |_| {}), Ok(()));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            stream in prop::collection::vec(prop::sample::select(b"{}\n\r \"x".to_vec()), 0..200),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let lines = decode(cuts.windows(2).map(|w| &stream[w[0]..w[1]]));
            let whole = stream.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let whole: Vec<&[u8]> = whole.filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(&lines, &whole);
            prop_assert!(lines.iter().all(|line| !line.contains(&b'\n')));
        }
    }
}
