//! Servers that misbehave: the same outcomes as over HTTP/1.1, and the connection's own.

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bench_core::{Clock, Limits, Outcome, Sample};
use bench_providers::{Config, HttpProvider};

use super::{
    ask, ask_at_once, ask_once, http2, provider,
    wire::{
        RST_STREAM, Server, Wire, answer, data, goaway, head, last, ping, reset, stream_head, token,
    },
};
use crate::{
    faults::quick,
    server::{Play, Player, config},
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Quick, but not so that the request after a fault fails as well.
fn quick_provider(url: &str) -> Arc<HttpProvider> {
    let Limits { headers, first_token, idle, .. } = quick();
    let (headers, first_token, idle) = (headers * 3, first_token * 3, idle * 3);
    let limits = Limits { headers, first_token, idle, ..quick() };
    let config = Config { limits, transport: http2(), ..config(url) };
    Arc::new(HttpProvider::new(config).unwrap())
}

fn said(sample: &Sample) -> &str {
    sample.error.as_deref().unwrap_or_default()
}

/// What a server does to a request, the outcome, what is said of it, and the tokens that came before.
type Case = (fn(u32) -> Vec<u8>, Outcome, &'static str, usize);

#[tokio::test]
async fn each_fault_of_a_stream_is_an_outcome_and_leaves_the_connection() {
    let cases: [Case; 13] = [
        (
            |id| [begun(id, 2), reset(id, INTERNAL_ERROR)].concat(),
            Outcome::Reset,
            "the server reset the stream: INTERNAL_ERROR",
            2,
        ),
        (|id| reset(id, REFUSED_STREAM), Outcome::Reset, "REFUSED_STREAM", 0),
        (
            |id| [begun(id, 2), last(id, "")].concat(),
            Outcome::Truncated,
            "without its last event",
            2,
        ),
        (|_| Vec::new(), Outcome::HeadersTimeout, "too long", 0),
        (|id| begun(id, 0), Outcome::FirstTokenTimeout, "too long", 0),
        (
            |id| [begun(id, 0), data(id, ": ping\n\n")].concat(),
            Outcome::FirstTokenTimeout,
            "too long",
            0,
        ),
        (|id| begun(id, 4), Outcome::IdleTimeout, "too long", 4),
        (
            |id| [head(id, 429, &[("retry-after", "7")]), last(id, "slow down")].concat(),
            Outcome::RateLimited,
            "slow down (retry-after: 7 s)",
            0,
        ),
        (|id| [head(id, 503, &[]), last(id, "")].concat(), Outcome::Http(503), "", 0),
        (
            |id| [head(id, 200, &[("content-type", "application/json")]), last(id, "{}")].concat(),
            Outcome::Malformed,
            "the server did not stream",
            0,
        ),
        (
            |id| [head(id, 200, &[("content-encoding", "gzip")]), last(id, "x")].concat(),
            Outcome::Malformed,
            "compressed (gzip)",
            0,
        ),
        (
            |id| [head(id, 200, &[("content-length", "900")]), last(id, "short")].concat(),
            Outcome::Malformed,
            "",
            0,
        ),
        (
            |id| [head(id, 200, &[("x", &"y".repeat(70_000))]), last(id, "")].concat(),
            Outcome::Malformed,
            "more than 64 KiB",
            0,
        ),
    ];
    for (n, (fault, outcome, words, tokens)) in cases.into_iter().enumerate() {
        let server = Server::start(move |_, wire| {
            wire.begin(&[])?;
            let stream = wire.request()?;
            wire.send(&fault(stream))?;
            let next = wire.request()?;
            wire.send(&answer(next))?;
            wire.next(RST_STREAM).map(|_| ())
        });
        let provider = quick_provider(&server.url);
        let sample = ask_once(&provider).await;
        assert_eq!(sample.outcome, outcome, "case {n}: {}", said(&sample));
        assert!(said(&sample).contains(words), "case {n}: {}", said(&sample));
        assert_eq!(sample.generated().count(), tokens, "what came before the fault is kept");
        assert!(sample.sent.is_some());
        let next = ask_once(&provider).await;
        assert_eq!(next.outcome, Outcome::Ok, "case {n}: {}", said(&next));
        assert_eq!(server.connections(), 1, "case {n}");
    }
}

fn begun(stream: u32, tokens: usize) -> Vec<u8> {
    let mut frames = stream_head(stream);
    (0..tokens).for_each(|_| frames.extend(data(stream, &token())));
    frames
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_one_cause_for_all_its_streams() {
    // Of four streams the server has taken up two, and says why it takes none on.
    let server = Server::start(|number, wire| {
        wire.begin(&[])?;
        if number > 0 {
            return answer_all(wire);
        }
        let streams = [wire.request()?, wire.request()?, wire.request()?, wire.request()?];
        wire.send(&begun(streams[0], 1))?;
        wire.send(&goaway(streams[1], ENHANCE_YOUR_CALM, "too much\x1b"))?;
        wire.send(&begun(streams[1], 1))
    });
    let provider = provider(&server.url);
    let samples = ask_at_once(&provider, 4).await;
    let why = said(&samples[0]).to_owned();
    assert!(why.contains("GOAWAY, ENHANCE_YOUR_CALM") && why.contains("too much"), "{why}");
    for sample in &samples {
        assert_eq!((sample.outcome, said(sample)), (Outcome::Reset, why.as_str()));
    }
    let tokens: Vec<usize> = samples.iter().map(|s| s.generated().count()).collect();
    assert_eq!(tokens, [1, 1, 0, 0]);
    assert_eq!(ask_once(&provider).await.outcome, Outcome::Ok);
    assert_eq!(server.connections(), 2);
}

fn answer_all(wire: &mut Wire) -> io::Result<()> {
    loop {
        let stream = wire.request()?;
        wire.send(&answer(stream))?;
    }
}

/// A server that ends its connections in order lets what it has begun come to its end.
#[tokio::test]
async fn what_a_leaving_server_has_begun_is_read_to_its_end() {
    let server = Server::start(|number, wire| {
        wire.begin(&[])?;
        if number > 0 {
            return answer_all(wire);
        }
        let stream = wire.request()?;
        wire.send(&[stream_head(stream), goaway(stream, NO_ERROR, ""), ping()].concat())?;
        wire.pong()?;
        let rest = answer(stream).split_off(stream_head(stream).len());
        wire.send(&rest)
    });
    let provider = provider(&server.url);
    for _ in 0..2 {
        let sample = ask_once(&provider).await;
        assert_eq!(sample.outcome, Outcome::Ok, "{}", said(&sample));
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_ends_before_an_answer_is_replaced() {
    for says_so in [true, false] {
        let server = Server::start(move |number, wire| {
            wire.begin(&[])?;
            let stream = wire.request()?;
            wire.send(&[answer(stream), ping()].concat())?;
            wire.pong()?;
            match number {
                0 if says_so => {
                    wire.request()?;
                    wire.send(&goaway(stream, NO_ERROR, ""))
                }
                // Unread, so that it is cut off.
                0 => wire.byte(),
                _ => answer_all(wire),
            }
        });
        let provider = provider(&server.url);
        for _ in 0..3 {
            let sample = ask_once(&provider).await;
            assert_eq!(sample.outcome, Outcome::Ok, "{says_so}: {}", said(&sample));
        }
        assert_eq!(server.connections(), 2);
    }
}

/// It had not seen any of them, and they need no connection each.
#[tokio::test]
async fn requests_that_found_it_ending_share_the_next() {
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let requests = Arc::clone(&seen);
    let server = Server::start(move |number, wire| {
        wire.begin(&[])?;
        let first = wire.request()?;
        wire.send(&answer(first))?;
        if number == 0 {
            for _ in 0..8 {
                wire.request()?;
            }
            return wire.send(&goaway(first, NO_ERROR, "max_age"));
        }
        requests.lock().unwrap().push(number);
        answer_all(wire)
    });
    let provider = provider(&server.url);
    assert_eq!(ask_once(&provider).await.outcome, Outcome::Ok);
    for sample in ask_at_once(&provider, 8).await {
        assert_eq!(sample.outcome, Outcome::Ok, "{}", said(&sample));
    }
    assert_eq!(server.connections(), 2);
}

/// A server that dies over a request has worked on it: that is not sent again.
#[tokio::test]
async fn a_server_that_dies_over_a_request_is_not_asked_again() {
    let server = Server::start(|_, wire| {
        wire.begin(&[])?;
        let stream = wire.request()?;
        wire.send(&answer(stream))?;
        wire.request()?;
        pause(Duration::from_millis(400));
        Ok(())
    });
    let provider = provider(&server.url);
    assert_eq!(ask_once(&provider).await.outcome, Outcome::Ok);
    let sample = ask_once(&provider).await;
    assert_eq!(sample.outcome, Outcome::Reset);
    assert_eq!(said(&sample), "the server closed the connection without an answer");
    assert_eq!(server.connections(), 1);
}

#[expect(clippy::disallowed_methods, reason = "a plain thread, no load thread")]
fn pause(time: Duration) {
    thread::sleep(time);
}

#[tokio::test]
async fn a_connection_cut_off_keeps_what_came() {
    let server = Server::start(|_, wire| {
        wire.begin(&[])?;
        let stream = wire.request()?;
        wire.send(&begun(stream, 3))
    });
    let sample = ask_once(&provider(&server.url)).await;
    assert_eq!((sample.outcome, sample.generated().count()), (Outcome::Truncated, 3));
}

#[tokio::test]
async fn frames_that_are_none_are_a_failure_of_the_server() {
    let server = Server::start(|_, wire| {
        wire.begin(&[])?;
        let stream = wire.request()?;
        // Content before a head.
        wire.send(&data(stream, &token()))?;
        wire.pong()
    });
    let sample = ask_once(&provider(&server.url)).await;
    assert_eq!(sample.outcome, Outcome::Malformed, "{}", said(&sample));
}

#[tokio::test]
async fn a_server_of_another_version_is_said_to_be_one() {
    let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    for (play, outcome, words) in [
        (
            Play::ThenNothing(refusal),
            Outcome::Malformed,
            "does not speak HTTP/2: leave --http2 out",
        ),
        (
            Play::ThenClose(Vec::new()),
            Outcome::Reset,
            "before it spoke HTTP/2: perhaps it does not",
        ),
    ] {
        let player = Player::start(vec![play]);
        let sample = ask_once(&provider(&player.url)).await;
        assert_eq!(sample.outcome, outcome, "{}", said(&sample));
        assert!(said(&sample).contains(words), "{}", said(&sample));
        assert_eq!(sample.sent, None);
    }
}

/// The limit of connecting holds until the server has said how it speaks HTTP/2: for all that wait for it.
#[tokio::test]
async fn a_server_that_says_nothing_takes_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits { connect: Duration::from_millis(200), ..quick() };
    let config = Config { limits, transport: http2(), ..config(&url) };
    let provider = Arc::new(HttpProvider::new(config).unwrap());
    let clock = Clock::start();
    let asked: Vec<_> = (0..3).map(|_| ask(&provider, clock)).collect();
    for task in asked {
        let sample = tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
        assert_eq!((sample.outcome, sample.sent), (Outcome::ConnectTimeout, None));
    }
}

#[tokio::test]
async fn nobody_there_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for sample in ask_at_once(&provider(&url), 3).await {
        assert_eq!((sample.outcome, sample.sent), (Outcome::Refused, None));
    }
}
