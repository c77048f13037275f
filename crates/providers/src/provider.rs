//! A server that is measured.

use async_trait::async_trait;
use bench_core::{
    Answer, Outcome, Prompt, Provider, ProviderError, Readiness, Request, ServerInfo,
};
use serde_json::{Map, Value, json};

use crate::{
    Config, ConfigError, Endpoint, Engine, Secret,
    dialect::Dialect,
    http::{Client, Post, is_header},
    inquiry::Inquiry,
    openai, parts,
    reader::AnswerReader,
    recording::{Piece, Recorder},
};

/// A server that answers over HTTP, in the dialect of its engine.
#[derive(Debug)]
pub struct HttpProvider {
    inquiry: Inquiry,
    post: Post,
    /// The ways to the other replicas.
    others: Vec<(Inquiry, Post)>,
    config: Config,
}

impl HttpProvider {
    /// The provider for `config`. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When the server has no such API, or a header, a path or the key cannot be sent, or not over HTTP/2.
    pub fn new(mut config: Config) -> Result<Self, ConfigError> {
        let (engine, api) = (config.engine.clone(), config.api);
        if !engine.apis().contains(&api) {
            return Err(ConfigError::Api { engine, api });
        }
        let dialect = engine.dialect();
        config.streaming = engine.streams(api).unwrap_or(config.streaming);
        let mut headers = config.headers.clone();
        let mut secrets: Vec<Secret> =
            headers.iter().map(|(_, value)| Secret::new(value)).collect();
        for (name, value) in &headers {
            if !is_header(name, value) {
                return Err(ConfigError::Header(name.clone()));
            }
        }
        // Not kept in the configuration, so that nothing can print it.
        if let Some(key) = config.api_key.take().filter(|key| !key.is_empty()) {
            let (name, value) = dialect.key_header(key.reveal());
            if !is_header(name, &value) {
                return Err(ConfigError::ApiKey);
            }
            headers.push((name.to_owned(), value));
            secrets.push(key);
        }
        let path = config.path();
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::Path(path));
        }
        headers.extend(dialect.headers().iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let mut sent = headers.clone();
        let accept = match config.streaming {
            true => dialect.framing(api).media_type(),
            false => "application/json",
        };
        sent.push(("accept".to_owned(), accept.to_owned()));
        let way = |endpoint: &Endpoint| {
            let client = Client::new(endpoint.clone(), config.limits, config.transport.clone());
            let post = client.prepare(&path, &sent).map_err(ConfigError::Http2)?;
            Ok((Inquiry::new(client, headers.clone(), secrets.clone()), post))
        };
        let (inquiry, post) = way(&config.endpoint)?;
        let others = config.replicas.iter().map(way).collect::<Result<_, _>>()?;
        Ok(Self { inquiry, post, others, config })
    }

    fn dialect(&self) -> &dyn Dialect {
        self.config.engine.dialect()
    }

    /// Where requests go.
    pub fn path(&self) -> String {
        self.config.path()
    }

    /// Which kind of server it is, by what it answers: whatever it was taken for before.
    ///
    /// # Errors
    ///
    /// When nobody answers.
    pub async fn detect(&self) -> Result<Engine, ProviderError> {
        // Asked first, since its answer serves most.
        let owner = match openai::models(&self.inquiry).await {
            Ok(info) => info.engine,
            Err(error) if matches!(error.outcome, Outcome::Http(_) | Outcome::Malformed) => None,
            Err(error) => return Err(error),
        };
        for engine in Engine::BY_SIGNS {
            if engine.dialect().is_spoken_by(&self.inquiry, owner.as_deref()).await {
                return Ok(engine);
            }
        }
        Ok(Engine::OpenAi)
    }

    /// Sends `request` as [`send`](Provider::send) does, and keeps the bytes of the answer in `pieces`.
    ///
    /// # Errors
    ///
    /// As `send`.
    pub async fn record(
        &self,
        request: &Request,
        answer: &mut Answer,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), ProviderError> {
        let (client, post) = self.way(answer);
        let mut recorder = Recorder { reader: self.reader(answer), pieces, kept: 0 };
        let sent = client.post(post, &request.body, &mut recorder).await;
        sent.map_err(|error| self.inquiry.without_secrets(error))
    }

    /// The way of `answer`'s request: sessions go to each replica in turn, their turns to the same.
    fn way(&self, answer: &Answer) -> (&Client, &Post) {
        let replicas = 1 + self.others.len() as u64;
        let turn = usize::try_from(answer.sample().session % replicas).unwrap_or(0);
        match turn.checked_sub(1).and_then(|other| self.others.get(other)) {
            Some((inquiry, post)) => (inquiry.client(), post),
            None => (self.inquiry.client(), &self.post),
        }
    }

    fn reader<'a>(&self, answer: &'a mut Answer) -> AnswerReader<'a> {
        let api = self.config.api;
        let (framing, events) = (self.dialect().framing(api), self.dialect().events(api));
        AnswerReader::new(answer, self.config.streaming, framing, events)
    }

    /// The number of tokens that the server's tokenizer makes of `text`; `None` where it does not say.
    pub async fn count_tokens(&self, text: &str) -> Option<u64> {
        self.dialect().count_tokens(&self.inquiry, &self.config.model, text).await
    }

    /// Has the server and its replicas forget the prefixes that they have cached; false where one cannot be told to.
    pub async fn forget_prefixes(&self) -> bool {
        for server in
            std::iter::once(&self.inquiry).chain(self.others.iter().map(|(other, _)| other))
        {
            if !self.dialect().forget_prefixes(server).await {
                return false;
            }
        }
        true
    }

    /// The body that `path` answers with, asked as every question about the server is: for what watches it. The
    /// connection is kept for the next time, on this thread.
    ///
    /// # Errors
    ///
    /// When there is no answer, one of another status than 200, or one of more than 16 MiB.
    pub async fn poll(&self, path: &str) -> Result<Vec<u8>, ProviderError> {
        self.inquiry.poll(path).await
    }

    /// Where the server tells what it counts of itself, in Prometheus' text.
    pub fn metrics_path(&self) -> &str {
        self.dialect().metrics_path()
    }

    /// What the server counts of itself, in Prometheus' text; `None` where it does not.
    pub async fn metrics(&self) -> Option<String> {
        match self.inquiry.get(self.dialect().metrics_path()).await {
            Ok((200, body)) => String::from_utf8(body).ok(),
            _ => None,
        }
    }
}

/// How to sample, in the words that all dialects share.
const SAMPLING: [&str; 11] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "repetition_penalty",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "min_new_tokens",
];

/// Puts a field into `body`: an object into the one that is there, null by taking away what is there.
fn merge(body: &mut Map<String, Value>, name: &str, value: &Value) {
    match (value, body.get_mut(name)) {
        (Value::Null, _) => {
            body.remove(name);
        }
        (Value::Object(fields), Some(Value::Object(there))) => {
            fields.iter().for_each(|(name, value)| merge(there, name, value));
        }
        _ => {
            body.insert(name.to_owned(), value.clone());
        }
    }
}

#[async_trait]
impl Provider for HttpProvider {
    fn name(&self) -> &str {
        self.dialect().name()
    }

    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        parts::check(&self.config, prompt)?;
        let mut body = self.dialect().body(&self.config, prompt)?;
        let sampling = self.dialect().sampling_field(self.config.api);
        let of_plan = self.config.extra_body.iter().map(|(name, value)| (name.as_str(), value));
        // Those of the plan come last: they win.
        let of_prompt = parts::extra(prompt)?;
        for (name, value) in of_prompt.iter().map(|(name, value)| (*name, value)).chain(of_plan) {
            match sampling.filter(|_| SAMPLING.contains(&name)) {
                Some(field) => merge(&mut body, field, &json!({name: value})),
                None => merge(&mut body, name, value),
            }
        }
        let body = serde_json::to_vec(&body).map_err(|error| {
            parts::refused("the request is not expressible as JSON").because(error)
        })?;
        Ok(Request::new(prompt, body))
    }

    async fn describe(&self) -> Result<ServerInfo, ProviderError> {
        self.dialect().describe(&self.inquiry).await
    }

    async fn ready(&self) -> Readiness {
        self.dialect().ready(&self.inquiry).await
    }

    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let (client, post) = self.way(answer);
        let mut reader = self.reader(answer);
        let sent = client.post(post, &request.body, &mut reader).await;
        sent.map_err(|error| self.inquiry.without_secrets(error))
    }
}
