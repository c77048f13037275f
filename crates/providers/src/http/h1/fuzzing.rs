//! Heads, the framing of bodies, and both with an answer in them. See [`crate::fuzzing`].

use bench_core::{ProviderError, Stamp};

use super::{
    body::{Body, Chunk},
    head::Response,
    incoming::Incoming,
};
use crate::{fuzzing::however_cut, http::Reader};

/// The head of a response.
pub fn head(bytes: &[u8]) {
    let read = however_cut(bytes, |pieces| {
        let mut came = 0;
        for piece in pieces {
            came += piece.len();
            if !Response::is_worth_reading(&bytes[..came], piece.len()) {
                continue;
            }
            match Response::parse(&bytes[..came]) {
                Ok(None) => {}
                over => return over,
            }
        }
        Ok(None)
    });
    if let Ok(Some((Response { head, .. }, length))) = read {
        assert!(length <= bytes.len() && head.content_type.len() <= length);
        assert!(matches!(head.status, 101 | 200..1000), "status {}", head.status);
    }
}

/// The framing of a body: by chunks, by a length, or to the end of the connection.
pub fn body(bytes: &[u8]) {
    let Some((choice, wire)) = bytes.split_first() else { return };
    let framing = match choice {
        0 => Body::until_close(),
        1..64 => Body::of_length(u64::from(*choice) << 4),
        _ => Body::chunked(),
    };
    let (content, result) = however_cut(wire, |pieces| {
        let (mut body, mut content) = (framing, Vec::new());
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() && !body.is_over() {
                match body.take(piece) {
                    Ok((taken, rest)) => {
                        content.extend_from_slice(taken);
                        assert!(rest.len() < piece.len(), "nothing was taken");
                        piece = rest;
                    }
                    Err(error) => return (content, Err(error)),
                }
            }
        }
        (content, Ok(body))
    });
    assert!(content.len() <= wire.len());
    if result == Ok(Body::Chunked(Chunk::End)) {
        assert!(content.len() + b"0\r\n\r\n".len() <= wire.len());
    }
}

/// What comes of a response that comes in `pieces`, and of the connection's end after it.
pub(crate) fn received<R: Reader>(
    pieces: &[&[u8]],
    stamp: Stamp,
    reader: &mut R,
) -> Result<(), ProviderError> {
    let mut incoming = Incoming::default();
    // An empty piece is what a closed connection reads.
    for piece in pieces.iter().filter(|piece| !piece.is_empty()).chain([&&[][..]]) {
        if let Some(end) = incoming.take(piece, stamp, reader)? {
            return end.result;
        }
    }
    Ok(())
}

/// The content of a whole response.
#[cfg(test)]
pub(crate) fn content(wire: &[u8]) -> Vec<u8> {
    let (response, length) = Response::parse(wire).unwrap().unwrap();
    let (mut body, mut rest, mut content) = (response.body, &wire[length..], Vec::new());
    while !rest.is_empty() && !body.is_over() {
        let (taken, after) = body.take(rest).unwrap();
        content.extend_from_slice(taken);
        rest = after;
    }
    content
}
