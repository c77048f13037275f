use bench_core::{ArrivalKind, FinishReason, Outcome, Prompt, Provider};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played, played_whole},
};

fn lines(lines: &[&str]) -> Played {
    let framed: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    played(&Engine::Ollama, Api::NativeChat, framed.iter().map(String::as_bytes))
}

const HELLO: &str = r#"{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"hello"},"done":false}"#;
const DONE: &str = r#"{"model":"m","message":{"role":"assistant","content":""},"done_reason":"length","done":true,"total_duration":900,"load_duration":100,"prompt_eval_count":7,"prompt_eval_duration":200,"eval_count":1,"eval_duration":500}"#;

#[test]
fn an_answer_ends_with_the_line_that_says_so() {
    let Played { result, sample, text } = lines(&[HELLO, DONE]);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(text, "hello");
    assert_eq!(sample.usage.map(|u| (u.prompt, u.completion)), Some((7, 1)));
    assert_eq!(sample.finish, Some(FinishReason::Length));
    let kinds: Vec<_> = sample.arrivals.iter().map(|a| a.kind).collect();
    assert_eq!(kinds, [ArrivalKind::Content, ArrivalKind::Usage]);
    assert_eq!(lines(&[HELLO]).sample.outcome, Outcome::Truncated);
    assert_eq!(lines(&[DONE]).sample.outcome, Outcome::Empty);
}

#[test]
fn loading_the_model_is_told_apart() {
    let server = lines(&[HELLO, DONE]).sample.server;
    let ns = |time: Option<std::time::Duration>| time.map(|time| time.as_nanos());
    let times = [server.load, server.queue, server.prefill, server.decode].map(ns);
    assert_eq!(times, [Some(100), None, Some(200), Some(500)]);
}

#[test]
fn a_prompt_that_was_cached_has_no_count() {
    let cached = DONE.replace(r#""prompt_eval_count":7,"prompt_eval_duration":200,"#, "");
    let Played { sample, .. } = lines(&[HELLO, &cached]);
    assert_eq!(sample.usage.map(|u| (u.prompt, u.completion)), Some((0, 1)));
}

#[test]
fn thinking_and_tools_have_their_channels() {
    let thinking = r#"{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#;
    let call = r#"{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"city":"Oslo"}}}]},"done":false}"#;
    let Played { sample, text, .. } = lines(&[thinking, call, call, DONE]);
    let kinds: Vec<_> = sample.generated().map(|a| a.kind).collect();
    assert_eq!(kinds, [ArrivalKind::Reasoning, ArrivalKind::ToolCall, ArrivalKind::ToolCall]);
    assert_eq!(text, "hm");
}

#[test]
fn an_error_in_the_stream_fails_it() {
    let Played { result, sample, .. } = lines(&[HELLO, r#"{"error":"an error was encountered"}"#]);
    assert_eq!(sample.outcome, Outcome::InBandError);
    assert_eq!(result.unwrap_err().said, "an error was encountered");
    assert_eq!(sample.generated().count(), 1, "what came before is kept");
}

#[test]
fn generate_has_its_text_elsewhere() {
    let stream = "{\"response\":\"he\",\"done\":false}\r\n{\"response\":\"llo\",\"done\":false}\n\n\
                  {\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2}";
    for size in [1, 7, 1_000] {
        let pieces = stream.as_bytes().chunks(size);
        let Played { result, sample, text } = played(&Engine::Ollama, Api::Generate, pieces);
        assert!(result.is_ok(), "{result:?} in pieces of {size}");
        assert_eq!((text.as_str(), sample.generated().count()), ("hello", 2));
        assert_eq!(sample.finish, Some(FinishReason::Stop));
    }
    let whole = r#"{"response":"hello","done":true,"done_reason":"stop","eval_count":2}"#;
    assert_eq!(played_whole(&Engine::Ollama, Api::Generate, whole).text, "hello");
}

#[test]
fn how_to_sample_is_among_the_options() {
    let config = |api| {
        let extra = json!({"temperature": 0, "keep_alive": "10m", "options": {"num_ctx": 4096}});
        let extra_body = extra.as_object().unwrap().clone();
        let config = Config::new(Endpoint::parse(":11434").unwrap(), "tiny");
        Config { engine: Engine::Ollama, api, extra_body, ..config }
    };
    let body = |api| -> Value {
        let provider = HttpProvider::new(config(api)).unwrap();
        let prompt = Prompt::user("hi").with_output_tokens(16);
        serde_json::from_slice(&provider.encode(&prompt).unwrap().body).unwrap()
    };
    let options = json!({"num_predict": 16, "num_ctx": 4096, "temperature": 0});
    assert_eq!(
        body(Api::Generate),
        json!({"model": "tiny", "prompt": "hi", "stream": true, "options": options, "keep_alive": "10m"})
    );
    let messages = json!([{"role": "user", "content": "hi"}]);
    assert_eq!(
        body(Api::NativeChat),
        json!({"model": "tiny", "messages": messages, "stream": true, "options": options, "keep_alive": "10m"})
    );
    assert_eq!(body(Api::Chat)["temperature"], json!(0));
}
