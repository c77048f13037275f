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
    let mut before = Client::connect(&server);
    let mut others = [(); 40].map(|()| Client::connect(&server));
    before.send(&chat("before", 300, ""));
    assert_eq!(before.head().status, 200);
    let mut asked = 0;
    loop {
        if before.is_silent_for(Duration::from_millis(20)) && asked < others.len() {
            others[asked].send(&chat(&format!("other{asked}"), 1, ""));
            asked += 1;
        } else if before.chunk().is_none() {
            break;
        }
    }

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

    for client in &mut others[..asked] {
        assert_eq!(client.response().words(), [1]);
    }
    let others = (0..asked).map(|n| server.truth(&format!("other{n}")).unwrap());
    let meanwhile: Vec<Truth> =
        others.filter(|truth| (start..end).contains(&truth.received_ns)).collect();
    assert!(!meanwhile.is_empty(), "the machine is too slow to see a freeze of 400 ms");
    for truth in meanwhile {
        assert!(truth.sends[0].at_ns >= end + ns(config.ttft), "{truth:?}, end {end}");
    }
}

#[test]
fn a_server_slows_down_as_it_grows_hot() {
    // By ten times with each second.
    let config = Config { drift: 600.0, ..fast() };
    let truth = truth(&start(config.clone()), "hot", 100);
    let itl = config.itl.as_secs_f64();
    let mut due = config.ttft.as_secs_f64();
    let mut lateness = Vec::new();
    for sent in &truth.sends {
        let at = Duration::from_nanos(sent.at_ns - truth.received_ns).as_secs_f64();
        lateness.push(at - due);
        due += itl * (1.0 + 10.0 * due);
    }
    let least_late = |lateness: &[f64]| lateness.iter().copied().fold(f64::MAX, f64::min);
    // Each delay is rounded to a nanosecond.
    assert!(least_late(&lateness) > -1e-6, "early: {lateness:?}");
    // The last would be due after 0.2 s on a server that stays cool, and is after 0.7 s.
    assert!(due > 0.65 && least_late(&lateness[90..]) < 0.1, "{due} s, {lateness:?}");
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
