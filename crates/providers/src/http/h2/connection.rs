//! A request's place on a connection.

use std::sync::Arc;

use bench_core::{Answer, Limits, ProviderError};
use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{task::JoinHandle, time::timeout};

use super::{arriving::Arriving, link::State, open, request::RequestHead};
use crate::http::{
    Endpoint, Reader, Reuse,
    client::{Client, Method},
    exchange::{Connection, End, Exchanged, LINGER, Patience, Stale, receive},
};

/// A request's place on a connection. Dropping it leaves it to another.
#[derive(Debug)]
pub(in crate::http) struct H2 {
    pub(super) sending: SendRequest<Bytes>,
    pub(super) state: Arc<State>,
    /// What drives the connection, if that is this request's alone.
    driver: Option<JoinHandle<()>>,
}

impl H2 {
    /// A place that has been counted.
    pub(super) fn on(sending: SendRequest<Bytes>, state: Arc<State>) -> Self {
        Self { sending, state, driver: None }
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.state.leave();
    }
}

impl Connection for H2 {
    type Head = RequestHead;

    const LAST: &'static [(&'static str, &'static str)] = &[];

    fn head(
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<RequestHead, String> {
        RequestHead::new(endpoint, method, path, headers)
    }

    fn complete(head: &RequestHead, fields: &[(&str, &str)]) -> RequestHead {
        head.with(fields)
    }

    async fn kept(client: &Client, session: Option<u64>) -> Option<Self> {
        client.with_pool(|pool| pool.h2.place(session))
    }

    async fn connect(client: &Client, answer: &mut Answer) -> Result<Self, ProviderError> {
        let link = open::link(client, answer).await?;
        let mut only = link.place().ok_or_else(|| client.took_too_long())?;
        only.driver = Some(link.driver);
        Ok(only)
    }

    async fn open(
        client: &Client,
        session: Option<u64>,
        answer: &mut Answer,
    ) -> Result<Self, ProviderError> {
        match client.transport().reuse {
            Reuse::Never => Self::connect(client, answer).await,
            Reuse::Session => open::own(client, session, answer).await,
            Reuse::Pooled => open::shared(client, answer).await,
        }
    }

    async fn exchange<R: Reader>(
        &mut self,
        head: &RequestHead,
        body: &Bytes,
        reader: &mut R,
        limits: &Limits,
    ) -> Result<Exchanged, Stale> {
        let clock = reader.answer().clock();
        reader.answer().sent(clock.now());
        let mut arriving = Arriving::of_request(self, head, body)?;
        match receive(&mut arriving, reader, limits, Patience::Stages).await {
            Err(error) if arriving.is_unseen() => Err(Stale(error)),
            Err(error) => Ok(Exchanged { result: Err(error), reusable: true }),
            Ok(End { result, .. }) => Ok(Exchanged { result, reusable: true }),
        }
    }

    /// It lies with the others already.
    fn keep(self, _client: &Client, _session: Option<u64>) {}

    fn forget(self, client: &Client) {
        client.with_pool(|pool| pool.h2.forget(&self));
    }

    async fn close(mut self) {
        let driver = self.driver.take();
        // With its last request the connection ends.
        drop(self);
        if let Some(driver) = driver {
            let _ = timeout(LINGER, driver).await;
        }
    }
}
