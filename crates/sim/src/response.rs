//! HTTP responses, and errors in the API's shape.

use serde::Serialize;

use crate::request::{Persistence, Unreadable};

/// Who answers: nobody shall take the simulator's numbers for a server's.
const SERVER: &str = concat!("inferbench-sim/", env!("CARGO_PKG_VERSION"));

/// A response that is not on the wire yet.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole(Vec<u8>),
    /// Follows as chunks.
    Events,
}

impl Response {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: Body::Whole(body) }
    }

    /// What Prometheus reads.
    pub(crate) fn metrics(text: String) -> Self {
        let kind = "text/plain; version=1.0.0; charset=utf-8".to_owned();
        Self { status: 200, headers: vec![("content-type", kind)], body: Body::Whole(text.into()) }
    }

    /// The head of a stream of events.
    pub(crate) fn event_stream() -> Self {
        let headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
        Self { status: 200, headers, body: Body::Events }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The bytes to send; of a stream of events only the head.
    pub(crate) fn into_bytes(self, persistence: Persistence) -> Vec<u8> {
        let Self { status, headers, body } = self;
        let mut head = format!("HTTP/1.1 {status} {}\r\nserver: {SERVER}\r\n", reason(status));
        for (name, value) in &headers {
            head += &format!("{name}: {value}\r\n");
        }
        if persistence == Persistence::Close {
            head += "connection: close\r\n";
        }
        match body {
            Body::Whole(body) => {
                head += &format!("content-length: {}\r\n\r\n", body.len());
                [head.into_bytes(), body].concat()
            }
            Body::Events => {
                head += "transfer-encoding: chunked\r\n\r\n";
                head.into_bytes()
            }
        }
    }
}

/// An error in OpenAI's shape and, where vLLM has the same one, in its words.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ApiError {
    pub(crate) message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'static str>,
    code: u16,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: kind(status), param: None, code: status }
    }

    /// Blames a parameter of the request.
    pub(crate) fn of_param(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ApiError,
        }
        serde_json::to_vec(&Envelope { error: self }).expect("strings and numbers are JSON")
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        Self::json(error.code, error.to_json())
    }
}

impl From<Unreadable> for Response {
    fn from(unreadable: Unreadable) -> Self {
        ApiError::new(unreadable.status(), unreadable.to_string()).into()
    }
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        429 => "RateLimitError",
        503 => "ServiceUnavailableError",
        500.. => "InternalServerError",
        _ => "BadRequestError",
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // May be empty.
        _ => "",
    }
}
