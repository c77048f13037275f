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
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Endpoint, Head, Reader, Reuse, Transport,
    connect::Route,
    connection::{Connection, Exchanged, Stale},
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

/// The unchanging part of a request's head.
#[derive(Clone, Debug)]
pub(crate) struct Post(Vec<u8>);

/// What a thread keeps of a client.
struct Pool {
    /// With the session that each served last, where that matters.
    idle: Vec<(Option<u64>, Connection)>,
    /// Bounds the connections being set up: a burst beyond a server's backlog costs a second each.
    connecting: Arc<Semaphore>,
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle: Vec::new(), connecting: Arc::new(Semaphore::new(CONNECTING)) }
    }
}

const CONNECTING: usize = 64;

/// Below the five seconds after which uvicorn closes an idle connection.
const MOST_IDLE: Duration = Duration::from_secs(4);

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

    /// The head of requests to `path`, with `headers` beside the usual ones. Names and values must be
    /// valid: see [`is_header`].
    pub(crate) fn prepare(&self, path: &str, headers: &[(String, String)]) -> Post {
        let endpoint = self.endpoint();
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             accept-encoding: identity\r\nuser-agent: {AGENT}\r\n",
            endpoint.path(path),
            endpoint.authority(),
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        Post(head.into_bytes())
    }

    /// Sends `body` and has `reader` take the answer apart.
    pub(crate) async fn post<R: Reader>(
        &self,
        post: &Post,
        body: &[u8],
        reader: &mut R,
    ) -> Result<(), ProviderError> {
        let mut head = Vec::with_capacity(post.0.len() + 96);
        head.extend_from_slice(&post.0);
        head.extend_from_slice(b"x-request-id: ");
        head.extend_from_slice(reader.answer().request_id().as_bytes());
        head.extend_from_slice(format!("\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());

        let session = self.session_of(reader.answer());
        if let Some(mut connection) = self.idle(session).await {
            let began = Instant::now();
            match connection.exchange(&head, body, reader, &self.limits).await {
                Ok(exchanged) => return self.finish(connection, session, exchanged),
                // It had worked on the request: that is a failure like any other.
                Err(Stale(error)) if began.elapsed() > RACE => return Err(error),
                // It closed the connection just then: the one case in which a request is sent again.
                Err(Stale(_)) => {}
            }
        }
        let mut connection = self.connect(reader.answer()).await?;
        match connection.exchange(&head, body, reader, &self.limits).await {
            Ok(exchanged) => self.finish(connection, session, exchanged),
            Err(Stale(error)) => Err(error),
        }
    }

    /// The session that a connection must have served to serve `answer`'s request; `None` for any.
    fn session_of(&self, answer: &Answer) -> Option<u64> {
        (self.route.transport().reuse == Reuse::Session).then_some(answer.sample().session)
    }

    fn finish(
        &self,
        connection: Connection,
        session: Option<u64>,
        exchanged: Exchanged,
    ) -> Result<(), ProviderError> {
        if exchanged.reusable && self.route.transport().reuse != Reuse::Never {
            self.with_pool(|pool| {
                if session.is_some() {
                    // Nobody says when a session is over.
                    pool.idle.retain(|(_, connection)| connection.idle() < MOST_IDLE);
                }
                pool.idle.push((session, connection));
            });
        }
        exchanged.result
    }

    fn with_pool<T>(&self, f: impl FnOnce(&mut Pool) -> T) -> T {
        POOLS.with_borrow_mut(|pools| f(pools.entry(self.id).or_default()))
    }

    /// An open connection that is still good, and has served `session` if that matters.
    async fn idle(&self, session: Option<u64>) -> Option<Connection> {
        loop {
            let (_, mut connection) = self.with_pool(|pool| match session {
                None => pool.idle.pop(),
                Some(_) => {
                    let place = pool.idle.iter().position(|(served, _)| *served == session)?;
                    Some(pool.idle.swap_remove(place))
                }
            })?;
            if connection.idle() < MOST_IDLE && connection.is_quiet().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, answer: &mut Answer) -> Result<Connection, ProviderError> {
        let connecting = self.with_pool(|pool| Arc::clone(&pool.connecting));
        // Never closed, so there is always a permit in the end.
        let _permit = connecting.acquire_owned().await;
        let clock = answer.clock();
        let began = clock.now();
        let connection =
            timeout(self.limits.connect, self.route.connect(clock)).await.map_err(|_| {
                let said = format!("{} did not take the connection", self.endpoint().authority());
                ProviderError::new(Outcome::ConnectTimeout, said)
            })??;
        answer.connected(Connect { began, done: clock.now() });
        Ok(connection)
    }

    /// The status and body of an answer that is not measured, over a connection of its own.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        let endpoint = self.endpoint();
        let (path, authority) = (endpoint.path(path), endpoint.authority());
        let mut head = format!(
            "{} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
             accept-encoding: identity\r\nuser-agent: {AGENT}\r\n",
            method.as_str()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if method == Method::Post {
            let length = body.len();
            head += &format!("content-type: application/json\r\ncontent-length: {length}\r\n");
        }
        head.push_str("\r\n");
        let mut whole = Whole::new();
        let mut connection = self.connect(&mut whole.answer).await?;
        match connection.exchange(head.as_bytes(), body, &mut whole, &self.limits).await {
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
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

const AGENT: &str = concat!("inferbench/", env!("CARGO_PKG_VERSION"));

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

/// Lists of models are a few kilobytes.
const MOST_OF_WHOLE: usize = 4 << 20;

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
            return Err(ProviderError::new(Outcome::Oversize, "an answer of more than 4 MiB"));
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
