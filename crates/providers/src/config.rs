//! How a server is to be asked.

use std::fmt;

use bench_core::Limits;
use serde_json::{Map, Value};

use crate::{
    Endpoint, Secret, Template, Transport, anthropic::Anthropic, dialect::Dialect,
    llamacpp::LlamaCpp, nim::Nim, ollama::Ollama, openai::OpenAi, sglang::Sglang, triton::Triton,
    trtllm::TrtLlm, vllm::Vllm,
};

/// The kind of a server: which dialect it speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Any that speaks as OpenAI's servers do, and no more is known of it.
    #[default]
    OpenAi,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// NVIDIA's NIM for LLMs.
    Nim,
    /// TensorRT-LLM's own server, `trtllm-serve`.
    TrtLlm,
    /// Triton's generate extension.
    Triton,
    /// llama.cpp's `llama-server`.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Anthropic's messages, and no more.
    Anthropic,
    /// Any other, as a template describes it.
    Custom(Template),
}

impl Engine {
    /// Every kind that needs no template.
    pub const ALL: [Self; 9] = [
        Self::OpenAi,
        Self::Vllm,
        Self::Sglang,
        Self::Nim,
        Self::TrtLlm,
        Self::Triton,
        Self::LlamaCpp,
        Self::Ollama,
        Self::Anthropic,
    ];

    /// Those that can be told by what they answer. NIM comes first, since it answers as the engine in it,
    /// too; then those that a list of models tells, since that has been asked for.
    pub(crate) const BY_SIGNS: [Self; 7] = [
        Self::Nim,
        Self::Vllm,
        Self::Sglang,
        Self::TrtLlm,
        Self::LlamaCpp,
        Self::Ollama,
        Self::Triton,
    ];

    pub(crate) fn dialect(&self) -> &dyn Dialect {
        match self {
            Self::OpenAi => &OpenAi,
            Self::Vllm => &Vllm,
            Self::Sglang => &Sglang,
            Self::Nim => &Nim,
            Self::TrtLlm => &TrtLlm,
            Self::Triton => &Triton,
            Self::LlamaCpp => &LlamaCpp,
            Self::Ollama => &Ollama,
            Self::Anthropic => &Anthropic,
            Self::Custom(template) => template,
        }
    }

    /// The APIs that it has, the usual one first.
    pub fn apis(&self) -> &'static [Api] {
        self.dialect().apis()
    }

    /// Whether it can make answers of this API exactly as long as asked for. Results have no length.
    pub fn fixes_length(&self, api: Api) -> bool {
        api.generates() && self.dialect().fixes_length(api)
    }

    /// Whether it streams answers of this API, where that is not for the user to choose: results come whole, and
    /// a template says how its answers come.
    pub fn streams(&self, api: Api) -> Option<bool> {
        self.dialect().streams().or((!api.generates()).then_some(false))
    }

    /// Whether requests name a model.
    pub fn names_model(&self) -> bool {
        match self {
            Self::Custom(template) => template.names_model(),
            _ => true,
        }
    }
}

/// Which of a server's APIs is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// OpenAI's chat.
    #[default]
    Chat,
    /// OpenAI's completions: the contents of the messages, joined.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// The engine's own, for a text: the contents of the messages, joined.
    Generate,
    /// The engine's own, for a conversation.
    NativeChat,
    /// OpenAI's embeddings: each message is a text.
    Embeddings,
    /// Rerank as Jina and Cohere have it: the first message is the query, each further one a document.
    Rerank,
}

impl Api {
    /// Whether its answers are generated token by token. Others are results: they come whole, and have no
    /// tokens.
    pub const fn generates(self) -> bool {
        !matches!(self, Self::Embeddings | Self::Rerank)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.dialect().name())
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Generate => "generate",
            Self::NativeChat => "native_chat",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
        })
    }
}

/// How a server is to be asked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Other addresses of the same server: sessions go to each in turn.
    pub replicas: Vec<Endpoint>,
    /// Which kind of server it is.
    pub engine: Engine,
    /// The model to ask for.
    pub model: String,
    /// Which API.
    pub api: Api,
    /// Another path for it than the usual one.
    pub path: Option<String>,
    /// Whether answers are streamed, where the engine leaves that open. Without, there is no time to first token.
    pub streaming: bool,
    /// Whether answers are to be exactly as long as asked for. Servers that cannot do that may refuse it.
    pub fixed_length: bool,
    /// Fields of the body beside ours; they win over ours, and `null` takes one of ours away.
    pub extra_body: Map<String, Value>,
    /// Headers beside ours.
    pub headers: Vec<(String, String)>,
    /// Sent as the dialect sends keys, such as `Authorization: Bearer`.
    pub api_key: Option<Secret>,
    /// What a request may take.
    pub limits: Limits,
    /// How connections are set up.
    pub transport: Transport,
}

impl Config {
    /// Where requests go.
    pub fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.engine.dialect().path(self))
    }

    /// Streamed chat with the server at `endpoint`; `model` may be empty until it is known.
    pub fn new(endpoint: Endpoint, model: impl Into<String>) -> Self {
        Self {
            endpoint,
            replicas: Vec::new(),
            engine: Engine::default(),
            model: model.into(),
            api: Api::default(),
            path: None,
            streaming: true,
            fixed_length: false,
            extra_body: Map::new(),
            headers: Vec::new(),
            api_key: None,
            limits: Limits::default(),
            transport: Transport::default(),
        }
    }
}

/// A configuration that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The server has no such API.
    #[error("{engine} has no API `{api}`: it has {}", names(.engine.apis()))]
    Api {
        /// The kind of server.
        engine: Engine,
        /// The API.
        api: Api,
    },
    /// A header's name or value has characters that headers have not.
    #[error("header `{0}` has a name or a value that cannot be sent")]
    Header(String),
    /// The path is not an absolute one, or has characters that paths have not.
    #[error("`{0}` is no path on a server")]
    Path(String),
    /// The key has characters that headers have not. It is not shown.
    #[error("the API key has characters that cannot be sent")]
    ApiKey,
    /// HTTP/2 has no place for this, which is said in words.
    #[error("HTTP/2 has no place for {0}")]
    Http2(String),
}

fn names(apis: &[Api]) -> String {
    apis.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
