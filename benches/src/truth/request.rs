//! The part of HTTP/1.1 requests that clients of inference servers use.

use std::str;

use serde::Deserialize;

/// A head longer than this is not waited for.
const LONGEST_HEAD: usize = 64 * 1024;
/// A body longer than this is not waited for.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// A request that has arrived completely.
#[derive(Debug, PartialEq)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The client's `X-Request-Id`.
    pub(super) id: Option<&'a str>,
    pub(super) keep_alive: bool,
    pub(super) body: &'a [u8],
    /// Bytes of head and body together.
    pub(super) length: usize,
}

/// A request that this server cannot read; the connection cannot go on.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed;

impl<'a> Request<'a> {
    /// Reads the request at the start of `bytes`; `None` while it is incomplete.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some(head_length) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > LONGEST_HEAD { Err(Malformed) } else { Ok(None) };
        };
        let head = str::from_utf8(&bytes[..head_length]).map_err(|_| Malformed)?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().ok_or(Malformed)?.split(' ');
        let (Some(method), Some(path), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Malformed);
        };

        let (mut id, mut keep_alive, mut body_length) = (None, true, 0);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed)?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => body_length = value.parse().map_err(|_| Malformed)?,
                "connection" => keep_alive = !value.eq_ignore_ascii_case("close"),
                "x-request-id" => id = Some(value),
                "transfer-encoding" => return Err(Malformed),
                _ => {}
            }
        }
        if body_length > LONGEST_BODY {
            return Err(Malformed);
        }
        let body_start = head_length + 4;
        let length = body_start + body_length;
        let body = bytes.get(body_start..length);
        Ok(body.map(|body| Self { method, path, id, keep_alive, body, length }))
    }
}

/// What the body of a chat completion asks for.
#[derive(Debug, Default, Deserialize, PartialEq)]
pub(super) struct Wish {
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

impl Wish {
    pub(super) fn parse(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body)
    }

    pub(super) fn tokens(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nX-Request-ID:  r-1 \r\n\
        Content-Length: 4\r\n\r\nbodyGET";

    #[test]
    fn a_request_is_read_once_its_last_byte_is_there() {
        let whole = POST.len() - "GET".len();
        for end in 0..whole {
            assert_eq!(Request::parse(&POST.as_bytes()[..end]), Ok(None), "at {end}");
        }
        let request = Request::parse(POST.as_bytes()).unwrap().unwrap();
        assert_eq!(
            request,
            Request {
                method: "POST",
                path: "/v1/chat/completions",
                id: Some("r-1"),
                keep_alive: true,
                body: b"body",
                length: whole,
            }
        );
    }

    #[test]
    fn a_head_that_cannot_be_understood_is_refused() {
        let cases = [
            ("GET /v1/models HTTP/1.0\r\n\r\n", "an old version"),
            ("GET /v1/models\r\n\r\n", "no version"),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "a header without a colon"),
            ("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "a negative length"),
            ("POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", "an absurd length"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "a chunked body"),
        ];
        for (head, what) in cases {
            assert_eq!(Request::parse(head.as_bytes()), Err(Malformed), "{what}");
        }
        assert_eq!(Request::parse(&vec![b'a'; LONGEST_HEAD + 1]), Err(Malformed));
    }

    #[test]
    fn connection_close_ends_keep_alive() {
        let request = Request::parse(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").unwrap();
        assert!(!request.unwrap().keep_alive);
    }

    #[test]
    fn the_body_says_how_many_tokens_and_whether_usage() {
        let check = |body: &str, tokens, usage| {
            let wish = Wish::parse(body.as_bytes()).unwrap();
            assert_eq!((wish.tokens(), wish.wants_usage()), (tokens, usage), "{body}");
        };
        check("{}", None, false);
        check(r#"{"max_tokens":7,"messages":[{"content":"\"max_tokens\":9"}]}"#, Some(7), false);
        check(r#"{"max_tokens":7,"max_completion_tokens":8}"#, Some(8), false);
        check(r#"{"max_tokens":null,"stream_options":null}"#, None, false);
        check(r#"{"stream_options":{"include_usage":true}}"#, None, true);
        assert!(Wish::parse(b"{\"max_tokens\":").is_err());
    }
}
