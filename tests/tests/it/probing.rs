//! `probe` and `chat`: what a server is, and what it says.

use std::io::Write;

use serde_json::{Value, json};

use crate::{
    program::Place,
    server::{Request, STREAM, Server, event, models, refusal, token},
    simulator::Simulator,
};

#[test]
fn a_server_is_described() {
    let simulator = Simulator::start("--ttft-ms 20 --itl-ms 1");
    let ended = Place::new().inferbench(&format!("probe {}", simulator.url)).exits(0);
    for line in [
        "engine     inferbench-sim 0.1.0, asked as vllm\n",
        "ready      yes\n",
        "models     simulated (context 131072)\n",
        "asked      simulated at /v1/chat/completions\n",
        "dialect    vllm has chat, completions, responses, messages, embeddings, rerank; a server may lack some\n",
        "answer     32 tokens in 32 events, the first after ",
        "tokens     1 an event, as it says itself\n",
        "length     unknown: no answer ended before its 32 tokens\n",
        "embeddings there\n",
        "rerank     there\n",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    let json = Place::new().inferbench(&format!("probe -u {} --json", simulator.url)).exits(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["engine"], &json["keeps_length"]), (&json!("vllm"), &Value::Null));
    assert_eq!(json["events"].as_array().unwrap().len(), 32);
    assert!(json["events"][0]["ms"].as_f64().unwrap() >= 20.0, "{json}");
}

#[test]
fn each_piece_is_shown_with_its_moment() {
    let simulator = Simulator::start("--ttft-ms 20 --itl-ms 5");
    let ended = Place::new().inferbench(&format!("probe {} --raw", simulator.url)).exits(0);
    let pieces: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("data: {")).collect();
    assert!(pieces.len() >= 32, "{}", ended.stdout);
    let moments: Vec<f64> = pieces
        .iter()
        .filter_map(|line| line.trim_start().split_once(" ms ")?.0.parse().ok())
        .collect();
    assert!(moments[0] >= 20.0 && moments.is_sorted(), "{moments:?}");
    assert!(ended.stdout.ends_with("data: [DONE]\n"), "{}", ended.stdout);
}

/// Whether a server keeps to a length is seen by an answer that would have been shorter.
#[test]
fn a_length_is_kept_or_not_or_refused() {
    let says = |answers: fn(&Request) -> Option<usize>| {
        let server = Server::completing(move |request, to| match answers(request) {
            None => write!(to, "{}", refusal(400, "unknown field ignore_eos")),
            Some(tokens) => {
                let stop = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
                let usage = json!({"prompt_tokens": 5, "completion_tokens": tokens});
                let usage = json!({"choices": [], "usage": usage});
                let end = [stop.to_string(), usage.to_string(), "[DONE]".to_owned()];
                let end: String = end.iter().map(|data| event(data)).collect();
                write!(to, "{STREAM}{}{end}0\r\n\r\n", token().repeat(tokens))
            }
        });
        let ended = Place::new().inferbench(&format!("probe {}", server.url)).exits(0);
        let line = ended.stdout.lines().find(|line| line.starts_with("length")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        says(|request| Some(if request.body["ignore_eos"] == true { 32 } else { 2 })),
        "kept:"
    );
    assert_eq!(says(|_| Some(2)), "not");
    assert_eq!(says(|_| Some(32)), "unknown:");
    assert_eq!(says(|request| (request.body["ignore_eos"] != true).then_some(2)), "refused");
}

#[test]
fn a_message_is_answered_and_does_nothing_to_the_terminal() {
    let server = Server::completing(|_, to| {
        let text = "\u{1b}]0;owned\u{7}hel\u{202e}lo\u{1b}[31m";
        let said = json!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string();
        let stop = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let end = [said, stop.to_string(), "[DONE]".to_owned()];
        let end: String = end.iter().map(|data| event(data)).collect();
        write!(to, "{STREAM}{end}0\r\n\r\n")
    });
    let place = Place::new();
    let ended = place.inferbench(&format!("chat -u {} hi --osl 7", server.url)).exits(0);
    assert_eq!(ended.stdout, "hello\n");
    assert!(ended.stderr.contains("1 event, after "), "{}", ended.stderr);
    let asked = &server.completions()[0].body;
    assert_eq!(asked["messages"], json!([{"role": "user", "content": "hi"}]));
    assert_eq!(asked["max_tokens"], json!(7));
    let raw = place.inferbench(&format!("chat -u {} hi --raw", server.url)).exits(0);
    assert!(!raw.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", raw.stdout);
}

#[test]
fn a_server_that_fails_or_is_not_there_has_its_exit_code() {
    let place = Place::new();
    place.inferbench("probe http://127.0.0.1:1").exits(5);
    place.inferbench("probe http://127.0.0.1:1 -u http://127.0.0.1:1").exits(2);
    let server = Server::answering(|request, to| match request.what.as_str() {
        "GET /v1/models" => write!(to, "{}", models(&["m"])),
        _ => write!(to, "{}", refusal(500, "out of memory")),
    });
    let ended = place.inferbench(&format!("probe {}", server.url)).exits(6);
    assert!(ended.stdout.contains("answer     http_500: out of memory"), "{}", ended.stdout);
    let ended = place.inferbench(&format!("chat hi -u {}", server.url)).exits(6);
    assert!(ended.stderr.contains("http_500: out of memory"), "{}", ended.stderr);
}
