//! Events of a stream, from bytes cut anywhere.

mod ndjson;
mod sse;

pub use ndjson::Ndjson;
pub use sse::Sse;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type, `event:`; empty where the stream gives none.
    pub name: &'a [u8],
    /// What it carries: of server-sent events the `data:` lines, joined by line feeds; else the line.
    pub data: &'a [u8],
}

/// An event beyond the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct Oversize {
    /// The bound.
    pub limit: usize,
}

/// 16 MiB: no server sends an event nearly as large.
pub(crate) const LIMIT: usize = 16 << 20;

/// Appends to a buffer that grows by half: those of a decoder stay below twice its bound.
fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        buffer.reserve_exact(bytes.len() + needed / 2);
    }
    buffer.extend_from_slice(bytes);
}

/// How the events of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As server-sent events.
    Sse,
    /// By lines, each a JSON document.
    Ndjson,
    /// The same of a server that is told to do so by its user, whatever type it says.
    Lines,
}

impl Framing {
    /// The media type to ask for.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Ndjson | Self::Lines => "application/x-ndjson",
        }
    }

    /// Whether a stream may say that it is of this type. None at all, or plain text, is a stream that does
    /// not say so.
    pub(crate) fn is_said_by(self, media_type: &str) -> bool {
        matches!(media_type, "" | "text/plain")
            || media_type == self.media_type()
            || self == Self::Lines
            || self == Self::Ndjson
                && matches!(media_type, "application/ndjson" | "application/jsonl")
    }

    pub(crate) fn decoder(self) -> Decoder {
        match self {
            Self::Sse => Decoder::Sse(Sse::default()),
            Self::Ndjson | Self::Lines => Decoder::Ndjson(Ndjson::default()),
        }
    }
}

/// Takes events out of a stream of either framing.
#[derive(Debug)]
pub(crate) enum Decoder {
    Sse(Sse),
    Ndjson(Ndjson),
}

impl Decoder {
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        on_event: impl FnMut(Event<'_>),
    ) -> Result<(), Oversize> {
        match self {
            Self::Sse(sse) => sse.feed(bytes, on_event),
            Self::Ndjson(ndjson) => ndjson.feed(bytes, on_event),
        }
    }

    /// The stream ended: what it holds back is an event where the framing has no end of its own for it.
    pub(crate) fn end(&mut self, on_event: impl FnMut(Event<'_>)) {
        match self {
            Self::Sse(_) => {}
            Self::Ndjson(ndjson) => ndjson.end(on_event),
        }
    }

    /// The memory that it holds.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Sse(sse) => sse.held(),
            Self::Ndjson(ndjson) => ndjson.held(),
        }
    }
}
