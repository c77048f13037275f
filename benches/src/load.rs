//! The load that every reader puts on a server.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
};

use anyhow::Context;
use clap::{Args, value_parser};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What to ask of which server; the arguments that the readers have in common.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// The server, as http://HOST:PORT.
    #[arg(long, value_parser = authority)]
    pub url: String,
    /// Connections, each with one response at a time.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub streams: u32,
    /// Requests that each connection sends, one after the other.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub requests_per_stream: u32,
    /// Tokens to ask for in each request.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub max_tokens: u32,
}

impl Load {
    /// The chat completion that each request asks for.
    pub fn request_body(&self) -> String {
        let max_tokens = self.max_tokens;
        format!(
            r#"{{"model":"truth","messages":[{{"role":"user","content":"Count."}}],"stream":true,"stream_options":{{"include_usage":true}},"max_tokens":{max_tokens}}}"#
        )
    }

    /// The same as the bytes of an HTTP/1.1 request.
    pub fn request_bytes(&self) -> Vec<u8> {
        let (host, body) = (&self.url, self.request_body());
        let length = body.len();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Opens all connections, non-blocking and without Nagle's delay.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or for lack of file descriptors.
    pub fn connect(&self) -> anyhow::Result<Vec<TcpStream>> {
        raise_open_files().context("failed to raise the limit of open files")?;
        let mut addresses = self.url.to_socket_addrs().with_context(|| self.url.clone())?;
        let address = addresses.next().with_context(|| format!("{} has no address", self.url))?;
        let sockets = (0..self.streams).map(|_| {
            let socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        sockets
            .collect::<io::Result<_>>()
            .with_context(|| format!("failed to open {} connections to {address}", self.streams))
    }
}

/// Raises the soft limit of open files to the hard one: a stream is a file.
///
/// # Errors
///
/// When the kernel refuses.
pub fn raise_open_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// The `HOST:PORT` of an `http://` URL.
fn authority(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is spoken here")?;
    let authority = rest.trim_end_matches('/');
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(authority.to_owned())
        }
        _ => Err("HOST:PORT is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        load: Load,
    }

    fn parse(args: &[&str]) -> Result<Load, clap::Error> {
        Cli::try_parse_from([&["reader"], args].concat()).map(|cli| cli.load)
    }

    #[test]
    fn only_a_plain_url_with_a_port_is_taken() {
        for url in ["http://127.0.0.1:80", "http://localhost:80/"] {
            assert!(parse(&["--url", url]).is_ok(), "{url}");
        }
        for url in ["127.0.0.1:80", "https://a:1", "http://a", "http://:80", "http://a:1/v1"] {
            assert!(parse(&["--url", url]).is_err(), "{url}");
        }
    }

    #[test]
    fn a_load_of_nothing_is_refused() {
        for flag in ["--streams", "--requests-per-stream", "--max-tokens"] {
            assert!(parse(&["--url", "http://a:1", flag, "0"]).is_err(), "{flag}");
        }
    }

    #[test]
    fn the_request_announces_its_length_and_asks_for_usage() {
        let load = parse(&["--url", "http://a:1", "--max-tokens", "7"]).unwrap();
        let request = String::from_utf8(load.request_bytes()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["max_tokens"], 7);
        assert_eq!(body["stream_options"]["include_usage"], true);
    }
}
