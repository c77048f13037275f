//! Kinds of servers, told by what they answer.

use std::{fs, path::Path};

use bench_core::{Outcome, Provider, Readiness};
use bench_providers::{Config, Endpoint, Engine, HttpProvider};

use crate::server::{Routes, config};

fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(path.with_extension("http")).unwrap()
}

fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What a server with these answers is found to be, and what it then says of itself.
async fn found(routes: Vec<(&'static str, Vec<u8>)>) -> (Engine, String) {
    let server = Routes::start(routes);
    let engine = HttpProvider::new(config(&server.url)).unwrap().detect().await.unwrap();
    let api = engine.apis()[0];
    let asked = Config { engine: engine.clone(), api, ..config(&server.url) };
    let provider = HttpProvider::new(asked).unwrap();
    let info = provider.describe().await.unwrap();
    let models = info.models.iter().map(|model| match model.context_length {
        Some(length) => format!("{} ({length})", model.id),
        None => model.id.clone(),
    });
    let models: Vec<_> = models.collect();
    let words = [info.engine, info.version.or(Some(String::new())), info.profile];
    let words: Vec<_> = words.into_iter().flatten().collect();
    (engine, format!("{}: {}", words.join(" "), models.join(", ")))
}

#[tokio::test]
async fn recorded_servers_are_known() {
    for (routes, engine, said) in [
        (
            vec![
                ("/v1/models", recorded("vllm-0.32.0/01-models")),
                ("/version", recorded("vllm-0.32.0/41-version")),
            ],
            Engine::Vllm,
            "vllm 0.32.0: tiny (4096)",
        ),
        (
            vec![
                ("/v1/models", recorded("sglang-0.5.23/01-models")),
                ("/get_server_info", json(r#"{"version":"0.5.23"}"#)),
            ],
            Engine::Sglang,
            "sglang 0.5.23: tiny (4096)",
        ),
        (
            vec![
                ("/v1/models", recorded("llama.cpp-0.5.0-dev/01-models")),
                ("/props", recorded("llama.cpp-0.5.0-dev/40-props")),
            ],
            Engine::LlamaCpp,
            "llamacpp b0-sdist: tiny (4096)",
        ),
        (
            vec![("/v1/models", recorded("llama-cpp-python-0.3.36/01-models"))],
            Engine::OpenAi,
            "me : tiny",
        ),
    ] {
        assert_eq!(found(routes).await, (engine, said.to_owned()));
    }
}

#[tokio::test]
async fn others_are_known_by_what_only_they_answer() {
    let models = json(r#"{"object":"list","data":[{"id":"m","owned_by":"system"}]}"#);
    let owned = |owner: &str| json(&format!(r#"{{"data":[{{"id":"m","owned_by":"{owner}"}}]}}"#));
    let metadata = json(
        r#"{"version":"1.8.4","modelInfo":[{"shortName":"m:1"}],"assetInfo":[],"selectedModelProfileId":"4f90"}"#,
    );
    let tags = json(r#"{"models":[{"name":"m:latest","size":5},{"name":"other:1b"}]}"#);
    let loaded = json(r#"{"models":[{"name":"m:latest","context_length":4096}]}"#);
    let triton = json(r#"{"name":"triton","version":"2.60.0","extensions":["classification"]}"#);
    let index = json(r#"[{"name":"ensemble","version":"1","state":"READY"}]"#);
    for (routes, engine, said) in [
        (
            vec![("/v1/models", models.clone()), ("/v1/metadata", metadata.clone())],
            Engine::Nim,
            "nim 1.8.4 4f90: m",
        ),
        // The engine in it has a name of its own.
        (
            vec![("/v1/models", owned("vllm")), ("/v1/metadata", metadata)],
            Engine::Nim,
            "nim 1.8.4 4f90: m",
        ),
        (
            vec![
                ("/v1/models", owned("tensorrt_llm")),
                ("/version", json(r#"{"version":"1.2.0"}"#)),
            ],
            Engine::TrtLlm,
            "trtllm 1.2.0: m",
        ),
        (
            vec![
                ("/v1/models", owned("library")),
                ("/api/version", json(r#"{"version":"0.13.5"}"#)),
                ("/api/tags", tags),
                ("/api/ps", loaded),
            ],
            Engine::Ollama,
            "ollama 0.13.5: m:latest (4096), other:1b",
        ),
        (
            vec![("/v2", triton), ("/v2/repository/index", index)],
            Engine::Triton,
            "triton 2.60.0: ensemble",
        ),
        (vec![("/v1/models", models)], Engine::OpenAi, "system : m"),
    ] {
        assert_eq!(found(routes).await, (engine, said.to_owned()));
    }
}

#[tokio::test]
async fn nobody_is_no_server() {
    let nobody = HttpProvider::new(config("http://127.0.0.1:1")).unwrap();
    assert_eq!(nobody.detect().await.unwrap_err().outcome, Outcome::Refused);
}

#[tokio::test]
async fn a_server_says_whether_it_is_ready() {
    let loading =
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 17\r\n\r\n{\"error\":\"model\"}";
    for (engine, path) in [
        (Engine::Vllm, "/health"),
        (Engine::Sglang, "/health"),
        (Engine::Nim, "/v1/health/ready"),
        (Engine::TrtLlm, "/health"),
        (Engine::LlamaCpp, "/health"),
        (Engine::Ollama, "/api/version"),
        (Engine::Triton, "/v2/health/ready"),
        (Engine::OpenAi, "/v1/models"),
    ] {
        let ready = async |answer: Vec<u8>| {
            let server = Routes::start(vec![(path, answer)]);
            let api = engine.apis()[0];
            let config = Config { engine: engine.clone(), api, ..config(&server.url) };
            HttpProvider::new(config).unwrap().ready().await
        };
        assert_eq!(ready(json("{}")).await, Readiness::Up, "{engine}");
        let loading = ready(loading.to_vec()).await;
        assert_eq!(loading, Readiness::Loading("model".to_owned()), "{engine}");
        let missing = ready(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        assert!(matches!(missing, Readiness::Down(_)), "{engine}");
    }
}

#[tokio::test]
async fn a_server_counts_tokens_and_forgets() {
    for (engine, path, answer) in [
        (Engine::Vllm, "/tokenize", "vllm-0.32.0/43-tokenize-prompt"),
        (Engine::Sglang, "/tokenize", "sglang-0.5.23/45-tokenize"),
        (Engine::LlamaCpp, "/tokenize", "llama.cpp-0.5.0-dev/50-tokenize"),
    ] {
        let routes = vec![(path, recorded(answer)), ("/flush_cache", json(""))];
        let server = Routes::start(routes);
        let asked = Config { engine: engine.clone(), ..config(&server.url) };
        let provider = HttpProvider::new(asked).unwrap();
        assert_eq!(provider.count_tokens("import os, sys").await, Some(4), "{engine}");
        assert_eq!(provider.forget_prefixes().await, engine == Engine::Sglang, "{engine}");
    }
    let replica = |routes| Endpoint::parse(&Routes::start(routes).url).unwrap();
    for (routes, forgets) in [(vec![("/flush_cache", json(""))], true), (vec![], false)] {
        let server = Routes::start(vec![("/flush_cache", json(""))]);
        let (engine, replicas) = (Engine::Sglang, vec![replica(routes)]);
        let provider = HttpProvider::new(Config { engine, replicas, ..config(&server.url) });
        assert_eq!(provider.unwrap().forget_prefixes().await, forgets, "each replica is told");
    }
    let server = Routes::start(vec![]);
    let provider = HttpProvider::new(config(&server.url)).unwrap();
    assert_eq!(provider.count_tokens("import os, sys").await, None);
}
