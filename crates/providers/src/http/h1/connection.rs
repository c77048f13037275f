//! One connection: a request out, the answer's bytes in, with the moment they came.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bench_core::{Answer, Limits, Outcome, ProviderError, Stamp};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, timeout},
};

use super::{incoming::Incoming, request::RequestHead};
use crate::http::{
    Endpoint, Reader, Reuse,
    client::{Client, MOST_IDLE, Method},
    connect::outcome_of,
    exchange::{Connection, End, Exchanged, Patience, Source, Stale, receive},
    io::Io,
};

/// An open connection, with at most one request on it.
#[derive(Debug)]
pub(in crate::http) struct H1 {
    io: Io,
    idle_since: Instant,
}

/// The connections of a thread that no request is on, with the session that each served last where that
/// matters.
#[derive(Debug, Default)]
pub(in crate::http) struct Idle(Vec<(Option<u64>, H1)>);

thread_local! {
    /// What was just read. One for all connections of a thread: it is empty again when a poll returns, and
    /// a buffer for each would cost more memory than everything else about a stream.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into_boxed_slice());
}

impl Idle {
    fn take(&mut self, session: Option<u64>) -> Option<H1> {
        let place = match session {
            None => self.0.len().checked_sub(1)?,
            Some(_) => self.0.iter().position(|(served, _)| *served == session)?,
        };
        Some(self.0.swap_remove(place).1)
    }

    fn put(&mut self, session: Option<u64>, connection: H1) {
        if session.is_some() {
            // Nobody says when a session is over.
            self.0.retain(|(_, connection)| connection.idle() < MOST_IDLE);
        }
        self.0.push((session, connection));
    }
}

impl H1 {
    /// How long nothing was sent over it.
    fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether the server has neither closed it nor sent anything since the last answer.
    async fn is_quiet(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.poll_read(cx, |_, _| ()).is_pending())).await
    }

    /// Reads once; `on_bytes` gets what came, nothing at the end of the stream.
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        on_bytes: impl FnOnce(&[u8], Stamp) -> T,
    ) -> Poll<io::Result<T>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(on_bytes(buffer.filled(), self.io.last_stamp())))
        })
    }
}

impl Connection for H1 {
    type Head = RequestHead;

    const LAST: &'static [(&'static str, &'static str)] = &[("connection", "close")];

    fn head(
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<RequestHead, String> {
        Ok(RequestHead::new(endpoint, method, path, headers))
    }

    fn complete(head: &RequestHead, fields: &[(&str, &str)]) -> RequestHead {
        head.with(fields)
    }

    async fn kept(client: &Client, session: Option<u64>) -> Option<Self> {
        loop {
            let mut connection = client.with_pool(|pool| pool.h1.take(session))?;
            if connection.idle() < MOST_IDLE && connection.is_quiet().await {
                return Some(connection);
            }
        }
    }

    async fn connect(client: &Client, answer: &mut Answer) -> Result<Self, ProviderError> {
        client.connect(answer, async |io| Ok(Self { io, idle_since: Instant::now() })).await
    }

    fn keep(self, client: &Client, session: Option<u64>) {
        if client.transport().reuse != Reuse::Never {
            client.with_pool(|pool| pool.h1.put(session, self));
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
        let written = timeout(limits.headers, write(&mut self.io, head.bytes(), body)).await;
        // A server may answer and close before it has read everything: look for an answer all the same.
        let unwritten = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                Some(ProviderError::new(outcome_of(&error), format!("while sending: {error}")))
            }
            Err(_) => Some(ProviderError::new(
                Outcome::HeadersTimeout,
                "the server does not read the request",
            )),
        };
        let patience =
            if unwritten.is_none() { Patience::Stages } else { Patience::OnlyWhatIsThere };
        let mut arriving = Arriving { connection: self, incoming: Incoming::default() };
        let ended = receive(&mut arriving, reader, limits, patience).await;
        let incoming = arriving.incoming;
        self.idle_since = Instant::now();
        match ended {
            Err(error) if !incoming.began && error.outcome == Outcome::Reset => {
                Err(Stale(unwritten.unwrap_or(error)))
            }
            Err(error) => Ok(Exchanged { result: Err(error), reusable: false }),
            Ok(End { result, whole }) => {
                let reusable = whole && incoming.keep_alive && unwritten.is_none();
                Ok(Exchanged { result, reusable })
            }
        }
    }
}

/// The answer to the request that is on a connection.
struct Arriving<'c> {
    connection: &'c mut H1,
    incoming: Incoming,
}

impl Source for Arriving<'_> {
    fn poll_take<R: Reader>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<Result<Option<End>, ProviderError>> {
        let Self { connection, incoming } = self;
        match ready!(connection.poll_read(cx, |bytes, stamp| incoming.take(bytes, stamp, reader))) {
            Ok(taken) => Poll::Ready(taken),
            Err(error) => Poll::Ready(incoming.broken(&error, reader)),
        }
    }
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    mut head: &[u8],
    mut body: &[u8],
) -> io::Result<()> {
    while !head.is_empty() || !body.is_empty() {
        let pieces = [io::IoSlice::new(head), io::IoSlice::new(body)];
        let written = stream.write_vectored(&pieces).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let of_head = written.min(head.len());
        (head, body) = (&head[of_head..], &body[written - of_head..]);
    }
    stream.flush().await
}
