//! Servers that fail while they are measured: each failure is counted, kept and shown, and none of them
//! is taken for speed.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    time::Duration,
};

use bench_core::Outcome;
use bench_sim::Config;
use bench_store::State;

use crate::{
    program::{Place, statistic, until},
    server::{STREAM, Server, event, refusal, token, whole},
    simulator::Simulator,
};

/// Checks that all requests to a simulator with this fault end in `outcome`, after so many tokens.
#[track_caller]
fn check(fault: &str, words: &str, outcome: Outcome, tokens: usize) {
    let simulator = Simulator::start(&format!("--ttft-ms 1 --itl-ms 0 {fault}"));
    let place = Place::new();
    let run = format!("-u {} -n 10 --warmup-request-count 0 {words}", simulator.url);
    let ended = place.run(&run).exits(6);
    assert!(ended.stdout.contains("VOID  simulated: none of 10 requests succeeded."));
    assert!(ended.stdout.contains(&format!("10 x {outcome}")), "{}", ended.stdout);

    let point = place.point();
    assert_eq!(point.trust, "void");
    assert_eq!(point.outcomes, [(outcome.to_string(), 10)].into());
    assert!(!point.metrics.contains_key("ttft_ms"), "of failed requests: {:?}", point.metrics);
    let samples = place.measured();
    assert_eq!(samples.len(), 10);
    for sample in samples {
        assert_eq!((sample.outcome, sample.generated().count()), (outcome, tokens), "{sample:?}");
        assert!(sample.sent <= sample.done && sample.error.is_some(), "{sample:?}");
        let moments = sample.generated().map(|arrival| arrival.at);
        assert!(moments.is_sorted() && sample.generated().all(|a| Some(a.at) >= sample.sent));
    }
}

#[test]
fn a_connection_that_is_closed_in_the_middle() {
    check("--close-after 3", "", Outcome::Truncated, 3);
    check("--close-after 0", "", Outcome::Truncated, 0);
}

#[test]
fn an_error_in_the_stream() {
    check("--error-after 3", "", Outcome::InBandError, 3);
}

#[test]
fn a_status_that_is_none_of_success() {
    check("--status 500", "", Outcome::Http(500), 0);
    check("--status 429", "", Outcome::RateLimited, 0);
}

#[test]
fn a_stream_that_falls_silent() {
    let words = "-c 10 --request-timeout-seconds 1";
    check("--stall-after 2", words, Outcome::TotalTimeout, 2);
}

#[test]
fn a_run_in_which_nothing_works_ends_early() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0 --close-after 1");
    let place = Place::new();
    let ended = place.run(&format!("-u {} -n 100000", simulator.url)).exits(6);
    assert!(ended.stdout.contains("VOID"), "{}", ended.stdout);
    assert_eq!(place.summary().state, State::Finished, "nobody stopped it");
    let point = place.point();
    assert_eq!(point.facts.early_end.as_deref(), Some("nothing_works"));
    assert!(point.reasons.iter().any(|reason| reason.code == "ended_early"));
    assert!(place.measured().len() < 10_000);
}

#[test]
fn failures_among_successes_are_counted_and_left_out_of_the_times() {
    let server = Server::completing(|request, to| match request.number % 5 {
        3 => write!(to, "{}", refusal(503, "out of memory")),
        4 => {
            write!(to, "{STREAM}{}", token().repeat(2))?;
            Err(io::ErrorKind::Other.into())
        }
        _ => write!(to, "{}", whole(request)),
    });
    let place = Place::new();
    let run = format!("-u {} -n 50 --warmup-request-count 0", server.url);
    let ended = place.run(&run).exits(6);
    assert!(ended.stdout.contains("Requests     30 ok   20 failed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("10 x http_503: out of memory"), "{}", ended.stdout);
    assert!(ended.stdout.contains("40.0 % of requests failed (limit 1 %)"), "{}", ended.stdout);

    let point = place.point();
    let expected = [("http_503", 10), ("ok", 30), ("truncated", 10)];
    assert_eq!(point.outcomes, expected.map(|(name, count)| (name.to_owned(), count)).into());
    for metric in ["ttft_ms", "e2e_ms", "osl"] {
        assert_eq!(statistic(&point, metric, "count").to_string(), "30", "{metric}");
    }
    assert_eq!(statistic(&point, "error_ratio", "value").to_string(), "0.4");
    assert_eq!(place.measured().len(), 50);
}

#[test]
fn requests_are_tried_again_only_if_asked_for() {
    let serve = || {
        Server::completing(|request, to| match request.number {
            4 => write!(to, "{}", refusal(503, "restarting")),
            6 => {
                let refusal = refusal(429, "slow down");
                write!(to, "{}", refusal.replacen("\r\n", "\r\nretry-after: 1\r\n", 1))
            }
            _ => write!(to, "{}", whole(request)),
        })
    };
    let place = Place::new();
    let run = |url: &str| place.run(&format!("-u {url} -n 20 --osl 1 --warmup-request-count 0"));
    let server = serve();
    run(&server.url).exits(6);
    assert_eq!(server.completions().len(), 20);

    let place = Place::new();
    let server = serve();
    let call = format!("-u {} -n 20 --osl 1 --warmup-request-count 0 --retry 1", server.url);
    let ended = place.run(&call).exits(6);
    let told = "Requests     20 ok   2 failed   2 of them tried again";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    assert_eq!(server.completions().len(), 22);
    let samples = place.measured();
    let after = |number: u64| {
        let attempt = |n| samples.iter().find(|s| (s.number, s.attempt) == (number, n)).unwrap();
        attempt(1).sent.unwrap().since(attempt(0).done.unwrap())
    };
    assert!((100..1_000).contains(&after(4).as_millis()), "{:?}", after(4));
    assert!(after(5).as_millis() >= 1_000, "as the server says, not {:?}", after(5));

    // What it has begun to answer it has worked on.
    let server = Server::completing(|_, to| {
        write!(to, "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{{")?;
        Err(io::ErrorKind::Other.into())
    });
    let call = format!("-u {} -n 3 --no-streaming --warmup-request-count 0 --retry 2", server.url);
    Place::new().run(&call).exits(6);
    assert_eq!(server.completions().len(), 3);
}

#[test]
fn a_failure_in_two_hundred_requests_passes_and_is_shown() {
    let server = Server::completing(|request, to| match request.number {
        100 => write!(to, "{}", refusal(500, "once")),
        _ => write!(to, "{}", whole(request)),
    });
    let run = format!("-u {} -n 200 --osl 1 --warmup-request-count 0", server.url);
    let ended = Place::new().run(&run).exits(0);
    assert!(ended.stdout.contains("Requests     199 ok   1 failed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1 x http_500: once"), "{}", ended.stdout);
}

#[test]
fn what_servers_say_does_nothing_to_the_terminal() {
    let server = Server::completing(|_, to| {
        let error = event(r#"{"error": {"message": "\u001b[2J\u001b]0;title\u0007gone"}}"#);
        write!(to, "{STREAM}{error}0\r\n\r\n")
    });
    let ended = Place::new().run(&format!("-u {} -n 10", server.url)).exits(6);
    assert!(ended.stdout.contains("in_band_error: "), "{}", ended.stdout);

    let server = Server::answering(|_, to| write!(to, "{}", refusal(401, "\u{1b}[2Jgone")));
    let refused = Place::new().run(&format!("-u {}", server.url)).exits(5);
    let said = [ended.stdout, ended.stderr, refused.stderr].concat();
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said}");
}

#[test]
fn a_server_that_dies_leaves_what_was_measured() {
    let config =
        Config { ttft: Duration::from_millis(1), itl: Duration::ZERO, ..Config::default() };
    let server = bench_sim::Server::start(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let place = Place::new();
    let run = place.run(&format!("-u {} -n 1000000 -c 4 -d 10m", server.url())).start();
    until("a hundred requests have come", || server.requests_served() > 100);
    drop(server);
    let ended = run.exits(9);
    assert!(ended.stdout.contains("partial"), "{}", ended.stdout);
    assert!(ended.stdout.contains("the server was lost: nothing succeeded any more after"));
    let resume = format!("inferbench resume {}", place.summary().id);
    assert!(ended.stdout.contains(&resume), "{}", ended.stdout);

    let samples = place.measured();
    let with = |outcome| samples.iter().filter(|sample| sample.outcome == outcome).count();
    let (ok, refused) = (with(Outcome::Ok), with(Outcome::Refused));
    assert!(ok >= 50, "{ok}");
    // Ten seconds of it, and no storm.
    assert!((10..1_000).contains(&refused), "{refused}");
    let point = place.point();
    assert_eq!(point.facts.early_end.as_deref(), Some("target_lost"));
    assert_eq!((point.outcomes["ok"], point.outcomes["refused"]), (ok as u64, refused as u64));
    assert_eq!(statistic(&point, "ttft_ms", "count").to_string(), ok.to_string());
}

/// The time was over before the loss was sure.
#[test]
fn a_server_that_dies_near_the_end_is_lost_too() {
    let config =
        Config { ttft: Duration::from_millis(1), itl: Duration::ZERO, ..Config::default() };
    let server = bench_sim::Server::start(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let place = Place::new();
    let run = place.run(&format!("-u {} -n 1m -c 8 -d 4s", server.url())).start();
    until("a hundred requests have come", || server.requests_served() > 100);
    drop(server);
    let ended = run.exits(9);
    assert!(ended.stdout.contains("the server was lost: nothing succeeded"), "{}", ended.stdout);
    assert_eq!(place.point().facts.early_end.as_deref(), Some("target_lost"));
}

/// A key that is refused on the way ends the point before it is locked out.
#[test]
fn a_key_that_is_refused_on_the_way() {
    let server = Server::completing(|request, to| match request.number {
        0..40 => write!(to, "{}", whole(request)),
        _ => write!(to, "{}", refusal(401, "expired")),
    });
    let place = Place::new();
    let run = format!("-u {} -n 5000 -c 4 --warmup-request-count 0", server.url);
    let ended = place.run(&run).exits(9);
    assert!(ended.stdout.contains("x http_401: expired"), "{}", ended.stdout);
    assert!(ended.stdout.contains("the server refused the key: "), "{}", ended.stdout);
    assert!((60..1_000).contains(&server.completions().len()), "{}", server.completions().len());
}
