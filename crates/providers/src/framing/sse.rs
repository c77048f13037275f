//! Server-sent events, as WHATWG's HTML standard defines them, from bytes cut anywhere.

use memchr::{memchr, memchr2};

use super::{Event, LIMIT, Oversize, append};

/// Takes events out of a stream.
///
/// Lines end in LF, CR or CRLF; comments, unknown fields, `id:` and `retry:` carry nothing here; an event
/// without data is none; what the stream's end cuts off is none. An event that lies whole in what is fed
/// is borrowed from there; only one that is cut, or has several lines, is put together in a buffer.
#[derive(Debug)]
pub struct Sse {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The event so far, each line followed by a line feed.
    data: Vec<u8>,
    name: Vec<u8>,
    /// The last byte was a CR that ended a line: an LF now belongs to it.
    after_cr: bool,
    at_start: bool,
    limit: usize,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Default for Sse {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Sse {
    /// A decoder at the start of a stream whose events have at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        let (line, data, name) = (Vec::new(), Vec::new(), Vec::new());
        Self { line, data, name, after_cr: false, at_start: true, limit }
    }

    /// Takes in the next bytes of the stream, and passes each event that they complete to `on_event`.
    ///
    /// # Errors
    ///
    /// When an event is beyond the bound; the stream is then of no more use.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), Oversize> {
        while !bytes.is_empty() {
            if self.is_between_events()
                && let Some((data, rest)) = whole_event(bytes)
                && bytes.len() - rest.len() - 2 <= self.limit
            {
                on_event(Event { name: b"", data });
                bytes = rest;
                continue;
            }
            bytes = self.next_line(bytes, &mut on_event)?;
        }
        Ok(())
    }

    fn is_between_events(&self) -> bool {
        !self.at_start
            && !self.after_cr
            && self.line.is_empty()
            && self.data.is_empty()
            && self.name.is_empty()
    }

    /// Takes in at most one line of `bytes` and returns the rest.
    fn next_line<'b>(
        &mut self,
        mut bytes: &'b [u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<&'b [u8], Oversize> {
        if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
            bytes = &bytes[1..];
        }
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            self.check(bytes)?;
            append(&mut self.line, bytes);
            return Ok(&[]);
        };
        let (mut line, rest) = (&bytes[..end], &bytes[end + 1..]);
        self.check(line)?;
        self.after_cr = bytes[end] == b'\r';
        let mut begun = std::mem::take(&mut self.line);
        if !begun.is_empty() {
            append(&mut begun, line);
            line = &begun;
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(on_event);
        } else {
            self.field(line);
        }
        Ok(rest)
    }

    fn field(&mut self, line: &[u8]) {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                append(&mut self.data, value);
                append(&mut self.data, b"\n");
            }
            b"event" => {
                self.name.clear();
                self.name.shrink_to(self.limit / 16);
                append(&mut self.name, value);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(Event<'_>)) {
        if let Some((_, data)) = self.data.split_last() {
            on_event(Event { name: &self.name, data });
        }
        // What a huge event needed is not kept beside the next.
        for buffer in [&mut self.data, &mut self.name] {
            buffer.clear();
            buffer.shrink_to(self.limit / 16);
        }
    }

    /// Whether there is room for `more` of the line, of which a field never keeps more than it has.
    fn check(&self, more: &[u8]) -> Result<(), Oversize> {
        let limit = self.limit;
        if self.line.len() + more.len() + self.data.len() + self.name.len() > limit {
            Err(Oversize { limit })
        } else {
            Ok(())
        }
    }

    /// The memory that it holds.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.line.capacity() + self.data.capacity() + self.name.capacity()
    }
}

/// What nearly every event is: `data: …` on one line, an empty line, all there. Returns its data and what
/// follows it.
fn whole_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = bytes.strip_prefix(b"data:")?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let end = memchr2(b'\n', b'\r', value)?;
    let rest = value[end..].strip_prefix(b"\n\n")?;
    // A lone `data:` line makes an event of no bytes in the slow path: leave it to that.
    (end > 0).then_some((&value[..end], rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};

    use super::*;

    type Owned = (String, String);

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
        let mut sse = Sse::default();
        let mut events = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in pieces {
            sse.feed(piece, |e| events.push((text(e.name), text(e.data)))).unwrap();
        }
        events
    }

    /// The standard, word for word, on the whole stream at once.
    fn oracle(stream: &[u8]) -> Vec<Owned> {
        let text = String::from_utf8_lossy(stream).into_owned();
        let text = text
            .strip_prefix('\u{feff}')
            .unwrap_or(&text)
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        let Some((lines, _cut_off)) = text.rsplit_once('\n') else { return vec![] };
        let (mut events, mut data, mut name) = (vec![], String::new(), String::new());
        for line in lines.split('\n') {
            if line.is_empty() {
                if let Some(data) = data.strip_suffix('\n') {
                    events.push((name.clone(), data.to_owned()));
                }
                data.clear();
                name.clear();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => data += &format!("{value}\n"),
                "event" => name = value.to_owned(),
                _ => {}
            }
        }
        events
    }

    fn check(stream: &str, expected: &[(&str, &str)]) {
        let expected: Vec<Owned> =
            expected.iter().map(|(n, d)| ((*n).into(), (*d).into())).collect();
        let bytes = stream.as_bytes();
        assert_eq!(decode([bytes]), expected, "{stream:?}");
        assert_eq!(oracle(bytes), expected, "the oracle on {stream:?}");
        for cut in 0..=bytes.len() {
            assert_eq!(decode([&bytes[..cut], &bytes[cut..]]), expected, "{stream:?} cut at {cut}");
        }
        assert_eq!(decode(bytes.chunks(1)), expected, "{stream:?} byte by byte");
    }

    #[test]
    fn the_standards_own_cases() {
        check("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
        check("data:a\r\rdata:b\r\n\r\n", &[("", "a"), ("", "b")]);
        check("\u{feff}data: bom\n\n", &[("", "bom")]);
        check("data: \u{feff}\n\n", &[("", "\u{feff}")]);
        check("data\n\ndata\ndata\n\ndata:", &[("", ""), ("", "\n")]);
        check(
            "data:test\n\ndata: test\n\ndata:  test\n\n",
            &[("", "test"), ("", "test"), ("", " test")],
        );
        check(": a comment\n\n: another\ndata: x\n\n", &[("", "x")]);
        check("event: add\ndata: 1\n\nevent: none\n\ndata: 2\n\n", &[("add", "1"), ("", "2")]);
        check("data: one\nid: 7\nretry: x\nunknown: y\ndata: two\n\n", &[("", "one\ntwo")]);
        check("data: cut off\n", &[]);
        check("data: cut off", &[]);
        check("", &[]);
        check("\n\n\n", &[]);
        check("data: a\n\ndata: {\"x\":\"é😀\"}\n\n", &[("", "a"), ("", "{\"x\":\"é😀\"}")]);
    }

    #[test]
    fn an_event_beyond_the_bound_is_an_error_however_it_comes() {
        for stream in
            [&b"data: 0123456789"[..], b"data: 01234\ndata: 56789\n", b"x: 0123456789abcdef"]
        {
            let mut sse = Sse::with_limit(10);
            let fed = stream.chunks(3).try_for_each(|piece| sse.feed(piece, |_| {}));
            assert_eq!(fed, Err(Oversize { limit: 10 }), "{stream:?}");
        }
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::sample::select(vec![
            "data: {\"a\":1}",
            "data:x",
            "data:",
            "data",
            "data:  y",
            ": ping",
            ":",
            "event: e",
            "event",
            "id: 1",
            "",
            "",
            "",
            "\u{feff}",
            "data: \u{feff}",
            "nonsense",
            "data: é",
        ]);
        let ending = prop::sample::select(vec!["\n", "\n", "\r", "\r\n"]);
        prop::collection::vec((line, ending), 0..24).prop_map(|lines| {
            lines.iter().flat_map(|(l, e)| [l.as_bytes(), e.as_bytes()].concat()).collect()
        })
    }

    proptest! {
        #[test]
        fn any_split_gives_the_events_of_the_standard(
            stream in lines(),
            cuts in prop::collection::vec(0_usize..400, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|w| &stream[w[0]..w[1]]);
            prop_assert_eq!(decode(pieces), oracle(&stream));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(prop::num::u8::ANY, 0..300)) {
            prop_assert_eq!(decode([bytes.as_slice()]), decode(bytes.chunks(1)));
        }
    }
}
