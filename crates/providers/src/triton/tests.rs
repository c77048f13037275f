use bench_core::{Outcome, Prompt, Provider};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played, played_whole},
};

fn events(stream: &str) -> Played {
    played(&Engine::Triton, Api::Generate, [stream.as_bytes()])
}

#[test]
fn the_end_of_the_body_is_the_end() {
    let token =
        |text: &str| format!("data: {}\n\n", json!({"model_name": "m", "text_output": text}));
    let Played { result, sample, text } = events(&[token("he"), token("llo")].concat());
    assert!(result.is_ok(), "{result:?}");
    assert_eq!((text.as_str(), sample.generated().count()), ("hello", 2));
    assert_eq!(events("").sample.outcome, Outcome::Truncated);
    assert_eq!(events(&token("")).sample.outcome, Outcome::Empty);
    let error = "data: {\"error\":\"in ensemble 'ensemble', out of memory\"}\n\n";
    assert_eq!(events(&(token("a") + error)).sample.outcome, Outcome::InBandError);
    let whole = played_whole(&Engine::Triton, Api::Generate, r#"{"text_output":"hello"}"#);
    assert_eq!((whole.text.as_str(), whole.sample.outcome), ("hello", Outcome::Ok));
}

#[test]
fn the_model_is_in_the_path() {
    let config = Config {
        engine: Engine::Triton,
        api: Api::Generate,
        fixed_length: true,
        ..Config::new(Endpoint::parse(":8000").unwrap(), "ensemble")
    };
    assert_eq!(config.path(), "/v2/models/ensemble/generate_stream");
    let request = HttpProvider::new(config).unwrap();
    let request = request.encode(&Prompt::user("hi").with_output_tokens(8)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({
            "text_input": "hi",
            "stream": true,
            "exclude_input_in_output": true,
            "max_tokens": 8,
            "min_length": 8,
        })
    );
}
