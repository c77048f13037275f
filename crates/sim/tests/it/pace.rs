//! When tokens are sent, as the truth has it.

use std::time::Duration;

use bench_sim::{Config, Role, Server, Truth};

use crate::client::{Client, chat, fast, ns, start};

/// The truth of one streamed chat.
fn truth(server: &Server, max_tokens: u32) -> Truth {
    let mut client = Client::connect(server);
    assert_eq!(client.ask(&chat("paced", max_tokens, "")).status, 200);
    server.truth("paced").unwrap()
}

#[test]
fn no_token_is_early() {
    let config = fast();
    let truth = truth(&start(config.clone()), 50);
    assert_eq!(truth.sends.len(), 50);
    for (k, sent) in truth.sends.iter().enumerate() {
        let due = truth.received_ns + ns(config.ttft) + k as u64 * ns(config.itl);
        assert!(sent.at_ns >= due, "token {k} by {} ns", due - sent.at_ns);
    }
    assert!(truth.sends.is_sorted_by_key(|sent| sent.at_ns));
}

#[test]
fn lateness_does_not_add_up() {
    let config = Config { itl: Duration::from_micros(100), ..fast() };
    let truth = truth(&start(config.clone()), 1_000);
    // The least late of the last tokens: the mean gap is the ITL, however late each token was.
    let lateness = |k: usize| {
        let due = truth.received_ns + ns(config.ttft) + k as u64 * ns(config.itl);
        truth.sends[k].at_ns - due
    };
    let least = (900..1_000).map(lateness).min().unwrap();
    assert!(least < ns(Duration::from_millis(20)), "{least} ns late after 100 ms");
}

#[cfg(unix)]
#[test]
fn truth_is_told_on_the_clock_of_the_machine() {
    use nix::time::{ClockId, clock_gettime};
    let now = || ns(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().into());
    let server = start(fast());
    let before = now();
    let truth = truth(&server, 2);
    let after = now();
    let last = truth.sends.last().unwrap().at_ns;
    assert!(before <= truth.received_ns && truth.received_ns < last && last <= after);
}

#[test]
fn tokens_share_events_and_events_share_writes() {
    let server = start(Config { tokens_per_chunk: 3, events_per_write: 2, ..fast() });
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(&chat("grouped", 14, "")).words(), [3, 3, 3, 3, 2]);
    let truth = server.truth("grouped").unwrap();
    let tokens: Vec<_> = truth.sends.iter().map(|sent| sent.tokens).collect();
    assert_eq!(tokens, [3, 3, 3, 3, 2]);
    let at: Vec<_> = truth.sends.iter().map(|sent| sent.at_ns).collect();
    assert!(at[0] == at[1] && at[1] < at[2] && at[2] == at[3] && at[3] < at[4], "{at:?}");
}

#[test]
fn the_role_comes_early_or_with_the_first_token() {
    const ROLE: &str = r#""delta":{"role":"assistant","content":""}"#;
    let never = Duration::from_secs(3_600);
    let server = start(Config { role: Role::Early, ttft: never, ..fast() });
    let mut client = Client::connect(&server);
    client.send(&chat("early", 1, ""));
    assert_eq!(client.head().status, 200);
    assert!(client.chunk().unwrap().contains(ROLE));

    let server = start(Config { role: Role::WithFirstToken, ttft: never, ..fast() });
    let mut client = Client::connect(&server);
    client.send(&chat("late", 1, ""));
    assert_eq!(client.head().status, 200);
    assert!(client.is_silent_for(Duration::from_millis(30)));

    let server = start(Config { role: Role::WithFirstToken, ..fast() });
    let mut client = Client::connect(&server);
    client.send(&chat("with", 1, ""));
    assert_eq!(client.head().status, 200);
    assert!(client.chunk().unwrap().contains(ROLE));
    assert!(client.chunk().unwrap().contains(r#""delta":{"content":" the"}"#));
}

#[test]
fn records_can_be_bounded_and_switched_off() {
    let server = start(Config { record_limit: 6, ..fast() });
    let mut client = Client::connect(&server);
    for id in ["first", "second", "third"] {
        client.ask(&chat(id, 2, ""));
    }
    assert_eq!((server.truth("first"), server.truths_forgotten()), (None, 1));
    assert_eq!(server.take_truth().len(), 2);

    let server = start(Config { record: false, ..fast() });
    Client::connect(&server).ask(&chat("unseen", 2, ""));
    assert!(server.take_truth().is_empty());
}
