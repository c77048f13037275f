//! Questions about a server: what is asked beside the requests that are measured.

use bench_core::{Outcome, ProviderError, Readiness};
use serde_json::Value;

use crate::{
    Secret,
    http::{Client, Method},
    said,
};

/// Asks a server about itself, with the headers that it is to be asked with.
#[derive(Debug)]
pub(crate) struct Inquiry {
    client: Client,
    headers: Vec<(String, String)>,
    /// What no message may repeat: a server's refusal may quote the request.
    secrets: Vec<Secret>,
}

/// A header's value as short as `1` or `true` is no secret, and hiding it would garble messages.
const LEAST_SECRET: usize = 8;

impl Inquiry {
    pub(crate) fn new(
        client: Client,
        headers: Vec<(String, String)>,
        mut secrets: Vec<Secret>,
    ) -> Self {
        secrets.retain(|secret| secret.reveal().len() >= LEAST_SECRET);
        Self { client, headers, secrets }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The status and the body that `path` answers with.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), ProviderError> {
        let got = self.client.ask(Method::Get, path, &self.headers, b"").await;
        got.map_err(|error| self.without_secrets(error))
    }

    /// The body that `path` answers with, over a connection that is kept for the next time.
    ///
    /// # Errors
    ///
    /// When it answers with another status than 200.
    pub(crate) async fn poll(&self, path: &str) -> Result<Vec<u8>, ProviderError> {
        let polled = match self.client.poll(path, &self.headers).await {
            Ok((200, body)) => Ok(body),
            Ok((status, body)) => Err(said::refusal(status, &body)),
            Err(error) => Err(error),
        };
        polled.map_err(|error| self.without_secrets(error))
    }

    /// The JSON that `path` answers with.
    ///
    /// # Errors
    ///
    /// When it answers with another status than 200, or with no JSON.
    pub(crate) async fn json(&self, path: &str) -> Result<Value, ProviderError> {
        self.read(path, self.get(path).await?)
    }

    /// Has the server do what `path` says; false where it does not.
    pub(crate) async fn tell(&self, path: &str) -> bool {
        let told = self.client.ask(Method::Post, path, &self.headers, b"").await;
        told.is_ok_and(|(status, _)| (200..300).contains(&status))
    }

    /// Whether `path` answers with an object that has a field `name`.
    pub(crate) async fn has(&self, path: &str, name: &str) -> bool {
        self.json(path).await.is_ok_and(|answer| answer.get(name).is_some())
    }

    /// The JSON that `path` answers `body` with.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json).
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ProviderError> {
        let body = body.to_string();
        let got = self.client.ask(Method::Post, path, &self.headers, body.as_bytes()).await;
        self.read(path, got.map_err(|error| self.without_secrets(error))?)
    }

    fn read(&self, path: &str, (status, body): (u16, Vec<u8>)) -> Result<Value, ProviderError> {
        if status != 200 {
            return Err(self.without_secrets(said::refusal(status, &body)));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let said = format!("{path} answers with no JSON: {}", said::message(&body));
            self.without_secrets(ProviderError::new(Outcome::Malformed, said).because(error))
        })
    }

    pub(crate) fn without_secrets(&self, mut error: ProviderError) -> ProviderError {
        for secret in &self.secrets {
            error.said = error.said.replace(secret.reveal(), "***");
        }
        error
    }
}

/// Whether a server can answer, by a path that says so with its status.
pub(crate) async fn by_health(server: &Inquiry, path: &str) -> Readiness {
    match server.get(path).await {
        Ok((503, body)) => Readiness::Loading(said::message(&body)),
        Ok((200..=299 | 401 | 403, _)) => Readiness::Up,
        Ok((status, body)) => Readiness::Down(format!("{status}: {}", said::message(&body))),
        Err(error) => Readiness::Down(error.said),
    }
}
