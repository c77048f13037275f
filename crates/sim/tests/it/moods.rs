//! What changes as the server runs.

use std::time::Duration;

use bench_sim::{Config, Freeze, Server, Truth};

use crate::client::{Client, chat, fast, ns, start};

const MS: u64 = 1_000_000;

fn truth(server: &Server, id: &str, max_tokens: u32) -> Truth {
    assert_eq!(Client::connect(server).ask(&chat(id, max_tokens, "")).status, 200);
    server.truth(id).unwrap()
}

#[test]
fn a_frozen_server_sends_and_takes_nothing() {
    let freeze = Freeze { at: Duration::from_millis(100), lasts: Duration::from_millis(400) };
    let config = Config { freeze: Some(freeze), ..fast() };
    let server = start(config.clone());
    let (mut before, mut meanwhile) = (Client::connect(&server), Client::connect(&server));
    before.send(&chat("before", 300, ""));
    assert_eq!(before.head().status, 200);
    while !before.is_silent_for(Duration::from_millis(100)) {
        before.chunk();
    }
    meanwhile.send(&chat("meanwhile", 1, ""));
    assert_eq!(meanwhile.response().words(), [1]);
    assert_eq!(std::iter::from_fn(|| before.chunk()).count().min(1), 1);

    let before = server.truth("before").unwrap();
    let start = before.received_ns + ns(freeze.at);
    let end = start + ns(freeze.lasts);
    let sent: Vec<u64> = before.sends.iter().map(|sent| sent.at_ns).collect();
    assert_eq!(sent.len(), 300);
    // One may have been on its way.
    assert!(!sent.iter().any(|at| (start + 20 * MS..end).contains(at)), "{start}..{end}: {sent:?}");
    let due = |k: u64| before.received_ns + ns(config.ttft) + k * ns(config.itl);
    let least_late = (250..300).zip(&sent[250..]).map(|(k, at)| at - due(k)).min().unwrap();
    assert!(least_late < 50 * MS, "the schedule is kept: {least_late} ns late");

    let meanwhile = server.truth("meanwhile").unwrap();
    assert!((start..end).contains(&meanwhile.received_ns), "the test is too slow to see a freeze");
    assert!(meanwhile.sends[0].at_ns >= end + ns(config.ttft));
}

#[test]
fn a_server_slows_down_as_it_grows_hot() {
    // By ten times with each second.
    let server = start(Config { drift: 600.0, ..fast() });
    let truth = truth(&server, "hot", 100);
    let gaps = |range: std::ops::Range<usize>| {
        truth.sends[range.end].at_ns - truth.sends[range.start].at_ns
    };
    let (cool, hot) = (gaps(0..10), gaps(89..99));
    assert!(hot > 3 * cool, "{cool} ns, then {hot} ns");
}

#[test]
fn a_cold_server_takes_longer_at_first() {
    let ttft = Duration::from_millis(30);
    let server = start(Config { ttft, cold_requests: 1, cold_factor: 10.0, ..fast() });
    // Questions about it do not warm it up.
    assert_eq!(Client::connect(&server).ask("GET /v1/models HTTP/1.1\r\n\r\n").status, 200);
    let first_ns = |id| {
        let truth = truth(&server, id, 1);
        truth.sends[0].at_ns - truth.received_ns
    };
    let (cold, warm) = (first_ns("cold"), first_ns("warm"));
    assert!(cold >= 300 * MS, "{cold} ns");
    assert!((30 * MS..200 * MS).contains(&warm), "{warm} ns");
}
