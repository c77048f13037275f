//! How many requests are served at once, and how fast.

use std::time::Duration;

use bench_sim::{Config, Fault, Truth};

use crate::client::{COMPLETIONS, Client, chat, fast, metric, metric_soon, ns, post, start};

const NEVER: Duration = Duration::from_secs(3_600);
const MS: u64 = 1_000_000;

/// From the first token to the last.
fn decode_ns(truth: &Truth) -> u64 {
    truth.sends.last().unwrap().at_ns - truth.sends[0].at_ns
}

/// From the request to the first token.
fn first_ns(truth: &Truth) -> u64 {
    truth.sends[0].at_ns - truth.received_ns
}

#[test]
fn the_line_is_served_in_order_and_as_fast_as_capacity_allows() {
    const REQUESTS: usize = 30;
    for threads in [1, 2] {
        let config = Config { max_running: Some(1), threads, ..fast() };
        let server = start(config.clone());
        let mut clients = [(); REQUESTS].map(|()| Client::connect(&server));
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(&chat(&n.to_string(), 3, ""));
            // The head does not wait: the request has come.
            assert_eq!(client.head().status, 200);
        }
        for client in &mut clients {
            let chunks = std::iter::from_fn(|| client.chunk()).count();
            assert_eq!(chunks, 5, "a role, tokens, [DONE]");
        }
        let truths: Vec<Truth> =
            (0..REQUESTS).map(|n| server.truth(&n.to_string()).unwrap()).collect();
        // Each holds the server from its admission to its last token.
        let service = ns(config.ttft) + 2 * ns(config.itl);
        let mut admitted = 0;
        for (n, truth) in truths.iter().enumerate() {
            admitted = truth.received_ns.max(admitted);
            let first = truth.sends[0].at_ns;
            assert!(first >= admitted + ns(config.ttft), "request {n} of {threads} threads");
            admitted += service;
        }
        let late = truths[REQUESTS - 1].sends[2].at_ns - admitted;
        assert!(late < 250 * MS, "{late} ns late after {REQUESTS} requests");
    }
}

#[test]
fn capacity_is_what_the_closed_form_says() {
    // R / (ttft + (m − 1)·itl(R)), the server kept full.
    const RUNNING: u32 = 4;
    const ROUNDS: u64 = 6;
    let config = Config { max_running: Some(RUNNING), slowdown: 0.5, ..fast() };
    let server = start(config.clone());
    let mut clients: Vec<Client> =
        (0..u64::from(RUNNING) * ROUNDS).map(|_| Client::connect(&server)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&chat(&n.to_string(), 11, ""));
    }
    for client in &mut clients {
        assert_eq!(client.response().words().len(), 11);
    }
    let truths = server.take_truth();
    let begin = truths.values().map(|truth| truth.received_ns).min().unwrap();
    let end = truths.values().map(|truth| truth.sends[10].at_ns).max().unwrap();
    let itl = ns(config.itl) * 5 / 2;
    let expected = ROUNDS * (ns(config.ttft) + 10 * itl);
    let took = end - begin;
    // The first round begins, and the last ends, with fewer than four.
    assert!(took > expected * 8 / 10, "{took} ns, expected {expected}");
    assert!(took < expected * 13 / 10 + 100 * MS, "{took} ns, expected {expected}");
}

#[test]
fn who_leaves_makes_room() {
    let server = start(Config { max_running: Some(1), ttft: NEVER, ..fast() });
    let mut clients = [(); 3].map(|()| Client::connect(&server));
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&chat(&n.to_string(), 1, ""));
        assert_eq!(client.head().status, 200);
    }
    let [mut served, mut waits, mut waits_longer] = clients;
    assert_eq!(metric(&server, "num_requests_running"), "1.0");
    assert_eq!(metric(&server, "num_requests_waiting"), "2.0");
    waits.hang_up();
    assert_eq!(waits.rest(), "");
    metric_soon(&server, "num_requests_waiting", "1.0");
    assert_eq!(server.truth("1").unwrap().sends, []);
    served.hang_up();
    assert_eq!(served.rest(), "");
    metric_soon(&server, "num_requests_waiting", "0.0");
    assert_eq!(metric(&server, "num_requests_running"), "1.0");
    waits_longer.hang_up();
    assert_eq!(waits_longer.rest(), "");
    metric_soon(&server, "num_requests_running", "0.0");
    assert_eq!(metric(&server, "kv_cache_usage_perc"), "0.0");
}

#[test]
fn an_answer_that_stalls_keeps_its_place() {
    let fault = Fault::StallAfter { tokens: 1 };
    let server = start(Config { max_running: Some(1), fault, ..fast() });
    let mut stalled = Client::connect(&server);
    stalled.send(&chat("stalled", 2, ""));
    assert_eq!(stalled.head().status, 200);
    let mut next = Client::connect(&server);
    next.send(&chat("next", 1, ""));
    assert_eq!(next.head().status, 200);
    assert!(next.is_silent_for(Duration::from_millis(50)));
    stalled.hang_up();
    assert!(next.chunk().is_some());
}

#[test]
fn a_server_that_is_dropped_lets_the_line_go() {
    let server = start(Config { max_running: Some(1), ttft: NEVER, threads: 2, ..fast() });
    let mut clients = [(); 5].map(|()| Client::connect(&server));
    for client in &mut clients {
        client.send(&chat("cut", 1, ""));
        assert_eq!(client.head().status, 200);
    }
    drop(server);
    for client in &mut clients {
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn tokens_come_slower_in_company() {
    const TOKENS: u32 = 40;
    let server = start(Config { slowdown: 1.0, ..fast() });
    let mut clients = [(); 4].map(|()| Client::connect(&server));
    assert_eq!(clients[0].ask(&chat("alone", TOKENS, "")).status, 200);
    // Four times as long with four, but at their beginnings and ends.
    let alone = u64::from(TOKENS - 1) * ns(fast().itl);
    let together = alone * 5 / 2..alone * 8;
    let took = decode_ns(&server.truth("alone").unwrap());
    assert!((alone / 2..together.start).contains(&took), "{took} ns alone");
    // The last in one piece, which takes as long.
    let whole = format!(r#"{{"prompt":"hi","max_tokens":{TOKENS}}}"#);
    clients[3].send(&post(COMPLETIONS, "3", &whole));
    for (n, client) in clients[..3].iter_mut().enumerate() {
        client.send(&chat(&n.to_string(), TOKENS, ""));
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    for n in 0..3 {
        let took = decode_ns(&server.truth(&n.to_string()).unwrap());
        assert!(together.contains(&took), "{took} ns, not {together:?}");
    }
    let took = first_ns(&server.truth("3").unwrap());
    assert!(together.contains(&took), "{took} ns in one piece, not {together:?}");
}

#[test]
fn a_faster_server_is_faster() {
    let config = Config { ttft: Duration::from_millis(400), speed: 4.0, ..fast() };
    let server = start(config);
    Client::connect(&server).ask(&chat("fast", 1, ""));
    let first = first_ns(&server.truth("fast").unwrap());
    assert!((100 * MS..350 * MS).contains(&first), "{first} ns");
}

#[test]
fn a_prompt_that_is_known_takes_no_time() {
    let prefill_per_token = Duration::from_millis(2);
    let server = start(Config { prefill_per_token, prefix_cache: true, ..fast() });
    let mut client = Client::connect(&server);
    let body = format!(r#"{{"prompt":"{}","max_tokens":2}}"#, "word ".repeat(160));
    let cached = |answer: serde_json::Value| {
        answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(cached(client.ask(&post(COMPLETIONS, "cold", &body)).json()), 0);
    let usage = r#""stream":true,"stream_options":{"include_usage":true},"prompt""#;
    let streamed = post(COMPLETIONS, "warm", &body.replacen(r#""prompt""#, usage, 1));
    assert_eq!(cached(client.ask(&streamed).events().pop().unwrap()), 144);
    let [cold, warm] = ["cold", "warm"].map(|id| first_ns(&server.truth(id).unwrap()));
    assert!(cold >= 325 * MS, "{cold} ns for 160 tokens");
    assert!((37 * MS..250 * MS).contains(&warm), "{warm} ns for 16 tokens");
    assert_eq!(metric(&server, "prefix_cache_queries_total"), "320.0");
    assert_eq!(metric(&server, "prefix_cache_hits_total"), "144.0");
}
