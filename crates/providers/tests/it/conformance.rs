//! Every API of every engine keeps to what bench-core says of providers.

use std::{fs, path::Path, sync::Arc};

use bench_core::{Provider, testing::conformance};
use bench_providers::{Api, Config, Engine, HttpProvider};

use crate::server::{Routes, config};

/// An answer to a request for this API: recorded, where there is a recording.
fn answer(engine: &Engine, api: Api) -> Vec<u8> {
    let recorded = match (engine, api) {
        (Engine::Sglang, Api::Generate) => "sglang-0.5.23/42-native-generate-stream",
        (Engine::LlamaCpp, Api::Generate) => "llama.cpp-0.5.0-dev/42-native-completion-stream",
        (_, Api::Chat) => "vllm-0.32.0/02-chat-stream-usage",
        (_, Api::Completions) => "vllm-0.32.0/08-completions-stream-usage",
        (_, Api::Responses) => "vllm-0.32.0/37-responses-stream",
        (_, Api::Messages) => "vllm-0.32.0/38-anthropic-messages-stream",
        (Engine::Triton, Api::Generate) => {
            let events = "data: {\"text_output\":\"Hel\"}\n\ndata: {\"text_output\":\"lo\"}\n\n";
            return stream("text/event-stream", events);
        }
        (Engine::Ollama, Api::Generate) => {
            let lines = "{\"response\":\"Hel\",\"done\":false}\n\
                         {\"response\":\"lo\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2}\n";
            return stream("application/x-ndjson", lines);
        }
        (Engine::Ollama, Api::NativeChat) => {
            let lines = "{\"message\":{\"content\":\"Hel\"},\"done\":false}\n\
                         {\"message\":{\"content\":\"lo\"},\"done\":true,\"eval_count\":2}\n";
            return stream("application/x-ndjson", lines);
        }
        (_, Api::Embeddings) => {
            let data =
                r#"{"data":[{"index":0,"embedding":[0.5,-1.0]}],"usage":{"prompt_tokens":5}}"#;
            return document(data);
        }
        (Engine::Nim, Api::Rerank) => {
            return document(
                r#"{"rankings":[{"index":0,"logit":0.5}],"usage":{"prompt_tokens":5}}"#,
            );
        }
        (_, Api::Rerank) => {
            return document(r#"{"results":[{"index":0,"relevance_score":0.5}]}"#);
        }
        _ => panic!("what {engine} answers for {api} is not known here"),
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::read(data.join(format!("{recorded}.http"))).unwrap()
}

fn stream(media_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn document(json: &str) -> Vec<u8> {
    stream("application/json", json)
}

/// What any engine may be asked besides.
fn questions() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("/v1/models", document(r#"{"data":[{"id":"tiny"}]}"#)),
        ("/health", document("{}")),
        ("/v1/health/ready", document("{}")),
        ("/v2", document(r#"{"name":"triton","version":"2.60.0"}"#)),
        ("/v2/health/ready", document("{}")),
        ("/v2/repository/index", document(r#"[{"name":"tiny","state":"READY"}]"#)),
        ("/api/version", document(r#"{"version":"0.13.5"}"#)),
        ("/api/tags", document(r#"{"models":[{"name":"tiny"}]}"#)),
        ("/api/ps", document(r#"{"models":[]}"#)),
    ]
}

#[tokio::test]
async fn every_api_of_every_engine_conforms() {
    for engine in Engine::ALL {
        for api in engine.apis() {
            let asked = |url: &str| Config { engine: engine.clone(), api: *api, ..config(url) };
            let nowhere = HttpProvider::new(asked("http://127.0.0.1:1")).unwrap();
            conformance::unreachable(&nowhere).await;

            let path: &'static str = nowhere.path().leak();
            let mut routes = questions();
            routes.push((path, answer(&engine, *api)));
            let server = Routes::start(routes);
            let provider: Arc<dyn Provider> =
                Arc::new(HttpProvider::new(asked(&server.url)).unwrap());
            conformance::serving(&provider).await;
        }
    }
}
