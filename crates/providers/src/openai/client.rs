//! The provider: what is sent, and what the server says of itself.

use async_trait::async_trait;
use bench_core::{
    Answer, Limits, Outcome, Prompt, Provider, ProviderError, Readiness, Request, ServerInfo,
};
use serde_json::{Map, Value, json};

use super::wire::{self, AnswerReader};
use crate::{
    Endpoint, Secret, Stamping,
    http::{Client, Post},
};

/// Which of the server's APIs is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Api {
    /// `/v1/chat/completions`.
    #[default]
    Chat,
    /// `/v1/completions`: the contents of the messages, joined.
    Completions,
}

impl Api {
    /// Its path on a server.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }
}

/// How a server is to be asked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The model to ask for.
    pub model: String,
    /// Which API.
    pub api: Api,
    /// Another path for it than the usual one.
    pub path: Option<String>,
    /// Whether answers are streamed. Without, there is no time to first token.
    pub streaming: bool,
    /// Whether to ask for `ignore_eos`, so that answers have the length asked for. Engines that do not
    /// know the field refuse it.
    pub ignore_eos: bool,
    /// Fields of the body beside ours; they win over ours, and `null` takes one of ours away.
    pub extra_body: Map<String, Value>,
    /// Headers beside ours.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<Secret>,
    /// What a request may take.
    pub limits: Limits,
    /// Which clock tells when bytes came.
    pub stamping: Stamping,
}

impl Config {
    /// Streamed chat with the server at `endpoint`; `model` may be empty until it is known.
    pub fn new(endpoint: Endpoint, model: impl Into<String>) -> Self {
        Self {
            endpoint,
            model: model.into(),
            api: Api::default(),
            path: None,
            streaming: true,
            ignore_eos: false,
            extra_body: Map::new(),
            headers: Vec::new(),
            api_key: None,
            limits: Limits::default(),
            stamping: Stamping::default(),
        }
    }
}

/// A configuration that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A header's name or value has characters that headers have not.
    #[error("header `{0}` has a name or a value that cannot be sent")]
    Header(String),
    /// The path is not an absolute one, or has characters that paths have not.
    #[error("`{0}` is no path on a server")]
    Path(String),
    /// The key has characters that headers have not. It is not shown.
    #[error("the API key has characters that cannot be sent")]
    ApiKey,
}

/// A server that speaks OpenAI's dialect.
#[derive(Debug)]
pub struct OpenAi {
    client: Client,
    post: Post,
    /// For requests that ask about the server.
    headers: Vec<(String, String)>,
    /// What no message may repeat: a server's refusal may quote the request.
    secrets: Vec<Secret>,
    config: Config,
}

impl OpenAi {
    /// The provider for `config`. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When a header, a path or the key cannot be sent.
    pub fn new(mut config: Config) -> Result<Self, ConfigError> {
        let mut headers = config.headers.clone();
        let mut secrets: Vec<Secret> =
            headers.iter().map(|(_, value)| Secret::new(value)).collect();
        for (name, value) in &headers {
            if !crate::http::is_header(name, value) {
                return Err(ConfigError::Header(name.clone()));
            }
        }
        // Not kept in the configuration, so that nothing can print it.
        if let Some(key) = config.api_key.take().filter(|key| !key.is_empty()) {
            let value = format!("Bearer {}", key.reveal());
            if !crate::http::is_header("authorization", &value) {
                return Err(ConfigError::ApiKey);
            }
            headers.push(("authorization".to_owned(), value));
            secrets.push(key);
        }
        let path = config.path.clone().unwrap_or_else(|| config.api.path().to_owned());
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::Path(path));
        }
        let client = Client::new(config.endpoint.clone(), config.limits, config.stamping);
        let mut sent = headers.clone();
        let accept = if config.streaming { "text/event-stream" } else { "application/json" };
        sent.push(("accept".to_owned(), accept.to_owned()));
        let post = client.prepare(&path, &sent);
        secrets.retain(|secret| secret.reveal().len() >= LEAST_SECRET);
        Ok(Self { client, post, headers, secrets, config })
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(self.config.model));
        match self.config.api {
            Api::Chat => {
                let messages = prompt.messages.iter();
                let messages =
                    messages.map(|m| json!({"role": m.role.as_str(), "content": m.content}));
                body.insert("messages".to_owned(), messages.collect());
            }
            Api::Completions => {
                let contents: Vec<&str> =
                    prompt.messages.iter().map(|m| m.content.as_str()).collect();
                body.insert("prompt".to_owned(), json!(contents.join("\n")));
            }
        }
        body.insert("stream".to_owned(), json!(self.config.streaming));
        if self.config.streaming {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        if let Some(tokens) = prompt.output_tokens {
            body.insert("max_tokens".to_owned(), json!(tokens));
            if self.config.ignore_eos {
                body.insert("ignore_eos".to_owned(), json!(true));
            }
        }
        for (name, value) in &self.config.extra_body {
            match value {
                Value::Null => body.remove(name),
                value => body.insert(name.clone(), value.clone()),
            };
        }
        Value::Object(body)
    }

    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), ProviderError> {
        self.client.get(path, &self.headers).await
    }

    /// What the server counts of itself, in Prometheus' text; `None` where it does not.
    pub async fn metrics(&self) -> Option<String> {
        match self.get("/metrics").await {
            Ok((200, body)) => String::from_utf8(body).ok(),
            _ => None,
        }
    }

    async fn list_models(&self) -> Result<ServerInfo, ProviderError> {
        let (status, body) = self.get("/v1/models").await?;
        if status != 200 {
            return Err(wire::refusal(status, &body));
        }
        let mut info = wire::server_info(&body)?;
        // vLLM and SGLang say their version here; whoever does not has none to say.
        if let Ok((200, body)) = self.get("/version").await {
            info.version = wire::version(&body);
        }
        Ok(info)
    }

    fn without_secrets(&self, mut error: ProviderError) -> ProviderError {
        for secret in &self.secrets {
            error.said = error.said.replace(secret.reveal(), "***");
        }
        error
    }
}

/// A header's value as short as `1` or `true` is no secret, and hiding it would garble messages.
const LEAST_SECRET: usize = 8;

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &str {
        "openai"
    }

    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        let body = serde_json::to_vec(&self.body(prompt)).map_err(|error| {
            ProviderError::new(Outcome::Client, "the request is not expressible as JSON")
                .because(error)
        })?;
        Ok(Request::new(prompt, body))
    }

    async fn describe(&self) -> Result<ServerInfo, ProviderError> {
        self.list_models().await.map_err(|error| self.without_secrets(error))
    }

    async fn ready(&self) -> Readiness {
        match self.get("/v1/models").await {
            Ok((503, body)) => Readiness::Loading(wire::message(&body)),
            Ok((200..=299 | 401 | 403, _)) => Readiness::Up,
            Ok((status, body)) => Readiness::Down(format!("{status}: {}", wire::message(&body))),
            Err(error) => Readiness::Down(self.without_secrets(error).said),
        }
    }

    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let mut reader = AnswerReader::new(answer, self.config.streaming);
        let sent = self.client.post(&self.post, &request.body, &mut reader).await;
        sent.map_err(|error| self.without_secrets(error))
    }
}
