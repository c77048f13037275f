//! How telemetry sources ask a server: with the headers, the key and the TLS settings that it is measured with.

use std::fmt;

use bench_core::{Outcome, ProviderError, async_trait};
use bench_providers::{Config, Endpoint, HttpProvider, Secret, Transport};
use bench_telemetry::{Fetch, FetchError};

use crate::{Failure, Settings, Target, TargetSettings, target};

/// Asks one server. Connections are kept from one question to the next; redirects are not followed.
pub struct Fetcher(HttpProvider);

impl Fetcher {
    /// What asks `target`, as `asked` and `settings` have it asked when it is measured.
    ///
    /// # Errors
    ///
    /// When it cannot be asked so.
    pub fn of(
        target: &Target,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        target::provider(target.config(asked, settings)).map(Self)
    }

    /// What asks the server at `endpoint`, of which nothing else is known yet, as `asked` and `settings` have it.
    ///
    /// # Errors
    ///
    /// When it cannot be asked so.
    pub fn unknown(
        endpoint: &Endpoint,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let config = target::config(asked, settings, endpoint);
        let engine = asked.engine.clone().unwrap_or_default();
        let api = engine.apis()[0];
        target::provider(Config { engine, api, path: None, ..config }).map(Self)
    }

    /// What asks another server, with `token` as its bearer's.
    ///
    /// # Errors
    ///
    /// When the token has characters that headers have not.
    pub fn at(
        endpoint: Endpoint,
        token: Option<Secret>,
        transport: Transport,
    ) -> Result<Self, Failure> {
        let config = Config { api_key: token, transport, ..Config::new(endpoint, "") };
        target::provider(config).map(Self)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

#[async_trait]
impl Fetch for Fetcher {
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        self.0.poll(path).await.map_err(failed)
    }
}

fn failed(error: ProviderError) -> FetchError {
    let status = match error.outcome {
        Outcome::Http(status) => Some(status),
        Outcome::RateLimited => Some(429),
        _ => None,
    };
    let said = match status {
        Some(status) if error.said.is_empty() => format!("status {status}"),
        Some(status) => format!("status {status}: {}", error.said),
        None => error.said,
    };
    FetchError { status, said }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread::{self, JoinHandle},
    };

    use tokio::runtime;

    use super::*;

    /// Asks a server for `/a` and `/b`, which answers each with what `answers` has; also what it was asked, a
    /// connection each.
    fn asked(
        answers: &[&'static str],
        connections: usize,
    ) -> (Vec<Result<Vec<u8>, FetchError>>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let mut left: VecDeque<_> = answers.iter().copied().collect();
        let server: JoinHandle<Vec<String>> = thread::spawn(move || {
            let mut heard = Vec::new();
            for _ in 0..connections {
                let (mut to, _) = listener.accept().unwrap();
                let mut from = BufReader::new(to.try_clone().unwrap());
                let mut said = String::new();
                while from.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {
                    if !said.ends_with("\r\n\r\n") {
                        continue;
                    }
                    let Some(answer) = left.pop_front() else { break };
                    to.write_all(answer.as_bytes()).unwrap();
                    if answer.contains("connection: close") {
                        break;
                    }
                }
                heard.push(said);
            }
            heard
        });
        let token = Some(Secret::new("an-agents-token"));
        let fetcher = Fetcher::at(endpoint, token, Transport::default()).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let got = ["/a", "/b"].map(|path| runtime.block_on(fetcher.get(path))).into();
        drop(runtime);
        // Its connection is this thread's: it closes with the thread, or when the server has all it waits for.
        (got, if connections > 1 { server.join().unwrap() } else { Vec::new() })
    }

    const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    #[test]
    fn a_connection_serves_again_and_one_that_closed_is_opened_anew() {
        // One connection is accepted, so the second answer comes over it.
        let (got, _) = asked(&[FINE, FINE], 1);
        assert!(got.iter().all(|got| got.as_ref().unwrap() == b"ok"), "{got:?}");
        let last = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let (got, heard) = asked(&[last, last], 2);
        assert!(got.iter().all(|got| got.as_ref().unwrap() == b"ok"), "{got:?}");
        assert!(heard[0].starts_with("GET /a HTTP/1.1\r\n"), "{heard:?}");
        assert!(heard[1].starts_with("GET /b HTTP/1.1\r\n"), "{heard:?}");
        assert!(heard.iter().all(|h| h.contains("authorization: Bearer an-agents-token\r\n")));
    }

    #[test]
    fn refusals_have_their_status_and_no_secret_and_redirects_are_refusals() {
        let refuses = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 25\r\nconnection: close\r\n\r\n\
                       not this: an-agents-token";
        let redirects = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\
                         connection: close\r\n\r\n";
        let (got, _) = asked(&[refuses, redirects], 2);
        let said: Vec<_> = got.into_iter().map(Result::unwrap_err).collect();
        assert_eq!(
            (said[0].status, said[0].said.as_str()),
            (Some(401), "status 401: not this: ***")
        );
        assert_eq!((said[1].status, said[1].said.as_str()), (Some(302), "status 302"));
    }

    #[test]
    fn answers_may_be_as_long_as_metrics_are_read() {
        let answer = |bytes: usize| -> &'static str {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
            (head + &"\n".repeat(bytes)).leak()
        };
        let most = bench_telemetry::prometheus::LONGEST;
        let (got, _) = asked(&[answer(most), answer(most + 1)], 2);
        assert_eq!(got[0].as_ref().unwrap().len(), most);
        let said = &got[1].as_ref().unwrap_err().said;
        assert!(said.contains("more than 16 MiB"), "{said}");
    }

    #[test]
    fn nobody_there_has_no_status() {
        let fetcher =
            Fetcher::at(Endpoint::parse("127.0.0.1:1").unwrap(), None, Transport::default());
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(fetcher.unwrap().get("/metrics")).unwrap_err();
        assert_eq!(error.status, None);
        assert!(!error.said.is_empty());
    }
}
