//! A request out, an answer in: what the versions of HTTP share.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bench_core::{Answer, Limits, Outcome, ProviderError, Stamp};
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    Endpoint,
    client::{Client, Method},
    deadline::expiry,
    head::Head,
};

/// Takes an answer apart while its bytes come, and writes what it finds into the record.
pub(crate) trait Reader: Send {
    /// The record.
    fn answer(&mut self) -> &mut Answer;

    /// Whether the answer was asked for as a stream.
    fn is_streamed(&self) -> bool;

    /// The head came.
    fn head(&mut self, head: &Head) -> Result<(), ProviderError>;

    /// Some of the body came.
    fn content(&mut self, bytes: &[u8], stamp: Stamp) -> Result<(), ProviderError>;

    /// Whether the answer says of itself that it is complete.
    fn is_complete(&self) -> bool;

    /// The body ended as its framing said.
    fn end(&mut self) -> Result<(), ProviderError>;
}

/// A way for a request and its answer: what each version of HTTP has.
pub(super) trait Connection: Sized {
    /// The head of a request, ready for some more fields.
    type Head: Clone;

    /// Fields of a request that no other is to follow.
    const LAST: &'static [(&'static str, &'static str)];

    /// The head of requests to `path`, with `headers` beside the usual ones. Names and values must be valid:
    /// see [`is_header`](super::is_header).
    ///
    /// # Errors
    ///
    /// When this version has no place for one of them; says which.
    fn head(
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<Self::Head, String>;

    /// `head` with more fields: what a request is sent with.
    fn complete(head: &Self::Head, fields: &[(&str, &str)]) -> Self::Head;

    /// One that an earlier request left open, and that has served `session` if that matters.
    async fn kept(client: &Client, session: Option<u64>) -> Option<Self>;

    /// A new one, for one request.
    async fn connect(client: &Client, answer: &mut Answer) -> Result<Self, ProviderError>;

    /// One for a request that found none kept, and for later ones if connections are kept.
    async fn open(
        client: &Client,
        _session: Option<u64>,
        answer: &mut Answer,
    ) -> Result<Self, ProviderError> {
        Self::connect(client, answer).await
    }

    /// Sends a request and reads its answer to the end.
    async fn exchange<R: Reader>(
        &mut self,
        head: &Self::Head,
        body: &Bytes,
        reader: &mut R,
        limits: &Limits,
    ) -> Result<Exchanged, Stale>;

    /// Leaves it to later requests, if connections are kept.
    fn keep(self, client: &Client, session: Option<u64>);

    /// It was found closed.
    fn forget(self, _client: &Client) {}

    /// Ends it now: what drives it may not run again.
    async fn close(self) {}
}

/// What came of an exchange that got an answer, or a part of one.
pub(super) struct Exchanged {
    pub(super) result: Result<(), ProviderError>,
    /// Whether another request may go over the connection.
    pub(super) reusable: bool,
}

/// The connection was closed before a byte of an answer came.
pub(super) struct Stale(pub(super) ProviderError);

/// What an answer comes from.
pub(super) trait Source {
    /// Has `reader` take in some of what has come. `Some` at the end of the answer, well or not.
    ///
    /// # Errors
    ///
    /// When the answer does not end as it should.
    fn poll_take<R: Reader>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<Result<Option<End>, ProviderError>>;
}

/// How an answer ended.
pub(super) struct End {
    /// What it turned out to be.
    pub(super) result: Result<(), ProviderError>,
    /// Whether nothing of it is left on the connection.
    pub(super) whole: bool,
}

/// How long a request has, from when its answer is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as each stage has.
    Stages,
    /// It could not be sent: only an answer that is there already is of interest.
    OnlyWhatIsThere,
}

/// How long a complete answer may take to end its body before it is left.
pub(super) const LINGER: Duration = Duration::from_millis(100);

/// Reads until the answer ends. `Err` is an answer that did not.
pub(super) async fn receive<S: Source, R: Reader>(
    source: &mut S,
    reader: &mut R,
    limits: &Limits,
    patience: Patience,
) -> Result<End, ProviderError> {
    let clock = reader.answer().clock();
    let mut alarm = pin!(sleep_until(clock.instant(clock.now())));
    loop {
        let streamed = reader.is_streamed();
        let (expires, _) = expiry(reader.answer().sample(), limits, streamed);
        let stage = Stage::of(reader);
        let expires = match stage {
            Stage::Complete => Instant::now() + LINGER,
            _ if patience == Patience::OnlyWhatIsThere => Instant::now() + LINGER,
            _ => clock.instant(expires),
        };
        alarm.as_mut().reset(expires);
        let ended = poll_fn(|cx| {
            loop {
                match source.poll_take(cx, reader) {
                    Poll::Ready(Ok(None)) => {
                        // The limit of the next stage may be nearer: go and set the alarm for that.
                        if Stage::of(reader) != stage {
                            return Poll::Ready(Ok(None));
                        }
                    }
                    Poll::Ready(ended) => return Poll::Ready(ended),
                    Poll::Pending => {
                        ready!(alarm.as_mut().poll(cx));
                        return Poll::Ready(Ok(None));
                    }
                }
            }
        })
        .await?;
        if let Some(end) = ended {
            return Ok(end);
        }
        // Either the alarm rang, or the answer has just come to another stage.
        if Instant::now() < expires {
            continue;
        }
        if stage == Stage::Complete {
            return Ok(End { result: Ok(()), whole: false });
        }
        if patience == Patience::OnlyWhatIsThere {
            return Err(ProviderError::new(Outcome::Reset, "closed while the request was sent"));
        }
        // Generated events since then have moved the limit.
        let (expires, outcome) = expiry(reader.answer().sample(), limits, streamed);
        if expires <= clock.now() {
            return Err(ProviderError::new(outcome, "the server took too long"));
        }
    }
}

/// How far an answer has come: each stage has a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Awaited,
    Head,
    Generating,
    Complete,
}

impl Stage {
    fn of<R: Reader>(reader: &mut R) -> Self {
        if reader.is_complete() {
            return Self::Complete;
        }
        let sample = reader.answer().sample();
        match (sample.last_generated(), sample.headers) {
            (Some(_), _) => Self::Generating,
            (None, Some(_)) => Self::Head,
            (None, None) => Self::Awaited,
        }
    }
}
