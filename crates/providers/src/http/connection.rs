//! One connection: a request out, the answer's bytes in, with the moment they came.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bench_core::{Answer, Clock, Limits, Outcome, ProviderError, Stamp};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, sleep_until},
};
use tokio_rustls::client::TlsStream;

use super::{
    body::Body,
    connect::outcome_of,
    deadline::expiry,
    head::{Head, HeadError},
    stream::StampedStream,
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

/// What came of an exchange that got an answer, or a part of one.
pub(super) struct Exchanged {
    pub(super) result: Result<(), ProviderError>,
    /// Whether another request may go over the connection.
    pub(super) reusable: bool,
}

/// The connection was closed before a byte of an answer came.
pub(super) struct Stale(pub(super) ProviderError);

#[derive(Debug)]
pub(super) enum Io {
    Plain(StampedStream),
    #[cfg(unix)]
    Local(LocalStream),
    Tls(Box<TlsStream<StampedStream>>),
}

/// A socket of this machine: the kernel stamps none.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct LocalStream {
    pub(super) stream: tokio::net::UnixStream,
    pub(super) clock: Clock,
}

/// An open connection, with at most one request on it.
#[derive(Debug)]
pub(super) struct Connection {
    io: Io,
    idle_since: Instant,
}

thread_local! {
    /// What was just read. One for all connections of a thread: it is empty again when a poll returns, and
    /// a buffer for each would cost more memory than everything else about a stream.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into_boxed_slice());
}

/// How long a complete answer may take to end its body before its connection is given up.
const LINGER: Duration = Duration::from_millis(100);

impl Connection {
    pub(super) fn new(io: Io) -> Self {
        Self { io, idle_since: Instant::now() }
    }

    /// How long nothing was sent over it.
    pub(super) fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether the server has neither closed it nor sent anything since the last answer.
    pub(super) async fn is_quiet(&mut self) -> bool {
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
            let stamp = match &mut self.io {
                Io::Plain(stream) => {
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                    stream.last_stamp()
                }
                #[cfg(unix)]
                Io::Local(stream) => {
                    ready!(Pin::new(&mut stream.stream).poll_read(cx, &mut buffer))?;
                    Stamp::of_read(stream.clock.now())
                }
                Io::Tls(stream) => {
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                    // Of the encrypted bytes that completed the record.
                    stream.get_ref().0.last_stamp()
                }
            };
            Poll::Ready(Ok(on_bytes(buffer.filled(), stamp)))
        })
    }

    async fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        match &mut self.io {
            Io::Plain(stream) => write_both(stream, head, body).await,
            #[cfg(unix)]
            Io::Local(stream) => write_both(&mut stream.stream, head, body).await,
            Io::Tls(stream) => {
                stream.write_all(head).await?;
                stream.write_all(body).await?;
                stream.flush().await
            }
        }
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn exchange<R: Reader>(
        &mut self,
        head: &[u8],
        body: &[u8],
        reader: &mut R,
        limits: &Limits,
    ) -> Result<Exchanged, Stale> {
        let clock = reader.answer().clock();
        reader.answer().sent(clock.now());
        let written = tokio::time::timeout(limits.headers, self.write(head, body)).await;
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
        let mut incoming = Incoming::default();
        let ended = self.receive(&mut incoming, reader, limits, unwritten.is_some()).await;
        self.idle_since = Instant::now();
        match ended {
            Err(error) if !incoming.began && error.outcome == Outcome::Reset => {
                Err(Stale(unwritten.unwrap_or(error)))
            }
            Err(error) => Ok(Exchanged { result: Err(error), reusable: false }),
            Ok(End { result, whole }) => {
                let keep_alive = incoming.head.is_some_and(|head| head.keep_alive);
                Ok(Exchanged { result, reusable: whole && keep_alive && unwritten.is_none() })
            }
        }
    }

    /// Reads until the answer ends. `Err` is an answer that did not.
    async fn receive<R: Reader>(
        &mut self,
        incoming: &mut Incoming,
        reader: &mut R,
        limits: &Limits,
        only_what_is_there: bool,
    ) -> Result<End, ProviderError> {
        let clock = reader.answer().clock();
        let mut alarm = pin!(sleep_until(clock.instant(clock.now())));
        loop {
            let streamed = reader.is_streamed();
            let (expires, _) = expiry(reader.answer().sample(), limits, streamed);
            let stage = Stage::of(reader);
            let expires = match stage {
                Stage::Complete => Instant::now() + LINGER,
                _ if only_what_is_there => Instant::now() + LINGER,
                _ => clock.instant(expires),
            };
            alarm.as_mut().reset(expires);
            let ended = poll_fn(|cx| {
                loop {
                    match self.poll_read(cx, |bytes, stamp| incoming.take(bytes, stamp, reader)) {
                        Poll::Ready(Ok(Ok(None))) => {
                            // The limit of the next stage may be nearer: go and set the alarm for that.
                            if Stage::of(reader) != stage {
                                return Poll::Ready(Ok(None));
                            }
                        }
                        Poll::Ready(Ok(ended)) => return Poll::Ready(ended),
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(incoming.broken(&error, reader));
                        }
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
            if only_what_is_there {
                return Err(ProviderError::new(
                    Outcome::Reset,
                    "closed while the request was sent",
                ));
            }
            // Generated events since then have moved the limit.
            let (expires, outcome) = expiry(reader.answer().sample(), limits, streamed);
            if expires <= clock.now() {
                return Err(ProviderError::new(outcome, "the server took too long"));
            }
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

async fn write_both(
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
    Ok(())
}

/// How an answer ended.
pub(super) struct End {
    /// What it turned out to be.
    pub(super) result: Result<(), ProviderError>,
    /// Whether nothing of it is left on the connection.
    whole: bool,
}

/// An answer on its way in.
#[derive(Default)]
pub(super) struct Incoming {
    /// Whether any byte has come.
    began: bool,
    head: Option<Head>,
    /// A head whose end has not come.
    partial: Vec<u8>,
    body: Body,
}

impl Incoming {
    /// Takes in what one read returned. `Ok(Some)` at the end of the answer, well or not.
    pub(super) fn take<R: Reader>(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        if bytes.is_empty() {
            return self.closed(reader).map(Some);
        }
        self.began = true;
        if self.head.is_some() {
            return self.take_body(bytes, stamp, reader);
        }
        // The head is nearly always whole in the first read.
        if self.partial.is_empty() {
            return match self.take_head(bytes, stamp, reader)? {
                Some(length) => self.take_body(&bytes[length..], stamp, reader),
                None => {
                    self.partial.extend_from_slice(bytes);
                    Ok(None)
                }
            };
        }
        self.partial.extend_from_slice(bytes);
        if !Head::is_worth_reading(&self.partial, bytes.len()) {
            return Ok(None);
        }
        let joined = std::mem::take(&mut self.partial);
        match self.take_head(&joined, stamp, reader)? {
            Some(length) => self.take_body(&joined[length..], stamp, reader),
            None => {
                self.partial = joined;
                Ok(None)
            }
        }
    }

    /// The head's length, once all of it is there.
    fn take_head<R: Reader>(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<usize>, ProviderError> {
        let parsed = Head::parse(bytes).map_err(|error| {
            let outcome = match error {
                HeadError::Oversize => Outcome::Oversize,
                HeadError::Malformed(_) => Outcome::Malformed,
            };
            ProviderError::new(outcome, error.to_string())
        })?;
        let Some((head, length)) = parsed else { return Ok(None) };
        reader.answer().headers(stamp.at);
        reader.head(&head)?;
        self.body = head.body;
        self.head = Some(head);
        Ok(Some(length))
    }

    fn take_body<R: Reader>(
        &mut self,
        mut bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        while !bytes.is_empty() && !self.body.is_over() {
            match self.body.take(bytes) {
                Ok((content, rest)) => {
                    // What follows the answer's own end is not looked at.
                    if !content.is_empty() && !reader.is_complete() {
                        reader.content(content, stamp)?;
                    }
                    bytes = rest;
                }
                Err(_) if reader.is_complete() => {
                    return Ok(Some(End { result: reader.end(), whole: false }));
                }
                Err(error) => {
                    return Err(ProviderError::new(Outcome::Malformed, error.to_string()));
                }
            }
        }
        Ok(self.body.is_over().then(|| End { result: reader.end(), whole: bytes.is_empty() }))
    }

    /// The server closed the connection.
    fn closed<R: Reader>(&self, reader: &mut R) -> Result<End, ProviderError> {
        if !self.began {
            return Err(ProviderError::new(
                Outcome::Reset,
                "the server closed the connection without an answer",
            ));
        }
        if self.head.is_some() && (self.body.may_end_here() || reader.is_complete()) {
            return Ok(End { result: reader.end(), whole: false });
        }
        Err(ProviderError::new(
            Outcome::Truncated,
            "the server closed the connection before the end of its answer",
        ))
    }

    /// The connection broke.
    fn broken<R: Reader>(
        &self,
        error: &io::Error,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        // TLS without a closing message is an end like any other.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.closed(reader).map(Some);
        }
        if reader.is_complete() {
            return Ok(Some(End { result: reader.end(), whole: false }));
        }
        Err(ProviderError::new(Outcome::Reset, format!("while receiving: {error}")))
    }
}
