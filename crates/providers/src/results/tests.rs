use bench_core::{ArrivalKind, Outcome, Prompt, Provider};
use serde_json::{Value, json};

use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played_whole},
};

#[track_caller]
fn check(engine: &Engine, api: Api, document: &str, expected: Outcome, prompt: Option<u32>) {
    let Played { sample, .. } = played_whole(engine, api, document);
    assert_eq!(sample.outcome, expected, "{document}");
    let kinds: Vec<_> = sample.generated().map(|arrival| arrival.kind).collect();
    let result = if expected.is_ok() { &[ArrivalKind::Result][..] } else { &[] };
    assert_eq!(kinds, result, "{document}");
    assert_eq!(sample.usage.map(|usage| (usage.prompt, usage.completion)), prompt.map(|n| (n, 0)));
    assert!(!expected.is_ok() || sample.output_tokens().is_none());
}

#[test]
fn embeddings_are_well_if_none_is_empty() {
    use Outcome::{Empty, InBandError, Malformed, Ok};
    for (document, expected, prompt) in [
        (
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2,3e-5]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#,
            Ok,
            Some(7),
        ),
        (r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#, Ok, None),
        (r#"{"data":[{"embedding":"zczMPQ=="}],"usage":{"total_tokens":3}}"#, Ok, Some(3)),
        (r#"{"data":[{"embedding":[1]}],"error":null,"usage":null}"#, Ok, None),
        (r#"{"data":[],"usage":{"prompt_tokens":7}}"#, Empty, Some(7)),
        (r#"{"data":null}"#, Malformed, None),
        (r#"{"data":[{"embedding":[]}]}"#, Empty, None),
        (r#"{"data":[{"embedding":[1]},{"embedding":[]}]}"#, Empty, None),
        (r#"{"data":[{"embedding":null}]}"#, Empty, None),
        (r#"{"data":[{"embedding":""}]}"#, Empty, None),
        (r#"{"error":{"message":"no"}}"#, InBandError, None),
        (r#"{"object":"error","message":"no"}"#, InBandError, None),
        (r#"{"data":[{"embedding":[null,null]}]}"#, Malformed, None),
        (r#"{"data":[{"index":0}]}"#, Malformed, None),
        (r#"{"data":[{"embedding":[1]"#, Malformed, None),
        (r#"{"choices":[{"text":"hello"}]}"#, Malformed, None),
        ("[]", Malformed, None),
        ("", Malformed, None),
    ] {
        check(&Engine::Vllm, Api::Embeddings, document, expected, prompt);
    }
}

#[test]
fn rankings_are_well_if_each_document_has_a_score() {
    use Outcome::{Empty, InBandError, Malformed, Ok};
    for (document, expected, prompt) in [
        (
            r#"{"id":"r","model":"m","usage":{"total_tokens":56},"results":[{"index":1,"document":{"text":"a"},"relevance_score":0.99},{"index":0,"relevance_score":0}]}"#,
            Ok,
            Some(56),
        ),
        (
            r#"{"rankings":[{"index":0,"logit":-3.5}],"usage":{"prompt_tokens":9,"total_tokens":9}}"#,
            Ok,
            Some(9),
        ),
        (r#" [{"score":0.5,"document":"a","index":0,"meta_info":{"id":"x"}}]"#, Ok, None),
        (r#"{"results":[]}"#, Empty, None),
        ("[]", Empty, None),
        (r#"{"results":[{"index":0}]}"#, Empty, None),
        (r#"{"results":[{"index":0,"relevance_score":null}]}"#, Empty, None),
        (r#"{"results":[{"index":0,"relevance_score":"high"}]}"#, Malformed, None),
        (r#"{"error":"no"}"#, InBandError, None),
        (r#"{"data":[1]}"#, Malformed, None),
        (r#"[{"score":1}"#, Malformed, None),
        ("5", Malformed, None),
    ] {
        check(&Engine::Sglang, Api::Rerank, document, expected, prompt);
    }
}

fn asked(engine: &Engine, api: Api, texts: &[&str]) -> (String, Value) {
    let config = Config::new(Endpoint::parse(":8000").unwrap(), "m");
    let config = Config { engine: engine.clone(), api, fixed_length: true, ..config };
    let mut prompt = Prompt::default().with_output_tokens(16);
    prompt.messages = texts.iter().flat_map(|text| Prompt::user(*text).messages).collect();
    let provider = HttpProvider::new(config).unwrap();
    let body = provider.encode(&prompt).unwrap().body;
    (provider.path(), serde_json::from_slice(&body).unwrap())
}

#[test]
fn each_text_is_asked_for_and_nothing_else() {
    for engine in [Engine::OpenAi, Engine::Vllm, Engine::Nim, Engine::Ollama] {
        let (path, body) = asked(&engine, Api::Embeddings, &["a", "b"]);
        assert_eq!(path, "/v1/embeddings");
        assert_eq!(body, json!({"model": "m", "input": ["a", "b"]}), "{engine}");
    }
    let texts = ["q", "a", "b"];
    let (path, body) = asked(&Engine::LlamaCpp, Api::Rerank, &texts);
    assert_eq!(path, "/v1/rerank");
    assert_eq!(body, json!({"model": "m", "query": "q", "documents": ["a", "b"]}));
    let (path, body) = asked(&Engine::Nim, Api::Rerank, &texts);
    assert_eq!(path, "/v1/ranking");
    let passages = json!([{"text": "a"}, {"text": "b"}]);
    assert_eq!(body, json!({"model": "m", "query": {"text": "q"}, "passages": passages}));
}
