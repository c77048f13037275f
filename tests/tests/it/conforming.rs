//! The provider keeps to what bench-core says of providers, on servers that really generate.

use std::sync::Arc;

use bench_core::{Provider, testing::conformance};
use bench_providers::{Api, Config, Endpoint, Engine, HttpProvider};

use crate::{llama_server::LlamaServer, simulator::Simulator};

async fn conforms(engine: Engine, apis: &[Api], model: &str, url: &str) {
    for api in apis {
        let endpoint = Endpoint::parse(url).unwrap();
        let config = Config { engine: engine.clone(), api: *api, ..Config::new(endpoint, model) };
        let provider: Arc<dyn Provider> = Arc::new(HttpProvider::new(config).unwrap());
        conformance::serving(&provider).await;
    }
}

#[tokio::test]
async fn on_llama_cpp() {
    let Some(server) = LlamaServer::start() else { return };
    // The server has embeddings, or all else.
    let others = |api: &Api| !matches!(api, Api::Embeddings | Api::Rerank);
    let apis: Vec<Api> = Engine::LlamaCpp.apis().iter().copied().filter(others).collect();
    conforms(Engine::LlamaCpp, &apis, "tiny", &server.url).await;
}

#[tokio::test]
async fn on_the_simulator() {
    let simulator = Simulator::start("--ttft-ms 5 --itl-ms 1");
    conforms(Engine::Vllm, &[Api::Chat, Api::Completions], "simulated", &simulator.url).await;
}
