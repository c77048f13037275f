//! Where a server is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no server address: {why}")]
pub struct EndpointError {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A server's address: scheme, host, port and the path before the API's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    /// Without a slash at its end; empty for most servers.
    base_path: String,
    /// A socket of this machine, in place of host and port.
    socket: Option<PathBuf>,
}

impl Endpoint {
    /// Reads an address such as `http://localhost:8000`, `localhost:8000`, `:8000` or
    /// `https://api.example.com/openai/v1`. A path that ends in `/v1` is the API's own, not part of the
    /// base. `unix:/run/server.sock` is a socket of this machine.
    ///
    /// # Errors
    ///
    /// Tells what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let wrong = |why| EndpointError { url: url.to_owned(), why };
        if let Some(socket) = url.strip_prefix("unix:") {
            let socket = socket.strip_prefix("//").unwrap_or(socket);
            if !socket.starts_with('/') || socket.chars().any(char::is_control) {
                return Err(wrong("a socket has an absolute path: unix:/run/server.sock"));
            }
            let (host, socket) = ("localhost".to_owned(), Some(PathBuf::from(socket)));
            return Ok(Self { tls: false, host, port: 80, base_path: String::new(), socket });
        }
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return Err(wrong("only http, https and unix are known")),
            None => (false, url),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') {
            return Err(wrong("a user name or key has no place in it; use --api-key-file"));
        }
        if authority.is_empty() {
            return Err(wrong("it names neither a host nor a port"));
        }
        let plain = |c: char| c.is_ascii_graphic();
        if !authority.chars().all(plain) || !path.chars().all(plain) || path.contains(['?', '#']) {
            return Err(wrong("it has characters that no address and no path has"));
        }
        let (host, port) =
            split_port(authority).ok_or_else(|| wrong("its port is not a number"))?;
        let host = if host.is_empty() { "localhost" } else { host };
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let path = path.trim_end_matches('/');
        let base_path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        Ok(Self { tls, host: host.to_owned(), port, base_path, socket: None })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket of this machine that it is, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The path of an API's `path` on this server.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// The value of the `host` header.
    pub(crate) fn authority(&self) -> String {
        if self.socket.is_some() {
            return self.host.clone();
        }
        let brackets = self.host.contains(':');
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port)
    }

    /// What to tell of a server that was asked over HTTP/2, and has only another version.
    pub(super) fn speaks_no_http2(&self) -> String {
        format!("{self} does not speak HTTP/2: leave --http2 out")
    }
}

/// The host without brackets, and the port if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => None,
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

/// The address as a URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = &self.socket {
            return write!(f, "unix:{}", socket.display());
        }
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (given, meant) in [
            ("http://localhost:8000", "http://localhost:8000"),
            ("localhost:8000/", "http://localhost:8000"),
            (":8000", "http://localhost:8000"),
            ("example.com", "http://example.com:80"),
            ("HTTPS://example.com", "https://example.com:443"),
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
            ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000"),
            ("https://gateway/openai/v1", "https://gateway:443/openai"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("[::1]", "http://[::1]:80"),
            ("unix:/run/server.sock", "unix:/run/server.sock"),
            ("unix:///run/server.sock", "unix:/run/server.sock"),
        ] {
            assert_eq!(
                Endpoint::parse(given).map(|e| e.to_string()),
                Ok(meant.to_owned()),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for bad in [
            "",
            "http://",
            "/v1",
            "ftp://x",
            "unix:server.sock",
            "unix:/a\nb",
            "http://x:port",
            "http://x:70000",
            "::1",
            "http://user:key@x",
            "http://x/a b",
            "http://x/?q",
            "http://x\r\nhost: y",
            "[::1",
            "[::1]x",
        ] {
            let error = Endpoint::parse(bad).unwrap_err();
            assert_eq!(error.url, bad);
        }
    }
}
