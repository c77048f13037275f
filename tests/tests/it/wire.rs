//! Every way in which an answer can go wrong, or look as if it did, on the wire: how each request ends, what is
//! said, what is kept, and the exit code.
//!
//! Servers that are not there are in `finding_the_server`, certificates in `tls`, deaths on the way in `faults`,
//! what this machine lacks in `capacity`, and what speaks against numbers in `verdicts`.

use std::{
    io::{self, Write},
    net::Shutdown,
    thread,
    time::Duration,
};

use bench_core::{ArrivalKind, Outcome, Sample};
use bench_store::PointSummary;
use nix::sys::socket::{setsockopt, sockopt::Linger};

use crate::{
    program::Place,
    server::{Answer, Request, STREAM, Server, document, end, event, refusal, token, whole},
};

const REQUESTS: usize = 3;
const TOKENS: u32 = 4;

/// What came of a run of [`REQUESTS`] requests for [`TOKENS`] tokens.
struct Run {
    stdout: String,
    samples: Vec<Sample>,
    point: PointSummary,
}

/// `code` is the exit code; without one, 0, or 3 where a busy machine makes the times void.
fn run(
    code: Option<i32>,
    words: &str,
    answer: impl Fn(&Request, Answer<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Run {
    let server = Server::completing(answer);
    let place = Place::new();
    let call = format!("-u {} -n {REQUESTS} --osl {TOKENS} --warmup-request-count 0", server.url);
    let call = place.run(&call).words(words);
    let ended = match code {
        Some(code) => call.exits(code),
        None => call.measures(),
    };
    let stdout = ended.stdout;
    let samples = place.measured();
    assert_eq!((server.completions().len(), samples.len()), (REQUESTS, REQUESTS), "{stdout}");
    assert!(samples.iter().all(|sample| sample.sent <= sample.done), "{samples:?}");
    Run { stdout, samples, point: place.point() }
}

/// Checks that each request fails so, says so, and keeps the tokens that came before.
#[track_caller]
fn fails(
    outcome: Outcome,
    said: &str,
    tokens: usize,
    words: &str,
    answer: impl Fn(&Request, Answer<'_>) -> io::Result<()> + Send + Sync + 'static,
) {
    let Run { stdout, samples, point } = run(Some(6), words, answer);
    assert!(stdout.contains(&format!("{REQUESTS} x {outcome}: ")), "{outcome}: {stdout}");
    assert!(stdout.contains(said), "{said:?} in {stdout}");
    assert_eq!(point.outcomes, [(outcome.to_string(), REQUESTS as u64)].into());
    assert!(!point.metrics.contains_key("ttft_ms") && !point.metrics.contains_key("e2e_ms"));
    for sample in samples {
        assert_eq!((sample.outcome, sample.generated().count()), (outcome, tokens), "{sample:?}");
        let error = sample.error.as_deref();
        assert!(error.is_some_and(|error| error.contains(said)), "{said:?} in {error:?}");
    }
}

/// Checks that each request succeeds with all its tokens.
#[track_caller]
fn succeeds(
    words: &str,
    answer: impl Fn(&Request, Answer<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Run {
    let run = run(None, words, answer);
    for sample in &run.samples {
        assert_eq!((sample.outcome, &sample.error), (Outcome::Ok, &None));
        assert_eq!(sample.output_tokens().map(|(tokens, _)| tokens), Some(TOKENS), "{sample:?}");
    }
    run
}

/// Ends the answer by closing the connection.
fn close<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Lets time pass for the server.
#[expect(clippy::disallowed_methods, reason = "no load thread runs here")]
fn wait(time: Duration) {
    thread::sleep(time);
}

/// Says no more, for longer than any limit here.
fn stall() -> io::Result<()> {
    wait(Duration::from_secs(5));
    close()
}

fn begun(tokens: usize) -> String {
    format!("{STREAM}{}", token().repeat(tokens))
}

fn closed_stream(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}")
}

/// The lines of a whole answer, as they stand in a body.
fn lines() -> String {
    let word = r#"data: {"choices":[{"index":0,"delta":{"content":" word"}}]}"#;
    let last = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
    let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4}}"#;
    [[word; TOKENS as usize].as_slice(), &[last, usage, "data: [DONE]", ""]].concat().join("\n\n")
}

#[test]
fn refusals_keep_their_words() {
    for (status, said) in [
        (400, "max_tokens is too large: 4"),
        (401, "no such key"),
        (404, "The model `m` does not exist"),
        (413, "the prompt is too long"),
        (422, "ignore_eos is unknown"),
        (500, "out of memory"),
        (503, "overloaded"),
    ] {
        fails(Outcome::Http(status), said, 0, "", move |_, to| {
            write!(to, "{}", refusal(status, said))
        });
    }
    fails(Outcome::RateLimited, "slow down (retry-after: 7 s)", 0, "", |_, to| {
        let refusal = refusal(429, "slow down").replace("\r\n\r\n", "\r\nretry-after: 7\r\n\r\n");
        write!(to, "{refusal}")
    });
}

#[test]
fn silence_has_a_limit_at_every_stage() {
    let words = "--headers-timeout 300ms";
    fails(Outcome::HeadersTimeout, "took too long", 0, words, |_, _| stall());
    let words = "--first-token-timeout 300ms";
    fails(Outcome::FirstTokenTimeout, "took too long", 0, words, |_, to| {
        write!(to, "{STREAM}")?;
        stall()
    });
    // Keeping the connection alive is no token.
    fails(Outcome::FirstTokenTimeout, "took too long", 0, words, |_, to| {
        write!(to, "{STREAM}")?;
        (0..100).try_for_each(|_| {
            wait(Duration::from_millis(20));
            write!(to, "8\r\n: ping\n\n\r\n")
        })
    });
    let words = "--idle-timeout 300ms";
    fails(Outcome::IdleTimeout, "took too long", 3, words, |_, to| {
        write!(to, "{}", begun(3))?;
        stall()
    });
    let words = "--request-timeout-seconds 0.5";
    fails(Outcome::TotalTimeout, "took too long", 2, words, |_, to| {
        write!(to, "{}", begun(2))?;
        stall()
    });
}

#[test]
fn answers_that_end_too_early_are_no_successes() {
    fails(Outcome::Truncated, "before the end", 3, "", |_, to| {
        write!(to, "{}", begun(3))?;
        close()
    });
    // A body that ends well, in an answer that does not.
    fails(Outcome::Truncated, "without its last event", 3, "", |_, to| {
        write!(to, "{}0\r\n\r\n", begun(3))
    });
    fails(Outcome::Truncated, "without its last event", 1, "", |_, to| {
        let first = lines().split_inclusive("\n\n").next().unwrap().to_owned();
        write!(to, "{}", closed_stream(&first))?;
        close()
    });
    fails(Outcome::Truncated, "before the end", 0, "", |_, to| {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\n";
        write!(to, "{head}data: {{")?;
        close()
    });
    fails(Outcome::Reset, "without an answer", 0, "", |_, _| close());
    fails(Outcome::Reset, "while receiving", 2, "", |_, to| {
        write!(to, "{}", begun(2))?;
        // What was sent is read first.
        wait(Duration::from_millis(100));
        setsockopt(to, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
        close()
    });
}

#[test]
fn errors_within_an_answer_are_no_successes() {
    let error = || event(r#"{"error":{"message":"engine died","code":500}}"#);
    for before in [0, 2, TOKENS as usize] {
        fails(Outcome::InBandError, "engine died", before, "", move |_, to| {
            write!(to, "{}{}{}", begun(before), error(), end(TOKENS))
        });
    }
    fails(Outcome::Malformed, r#"{"choices":[{"del"#, 1, "", |_, to| {
        write!(to, "{}{}{}", begun(1), event(r#"{"choices":[{"del"#), end(TOKENS))
    });
    fails(Outcome::Empty, "without a token", 0, "", |_, to| write!(to, "{STREAM}{}", end(0)));
}

#[test]
fn answers_of_another_kind_are_said_to_be() {
    fails(Outcome::Malformed, "did not stream", 0, "", |_, to| {
        let choice = r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
        write!(to, "{}", document(200, &serde_json::from_str(choice)?))
    });
    fails(Outcome::Malformed, "compressed (gzip)", 0, "", |request, to| {
        let head = "text/event-stream\r\ncontent-encoding: gzip";
        write!(to, "{}", whole(request).replace("text/event-stream", head))
    });
    fails(Outcome::Http(307), "http://127.0.0.1:9/elsewhere", 0, "", |_, to| {
        let head = "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:9/elsewhere";
        write!(to, "{head}\r\ncontent-length: 0\r\n\r\n")
    });
    fails(Outcome::Malformed, "not HTTP", 0, "", |_, to| {
        write!(to, "SSH-2.0-OpenSSH_9.9\r\n\r\n")?;
        close()
    });
}

#[test]
fn answers_without_end_are_ended() {
    fails(Outcome::Oversize, "no notice of the limit", 1_033, "", |_, to| {
        write!(to, "{STREAM}")?;
        // Until the client closes. Each in a read of its own, or nearly so.
        loop {
            write!(to, "{}", token())?;
            to.flush()?;
            wait(Duration::from_micros(100));
        }
    });
    fails(Outcome::Oversize, "16", 1, "", |_, to| {
        write!(to, "{}", begun(1))?;
        let flood = "x".repeat(64 << 10);
        loop {
            write!(to, "{:x}\r\n{flood}\r\n", flood.len())?;
        }
    });
}

/// What looks odd and is right: the same answer comes of it.
#[test]
fn answers_that_are_right_in_other_words() {
    succeeds("", |request, to| write!(to, "{}", whole(request)));
    let forms: [fn() -> String; 6] = [
        || lines().replace('\n', "\r\n"),
        || lines().replace('\n', "\r"),
        || format!("\u{feff}{}", lines()),
        || lines().replace("data: ", "data:"),
        || lines().replace("data: {", "id: 1\nretry: 5\n: comment\nevent: message\ndata: {"),
        || lines().replace(r#"{"choices":[{"#, "{\"choices\":\ndata:[{"),
    ];
    for form in forms {
        // The end of the body is told by its length, or by the end of the connection.
        succeeds("", move |_, to| {
            let length = format!("event-stream\r\ncontent-length: {}\r\n\r\n", form().len());
            write!(to, "{}", closed_stream(&form()).replacen("event-stream\r\n\r\n", &length, 1))
        });
        succeeds("", move |_, to| {
            write!(to, "{}", closed_stream(&form()))?;
            close()
        });
    }
    // A byte at a time, of which the kernel may join some.
    succeeds("", |request, to| {
        let answer = whole(request);
        answer.as_bytes().chunks(1).try_for_each(|byte| to.write_all(byte))
    });
    succeeds("", |request, to| {
        let more = [event("[DONE]"), token(), event("[DONE]")].concat();
        write!(to, "{}", whole(request).replace("0\r\n\r\n", &format!("{more}0\r\n\r\n")))
    });
}

/// A request that meets the end of its kept connection is the one that is sent twice, and is counted.
#[test]
fn a_request_that_is_sent_twice_is_counted() {
    let server = Server::completing(|request, to| match request.number {
        1 => close(),
        _ => write!(to, "{}", whole(request)),
    });
    let place = Place::new();
    let call = format!("-u {} -n 3 --osl {TOKENS} --warmup-request-count 0", server.url);
    let stdout = place.run(&call).measures().stdout;
    assert!(stdout.contains("1 sent twice: kept connections were closed"), "{stdout}");
    assert_eq!(server.completions().len(), 4);
    assert_eq!(place.measured().iter().map(|s| s.resent).collect::<Vec<_>>(), [false, true, false]);
}

/// A request may meet the end of its kept connection, and is then the one that is sent twice.
#[test]
fn kept_connections_that_servers_close_are_replaced() {
    let server = Server::completing(|request, to| {
        write!(to, "{}", whole(request))?;
        to.shutdown(Shutdown::Both)
    });
    let place = Place::new();
    place.run(&format!("-u {} -n 50 --osl {TOKENS}", server.url)).measures();
    let point = place.point();
    assert_eq!(point.outcomes, [("ok".to_owned(), 50)].into());
    let resent = place.measured().iter().filter(|sample| sample.resent).count();
    assert_eq!(point.facts.resent, resent as u64);
}

#[test]
fn tokens_of_every_channel_count() {
    for (delta, kind) in [
        (r#"{"reasoning_content":"hm"}"#, ArrivalKind::Reasoning),
        (r#"{"reasoning":"hm"}"#, ArrivalKind::Reasoning),
        (r#"{"refusal":"no"}"#, ArrivalKind::Content),
        (
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}"#,
            ArrivalKind::ToolCall,
        ),
    ] {
        let word = move || event(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#));
        let run = succeeds("", move |_, to| {
            write!(to, "{STREAM}{}{}", word().repeat(TOKENS as usize), end(TOKENS))
        });
        for sample in &run.samples {
            assert!(sample.generated().all(|arrival| arrival.kind == kind), "{sample:?}");
        }
        assert!(run.point.metrics.contains_key("ttft_ms"), "{delta}");
        let is_output = kind != ArrivalKind::Reasoning;
        assert_eq!(run.point.metrics.contains_key("ttfo_ms"), is_output, "{delta}");
    }
}

#[test]
fn what_comes_around_the_tokens_is_in_no_latency() {
    let late = Duration::from_millis(400);
    let run = succeeds("", move |_, to| {
        wait(late);
        write!(to, "{STREAM}{}", token().repeat(TOKENS as usize))?;
        wait(late);
        write!(to, "{}", end(TOKENS))
    });
    for sample in &run.samples {
        let (sent, headers) = (sample.sent.unwrap(), sample.headers.unwrap());
        assert!(headers.since(sent) >= late, "slow heads are waited for");
        let last = sample.last_generated().unwrap().at;
        assert!(
            sample.done.unwrap().since(last) >= late,
            "the end comes later than the last token"
        );
        let slowest = run.point.number_of("e2e_ms", Some("max")).unwrap();
        let longest =
            run.samples.iter().map(|s| s.last_generated().unwrap().at.since(s.sent.unwrap()));
        let longest = longest.max().unwrap().as_secs_f64() * 1e3;
        assert!((slowest - longest).abs() < 1e-6, "{slowest}, not {longest}");
    }
}

/// A proxy would be in every number.
#[test]
fn proxies_of_the_environment_are_left_alone() {
    let server = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let run = format!("-u {} -n {REQUESTS} --osl {TOKENS}", server.url);
    let nowhere = "http://127.0.0.1:9";
    Place::new().run(&run).env("http_proxy", nowhere).env("ALL_PROXY", nowhere).measures();
}
