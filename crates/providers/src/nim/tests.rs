use bench_core::{Prompt, Provider};
use serde_json::{Value, json};

use crate::{Config, Endpoint, Engine, HttpProvider};

#[test]
fn length_is_fixed_in_both_ways() {
    let config = |fixed_length| Config {
        engine: Engine::Nim,
        fixed_length,
        ..Config::new(Endpoint::parse(":8000").unwrap(), "meta/llama-3.1-8b-instruct")
    };
    let body = |fixed_length| -> Value {
        let prompt = Prompt::user("hi").with_output_tokens(8);
        let request = HttpProvider::new(config(fixed_length)).unwrap().encode(&prompt).unwrap();
        serde_json::from_slice(&request.body).unwrap()
    };
    let fixed = body(true);
    assert_eq!((&fixed["min_tokens"], &fixed["ignore_eos"]), (&json!(8), &json!(true)));
    assert_eq!(body(false).get("min_tokens"), None);
}
