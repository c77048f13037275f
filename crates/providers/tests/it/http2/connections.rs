//! Which connections requests take.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bench_core::{Clock, Outcome, Prompt, Provider, testing::conformance};
use bench_providers::{Config, ConfigError, HttpProvider, Reuse, Transport};

use super::{
    ask, ask_at_once, ask_for, ask_once, http2, provider,
    wire::{
        MAX_CONCURRENT_STREAMS, RST_STREAM, Server, Stream, Wire, answer, data, done, head, last,
        ping, stream_head, token,
    },
};
use crate::server::config;

/// Answers every request as it comes.
fn answer_all(wire: &mut Wire) -> io::Result<()> {
    wire.begin(&[])?;
    loop {
        let stream = wire.request()?;
        wire.send(&answer(stream))?;
    }
}

#[tokio::test]
async fn connections_are_kept_as_asked() {
    for (reuse, sessions, connections) in [
        (Reuse::Pooled, [0, 0, 1, 2], 1),
        (Reuse::Session, [0, 0, 1, 0], 2),
        (Reuse::Never, [0, 0, 0, 0], 4),
    ] {
        let server = Server::start(|_, wire| answer_all(wire));
        let transport = Transport { reuse, ..http2() };
        let provider = HttpProvider::new(Config { transport, ..config(&server.url) }).unwrap();
        for session in sessions {
            let sample = ask_for(&provider, Clock::start(), &Prompt::user("hi"), session).await;
            assert_eq!(sample.outcome, Outcome::Ok, "{:?}", sample.error);
        }
        assert_eq!(server.connections(), connections, "{reuse}");
    }
}

/// A request that waits for its answer: the number of its connection, how to write to that, and its stream.
type Waiting = (usize, Box<dyn Stream>, u32);

/// Answers none of so many requests before the last has come: one that waited for a place would wait for ever.
/// Counts those of each connection.
fn answer_together(
    requests: usize,
    settings: &'static [(u16, u32)],
) -> (Server, Arc<Mutex<Vec<Waiting>>>) {
    let waiting: Arc<Mutex<Vec<Waiting>>> = Arc::default();
    let all = Arc::clone(&waiting);
    let server = Server::start(move |number, wire| {
        wire.begin(settings)?;
        loop {
            let stream = wire.request()?;
            let mut all = all.lock().unwrap();
            all.push((number, wire.stream.again()?, stream));
            if all.len() == requests {
                for (_, wire, stream) in all.iter_mut() {
                    wire.write_all(&answer(*stream))?;
                }
            }
        }
    });
    (server, waiting)
}

#[tokio::test]
async fn no_request_waits_for_a_place() {
    const FEW: &[(u16, u32)] = &[(MAX_CONCURRENT_STREAMS, 3)];
    const MANY: &[(u16, u32)] = &[(MAX_CONCURRENT_STREAMS, 1_000)];
    for (requests, each, settings) in [(7, 3, FEW), (101, 100, MANY), (101, 100, &[])] {
        let (server, seen) = answer_together(requests, settings);
        for sample in ask_at_once(&provider(&server.url), requests).await {
            assert_eq!(sample.outcome, Outcome::Ok, "{:?}", sample.error);
            assert!(sample.connect.is_some(), "it waited for a connection, and says so");
        }
        assert_eq!(server.connections(), requests.div_ceil(each));
        let mut counts = vec![0; server.connections()];
        seen.lock().unwrap().iter().for_each(|(number, ..)| counts[*number] += 1);
        assert_eq!(counts.iter().max(), Some(&each));
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_the_connection_as_it_is() {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let both_came = Arc::new(AtomicBool::new(false));
    let came = Arc::clone(&both_came);
    let server = Server::start(move |_, wire| {
        wire.begin(&[])?;
        let (given_up, other) = (wire.request()?, wire.request()?);
        came.store(true, Relaxed);
        wire.send(&[stream_head(given_up), stream_head(other), data(given_up, &token())].concat())?;
        let (_, stream, code) = wire.next(RST_STREAM)?;
        assert_eq!((stream, code), (given_up, CANCEL.to_vec()));
        // It may have been on its way.
        wire.send(&data(given_up, &token()))?;
        wire.send(&[data(other, &token()), last(other, &done())].concat())?;
        let next = wire.request()?;
        wire.send(&answer(next))?;
        wire.send(&ping())?;
        wire.pong()
    });
    let (provider, clock) = (provider(&server.url), Clock::start());
    let (given_up, other) = (ask(&provider, clock), ask(&provider, clock));
    while !both_came.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    given_up.abort();
    let other = other.await.unwrap();
    assert_eq!(other.outcome, Outcome::Ok, "{:?}", other.error);
    assert_eq!(ask_once(&provider).await.outcome, Outcome::Ok);
    assert_eq!(server.connections(), 1);
}

/// The server's windows are those of the RFC: 64 KiB at first.
#[tokio::test]
async fn a_body_larger_than_a_window_is_sent_whole() {
    let size = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&size);
    let server = Server::start(move |_, wire| {
        wire.begin(&[])?;
        let stream = wire.request()?;
        *seen.lock().unwrap() = wire.body_of(stream);
        wire.send(&answer(stream))?;
        wire.next(RST_STREAM).map(|_| ())
    });
    let prompt = Prompt::user("word ".repeat(60_000));
    let provider = provider(&server.url);
    let body = provider.encode(&prompt).unwrap().body.len();
    let sample = ask_for(&provider, Clock::start(), &prompt, 0).await;
    assert_eq!(sample.outcome, Outcome::Ok, "{:?}", sample.error);
    assert_eq!(*size.lock().unwrap(), body);
    assert!(body > 300_000);
}

/// Questions, which have no body, are asked over it as well.
#[tokio::test]
async fn a_provider_conforms_over_it() {
    let server = Server::start(|_, wire| {
        wire.begin(&[])?;
        loop {
            let stream = wire.request()?;
            let models = r#"{"object":"list","data":[{"id":"tiny","object":"model"}]}"#;
            let json = [("content-type", "application/json")];
            wire.send(&match wire.body_of(stream) {
                0 => [head(stream, 200, &json), last(stream, models)].concat(),
                _ => answer(stream),
            })?;
        }
    });
    conformance::unreachable(&*provider("http://127.0.0.1:1")).await;
    let provider: Arc<dyn Provider> = provider(&server.url);
    conformance::serving(&provider).await;
    assert_eq!(provider.describe().await.unwrap().models[0].id, "tiny");
}

#[test]
fn what_http2_has_no_place_for_is_said_before() {
    let headers = vec![("Connection".to_owned(), "close".to_owned())];
    let config = Config { headers, transport: http2(), ..config("http://localhost:1") };
    let error = HttpProvider::new(config).unwrap_err();
    assert!(matches!(&error, ConfigError::Http2(what) if what.contains("Connection")), "{error}");
}
