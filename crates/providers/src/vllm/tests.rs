use bench_core::{Prompt, Provider};
use serde_json::{Value, json};

use crate::{Api, Config, Endpoint, Engine, HttpProvider};

fn body(config: Config) -> Value {
    let prompt = Prompt::user("hi").with_output_tokens(8);
    let request = HttpProvider::new(config).unwrap().encode(&prompt).unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn streams_are_asked_for_their_counts_as_they_go() {
    let config = |api, streaming| Config {
        engine: Engine::Vllm,
        api,
        streaming,
        fixed_length: true,
        ..Config::new(Endpoint::parse(":8000").unwrap(), "tiny")
    };
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    for api in [Api::Chat, Api::Completions] {
        let streamed = body(config(api, true));
        assert_eq!(
            (&streamed["stream_options"], &streamed["ignore_eos"]),
            (&options, &json!(true))
        );
        assert_eq!(body(config(api, false)).get("stream_options"), None);
    }
    let responses = body(config(Api::Responses, true));
    assert_eq!(responses["max_output_tokens"], json!(8));
    assert_eq!(responses["store"], json!(false));
    assert_eq!(responses.get("stream_options"), None);
    assert_eq!(body(config(Api::Messages, true))["max_tokens"], json!(8));
}
