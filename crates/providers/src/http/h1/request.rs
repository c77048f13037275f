//! The head of a request, as bytes.

use crate::http::{
    Endpoint,
    client::{AGENT, Method},
};

/// The head of a request, as it goes on the wire, but for the empty line at its end.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead(Vec<u8>);

impl RequestHead {
    pub(super) fn new(
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        headers: &[(String, String)],
    ) -> Self {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\naccept-encoding: identity\r\nuser-agent: {AGENT}\r\n",
            method.as_str(),
            endpoint.path(path),
            endpoint.authority(),
        );
        if method == Method::Post {
            head += "content-type: application/json\r\n";
        }
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        Self(head.into_bytes())
    }

    /// This head, with more fields, and complete.
    pub(super) fn with(&self, fields: &[(&str, &str)]) -> Self {
        let more: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut head = Vec::with_capacity(self.0.len() + more + 2);
        head.extend_from_slice(&self.0);
        for text in fields.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]) {
            head.extend_from_slice(text.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        Self(head)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
