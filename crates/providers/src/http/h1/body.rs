//! The framing of a response's body: where its content is, and where it ends.

/// How the end of a body is known, and how far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    /// So many more bytes.
    Length(u64),
    /// Chunks, and where in one we are.
    Chunked(Chunk),
    /// It ends with the connection.
    #[default]
    UntilClose,
}

/// Where in a chunked body we are (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the digits of a size; how many there were.
    Size { size: u64, digits: u8 },
    /// After the digits, before the end of the line. `skipped` bounds it.
    Extension { size: u64, skipped: u16 },
    /// After the CR of a size line.
    SizeEnd { size: u64 },
    /// In the content; so many bytes of the chunk are left.
    Content { left: u64 },
    /// After the content, before its CR.
    ContentCr,
    /// After that CR.
    ContentLf,
    /// At the beginning of a trailer line, or of the empty one at the end. `skipped` bounds all trailers.
    TrailerStart { skipped: u16 },
    /// In a trailer line.
    Trailer { skipped: u16 },
    /// After the CR of the empty line at the end.
    LastLf,
    /// Over.
    End,
}

/// A chunked body whose framing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed at {0}")]
pub(super) struct FramingError(&'static str);

/// What may stand in chunk extensions, or in trailers, before we stop believing it.
const MOST_SKIPPED: u16 = 16 << 10;

impl Body {
    pub(super) const fn of_length(length: u64) -> Self {
        Self::Length(length)
    }

    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size { size: 0, digits: 0 })
    }

    pub(super) const fn until_close() -> Self {
        Self::UntilClose
    }

    /// Whether all of it has come. One that ends with the connection is never known to.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// Whether the end of the connection may be its end.
    pub(super) const fn may_end_here(self) -> bool {
        self.is_over() || matches!(self, Self::UntilClose)
    }

    /// Takes the next piece of content out of `bytes`: that piece, and the bytes after it. Pieces may be
    /// empty; call it until nothing is left.
    pub(super) fn take<'b>(
        &mut self,
        bytes: &'b [u8],
    ) -> Result<(&'b [u8], &'b [u8]), FramingError> {
        match self {
            Self::UntilClose => Ok((bytes, &[])),
            // What follows the end is not ours; a server that sends it is not to be reused.
            Self::Length(0) | Self::Chunked(Chunk::End) => Ok((&[], &[])),
            Self::Length(left) => Ok(take_up_to(left, bytes)),
            Self::Chunked(Chunk::Content { left }) => {
                let taken = take_up_to(left, bytes);
                if *left == 0 {
                    *self = Self::Chunked(Chunk::ContentCr);
                }
                Ok(taken)
            }
            Self::Chunked(chunk) => {
                let (byte, rest) = bytes.split_first().ok_or(FramingError("nothing"))?;
                *chunk = chunk.after(*byte)?;
                Ok((&[], rest))
            }
        }
    }
}

fn take_up_to<'b>(left: &mut u64, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= n as u64;
    bytes.split_at(n)
}

impl Chunk {
    /// The state after `byte`, anywhere but in the content.
    fn after(self, byte: u8) -> Result<Self, FramingError> {
        let bounded = |skipped: u16| {
            let skipped = skipped + 1;
            if skipped < MOST_SKIPPED { Ok(skipped) } else { Err(FramingError("its trailers")) }
        };
        Ok(match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeEnd { size }
            }
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => {
                Self::Extension { size, skipped: 0 }
            }
            (Self::Size { .. }, _) => return Err(FramingError("a chunk's size")),
            (Self::Extension { size, skipped }, _) => {
                Self::Extension { size, skipped: bounded(skipped)? }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart { skipped: 0 },
            (Self::SizeEnd { size }, b'\n') => Self::Content { left: size },
            (Self::ContentCr, b'\r') => Self::ContentLf,
            (Self::ContentLf, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::TrailerStart { .. }, b'\r') => Self::LastLf,
            (Self::Trailer { skipped }, b'\n') => Self::TrailerStart { skipped: bounded(skipped)? },
            (Self::TrailerStart { skipped } | Self::Trailer { skipped }, _) => {
                Self::Trailer { skipped: bounded(skipped)? }
            }
            (Self::LastLf, b'\n') => Self::End,
            (Self::SizeEnd { .. }, _) => return Err(FramingError("the end of a chunk's size")),
            (
                Self::ContentCr | Self::ContentLf | Self::LastLf | Self::Content { .. } | Self::End,
                _,
            ) => {
                return Err(FramingError("the end of a chunk"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    /// The content and the state at the end of `pieces`.
    fn decode<'a>(
        mut body: Body,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, Body), FramingError> {
        let mut content = Vec::new();
        for mut piece in pieces {
            while !piece.is_empty() {
                let (taken, rest) = body.take(piece)?;
                content.extend_from_slice(taken);
                piece = rest;
            }
        }
        Ok((content, body))
    }

    const CHUNKED: &[u8] =
        b"5\r\nhello\r\n1;name=value\r\n \r\n00A\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n";

    #[test]
    fn chunks_give_their_content_wherever_they_are_cut() {
        let expected = (b"hello 0123456789".to_vec(), Body::Chunked(Chunk::End));
        for cut in 0..=CHUNKED.len() {
            let (a, b) = CHUNKED.split_at(cut);
            assert_eq!(decode(Body::chunked(), [a, b]), Ok(expected.clone()), "cut at {cut}");
        }
        assert_eq!(decode(Body::chunked(), CHUNKED.chunks(1)), Ok(expected));
    }

    #[test]
    fn a_body_cut_short_is_not_over() {
        for cut in 0..CHUNKED.len() {
            let (_, body) = decode(Body::chunked(), [&CHUNKED[..cut]]).unwrap();
            assert!(!body.may_end_here(), "cut at {cut}");
        }
        let (content, body) = decode(Body::of_length(5), [&b"hell"[..]]).unwrap();
        assert!(content == b"hell" && !body.may_end_here());
        assert!(Body::until_close().may_end_here() && !Body::until_close().is_over());
    }

    #[test]
    fn what_follows_the_end_is_left_out() {
        let (content, body) = decode(Body::of_length(2), [&b"okHTTP/1.1"[..]]).unwrap();
        assert!(content == b"ok" && body.is_over());
    }

    #[test]
    fn wrong_framing_is_an_error() {
        for bad in [
            "x\r\n",
            "\r\n",
            "5\rx",
            "5\r\nhelloX",
            "5\r\nhello\rX",
            "0\r\n\rX",
            "-1\r\n",
            "1234567890123456\r\n",
            "5\nhello",
        ] {
            assert!(decode(Body::chunked(), [bad.as_bytes()]).is_err(), "{bad:?}");
        }
        for endless in ["5;", "0\r\n"] {
            let flood = [endless.as_bytes(), &[b'a'; 20_000]].concat();
            assert!(decode(Body::chunked(), [flood.as_slice()]).is_err(), "{endless:?}");
        }
    }

    proptest! {
        #[test]
        fn content_comes_back_however_it_is_chunked_and_cut(
            content in prop::collection::vec(prop::num::u8::ANY, 0..300),
            chunk in 1_usize..40,
            cut in 1_usize..40,
        ) {
            let mut wire = Vec::new();
            for piece in content.chunks(chunk) {
                wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                wire.extend_from_slice(piece);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let decoded = decode(Body::chunked(), wire.chunks(cut));
            prop_assert_eq!(decoded, Ok((content, Body::Chunked(Chunk::End))));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(prop::num::u8::ANY, 0..300)) {
            prop_assert_eq!(decode(Body::chunked(), [bytes.as_slice()]).is_ok(), decode(Body::chunked(), bytes.chunks(1)).is_ok());
        }
    }
}
