//! Requests and responses.

use bench_sim::{Config, Role};

use crate::client::{CHAT, COMPLETIONS, Client, chat, fast, post, start};

#[test]
fn a_chat_has_as_many_tokens_as_asked_and_says_so() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    for (n, tokens) in [1_u32, 2, 20].into_iter().enumerate() {
        let request = chat(&format!("r{n}"), tokens, r#","stream_options":{"include_usage":true}"#);
        let response = client.ask(&request);
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(response.words(), vec![1; tokens as usize]);
        let events = response.events();
        let last_content = &events[events.len() - 2]["choices"][0];
        assert_eq!(last_content["finish_reason"], "length");
        let usage = &events[events.len() - 1];
        assert_eq!(usage["choices"], serde_json::json!([]));
        let expected = serde_json::json!(
            {"prompt_tokens": 2, "completion_tokens": tokens, "total_tokens": tokens + 2}
        );
        assert_eq!(usage["usage"], expected);
    }
}

#[test]
fn usage_is_said_in_each_event_or_nowhere() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let response = client.ask(&chat("a", 3, ""));
    assert!(response.events().iter().all(|event| event.get("usage").is_none()));
    let options = r#","stream_options":{"include_usage":true,"continuous_usage_stats":true}"#;
    let response = client.ask(&chat("b", 3, options));
    let counts: Vec<_> = response
        .events()
        .iter()
        .map(|event| event["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 1, 2, 3, 3], "role, three tokens, usage");
}

#[test]
fn an_answer_can_come_in_one_piece() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let body = r#"{"messages":[{"role":"user","content":"one two three"}],"max_tokens":18}"#;
    let answer = client.ask(&post(CHAT, "whole", body)).json();
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(content.split_whitespace().count(), 18);
    assert_eq!(answer["id"], "chatcmpl-whole");
    assert_eq!(answer["usage"]["total_tokens"], 21);
    assert_eq!(server.truth("whole").unwrap().sends[0].tokens, 18);

    let answer = client.ask(&post(COMPLETIONS, "ids", r#"{"prompt":[1,2,3,4,5]}"#)).json();
    let text = answer["choices"][0]["text"].as_str().unwrap();
    assert_eq!(text.split_whitespace().count(), 16, "the default");
    assert_eq!(answer["usage"]["prompt_tokens"], 5);
}

#[test]
fn completions_stream_without_a_role() {
    let server = start(Config { role: Role::Early, ..fast() });
    let mut client = Client::connect(&server);
    let body = r#"{"prompt":"a b c","max_tokens":4,"stream":true}"#;
    let response = client.ask(&post(COMPLETIONS, "c", body));
    assert_eq!(response.events().len(), 4);
    assert_eq!(response.words(), [1, 1, 1, 1]);
}

#[test]
fn the_server_says_what_it_is() {
    let server = start(Config { model: "m\"1".to_owned(), context_length: 99, ..fast() });
    assert_eq!(server.url(), format!("http://{}", server.addr()));
    let mut client = Client::connect(&server);
    let models = client.ask("GET /v1/models HTTP/1.1\r\nhost: sim\r\n\r\n").json();
    assert_eq!(models["data"][0]["id"], "m\"1");
    assert_eq!(models["data"][0]["max_model_len"], 99);
    let health = client.ask("GET /health?x HTTP/1.1\r\n\r\n");
    assert_eq!((health.status, health.body.as_str()), (200, ""));
    let version = client.ask("GET /version HTTP/1.1\r\n\r\n");
    assert_eq!(version.json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(version.header("server").unwrap().starts_with("inferbench-sim/"));
    let answer = client.ask(&post(COMPLETIONS, "q", r#"{"prompt":"x","model":"m\"1"}"#));
    assert_eq!(answer.json()["model"], "m\"1");
}

#[test]
fn a_connection_serves_request_after_request() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    for n in 0..5 {
        assert_eq!(client.ask(&chat(&format!("r{n}"), 2, "")).words(), [1, 1]);
    }
    // Sent before the answer to the one before has come.
    client.send(&[chat("p1", 3, ""), chat("p2", 1, ""), chat("p3", 2, "")].concat());
    assert_eq!([(); 3].map(|()| client.response().words().len()), [3, 1, 2]);
    assert_eq!(server.requests_served(), 8);
    assert_eq!(server.take_truth().len(), 8);
    assert!(server.take_truth().is_empty());
    // The last one.
    let close = chat("last", 2, "").replacen("host: sim", "connection: close", 1);
    let response = client.ask(&close);
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_request_without_an_id_is_given_one() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let response = client.ask(&chat("", 2, ""));
    let id = response.header("x-request-id").unwrap();
    assert_eq!(server.truth(id).unwrap().request_id, id);
    assert_eq!(response.events()[0]["id"], format!("chatcmpl-{id}"));
}

#[test]
fn bodies_may_be_chunked_and_asked_for() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let head = "POST /v1/completions HTTP/1.1\r\nhost: sim\r\n";
    client.send(&format!("{head}transfer-encoding: chunked\r\n\r\nb\r\n{{\"prompt\":\""));
    client.send("\r\n4\r\nhi\"}\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send(&format!("{head}expect: 100-continue\r\ncontent-length: 15\r\n\r\n"));
    assert_eq!(client.head().status, 100);
    client.send("{\"prompt\":\"hi\"}");
    assert_eq!(client.response().status, 200);
}

#[test]
fn bad_requests_are_refused_and_the_connection_goes_on() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let mut check = |request: &str, status: u16, kind: &str| {
        let response = client.ask(request);
        assert_eq!(response.status, status, "{request}");
        let error = &response.json()["error"];
        assert_eq!(
            (error["code"].as_u64(), error["type"].as_str()),
            (Some(status.into()), Some(kind))
        );
        response
    };
    check("GET /nowhere HTTP/1.1\r\n\r\n", 404, "NotFoundError");
    let response = check("GET /v1/completions HTTP/1.1\r\n\r\n", 405, "BadRequestError");
    assert_eq!(response.header("allow"), Some("POST"));
    check(&post("/health", "x", ""), 405, "BadRequestError");
    let form =
        post(CHAT, "x", "{}").replace("application/json", "application/x-www-form-urlencoded");
    check(&form, 415, "BadRequestError");
    check(&post(CHAT, "x", "{"), 400, "BadRequestError");
    let unknown = check(&chat("x", 1, "").replace("simulated", "similated"), 404, "NotFoundError");
    assert_eq!(
        unknown.json()["error"]["message"],
        "The model `similated` does not exist. Valid aliases: simulated."
    );
    check(&chat("x", 1_000_000, ""), 400, "BadRequestError");
    assert_eq!(client.ask(&chat("good", 1, "")).status, 200);
}

#[test]
fn what_is_no_request_ends_the_connection() {
    let server = start(fast());
    let check = |bytes: &str, status: u16| {
        let mut client = Client::connect(&server);
        let response = client.ask(bytes);
        assert_eq!(response.status, status, "{bytes:.80}");
        assert_eq!(response.json()["error"]["code"], status);
        assert_eq!(client.rest(), "");
    };
    check("nonsense\r\n\r\n", 400);
    check("GET /health HTTP/1.0\r\n\r\n", 505);
    check("POST /v1/completions HTTP/1.1\r\n\r\n", 411);
    check("POST /v1/completions HTTP/1.1\r\ncontent-length: many\r\n\r\n", 400);
    // Refused before the body has come, and without breaking the connection under the answer.
    let large = "POST /v1/completions HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n";
    check(&format!("{large}{}", "x".repeat(100_000)), 413);
    check(&format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(70_000)), 431);
    check("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501);
}
