use bench_core::{Outcome, Prompt, Provider};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played},
};

fn events(events: &[Value]) -> Played {
    let framed: Vec<String> = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    let done = ["data: [DONE]\n\n".to_owned()];
    played(&Engine::Sglang, Api::Generate, framed.iter().chain(&done).map(String::as_bytes))
}

fn event(text: &str, ids: usize, tokens: u32, finish: Option<&str>) -> Value {
    let finish = finish.map(|kind| json!({"type": kind, "message": "gone"}));
    json!({"text": text, "output_ids": vec![7; ids],
        "meta_info": {"prompt_tokens": 5, "completion_tokens": tokens, "finish_reason": finish}})
}

fn tokens(played: &Played) -> Vec<u16> {
    played.sample.generated().map(|arrival| arrival.tokens).collect()
}

#[test]
fn what_is_new_is_told_from_what_was_there() {
    let all = events(&[
        event("a", 1, 1, None),
        // The first bytes of a character: a token, and no text yet.
        event("a", 2, 2, None),
        event("aé b", 4, 4, Some("length")),
    ]);
    assert_eq!((all.text.as_str(), tokens(&all)), ("aé b", vec![1, 3]));
    assert_eq!(all.sample.usage.map(|u| u.completion), Some(4));
    // A replacement character stood for what was not whole.
    let replaced = events(&[event("a\u{fffd}", 1, 1, None), event("aé", 2, 2, Some("stop"))]);
    assert_eq!(tokens(&replaced), [1, 1]);
}

#[test]
fn a_server_that_sends_only_what_is_new_is_understood() {
    let new =
        events(&[event("a", 1, 1, None), event("a", 1, 2, None), event("ab", 2, 4, Some("stop"))]);
    assert_eq!((new.text.as_str(), tokens(&new)), ("aaab", vec![1, 1, 2]));
}

#[test]
fn an_answer_that_was_given_up_is_a_failure() {
    let aborted = events(&[event("a", 1, 1, None), event("a", 1, 1, Some("abort"))]);
    assert_eq!(aborted.sample.outcome, Outcome::InBandError);
    let error = json!({"error": {"message": "out of memory", "code": 500}});
    let failed = events(&[event("a", 1, 1, None), error]);
    assert_eq!(failed.result.unwrap_err().said, "out of memory");
}

#[test]
fn prompts_go_as_token_ids_where_an_api_takes_them() {
    let prompt = Prompt { token_ids: Some(vec![1, 7, 3]), ..Prompt::user("hi") };
    for (engine, api, field) in [
        (Engine::Sglang, Api::Generate, Some("input_ids")),
        (Engine::Sglang, Api::Completions, Some("prompt")),
        (Engine::LlamaCpp, Api::Generate, Some("prompt")),
        (Engine::Vllm, Api::Completions, Some("prompt")),
        (Engine::Vllm, Api::Chat, None),
        (Engine::Ollama, Api::Generate, None),
    ] {
        let endpoint = Endpoint::parse(":30000").unwrap();
        let config = Config { engine: engine.clone(), api, ..Config::new(endpoint, "tiny") };
        let encoded = HttpProvider::new(config).unwrap().encode(&prompt);
        match field {
            Some(field) => {
                let body: Value = serde_json::from_slice(&encoded.unwrap().body).unwrap();
                assert_eq!(body[field], json!([1, 7, 3]), "{engine} {api}");
                assert_eq!(body.get("text"), None);
            }
            None => {
                let said =
                    format!("`{api}` of {engine} takes no token ids: its `completions` does");
                assert_eq!(encoded.unwrap_err().said, said);
            }
        }
    }
}

#[test]
fn how_to_sample_has_a_field_of_its_own() {
    let extra_body = json!({"temperature": 0, "return_logprob": true});
    let config = Config {
        engine: Engine::Sglang,
        api: Api::Generate,
        fixed_length: true,
        extra_body: extra_body.as_object().unwrap().clone(),
        ..Config::new(Endpoint::parse(":30000").unwrap(), "tiny")
    };
    let provider = HttpProvider::new(config).unwrap();
    let request = provider.encode(&Prompt::user("hi").with_output_tokens(16)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({
            "text": "hi",
            "sampling_params": {"max_new_tokens": 16, "ignore_eos": true, "temperature": 0},
            "stream": true,
            "return_logprob": true,
        })
    );
}
