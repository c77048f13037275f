//! The head of a request, as `h2` takes it.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version, header};

use crate::http::{
    Endpoint,
    client::{AGENT, Method},
};

/// The head of a request, which a stream begins with.
#[derive(Clone)]
pub(crate) struct RequestHead(Request<()>);

/// Without its fields: a key may be among them.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHead").field(self.0.uri()).finish()
    }
}

/// Fields that say something of a connection: it is not the request's alone any more.
const OF_A_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

impl RequestHead {
    pub(super) fn new(
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<Self, String> {
        let path = endpoint.path(path);
        let uri = Uri::builder()
            .scheme(if endpoint.is_tls() { "https" } else { "http" })
            .authority(endpoint.authority())
            .path_and_query(&path)
            .build()
            .map_err(|error| format!("{endpoint} and the path {path}: {error}"))?;
        let mut request = Request::new(());
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        let fields = request.headers_mut();
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        fields.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        if method == Method::Post {
            let json = HeaderValue::from_static("application/json");
            fields.insert(header::CONTENT_TYPE, json);
        }
        for (name, value) in headers {
            if OF_A_CONNECTION.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                return Err(format!("the header `{name}`, which is about a connection"));
            }
            append(fields, name, value).ok_or_else(|| format!("the header `{name}`"))?;
        }
        *request.method_mut() = match method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        };
        Ok(Self(request))
    }

    /// This head with more fields, whose names and values must be valid.
    pub(super) fn with(&self, fields: &[(&str, &str)]) -> Self {
        let mut request = self.0.clone();
        for (name, value) in fields {
            let appended = append(request.headers_mut(), name, value);
            debug_assert!(appended.is_some(), "{name}: {value}");
        }
        Self(request)
    }

    pub(super) fn request(&self) -> Request<()> {
        self.0.clone()
    }
}

fn append(fields: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    fields.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Result<RequestHead, String> {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let endpoint = Endpoint::parse("https://gateway/openai/v1").unwrap();
        RequestHead::new(&endpoint, Method::Post, "/v1/chat", &headers)
    }

    #[test]
    fn a_head_says_where_and_what_and_takes_the_users_fields() {
        let request = head(&[("X-Team", "blue")]).unwrap().with(&[("x-request-id", "7")]).request();
        assert_eq!(request.uri(), "https://gateway:443/openai/v1/chat");
        for (name, value) in
            [("x-team", "blue"), ("x-request-id", "7"), ("content-type", "application/json")]
        {
            assert_eq!(request.headers()[name], value);
        }
        assert!(!format!("{:?}", head(&[("X-Team", "blue")]).unwrap()).contains("blue"));
    }

    #[test]
    fn what_is_about_a_connection_has_no_place_in_it() {
        for name in ["Connection", "transfer-encoding", "TE"] {
            assert!(head(&[(name, "x")]).unwrap_err().contains(name));
        }
    }
}
