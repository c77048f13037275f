//! What goes wrong on purpose, and clients that leave.

use std::time::Duration;

use bench_sim::{Config, Fault, Server, Truth};
use tokio::time::Instant;

use crate::client::{CHAT, Client, chat, fast, post, start};

const SILENCE: Duration = Duration::from_millis(30);

fn start_with(fault: Fault) -> Server {
    start(Config { fault, ..fast() })
}

fn whole(id: &str, max_tokens: u32) -> String {
    post(CHAT, id, &format!(r#"{{"messages":[{{"content":"hi"}}],"max_tokens":{max_tokens}}}"#))
}

/// The truth of an answer that the client has not seen the end of.
fn truth_soon(server: &Server, request_id: &str) -> Truth {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(truth) = server.truth(request_id) {
            return truth;
        }
        assert!(Instant::now() < deadline, "no truth of {request_id}");
        std::thread::yield_now();
    }
}

fn tokens(truth: &Truth) -> Vec<u32> {
    truth.sends.iter().map(|sent| sent.tokens).collect()
}

#[test]
fn close_after_some_tokens() {
    let server = start_with(Fault::CloseAfter { tokens: 2 });
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(&chat("spared", 2, "")).words(), [1, 1]);
    client.send(&chat("struck", 3, ""));
    assert_eq!(client.head().status, 200);
    let rest = client.rest();
    assert_eq!(rest.matches("data: ").count(), 3, "a role and two tokens in {rest}");
    assert!(!rest.contains("[DONE]") && !rest.ends_with("0\r\n\r\n"));
    assert_eq!(tokens(&server.truth("struck").unwrap()), [1, 1]);

    let mut client = Client::connect(&server);
    client.send(&whole("whole", 3));
    assert_eq!(client.rest(), "");
}

#[test]
fn error_after_some_tokens() {
    let server = start_with(Fault::ErrorAfter { tokens: 2 });
    let mut client = Client::connect(&server);
    let response = client.ask(&chat("streamed", 3, ""));
    assert_eq!((response.status, response.words()), (200, vec![1, 1]));
    assert_eq!(response.events()[3]["error"]["code"], 500);
    // The connection is none the worse for it.
    assert_eq!(client.ask(&whole("whole", 3)).status, 500);
    assert_eq!(client.ask(&whole("spared", 2)).status, 200);
}

#[test]
fn stall_after_some_tokens() {
    let server = start_with(Fault::StallAfter { tokens: 1 });
    let mut client = Client::connect(&server);
    client.send(&chat("stalled", 3, ""));
    assert_eq!(client.head().status, 200);
    for _ in 0..2 {
        assert!(client.chunk().is_some(), "a role and a token");
    }
    assert_eq!(tokens(&truth_soon(&server, "stalled")), [1]);
    assert!(client.is_silent_for(SILENCE));
    client.hang_up();
    assert_eq!(client.rest(), "");
}

#[test]
fn never_answer() {
    let server = start_with(Fault::NeverAnswer);
    let mut client = Client::connect(&server);
    assert_eq!(client.ask("GET /health HTTP/1.1\r\n\r\n").status, 200);
    client.send(&chat("unanswered", 1, ""));
    assert!(client.is_silent_for(SILENCE));
    client.hang_up();
    assert_eq!(client.rest(), "");
    assert_eq!(server.requests_served(), 2);
}

#[test]
fn refuse_with_a_status() {
    let server = start_with(Fault::Status(429));
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        let response = client.ask(&chat("refused", 1, ""));
        assert_eq!(response.status, 429);
        assert_eq!(response.json()["error"]["type"], "RateLimitError");
    }
    assert_eq!(client.ask("GET /v1/models HTTP/1.1\r\n\r\n").status, 200);
}

#[test]
fn a_client_that_hangs_up_is_let_go_and_disturbs_nobody() {
    let server = start(fast());
    let mut stays = Client::connect(&server);
    let mut leaves = Client::connect(&server);
    stays.send(&chat("stays", 50, ""));
    leaves.send(&chat("leaves", 100_000, ""));
    assert_eq!(leaves.head().status, 200);
    for _ in 0..3 {
        leaves.chunk();
    }
    leaves.hang_up();
    assert!(!leaves.rest().contains("[DONE]"));
    let sent = truth_soon(&server, "leaves").sends.len();
    assert!((2..100_000).contains(&sent), "{sent} tokens");
    assert_eq!(stays.response().words().len(), 50);
    assert_eq!(server.truth("stays").unwrap().sends.len(), 50);
}

#[test]
fn a_client_that_hangs_up_need_not_wait_for_the_first_token() {
    let server = start(Config { ttft: Duration::from_secs(3_600), ..fast() });
    let mut client = Client::connect(&server);
    client.send(&chat("early", 1, ""));
    assert_eq!(client.head().status, 200);
    client.hang_up();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_loses_nothing() {
    let server = start(Config { itl: Duration::ZERO, ..fast() });
    let mut lazy = Client::connect(&server);
    lazy.shrink_receive_buffer();
    // Some 20 MB: more than the sockets between us hold.
    lazy.send(&chat("lazy", 100_000, ""));
    assert_eq!(lazy.head().status, 200);
    let mut eager = Client::connect(&server);
    assert_eq!(eager.ask(&chat("eager", 50, "")).words().len(), 50);
    assert_eq!(server.truth("lazy"), None, "still sending");
    let chunks = std::iter::from_fn(|| lazy.chunk()).count();
    assert_eq!(chunks, 100_002, "a role, tokens, [DONE]");
    assert_eq!(server.truth("lazy").unwrap().sends.len(), 100_000);
}

#[test]
fn a_server_that_is_dropped_closes_its_connections() {
    let server = start(Config { threads: 2, ..fast() });
    let mut clients = [(); 4].map(|()| Client::connect(&server));
    for client in &mut clients {
        client.send(&chat("cut", 100_000, ""));
        assert_eq!(client.head().status, 200);
    }
    drop(server);
    for client in &mut clients {
        assert!(!client.rest().contains("[DONE]"));
    }
}

#[test]
fn the_same_requests_fail_with_the_same_seed() {
    let statuses = |seed, polls| {
        let server = start(Config { fail_ratio: 0.3, seed, ..fast() });
        let mut client = Client::connect(&server);
        let mut ask = |n: u64| {
            for _ in 0..n % 3 * polls {
                assert_eq!(client.ask("GET /health HTTP/1.1\r\n\r\n").status, 200);
            }
            client.ask(&whole("", 1)).status
        };
        (0..60).map(&mut ask).collect::<Vec<u16>>()
    };
    let first = statuses(1, 0);
    let failed = first.iter().filter(|&&status| status == 500).count();
    assert!((6..36).contains(&failed), "{failed} of 60 fail, 18 are expected");
    assert_eq!(first.iter().filter(|&&status| status == 200).count(), 60 - failed);
    assert_eq!(statuses(1, 1), first, "whatever else is asked");
    assert_ne!(statuses(2, 0), first);
}

#[test]
fn a_share_of_requests_is_struck_by_the_chosen_fault() {
    let fault = Fault::ErrorAfter { tokens: 1 };
    let server = start(Config { fail_ratio: 0.5, fault, ..fast() });
    let mut client = Client::connect(&server);
    let mut tokens = [(); 40].map(|()| client.ask(&chat("", 3, "")).words().len());
    tokens.sort_unstable();
    assert_eq!((tokens[0], tokens[39]), (1, 3));
}

#[test]
fn a_server_stops_early_and_another_miscounts() {
    let usage = r#","stream_options":{"include_usage":true}"#;
    let server = start(Config { osl_ratio: 0.8, usage_ratio: 1.5, ..fast() });
    let mut client = Client::connect(&server);
    let response = client.ask(&chat("short", 10, usage));
    assert_eq!(response.words().len(), 8);
    let events = response.events();
    assert_eq!(events[events.len() - 2]["choices"][0]["finish_reason"], "stop");
    let stated = &events[events.len() - 1]["usage"];
    assert_eq!((&stated["completion_tokens"], &stated["total_tokens"]), (&12.into(), &14.into()));
    assert_eq!(tokens(&server.truth("short").unwrap()).len(), 8, "the truth is the truth");
    let whole = client.ask(&whole("whole", 10)).json();
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole["usage"]["completion_tokens"], 12);
}
