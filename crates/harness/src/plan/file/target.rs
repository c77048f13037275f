//! The section of a plan for each target.

use std::{collections::BTreeMap, fmt};

use bench_providers::{Api, Engine, Reuse};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value as Json};

use super::{
    super::{
        labels::{Label, Labels, Simulate},
        values::{Address, GpuDevices, GpuTelemetry, Positive, ServerMetrics, Time},
    },
    up::Up,
};

/// A server under test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// What results call it. Its model by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address. Without one, this machine's well-known ports are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Other addresses of the same server: sessions go to each in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Address>,
    /// Measure the built-in simulator: `true`, or how it behaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Simulate>,
    /// Start the server, and stop it once it is measured: `ENGINE:MODEL`, or how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<Up>,
    /// The model to ask for. The only one that the server offers by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which kind of server it is. By default what its answers tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// The file that describes a server of the engine `custom`: what it is asked, and where in its answers things
    /// are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Which API of the server. `chat` by default, where it has that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_type: Option<EndpointType>,
    /// Another path for that API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether answers are streamed; without, there is no time to first token. Yes by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Have answers as long as asked for, by `ignore_eos`. By default where the engine is known to do so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_osl: Option<bool>,
    /// More fields of the request; null takes one away.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra_inputs: Map<String, Json>,
    /// Headers to send. Secrets by name alone: `${TOKEN}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The variable of the environment that holds the API key. By default INFERBENCH_API_KEY,
    /// OPENAI_API_KEY or NGC_API_KEY, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A file that holds the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<String>,
    /// Whether requests take connections that earlier ones left open. `pooled` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_reuse: Option<ReuseName>,
    /// Speak HTTP/2, where requests share connections. No by default: HTTP/1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2: Option<bool>,
    /// A file of certificates, PEM: who is trusted to vouch for the server, in place of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<String>,
    /// Believe whoever answers, whatever its certificate. No by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_insecure: Option<bool>,
    /// Addresses of this machine to connect from, in turn: each has ports of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<String>,
    /// How long to wait for a server that is not ready. 0s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ready: Option<Time>,
    /// The most tokens of prompt and answer together. By default what the server says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<Positive>,
    /// The server's log file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_log: Option<String>,
    /// The GPUs that it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Positive>,
    /// Which ones, where the machine has more: numbers or UUIDs. By default those that its processes are on, or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_devices: Option<GpuDevices>,
    /// What reads them: `auto`, `nvml`, `nvidia-smi`, `dcgm=URL`, `agent=URL` or `off`. `auto` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_telemetry: Option<GpuTelemetry>,
    /// Where the server's metrics are: `auto`, `off` or a URL. `auto` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_metrics: Option<ServerMetrics>,
    /// The variable that holds the token of the agent on its host. By default INFERBENCH_AGENT_TOKEN, if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_token_env: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_token_file: Option<String>,
    /// What else is known of it, for tables and charts.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The same target several times over, each with labels of its own, and perhaps another address or
    /// model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassFile>,
}

/// A variant of a target: what is different, and labels, such as `quantization: nvfp4`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(default)]
pub struct PassFile {
    /// Another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Another log file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_log: Option<String>,
    /// More fields of the request.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra_inputs: Map<String, Json>,
    /// What is otherwise of a server that is started for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<Up>,
    /// Any other key is a label.
    #[serde(flatten)]
    pub labels: Labels,
}

impl<'de> Deserialize<'de> for PassFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PassVisitor)
    }
}

/// By hand: a flattened map would forget where its values stand.
struct PassVisitor;

impl<'de> de::Visitor<'de> for PassVisitor {
    type Value = PassFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section of labels")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<PassFile, A::Error> {
        let mut pass = PassFile::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "url" => pass.url = map.next_value()?,
                "model" => pass.model = map.next_value()?,
                "server_log" => pass.server_log = map.next_value()?,
                "extra_inputs" => pass.extra_inputs = map.next_value()?,
                "up" => pass.up = map.next_value()?,
                _ => {
                    let label: Label = map.next_value()?;
                    pass.labels.0.insert(key, label);
                }
            }
        }
        Ok(pass)
    }
}

/// Whether a request takes a connection that an earlier one left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReuseName {
    /// Any that is open.
    Pooled,
    /// None: each request has a connection of its own.
    Never,
    /// That of its own session.
    Session,
}

impl From<ReuseName> for Reuse {
    fn from(name: ReuseName) -> Self {
        match name {
            ReuseName::Pooled => Self::Pooled,
            ReuseName::Never => Self::Never,
            ReuseName::Session => Self::Session,
        }
    }
}

/// Which kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Any that speaks as OpenAI's servers do.
    OpenAi,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// NVIDIA's NIM for LLMs.
    Nim,
    /// `trtllm-serve`.
    TrtLlm,
    /// Triton's generate extension.
    Triton,
    /// `llama-server`.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Anthropic's messages.
    Anthropic,
    /// Any other, which `template` describes.
    Custom,
}

impl EngineName {
    /// The engine; `None` for one that takes a template to know.
    pub(crate) fn engine(self) -> Option<Engine> {
        Some(match self {
            Self::OpenAi => Engine::OpenAi,
            Self::Vllm => Engine::Vllm,
            Self::Sglang => Engine::Sglang,
            Self::Nim => Engine::Nim,
            Self::TrtLlm => Engine::TrtLlm,
            Self::Triton => Engine::Triton,
            Self::LlamaCpp => Engine::LlamaCpp,
            Self::Ollama => Engine::Ollama,
            Self::Anthropic => Engine::Anthropic,
            Self::Custom => return None,
        })
    }
}

/// Which API of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/responses`.
    Responses,
    /// Anthropic's `/v1/messages`.
    Messages,
    /// The engine's own, for a text: SGLang's `/generate`, llama.cpp's `/completion`, Ollama's `/api/generate`,
    /// Triton's `generate_stream`, and whatever a template describes.
    Generate,
    /// The engine's own, for a conversation: Ollama's `/api/chat`.
    NativeChat,
    /// `/v1/embeddings`: latency and throughput of whole requests.
    Embeddings,
    /// `/v1/rerank`, NIM's `/v1/ranking`: the same.
    Rerank,
}

impl TargetFile {
    /// Which API is asked for.
    pub(crate) fn api(&self) -> Api {
        self.endpoint_type.unwrap_or(self.usual_endpoint_type()).into()
    }

    /// Which one is, where nothing is said of that.
    pub(crate) fn usual_endpoint_type(&self) -> EndpointType {
        match self.engine {
            Some(EngineName::Custom) => EndpointType::Generate,
            _ => EndpointType::Chat,
        }
    }
}

impl From<EndpointType> for Api {
    fn from(kind: EndpointType) -> Self {
        match kind {
            EndpointType::Chat => Self::Chat,
            EndpointType::Completions => Self::Completions,
            EndpointType::Responses => Self::Responses,
            EndpointType::Messages => Self::Messages,
            EndpointType::Generate => Self::Generate,
            EndpointType::NativeChat => Self::NativeChat,
            EndpointType::Embeddings => Self::Embeddings,
            EndpointType::Rerank => Self::Rerank,
        }
    }
}
