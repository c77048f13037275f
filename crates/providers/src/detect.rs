//! Finding servers on this machine.

use std::time::Duration;

use bench_core::{Limits, Provider, ServerInfo};

use crate::{Config, Endpoint, Engine, HttpProvider, Stamping, Transport};

/// The ports that inference servers use unless told otherwise: vLLM, NIM and TensorRT-LLM 8000, a second
/// server 8001, llama.cpp 8080, Jupyter-shy ones 8888 and 9000, Ollama 11434, SGLang 30000,
/// TensorRT-LLM on DGX Spark 8355, LM Studio 1234.
pub const WELL_KNOWN_PORTS: [u16; 9] = [8000, 8001, 8080, 8888, 9000, 11434, 30000, 8355, 1234];

/// A server that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub endpoint: Endpoint,
    /// Which kind of server it is.
    pub engine: Engine,
    /// What it says of itself.
    pub info: ServerInfo,
}

/// Looks for servers with a list of models at `ports` of this machine, all at once; in the order of
/// `ports`, those found.
///
/// Whatever listens at a port without answering in this way within a second is none. No key is sent:
/// a key belongs to one server, and who listens here is not known.
pub async fn scan(ports: &[u16]) -> Vec<Found> {
    let limit = Duration::from_secs(1);
    let limits = Limits {
        connect: limit,
        headers: limit,
        first_token: limit,
        idle: limit,
        total: Some(limit),
    };
    let looks: Vec<_> = ports
        .iter()
        .map(|port| {
            let port = *port;
            tokio::spawn(async move {
                let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}")).ok()?;
                let config = Config {
                    limits,
                    transport: Transport { stamping: Stamping::Read, ..Transport::default() },
                    ..Config::new(endpoint.clone(), "")
                };
                let engine = HttpProvider::new(config.clone()).ok()?.detect().await.ok()?;
                let api = engine.apis()[0];
                let config = Config { engine: engine.clone(), api, ..config };
                let info = HttpProvider::new(config).ok()?.describe().await.ok()?;
                Some(Found { endpoint, engine, info })
            })
        })
        .collect();
    let mut found = Vec::new();
    for look in looks {
        found.extend(look.await.ok().flatten());
    }
    found
}
