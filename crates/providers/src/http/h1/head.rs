//! The head of a response, as bytes.

use httparse::{EMPTY_HEADER, Header, Status};
use memchr::{memchr, memrchr};

use super::body::Body;
use crate::{
    http::{Head, head},
    said,
};

/// A response as far as its head tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) head: Head,
    /// How the end of the body is known.
    pub(super) body: Body,
    /// Whether another request may follow on the connection.
    pub(super) keep_alive: bool,
}

/// A head that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("the response head has more than {MOST_BYTES} bytes or {MOST_HEADERS} fields")]
    Oversize,
    #[error("the response head is not HTTP: {0}")]
    Malformed(String),
}

const MOST_BYTES: usize = head::MOST_BYTES as usize;
const MOST_HEADERS: usize = 100;
/// Interim responses before a head: what comes is read again from the first with every read.
const MOST_INTERIM: usize = 16;

/// Bytes that are read though no line of them has ended: they tell what is no HTTP.
const BEGINNING: usize = 256;

/// How much of a head is read: whole lines, and the beginning. A long line that was read again with every byte
/// of it would take time by the square of its length.
fn readable(bytes: &[u8]) -> usize {
    let lines = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
    lines.max(bytes.len().min(BEGINNING))
}

impl Response {
    /// Whether the last `new` of `bytes` can make a difference to what was read of those before.
    pub(super) fn is_worth_reading(bytes: &[u8], new: usize) -> bool {
        let (before, new) = bytes.split_at(bytes.len() - new);
        before.len() < BEGINNING || bytes.len() > MOST_BYTES || memchr(b'\n', new).is_some()
    }

    /// Reads a head from the beginning of `bytes`: the head and its length, or `None` if its end has not
    /// come. Interim responses (1xx) before it are skipped.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        // Cut there, so that the same comes of a head however it comes.
        let seen = &bytes[..readable(bytes).min(MOST_BYTES)];
        let mut skipped = 0;
        for _ in 0..=MOST_INTERIM {
            let mut headers = [EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&seen[skipped..]) {
                Ok(Status::Complete(length)) => {
                    skipped += length;
                    let status = response.code.unwrap_or(0);
                    if status < 100 {
                        return Err(HeadError::Malformed(format!("status {status:03}")));
                    }
                    if !(100..200).contains(&status) || status == 101 {
                        return Self::read(&response, status).map(|read| Some((read, skipped)));
                    }
                }
                Ok(Status::Partial) if bytes.len() > MOST_BYTES => return Err(HeadError::Oversize),
                Ok(Status::Partial) => return Ok(None),
                Err(httparse::Error::TooManyHeaders) => return Err(HeadError::Oversize),
                Err(error) => return Err(HeadError::Malformed(error.to_string())),
            }
        }
        Err(HeadError::Malformed(format!("more than {MOST_INTERIM} interim responses")))
    }

    fn read(response: &httparse::Response<'_, '_>, status: u16) -> Result<Self, HeadError> {
        let has = |name, word: &str| {
            values(response.headers, name)
                .flat_map(|value| value.split(','))
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        };
        // RFC 9112, section 6.3. A length beside a transfer coding is ignored, and the connection not
        // trusted after it.
        let (mut body, mut keep_alive) = (Body::until_close(), false);
        if matches!(status, 204 | 304) {
            (body, keep_alive) = (Body::of_length(0), true);
        } else if has("transfer-encoding", "chunked") {
            (body, keep_alive) =
                (Body::chunked(), values(response.headers, "content-length").next().is_none());
        } else if values(response.headers, "transfer-encoding").next().is_none()
            && let Some(length) = content_length(response.headers)?
        {
            (body, keep_alive) = (Body::of_length(length), true);
        }
        let http_1_1 = response.version == Some(1);
        let stays_open =
            if http_1_1 { !has("connection", "close") } else { has("connection", "keep-alive") };
        Ok(Self {
            head: Head::new(status, |name| values(response.headers, name).next()),
            body,
            keep_alive: keep_alive && stays_open,
        })
    }
}

/// The values of every field called `name` that are text.
fn values<'h>(headers: &'h [Header<'h>], name: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .filter_map(|header| std::str::from_utf8(header.value).ok())
}

fn content_length(headers: &[Header<'_>]) -> Result<Option<u64>, HeadError> {
    let mut length = None;
    for value in values(headers, "content-length").flat_map(|value| value.split(',')) {
        let wrong = || HeadError::Malformed(format!("content-length {:?}", said::excerpt(value)));
        let digits = value.trim();
        // `parse` takes a sign, a length has none.
        let this = Some(digits)
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|d| d.parse().ok());
        if this.is_none() || length.is_some_and(|other| Some(other) != this) {
            return Err(wrong());
        }
        length = this;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(fields: &str) -> Response {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let (response, length) = Response::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        response
    }

    #[test]
    fn the_body_is_framed_as_the_standard_says() {
        for (fields, body, keep_alive) in [
            ("transfer-encoding: chunked\r\n", Body::chunked(), true),
            ("Transfer-Encoding: gzip, Chunked\r\n", Body::chunked(), true),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", Body::chunked(), false),
            ("content-length: 5\r\n", Body::of_length(5), true),
            ("content-length: 5\r\ncontent-length: 5\r\n", Body::of_length(5), true),
            ("content-length: 5\r\nconnection: close\r\n", Body::of_length(5), false),
            ("transfer-encoding: gzip\r\ncontent-length: 5\r\n", Body::until_close(), false),
            ("", Body::until_close(), false),
        ] {
            let response = response(fields);
            assert_eq!((response.body, response.keep_alive), (body, keep_alive), "{fields:?}");
        }
    }

    #[test]
    fn an_older_server_closes_unless_it_says_otherwise() {
        for (fields, keep_alive) in [("", false), ("Connection: Keep-Alive\r\n", true)] {
            let text = format!("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n{fields}\r\n");
            assert_eq!(Response::parse(text.as_bytes()).unwrap().unwrap().0.keep_alive, keep_alive);
        }
    }

    #[test]
    fn interim_responses_are_skipped() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow down\r\ncontent-type: Text/Plain; x=y\r\n\r\nbody";
        let (Response { head, .. }, length) = Response::parse(text).unwrap().unwrap();
        assert_eq!(
            (head.status, head.content_type.as_str(), length),
            (429, "text/plain", text.len() - 4)
        );
    }

    #[test]
    fn interim_responses_have_a_bound() {
        let text = |interim: usize| {
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(interim) + "HTTP/1.1 200 OK\r\n\r\n"
        };
        assert!(Response::parse(text(MOST_INTERIM).as_bytes()).unwrap().is_some());
        assert!(Response::parse(text(MOST_INTERIM + 1).as_bytes()).is_err());
    }

    #[test]
    fn any_beginning_of_a_head_waits_for_the_rest() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(Response::parse(&text[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_head_is_an_error() {
        for bad in [
            "SSH-2.0-OpenSSH_9\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        ] {
            assert!(
                matches!(Response::parse(bad.as_bytes()), Err(HeadError::Malformed(_))),
                "{bad:?}"
            );
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(101));
        assert_eq!(Response::parse(many.as_bytes()), Err(HeadError::Oversize));
        for end in ["", "\r\n\r\n"] {
            let long = format!("HTTP/1.1 200 OK\r\na: {}{end}", "b".repeat(MOST_BYTES));
            assert_eq!(Response::parse(long.as_bytes()), Err(HeadError::Oversize));
        }
    }
}
