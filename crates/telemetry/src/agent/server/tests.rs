//! An agent and who asks it, over loopback.

use std::{
    io::{Read, Write},
    net::TcpStream as Socket,
    sync::Mutex,
};

use bench_core::{
    Batch, Clock, Polling, Said, TelemetrySource, async_trait,
    testing::{ScriptedRead, ScriptedSource},
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{Fetch, FetchError, agent::Remote};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const MS: Duration = Duration::from_millis(1);
/// What has not happened by then never will.
const LIMIT: Duration = Duration::from_secs(60);

fn config(listen: &str) -> Config {
    let (listen, host) = (listen.parse().unwrap(), "here".to_owned());
    Config { listen, token: None, tls: None, plain_http: false, host, version: "1".to_owned() }
}

/// Sources that count from 0, each time they are made.
fn counting() -> SourcesOf {
    Arc::new(|| {
        let script = |n| ScriptedRead::of("n", n as f64);
        vec![Box::new(ScriptedSource::new(MS * 2, script)) as Box<dyn TelemetrySource>]
    })
}

fn start(config: Config) -> Server {
    Server::start(config, counting()).unwrap()
}

/// What comes back for `bytes`, until the agent closes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut socket = Socket::connect(server.addr).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    // An agent that has heard enough closes.
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn asked(server: &Server, line: &str, headers: &str) -> String {
    let host = server.addr;
    raw(
        server,
        format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n").as_bytes(),
    )
}

/// Asks over a connection of its own, as simply as can be.
#[derive(Debug)]
struct Plain {
    addr: Mutex<SocketAddr>,
    token: &'static str,
}

impl Plain {
    fn new(server: &Server, token: &'static str) -> Arc<Self> {
        Arc::new(Self { addr: Mutex::new(server.addr), token })
    }
}

#[async_trait]
impl Fetch for Plain {
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let said = |error: io::Error| FetchError { status: None, said: error.to_string() };
        let addr = *self.addr.lock().unwrap();
        let mut socket = TcpStream::connect(addr).await.map_err(said)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
            self.token
        );
        socket.write_all(request.as_bytes()).await.map_err(said)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.map_err(said)?;
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        match (status, answer.split_once("\r\n\r\n")) {
            (Some(200), Some((_, body))) => Ok(body.as_bytes().to_vec()),
            (status, _) => Err(FetchError { status, said: "refused".to_owned() }),
        }
    }
}

/// What a run hears of an agent.
struct Heard {
    polling: Polling,
    batches: Vec<Batch>,
}

impl Heard {
    fn of(fetch: Arc<Plain>) -> Self {
        let remote = Remote::new("there", fetch, MS * 5);
        let polling = Polling::start(vec![Box::new(remote)], Clock::start()).unwrap().unwrap();
        Self { polling, batches: Vec::new() }
    }

    /// Waits until what was heard is as it should be.
    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&[f64], &[Said]) -> bool) {
        for _ in 0..LIMIT.as_millis() / 5 {
            self.batches.extend(self.polling.take());
            let read = self.batches.iter().flat_map(|batch| &batch.readings);
            let read: Vec<f64> = read.filter(|r| r.name == "n").map(|r| r.value).collect();
            let notes = self.batches.iter().flat_map(|batch| &batch.notes);
            let said: Vec<Said> = notes.map(|note| note.said.clone()).collect();
            if holds(&read, &said) {
                return;
            }
            std::thread::park_timeout(MS * 5);
        }
        panic!("it never happened that {what}: {:?}", self.batches.last());
    }
}

#[test]
fn a_run_elsewhere_hears_each_reading_once_and_in_order() {
    let server = start(config("127.0.0.1:0"));
    let mut heard = Heard::of(Plain::new(&server, ""));
    heard.until("forty are read", |read, _| read.len() >= 40);
    let readings = heard.batches.iter().flat_map(|batch| &batch.readings);
    let readings: Vec<_> = readings.filter(|r| r.name == "n").collect();
    let expected: Vec<f64> = (0..readings.len()).map(|n| n as f64).collect();
    assert_eq!(readings.iter().map(|r| r.value).collect::<Vec<_>>(), expected);
    assert!(readings.iter().all(|r| &*r.source == "scripted@there"));
    assert!(readings.iter().is_sorted_by_key(|r| r.at));
}

#[test]
fn an_agent_that_is_killed_and_comes_again_leaves_a_gap_that_is_told() {
    let server = start(config("127.0.0.1:0"));
    let plain = Plain::new(&server, "");
    let mut heard = Heard::of(Arc::clone(&plain));
    heard.until("it is read", |read, _| read.len() >= 3);
    drop(server);
    let failed = |said: &Said| matches!(said, Said::Failed { fatal: false, .. });
    heard.until("it is missed", |_, said| said.iter().any(failed));
    let server = start(config("127.0.0.1:0"));
    *plain.addr.lock().unwrap() = server.addr;
    let recovered = |said: &Said| matches!(said, Said::Recovered { .. });
    let anew =
        |said: &Said| *said == Said::Happened { what: "the agent was started anew".to_owned() };
    heard.until("it is back", |_, said| said.iter().any(recovered) && said.iter().any(anew));
    heard.until("it is read again", |read, _| {
        read.iter().filter(|n| (**n - 2.0).abs() < 0.5).count() == 2
    });
    let moments = heard.batches.iter().flat_map(|batch| &batch.readings).filter(|r| r.name == "n");
    assert!(moments.map(|r| r.at).is_sorted());
}

#[test]
fn a_wrong_token_is_said_once_and_not_tried_again() {
    let token = Some(Token::new(TOKEN).unwrap());
    let server = start(Config { token, ..config("127.0.0.1:0") });
    let mut heard = Heard::of(Plain::new(&server, "another"));
    heard.until("it is refused", |_, said| matches!(said, [Said::Failed { fatal: true, .. }]));
    let mut heard = Heard::of(Plain::new(&server, TOKEN));
    heard.until("it is read", |read, _| read.len() >= 3);
}

#[test]
fn there_is_nothing_but_three_paths_and_get() {
    let server = start(config("127.0.0.1:0"));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"] {
        let answer = asked(&server, &format!("{method} /v1/about"), "");
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.contains("\r\nallow: GET\r\n"), "{answer}");
    }
    for (path, status) in [
        ("/", 404),
        ("/v1", 404),
        ("/v1/about/", 404),
        ("/v1/about?x", 404),
        ("/v1/../../etc/passwd", 404),
        ("/v1/%61bout", 404),
        ("/v1/readings?since=", 400),
        ("/v1/readings?since=-1", 400),
        ("/v1/readings?since=1e9", 400),
        ("/v1/readings?since=99999999999999999999", 400),
        ("/v1/readings?x=%3Cscript%3E", 400),
        ("/v1/readings?since=18446744073709551615", 200),
        ("/v1/clock", 200),
    ] {
        let answer = asked(&server, &format!("GET {path}"), "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(
            !answer.contains("script") && !answer.contains("passwd"),
            "nothing is echoed: {answer}"
        );
    }
    let about = asked(&server, "GET /v1/about", "");
    let about: Value = serde_json::from_str(about.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&about["protocol"], &about["sources"][0]),
        (&Value::from(1), &Value::from("scripted"))
    );
    assert!(asked(&server, "GET /v1/about", "origin: http://x\r\n").starts_with("HTTP/1.1 403 "));
    let foreign = b"GET /v1/about HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert!(raw(&server, foreign).starts_with("HTTP/1.1 421 "));
}

#[test]
fn what_is_too_long_too_slow_or_nonsense_is_cut_off() {
    let server = Server::start_with(config("127.0.0.1:0"), counting(), MS * 300).unwrap();
    let long = format!("x: {}\r\n", "y".repeat(2 * MOST_OF_HEAD));
    let many = "x: y\r\n".repeat(2 * MOST_FIELDS);
    for headers in [long, many] {
        let answer = asked(&server, "GET /v1/about", &headers);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\r\n\r\n"]
    {
        assert!(!raw(&server, nonsense).contains(" 200 "));
    }
    // One that stops within its head, and one that never begins: both are closed.
    for slow in [&b"GET /v1/about HTTP/1.1\r\nho"[..], b""] {
        assert!(!raw(&server, slow).contains(" 200 "));
    }
}

#[test]
fn one_connection_too_many_is_closed_and_those_that_are_there_are_served() {
    let server = start(config("127.0.0.1:0"));
    let request = format!("GET /v1/clock HTTP/1.1\r\nhost: {}\r\n\r\n", server.addr);
    let answered = |socket: &mut Socket| {
        let mut answer = [0; 12];
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.write_all(request.as_bytes()).is_ok() && socket.read_exact(&mut answer).is_ok()
    };
    let mut held: Vec<Socket> = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut socket = Socket::connect(server.addr).unwrap();
        assert!(answered(&mut socket));
        held.push(socket);
    }
    assert!(!answered(&mut Socket::connect(server.addr).unwrap()));
    drop(held);
    // The places are free as soon as the agent has seen that.
    assert!((0..10_000).any(|_| {
        std::thread::park_timeout(MS);
        answered(&mut Socket::connect(server.addr).unwrap())
    }));
}

#[test]
fn what_others_can_reach_has_a_token_and_tls_unless_told() {
    let token = || Some(Token::new(TOKEN).unwrap());
    let open = |config| Server::start(config, counting()).map(|_| ());
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let no_token = open(config(listen)).unwrap_err();
        assert!(matches!(no_token, StartError::NoToken(_)), "{no_token}");
        let plain = Config { plain_http: true, ..config(listen) };
        assert!(matches!(open(plain).unwrap_err(), StartError::NoToken(_)));
        let no_tls = open(Config { token: token(), ..config(listen) }).unwrap_err();
        assert!(matches!(no_tls, StartError::NoTls(_)), "{no_tls}");
    }
    open(Config { token: token(), plain_http: true, ..config("0.0.0.0:0") }).unwrap();
    let nobody = open(Config { token: token(), plain_http: true, ..config("192.0.2.1:0") });
    assert!(matches!(nobody.unwrap_err(), StartError::Listen { .. }));
}

#[test]
fn certificates_are_read_or_said_to_be_none() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let other = other.signing_key.serialize_pem();
    for (cert, key) in [("", &*key), (&*cert, ""), ("nonsense", &*key), (&*cert, &*other)] {
        let error = Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("TLS cannot be spoken") && !error.contains("PRIVATE"), "{error}");
    }
}
