//! Events of streams.

use super::however_cut;
use crate::framing::{Decoder, LIMIT, Ndjson, Sse};

/// Server-sent events, under a bound that the first byte gives, and under the usual one.
pub fn sse(bytes: &[u8]) {
    framed(bytes, |limit| Decoder::Sse(Sse::with_limit(limit)));
}

/// Lines, in the same way.
pub fn ndjson(bytes: &[u8]) {
    framed(bytes, |limit| Decoder::Ndjson(Ndjson::with_limit(limit)));
}

/// The events of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Framed {
    /// The names and the data of all events.
    bytes: Vec<u8>,
    /// Where in these each ends.
    ends: Vec<usize>,
    oversize: bool,
}

fn framed(bytes: &[u8], decoder: impl Fn(usize) -> Decoder) {
    let Some((choice, stream)) = bytes.split_first() else { return };
    for limit in [64 + usize::from(*choice), LIMIT] {
        let framed = however_cut(stream, |pieces| read(decoder(limit), limit, pieces));
        assert!(framed.bytes.len() <= stream.len() && framed.ends.len() <= stream.len());
        let mut last = 0;
        for end in framed.ends {
            assert!(end - last <= limit, "an event of {} bytes", end - last);
            last = end;
        }
    }
}

fn read(mut decoder: Decoder, limit: usize, pieces: &[&[u8]]) -> Framed {
    let mut framed = Framed::default();
    let mut oversize = false;
    let mut take = |event: crate::Event<'_>| {
        framed.bytes.extend_from_slice(event.name);
        framed.bytes.extend_from_slice(event.data);
        framed.ends.push(framed.bytes.len());
    };
    for piece in pieces {
        oversize = oversize || decoder.feed(piece, &mut take).is_err();
        assert!(decoder.held() <= 2 * limit, "{} bytes held for {limit}", decoder.held());
    }
    if !oversize {
        decoder.end(&mut take);
    }
    framed.oversize = oversize;
    framed
}
