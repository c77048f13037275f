use bench_core::{FinishReason, Outcome, Prompt, Provider};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played},
};

fn events(events: &[&str]) -> Played {
    let framed: Vec<String> = events.iter().map(|event| format!(": ping\n\n{event}\n\n")).collect();
    played(&Engine::LlamaCpp, Api::Generate, framed.iter().map(String::as_bytes))
}

const A: &str =
    r#"data: {"index":0,"content":"a","stop":false,"tokens_predicted":1,"tokens_evaluated":5}"#;
const HALF: &str =
    r#"data: {"index":0,"content":"","stop":false,"tokens_predicted":2,"tokens_evaluated":5}"#;
const PROGRESS: &str = r#"data: {"index":0,"content":"","tokens":[0],"stop":false,"tokens_predicted":0,"tokens_evaluated":5,"prompt_progress":{"total":5,"processed":4}}"#;
const LAST: &str = r#"data: {"index":0,"content":"é","stop":true,"stop_type":"eos","tokens_predicted":3,"tokens_evaluated":5,"timings":{"cache_n":4}}"#;

#[test]
fn an_answer_ends_with_the_event_that_says_stop() {
    let Played { result, sample, text } = events(&[PROGRESS, A, HALF, LAST]);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(text, "aé");
    let tokens: Vec<_> = sample.generated().map(|arrival| arrival.tokens).collect();
    assert_eq!(tokens, [1, 2], "the first bytes of a character are of the event that ends it");
    assert_eq!(sample.usage.map(|u| (u.prompt, u.completion, u.cached)), Some((5, 3, Some(4))));
    assert_eq!(sample.finish, Some(FinishReason::Stop));
    assert_eq!(events(&[PROGRESS, A]).sample.outcome, Outcome::Truncated);
}

#[test]
fn an_error_in_the_stream_fails_it() {
    let error = r#"data: {"error":{"code":500,"message":"out of slots","type":"server_error"}}"#;
    let Played { result, .. } = events(&[A, error]);
    assert_eq!(result.unwrap_err().to_string(), "in_band_error: out of slots");
}

#[test]
fn a_prompt_is_put_into_its_words() {
    let config = Config {
        engine: Engine::LlamaCpp,
        api: Api::Generate,
        fixed_length: true,
        ..Config::new(Endpoint::parse(":8080").unwrap(), "tiny")
    };
    assert_eq!(config.path(), "/completion");
    let provider = HttpProvider::new(config).unwrap();
    let request = provider.encode(&Prompt::user("hi").with_output_tokens(16)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({"prompt": "hi", "stream": true, "n_predict": 16, "ignore_eos": true})
    );
}
