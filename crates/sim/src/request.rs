//! HTTP/1.1 requests, from bytes that arrive in pieces.

use httparse::Status;

/// Most bytes of a request's line and headers.
const MAX_HEAD: usize = 64 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 100;
/// Most bytes of a request's body.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Most bytes of the line that starts a chunk.
const MAX_CHUNK_LINE: usize = 1024;

/// A request as far as this server looks at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) content_type: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) persistence: Persistence,
    pub(crate) body: Vec<u8>,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    KeepAlive,
    Close,
}

/// A request that cannot be read; where the next one would begin is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the request is not HTTP")]
    Syntax,
    #[error("the request's headers are larger than {MAX_HEAD} bytes or more than {MAX_HEADERS}")]
    HeadTooLarge,
    #[error("a POST request must say its Content-Length or be chunked")]
    LengthMissing,
    #[error("the request's body is larger than {MAX_BODY} bytes")]
    BodyTooLarge,
    #[error("only HTTP/1.1 is spoken here")]
    Version,
    #[error("no transfer encoding but chunked is understood")]
    TransferEncoding,
}

impl Unreadable {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Syntax => 400,
            Self::LengthMissing => 411,
            Self::BodyTooLarge => 413,
            Self::HeadTooLarge => 431,
            Self::TransferEncoding => 501,
            Self::Version => 505,
        }
    }
}

/// Takes the bytes of a connection, gives its requests.
///
/// Where the bytes were cut makes no difference.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// The request whose head has been read, its body still empty.
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    request: Request,
    framing: Framing,
    /// The client waits for a word before it sends the body.
    expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Decoder {
    /// Where received bytes are to be appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next request, if all of it is there. To be called again until there is none.
    pub(crate) fn decode(&mut self) -> Result<Option<Request>, Unreadable> {
        if self.begun.is_none() {
            self.begun = take_head(&mut self.buffer)?;
        }
        let Some(begun) = &mut self.begun else { return Ok(None) };
        let body = &mut begun.request.body;
        let complete = match begun.framing {
            Framing::Length(length) => take_length(&mut self.buffer, body, length),
            Framing::Chunked => take_chunks(&mut self.buffer, body)?,
        };
        if !complete {
            return Ok(None);
        }
        // An idle connection holds no memory.
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        Ok(self.begun.take().map(|begun| begun.request))
    }

    /// Whether the client waits for `100 Continue`; says so once.
    pub(crate) fn take_continue(&mut self) -> bool {
        self.begun.as_mut().is_some_and(|begun| std::mem::take(&mut begun.expects_continue))
    }
}

/// Takes a request's head from the front of `buffer`, once all of it is there.
fn take_head(buffer: &mut Vec<u8>) -> Result<Option<Begun>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let bytes = &buffer[..buffer.len().min(MAX_HEAD)];
    match head.parse(bytes) {
        Ok(Status::Complete(length)) => {
            let begun = begin(&head)?;
            buffer.drain(..length);
            Ok(Some(begun))
        }
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(Unreadable::HeadTooLarge),
        Err(httparse::Error::Version) => Err(Unreadable::Version),
        Err(_) => Err(Unreadable::Syntax),
    }
}

fn begin(head: &httparse::Request<'_, '_>) -> Result<Begun, Unreadable> {
    if head.version != Some(1) {
        return Err(Unreadable::Version);
    }
    let method = head.method.unwrap_or_default();
    let path = head.path.unwrap_or_default();
    let mut begun = Begun {
        request: Request {
            method: method.to_owned(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            content_type: None,
            request_id: None,
            persistence: Persistence::KeepAlive,
            body: Vec::new(),
        },
        framing: Framing::Length(0),
        expects_continue: false,
    };
    let mut framing = None;
    for header in head.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-type" => begun.request.content_type = Some(value.to_owned()),
            "x-request-id" if !value.is_empty() => {
                begun.request.request_id = Some(value.to_owned());
            }
            "connection" if value.split(',').any(|v| v.trim().eq_ignore_ascii_case("close")) => {
                begun.request.persistence = Persistence::Close;
            }
            "expect" => begun.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "content-length" => set_framing(&mut framing, Framing::Length(content_length(value)?))?,
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                set_framing(&mut framing, Framing::Chunked)?;
            }
            "transfer-encoding" => return Err(Unreadable::TransferEncoding),
            _ => {}
        }
    }
    match framing {
        Some(framing) => begun.framing = framing,
        None if method == "POST" => return Err(Unreadable::LengthMissing),
        None => {}
    }
    Ok(begun)
}

/// Refuses two statements that differ: somebody before us may have believed the other one.
fn set_framing(framing: &mut Option<Framing>, said: Framing) -> Result<(), Unreadable> {
    match framing.replace(said) {
        Some(before) if before != said => Err(Unreadable::Syntax),
        _ => Ok(()),
    }
}

fn content_length(value: &str) -> Result<usize, Unreadable> {
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::Syntax);
    }
    // A number too large for the type is too large for the body.
    let length = value.parse().unwrap_or(usize::MAX);
    if length > MAX_BODY { Err(Unreadable::BodyTooLarge) } else { Ok(length) }
}

/// Moves `length` bytes to `body`; true once they are all there.
fn take_length(buffer: &mut Vec<u8>, body: &mut Vec<u8>, length: usize) -> bool {
    if buffer.len() < length {
        return false;
    }
    let rest = buffer.split_off(length);
    *body = std::mem::replace(buffer, rest);
    true
}

/// Moves the chunks that are there to `body`; true once the last one and the trailers are gone.
fn take_chunks(buffer: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, Unreadable> {
    loop {
        let line = &buffer[..buffer.len().min(MAX_CHUNK_LINE)];
        let (start, size) = match httparse::parse_chunk_size(line) {
            Ok(Status::Complete(line)) => line,
            Ok(Status::Partial) if line.len() < MAX_CHUNK_LINE => return Ok(false),
            _ => return Err(Unreadable::Syntax),
        };
        if size == 0 {
            return drop_trailers(buffer, start);
        }
        if size > (MAX_BODY - body.len()) as u64 {
            return Err(Unreadable::BodyTooLarge);
        }
        let size = usize::try_from(size).expect("MAX_BODY is a usize, size is not above it");
        let end = start + size;
        let Some(line_end) = buffer.get(end..end + 2) else { return Ok(false) };
        if line_end != b"\r\n" {
            return Err(Unreadable::Syntax);
        }
        body.extend_from_slice(&buffer[start..end]);
        buffer.drain(..end + 2);
    }
}

fn drop_trailers(buffer: &mut Vec<u8>, start: usize) -> Result<bool, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let bytes = &buffer[start..buffer.len().min(start + MAX_HEAD)];
    match httparse::parse_headers(bytes, &mut headers) {
        Ok(Status::Complete((length, _))) => {
            buffer.drain(..start + length);
            Ok(true)
        }
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => Ok(false),
        _ => Err(Unreadable::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that a decoder says of `bytes` when they come cut at `cuts`.
    fn decode_cut(bytes: &[u8], cuts: &[usize]) -> (Vec<Request>, Option<Unreadable>) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::default();
        let mut requests = Vec::new();
        for piece in cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]) {
            decoder.buffer().extend_from_slice(piece);
            loop {
                match decoder.decode() {
                    Ok(Some(request)) => requests.push(request),
                    Ok(None) => break,
                    Err(unreadable) => return (requests, Some(unreadable)),
                }
            }
        }
        (requests, None)
    }

    fn check(bytes: &str, expected: Result<&str, Unreadable>) {
        let (requests, error) = decode_cut(bytes.as_bytes(), &[]);
        let bodies: Vec<_> =
            requests.iter().map(|request| String::from_utf8_lossy(&request.body)).collect();
        assert_eq!(error.map_or(Ok(bodies.join("|").as_str()), Err), expected, "{bytes:?}");
    }

    #[test]
    fn bodies_and_what_cannot_be_read() {
        // A length, none needed, none where one is needed.
        check("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi", Ok("hi"));
        check("GET / HTTP/1.1\r\n\r\n", Ok(""));
        check("POST / HTTP/1.1\r\n\r\n", Err(Unreadable::LengthMissing));
        // Two requests in a row.
        let post = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi";
        check(&format!("{post}{post}"), Ok("hi|hi"));
        // Chunks, an extension, trailers, nothing.
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n";
        check(&format!("{chunked}2;x=y\r\nhi\r\n1\r\n!\r\n0\r\na: b\r\n\r\n"), Ok("hi!"));
        check(&format!("{chunked}0\r\n\r\n"), Ok(""));
        // Chunks that are none.
        check(&format!("{chunked}zz\r\n"), Err(Unreadable::Syntax));
        check(&format!("{chunked}2\r\nhi!!"), Err(Unreadable::Syntax));
        check(&format!("{chunked}1;{}", "x".repeat(2_000)), Err(Unreadable::Syntax));
        check(&format!("{chunked}ffffffff\r\n"), Err(Unreadable::BodyTooLarge));
        check(&format!("{chunked}0\r\n{}", "a: b\r\n".repeat(200)), Err(Unreadable::Syntax));
        // Lengths that are none, or two.
        check("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", Err(Unreadable::Syntax));
        check("POST / HTTP/1.1\r\ncontent-length:\r\n\r\n", Err(Unreadable::Syntax));
        let two = "content-length: 1\r\ncontent-length: 2\r\n";
        check(&format!("POST / HTTP/1.1\r\n{two}\r\n"), Err(Unreadable::Syntax));
        let both = "content-length: 1\r\ntransfer-encoding: chunked\r\n";
        check(&format!("POST / HTTP/1.1\r\n{both}\r\n"), Err(Unreadable::Syntax));
        // Too much.
        let large = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", MAX_BODY + 1);
        check(&large, Err(Unreadable::BodyTooLarge));
        let huge = "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n";
        check(huge, Err(Unreadable::BodyTooLarge));
        let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(MAX_HEAD));
        check(&long, Err(Unreadable::HeadTooLarge));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        check(&many, Err(Unreadable::HeadTooLarge));
        // Other protocols.
        check("GET / HTTP/1.0\r\n\r\n", Err(Unreadable::Version));
        check("\x16\x03\x01\x02\x00\x01", Err(Unreadable::Syntax));
        let gzip = "POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
        check(gzip, Err(Unreadable::TransferEncoding));
    }

    #[test]
    fn headers_are_understood_in_any_case() {
        let bytes = b"POST /v1/x?y=z HTTP/1.1\r\nCONTENT-LENGTH: 1\r\nExpect: 100-Continue\r\n\
            X-Request-ID: r1\r\nConnection: TE, Close\r\nContent-Type: application/json\r\n\r\n";
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(bytes);
        assert_eq!(decoder.decode(), Ok(None));
        assert!(decoder.take_continue());
        assert!(!decoder.take_continue(), "it is said once");
        decoder.buffer().push(b'!');
        let expected = Request {
            method: "POST".to_owned(),
            path: "/v1/x".to_owned(),
            content_type: Some("application/json".to_owned()),
            request_id: Some("r1".to_owned()),
            persistence: Persistence::Close,
            body: b"!".to_vec(),
        };
        assert_eq!(decoder.decode(), Ok(Some(expected)));
    }

    fn request_bytes() -> impl Strategy<Value = Vec<u8>> {
        let body = proptest::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            body.clone().prop_map(|body| {
                let head = format!("POST /a HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
                [head.into_bytes(), body].concat()
            }),
            (body, 1_usize..100).prop_map(|(body, size)| {
                let mut bytes = b"POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                for chunk in body.chunks(size) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend([chunk, b"\r\n"].concat());
                }
                bytes.extend(b"0\r\ntrailer: x\r\n\r\n");
                bytes
            }),
            Just(b"GET /c?d HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec()),
            // Not a request: from here on nothing can be read, wherever the cut.
            proptest::collection::vec(any::<u8>(), 0..20),
        ]
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(
            requests in proptest::collection::vec(request_bytes(), 0..5),
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let bytes = requests.concat();
            prop_assert_eq!(decode_cut(&bytes, &[]), decode_cut(&bytes, &cuts));
        }
    }
}
