use bench_core::{ArrivalKind, FinishReason, Message, Outcome, Prompt, Provider, Role};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played, played_whole},
};

fn events(events: &[&str]) -> Played {
    let framed = |data: &&str| {
        let kind =
            serde_json::from_str::<Value>(data).unwrap()["type"].as_str().unwrap().to_owned();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let framed: Vec<String> = events.iter().map(framed).collect();
    played(&Engine::Anthropic, Api::Messages, framed.iter().map(String::as_bytes))
}

const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":2,"cache_read_input_tokens":10,"output_tokens":1}}}"#;
const HELLO: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#;
const END: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const PING: &str = r#"{"type":"ping"}"#;

#[test]
fn cached_tokens_are_of_the_prompt() {
    let Played { result, sample, text } = events(&[START, PING, HELLO, END, STOP]);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(text, "hello");
    assert_eq!(sample.usage.map(|u| (u.prompt, u.completion, u.cached)), Some((12, 3, Some(10))));
    assert_eq!(sample.finish, Some(FinishReason::Stop));
    assert_eq!(events(&[START, HELLO]).sample.outcome, Outcome::Truncated);
    assert_eq!(events(&[START, END, STOP]).sample.outcome, Outcome::Empty);
}

#[test]
fn thinking_and_tools_have_their_channels() {
    let begin = r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"x","name":"weather","input":{}}}"#;
    let more = r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}"#;
    let think = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#;
    let end = END.replace("end_turn", "tool_use");
    let Played { sample, .. } = events(&[START, think, begin, more, &end, STOP]);
    let kinds: Vec<_> = sample.generated().map(|arrival| arrival.kind).collect();
    assert_eq!(kinds, [ArrivalKind::Reasoning, ArrivalKind::ToolCall, ArrivalKind::ToolCall]);
    assert_eq!(sample.finish, Some(FinishReason::ToolCalls));
}

#[test]
fn an_error_fails_it() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(events(&[START, HELLO, error]).result.unwrap_err().said, "Overloaded");
    let whole = played_whole(&Engine::Anthropic, Api::Messages, error);
    assert_eq!(whole.sample.outcome, Outcome::InBandError);
}

#[test]
fn what_the_system_says_stands_apart() {
    let config = Config::new(Endpoint::parse(":8000").unwrap(), "tiny");
    let config = Config { engine: Engine::Anthropic, api: Api::Messages, ..config };
    let mut prompt = Prompt::user("hi");
    prompt.messages.insert(0, Message::new(Role::System, "Be brief."));
    let request = HttpProvider::new(config).unwrap().encode(&prompt).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({
            "model": "tiny",
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": true,
            "max_tokens": 4096,
        })
    );
}

#[test]
fn other_apis_are_refused() {
    let config = Config::new(Endpoint::parse(":8000").unwrap(), "tiny");
    let error = HttpProvider::new(Config { engine: Engine::Anthropic, ..config }).unwrap_err();
    assert_eq!(error.to_string(), "anthropic has no API `chat`: it has messages");
}
