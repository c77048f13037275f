//! A server, and the connections to it.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bench_core::{Answer, Clock, Connect, Limits, Outcome, ProviderError, Request, Sample, Stamp};
use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Endpoint, Head, Reader, Reuse, Transport,
    connect::Route,
    exchange::{Connection, Stale},
    h1::{self, H1},
    h2::{self, H2},
    io::Io,
    stream::Primer,
};

/// A server, and the connections to it: a pool on each thread, shared by none.
#[derive(Debug)]
pub(crate) struct Client {
    /// Names this client's pools.
    id: u64,
    route: Route,
    limits: Limits,
    _primer: Primer,
}

/// The unchanging part of a request's head, in the client's version of HTTP.
#[derive(Clone, Debug)]
pub(crate) enum Post {
    H1(h1::RequestHead),
    H2(h2::RequestHead),
}

/// What a thread keeps of a client.
pub(super) struct Pool {
    pub(super) h1: h1::Idle,
    pub(super) h2: h2::Open,
    /// Bounds the connections being set up: a burst beyond a server's backlog costs a second each.
    connecting: Arc<Semaphore>,
}

impl Default for Pool {
    fn default() -> Self {
        let (h1, h2) = (h1::Idle::default(), h2::Open::default());
        Self { h1, h2, connecting: Arc::new(Semaphore::new(CONNECTING)) }
    }
}

const CONNECTING: usize = 64;

/// Below the five seconds after which uvicorn closes an idle connection.
pub(super) const MOST_IDLE: Duration = Duration::from_secs(4);

/// A server that closes an idle connection while a request is on its way says so within a round trip.
const RACE: Duration = Duration::from_millis(250);

thread_local! {
    static POOLS: RefCell<HashMap<u64, Pool>> = RefCell::default();
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, limits: Limits, transport: Transport) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            limits,
            _primer: Primer::new(transport.stamping),
            route: Route::new(endpoint, transport),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.route.endpoint()
    }

    pub(super) fn transport(&self) -> &Transport {
        self.route.transport()
    }

    /// The head of requests to `path`, with `headers` beside the usual ones. Names and values must be
    /// valid: see [`is_header`].
    ///
    /// # Errors
    ///
    /// When the version of HTTP has no place for one of them; says which.
    pub(crate) fn prepare(&self, path: &str, headers: &[(String, String)]) -> Result<Post, String> {
        let endpoint = self.endpoint();
        match self.transport().http2 {
            true => H2::head(endpoint, Method::Post, path, headers).map(Post::H2),
            false => H1::head(endpoint, Method::Post, path, headers).map(Post::H1),
        }
    }

    /// Sends `body` and has `reader` take the answer apart.
    pub(crate) async fn post<R: Reader>(
        &self,
        post: &Post,
        body: &Bytes,
        reader: &mut R,
    ) -> Result<(), ProviderError> {
        match post {
            Post::H1(head) => self.send::<H1, R>(head, body, reader).await,
            Post::H2(head) => self.send::<H2, R>(head, body, reader).await,
        }
    }

    async fn send<C: Connection, R: Reader>(
        &self,
        head: &C::Head,
        body: &Bytes,
        reader: &mut R,
    ) -> Result<(), ProviderError> {
        let (id, length) = (reader.answer().request_id(), body.len().to_string());
        let head = C::complete(head, &[("x-request-id", id), ("content-length", &length)]);
        let session = self.session_of(reader.answer());
        self.exchange::<C, R>(session, &head, body, reader).await
    }

    /// Sends a request over a connection that is kept, or over a new one, which is.
    async fn exchange<C: Connection, R: Reader>(
        &self,
        session: Option<u64>,
        head: &C::Head,
        body: &Bytes,
        reader: &mut R,
    ) -> Result<(), ProviderError> {
        if let Some(mut kept) = C::kept(self, session).await {
            let began = Instant::now();
            match kept.exchange(head, body, reader, &self.limits).await {
                Ok(exchanged) => {
                    if exchanged.reusable {
                        kept.keep(self, session);
                    }
                    return exchanged.result;
                }
                // It had worked on the request: that is a failure like any other.
                Err(Stale(error)) if began.elapsed() > RACE => return Err(error),
                // It closed the connection just then: the one case in which a request is sent again.
                Err(Stale(_)) => kept.forget(self),
            }
        }
        let mut connection = C::open(self, session, reader.answer()).await?;
        match connection.exchange(head, body, reader, &self.limits).await {
            Ok(exchanged) => {
                if exchanged.reusable {
                    connection.keep(self, session);
                }
                exchanged.result
            }
            Err(Stale(error)) => Err(error),
        }
    }

    /// The session that a connection must have served to serve `answer`'s request; `None` for any.
    fn session_of(&self, answer: &Answer) -> Option<u64> {
        (self.transport().reuse == Reuse::Session).then_some(answer.sample().session)
    }

    /// What `f` makes of this thread's pool.
    pub(super) fn with_pool<T>(&self, f: impl FnOnce(&mut Pool) -> T) -> T {
        POOLS.with_borrow_mut(|pools| f(pools.entry(self.id).or_default()))
    }

    /// Sets up a connection for `answer`'s request: opens it and has `begin` do what its version of HTTP
    /// begins with, both within the limit.
    pub(super) async fn connect<C>(
        &self,
        answer: &mut Answer,
        begin: impl AsyncFnOnce(Io) -> Result<C, ProviderError>,
    ) -> Result<C, ProviderError> {
        let connecting = self.with_pool(|pool| Arc::clone(&pool.connecting));
        // Never closed, so there is always a permit in the end.
        let _permit = connecting.acquire_owned().await;
        let clock = answer.clock();
        let began = clock.now();
        let set_up = async { begin(self.route.connect(clock).await?).await };
        let connection =
            timeout(self.limits.connect, set_up).await.map_err(|_| self.took_too_long())??;
        answer.connected(Connect { began, done: clock.now() });
        Ok(connection)
    }

    /// The failure that a connection is which was not there within the limit.
    pub(super) fn took_too_long(&self) -> ProviderError {
        let said = format!("{} did not take the connection", self.endpoint().authority());
        ProviderError::new(Outcome::ConnectTimeout, said)
    }

    /// How long a connection may take.
    pub(super) fn connect_limit(&self) -> Duration {
        self.limits.connect
    }

    /// The status and body of an answer that is not measured, over a connection of its own.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        match self.transport().http2 {
            true => self.ask_over::<H2>(method, path, headers, body).await,
            false => self.ask_over::<H1>(method, path, headers, body).await,
        }
    }

    /// The status and body that `path` answers with, over a connection that is kept for the next time: for what
    /// is asked again and again. Connections are a thread's own.
    pub(crate) async fn poll(
        &self,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        match self.transport().http2 {
            true => self.poll_over::<H2>(path, headers).await,
            false => self.poll_over::<H1>(path, headers).await,
        }
    }

    async fn poll_over<C: Connection>(
        &self,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        let head = C::head(self.endpoint(), Method::Get, path, headers)
            .map_err(|what| ProviderError::new(Outcome::Client, what))?;
        let mut whole = Whole::new();
        let session = self.session_of(&whole.answer);
        let head = C::complete(&head, &[]);
        self.exchange::<C, _>(session, &head, &Bytes::new(), &mut whole).await?;
        Ok((whole.status, whole.body))
    }

    async fn ask_over<C: Connection>(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        let head = C::head(self.endpoint(), method, path, headers)
            .map_err(|what| ProviderError::new(Outcome::Client, what))?;
        let length = body.len().to_string();
        let mut fields = C::LAST.to_vec();
        fields.extend((method == Method::Post).then_some(("content-length", length.as_str())));
        let (head, body) = (C::complete(&head, &fields), Bytes::copy_from_slice(body));
        let mut whole = Whole::new();
        let mut connection = C::connect(self, &mut whole.answer).await?;
        let exchanged = connection.exchange(&head, &body, &mut whole, &self.limits).await;
        connection.close().await;
        match exchanged {
            Ok(exchanged) => exchanged.result.map(|()| (whole.status, whole.body)),
            Err(Stale(error)) => Err(error),
        }
    }
}

/// What a question about a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Method {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

pub(super) const AGENT: &str = concat!("inferbench/", env!("CARGO_PKG_VERSION"));

/// Whether a header can be written: its name is a token, its value has no control characters.
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty()
        && name.bytes().all(token)
        && !value.bytes().any(|b| b.is_ascii_control() && b != b'\t')
}

/// Reads a small answer as a whole.
struct Whole {
    answer: Answer,
    status: u16,
    body: Vec<u8>,
}

/// Lists of models are a few kilobytes, metrics of a large server some megabytes. What reads metrics takes no more.
const MOST_OF_WHOLE: usize = 16 << 20;

impl Whole {
    fn new() -> Self {
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(answer.clock().now()), &Request::default());
        Self { answer, status: 0, body: Vec::new() }
    }
}

impl Reader for Whole {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn is_streamed(&self) -> bool {
        true
    }

    fn head(&mut self, head: &Head) -> Result<(), ProviderError> {
        self.status = head.status;
        Ok(())
    }

    fn content(&mut self, bytes: &[u8], _stamp: Stamp) -> Result<(), ProviderError> {
        self.body.extend_from_slice(bytes);
        if self.body.len() > MOST_OF_WHOLE {
            return Err(ProviderError::new(Outcome::Oversize, "an answer of more than 16 MiB"));
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_header;

    #[test]
    fn headers_cannot_smuggle_lines() {
        assert!(is_header("X-Session-ID", "a b\tc"));
        for (name, value) in
            [("", "x"), ("a b", "x"), ("a:", "x"), ("a", "x\r\nb: c"), ("a", "x\0")]
        {
            assert!(!is_header(name, value), "{name:?}: {value:?}");
        }
    }
}
