//! Servers that misbehave: each fault is its own outcome, and what came before it is kept.

use std::time::Duration;

use bench_core::{Limits, Outcome, Provider, Readiness};
use bench_providers::{Config, Endpoint, HttpProvider, Secret, Stamping, Transport};

use crate::server::{Play, Player, ask, config};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

fn token() -> String {
    chunk(r#"{"choices":[{"index":0,"delta":{"content":" word"}}]}"#)
}

fn good() -> Vec<u8> {
    let stop = chunk(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
    format!("{HEAD}{}{}{stop}{}0\r\n\r\n", token(), token(), chunk("[DONE]")).into_bytes()
}

fn begun(tokens: usize) -> Vec<u8> {
    format!("{HEAD}{}", token().repeat(tokens)).into_bytes()
}

pub(crate) fn quick() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        headers: Duration::from_millis(150),
        first_token: Duration::from_millis(250),
        idle: Duration::from_millis(100),
        total: None,
    }
}

#[tokio::test]
async fn each_fault_is_an_outcome_of_its_own() {
    let keep_alive = ": ping\n\n".repeat(3);
    let pings = format!("{HEAD}{:x}\r\n{keep_alive}\r\n", keep_alive.len()).into_bytes();
    let json = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        .to_vec();
    let gzip = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let limited = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\n\r\nslow down".to_vec();
    let redirect = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://example.com\r\ncontent-length: 0\r\n\r\n".to_vec();
    let short =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\ndata: x"
            .to_vec();
    let no_length = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n",
        r#"{"choices":[{"delta":{"content":"x"}}]}"#
    );
    let cases = [
        (Play::ThenClose(begun(3)), Outcome::Truncated, 3),
        (Play::ThenClose(short), Outcome::Truncated, 0),
        (Play::ThenClose(no_length.into_bytes()), Outcome::Truncated, 1),
        (Play::ThenClose(b"HTTP/1.1 200".to_vec()), Outcome::Truncated, 0),
        (Play::ThenClose(Vec::new()), Outcome::Reset, 0),
        (Play::ThenReset(begun(2)), Outcome::Reset, 2),
        (Play::ThenNothing(Vec::new()), Outcome::HeadersTimeout, 0),
        (Play::ThenNothing(begun(0)), Outcome::FirstTokenTimeout, 0),
        (Play::ThenNothing(pings), Outcome::FirstTokenTimeout, 0),
        (Play::ThenNothing(begun(4)), Outcome::IdleTimeout, 4),
        (Play::ThenClose(b"not HTTP at all\r\n\r\n".to_vec()), Outcome::Malformed, 0),
        (Play::ThenClose(format!("{HEAD}zz\r\n").into_bytes()), Outcome::Malformed, 0),
        (Play::ThenClose(json), Outcome::Malformed, 0),
        (Play::ThenClose(gzip), Outcome::Malformed, 0),
        (Play::ThenClose(limited), Outcome::RateLimited, 0),
        (Play::ThenClose(redirect), Outcome::Http(307), 0),
        (
            Play::ThenClose(format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70_000)).into_bytes()),
            Outcome::Oversize,
            0,
        ),
    ];
    for (play, outcome, tokens) in cases {
        let player = Player::start(vec![play.clone()]);
        let provider =
            HttpProvider::new(Config { limits: quick(), ..config(&player.url) }).unwrap();
        let sample = ask(&provider).await.sample;
        let what = format!("{play:?}: {:?}", sample.error);
        assert_eq!(sample.outcome, outcome, "{}", &what[..what.len().min(600)]);
        assert_eq!(sample.generated().count(), tokens, "what came before the fault is kept");
        assert!(sample.error.is_some() && sample.sent.is_some());
    }
}

/// The limit of each stage holds as soon as that stage is reached, also if the one before had more time left.
#[tokio::test]
async fn a_short_limit_holds_behind_a_long_one() {
    let patient = Limits { headers: Duration::from_secs(600), ..quick() };
    for (first_token, tokens, outcome) in [
        (Duration::from_millis(100), 0, Outcome::FirstTokenTimeout),
        (Duration::from_secs(600), 3, Outcome::IdleTimeout),
    ] {
        let player = Player::start(vec![Play::ThenNothing(begun(tokens))]);
        let limits = Limits { first_token, ..patient };
        let provider = HttpProvider::new(Config { limits, ..config(&player.url) }).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(60), ask(&provider)).await;
        assert_eq!(asked.expect("long before the others").sample.outcome, outcome);
    }
}

#[tokio::test]
async fn a_total_limit_ends_even_a_stream_that_flows() {
    let pieces = std::iter::once(HEAD.to_owned()).chain(std::iter::repeat_n(token(), 300));
    let player = Player::start(vec![Play::Pieces(pieces.map(String::into_bytes).collect())]);
    let limits = Limits { total: Some(Duration::from_millis(120)), ..quick() };
    let sample =
        ask(&HttpProvider::new(Config { limits, ..config(&player.url) }).unwrap()).await.sample;
    assert_eq!(sample.outcome, Outcome::TotalTimeout);
    assert!(sample.generated().count() > 3);
}

#[tokio::test]
async fn nobody_there_is_refused_and_a_name_without_address_is_dns() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = HttpProvider::new(config(&url)).unwrap();
    let sample = ask(&provider).await.sample;
    assert_eq!((sample.outcome, sample.sent), (Outcome::Refused, None));
    assert!(matches!(provider.ready().await, Readiness::Down(_)));

    let sample =
        ask(&HttpProvider::new(config("http://no-such-host.invalid:8000")).unwrap()).await.sample;
    assert_eq!(sample.outcome, Outcome::Dns, "{:?}", sample.error);
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_a_tls_failure() {
    let player = Player::start(vec![Play::ThenClose(good())]);
    let url = player.url.replace("http://", "https://");
    let limits = Limits { connect: Duration::from_millis(300), ..quick() };
    let sample = ask(&HttpProvider::new(Config { limits, ..config(&url) }).unwrap()).await.sample;
    assert!(matches!(sample.outcome, Outcome::Tls | Outcome::ConnectTimeout), "{:?}", sample.error);
    assert_eq!(sample.sent, None);
}

#[tokio::test]
async fn connections_are_kept_and_the_id_and_key_are_sent() {
    let player = Player::start(vec![Play::Pieces(vec![good()])]);
    let config = Config {
        api_key: Some(Secret::new("sk-secret")),
        headers: vec![("X-Team".into(), "blue".into())],
        ..config(&player.url)
    };
    let provider = HttpProvider::new(config).unwrap();
    assert!(
        !format!("{provider:?}").contains("blue-never")
            && !format!("{:?}", Secret::new("sk-secret")).contains("sk")
    );
    let first = ask(&provider).await.sample;
    let second = ask(&provider).await.sample;
    assert_eq!((first.outcome, second.outcome), (Outcome::Ok, Outcome::Ok));
    assert!(
        first.connect.is_some() && second.connect.is_none(),
        "the second finds the connection open"
    );
    assert_eq!(*player.connections.lock().unwrap(), 1);
    let requests = player.requests.lock().unwrap();
    for line in [
        "POST /v1/chat/completions HTTP/1.1\r\n",
        "x-request-id: TEST-0m-7.0\r\n",
        "authorization: Bearer sk-secret\r\n",
        "X-Team: blue\r\n",
    ] {
        assert!(requests[0].contains(line), "{line:?} in {:?}", requests[0]);
    }
}

#[tokio::test]
async fn a_server_that_quotes_the_key_does_not_make_it_seen() {
    let said =
        r#"{"error":{"message":"no such key: Bearer sk-0123456789, team blue-team-secret"}}"#;
    let length = said.len();
    let refusal = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {length}\r\n\r\n{said}");
    let player = Player::start(vec![Play::ThenClose(refusal.into_bytes())]);
    let config = Config {
        api_key: Some(Secret::new("sk-0123456789")),
        headers: vec![("X-Team".into(), "blue-team-secret".into())],
        ..config(&player.url)
    };
    let provider = HttpProvider::new(config).unwrap();
    let sample = ask(&provider).await.sample;
    let asked = provider.describe().await.unwrap_err().to_string();
    for said in [sample.error.unwrap(), asked] {
        assert!(said.contains("no such key: Bearer ***, team ***"), "{said}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    // The first connection answers once and is closed right after: the second request finds it dead.
    let player = Player::start(vec![Play::ThenClose(good()), Play::Pieces(vec![good()])]);
    let provider = HttpProvider::new(config(&player.url)).unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&provider).await.sample.outcome, Outcome::Ok);
    }
    assert_eq!(*player.connections.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_server_that_dies_over_a_request_is_not_asked_again() {
    let player = Player::start(vec![Play::ThenDie(good())]);
    let provider = HttpProvider::new(config(&player.url)).unwrap();
    assert_eq!(ask(&provider).await.sample.outcome, Outcome::Ok);
    assert_eq!(ask(&provider).await.sample.outcome, Outcome::Reset);
    assert_eq!(*player.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_always_closes_is_asked_once_and_not_for_ever() {
    let player = Player::start(vec![Play::CloseAtOnce]);
    let sample = ask(&HttpProvider::new(config(&player.url)).unwrap()).await.sample;
    assert_eq!(sample.outcome, Outcome::Reset, "{:?}", sample.error);
    assert_eq!(*player.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn moments_are_in_order_and_stamped_as_asked() {
    let pieces: Vec<Vec<u8>> =
        [HEAD.to_owned(), token(), token(), token(), chunk("[DONE]"), "0\r\n\r\n".to_owned()]
            .map(String::into_bytes)
            .to_vec();
    for (stamping, kernel) in
        [(Stamping::Kernel, cfg!(target_os = "linux")), (Stamping::Read, false)]
    {
        let player = Player::start(vec![Play::Pieces(pieces.clone())]);
        let provider = HttpProvider::new(Config {
            transport: Transport { stamping, ..Transport::default() },
            ..config(&player.url)
        })
        .unwrap();
        // The first answer lets the kernel begin to stamp.
        ask(&provider).await;
        let sample = ask(&provider).await.sample;
        assert_eq!(sample.outcome, Outcome::Ok);
        assert!(
            sample.arrivals.iter().all(|a| a.kernel == kernel),
            "{stamping:?}: {:?}",
            sample.arrivals
        );
        let mut moments = vec![sample.sent.unwrap(), sample.headers.unwrap()];
        moments.extend(sample.arrivals.iter().map(|a| a.at));
        moments.push(sample.done.unwrap());
        assert!(moments.is_sorted(), "{moments:?}");
    }
}

#[tokio::test]
async fn a_scan_finds_servers_and_nothing_else() {
    let models = "HTTP/1.1 200 OK\r\ncontent-length: 43\r\n\r\n{\"data\":[{\"id\":\"tiny\",\"owned_by\":\"vllm\"}]}\n\n";
    let server = Player::start(vec![Play::ThenClose(models.into())]);
    let other = Player::start(vec![Play::ThenClose(b"SSH-2.0-nothing\r\n".to_vec())]);
    let ports = [&other, &server].map(|p| Endpoint::parse(&p.url).unwrap().port());
    let found = bench_providers::scan(&ports).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].endpoint.port(), found[0].info.engine.as_deref()),
        (ports[1], Some("vllm"))
    );
}
