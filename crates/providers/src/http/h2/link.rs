//! Open connections: how they begin, and what drives them.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bench_core::{Clock, Moment, Outcome, ProviderError};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::task::JoinHandle;

use super::{
    connection::H2,
    failure::failure,
    reads::{OneRead, Reads},
};
use crate::http::{Endpoint, head::MOST_BYTES, io::Io, transport::MOST_STREAMS};

/// An open connection.
#[derive(Debug)]
pub(super) struct Link {
    sending: SendRequest<Bytes>,
    state: Arc<State>,
    pub(super) driver: JoinHandle<()>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct State {
    clock: Clock,
    pub(super) reads: Arc<Reads>,
    /// Places that are taken.
    taken: AtomicUsize,
    /// When the last place was left, in nanoseconds.
    left: AtomicU64,
}

/// A window never keeps a token waiting: it is given back as soon as something of it is used.
const STREAM_WINDOW: u32 = 16 << 20;
/// No stream takes another's.
const CONNECTION_WINDOW: u32 = MOST_STREAMS * STREAM_WINDOW;

/// Streams that were given up, and whose frames on their way are remembered for a second as nobody's. Frames of
/// those forgotten are answered with a reset each, and after a thousand of these `h2` would give the connection up.
const MOST_GIVEN_UP: usize = 10_000;

fn settings() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MOST_BYTES)
        .max_concurrent_reset_streams(MOST_GIVEN_UP)
        .max_local_error_reset_streams(None)
        // Until the server says how many it takes.
        .initial_max_send_streams(0);
    builder
}

impl Link {
    /// Begins HTTP/2 on an open way to `endpoint`: until the server has said how it speaks it.
    pub(super) async fn begin(
        io: Io,
        endpoint: &Endpoint,
        clock: Clock,
    ) -> Result<Self, ProviderError> {
        let reads = Arc::new(Reads::default());
        let io = OneRead::new(io, Arc::clone(&reads));
        let begun = settings().handshake::<_, Bytes>(io).await;
        let (sending, mut connection) = begun.map_err(|error| failure(&error, None, false))?;
        poll_fn(|cx| {
            reads.begin_poll();
            match Pin::new(&mut connection).poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Err(refusal(endpoint, ended.err().as_ref()))),
                Poll::Pending if sending.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let state = State {
            clock,
            reads: Arc::clone(&reads),
            taken: AtomicUsize::new(0),
            left: AtomicU64::new(clock.now().as_nanos()),
        };
        let driver = tokio::spawn(async move {
            let driven = poll_fn(|cx| {
                reads.begin_poll();
                Pin::new(&mut connection).poll(cx)
            });
            // How it ended is for its streams to tell.
            let _ = driven.await;
        });
        Ok(Self { sending, state: Arc::new(state), driver })
    }

    /// Streams that it takes at once.
    pub(super) fn room(&self) -> usize {
        self.sending.current_max_send_streams().min(MOST_STREAMS as usize)
    }

    /// A place on it, if one is left.
    pub(super) fn place(&self) -> Option<H2> {
        if self.state.taken.load(Relaxed) >= self.room() {
            return None;
        }
        self.state.taken.fetch_add(1, Relaxed);
        Some(H2::on(self.sending.clone(), Arc::clone(&self.state)))
    }

    /// Whether neither side has said that it ends.
    pub(super) fn is_open(&mut self) -> bool {
        // It may be asked by whoever does not wait for it.
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.sending.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// How long there was no stream on it.
    pub(super) fn idle(&self) -> Duration {
        match self.state.taken.load(Relaxed) {
            0 => {
                let left = Moment::from_nanos(self.state.left.load(Relaxed));
                self.state.clock.now().since(left)
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether it is the one that `place` is on.
    pub(super) fn has(&self, place: &H2) -> bool {
        Arc::ptr_eq(&self.state, &place.state)
    }
}

impl State {
    /// A place was left.
    pub(super) fn leave(&self) {
        self.left.store(self.clock.now().as_nanos(), Relaxed);
        self.taken.fetch_sub(1, Relaxed);
    }
}

/// Why a server did not begin to speak HTTP/2.
fn refusal(endpoint: &Endpoint, error: Option<&h2::Error>) -> ProviderError {
    match error {
        Some(error) if error.is_library() && !endpoint.is_tls() => {
            ProviderError::new(Outcome::Malformed, endpoint.speaks_no_http2())
        }
        Some(error) if !error.is_io() => failure(error, None, false),
        // Some answer what they do not understand with that.
        _ => {
            let said = "closed the connection before it spoke HTTP/2: perhaps it does not";
            ProviderError::new(Outcome::Reset, format!("{endpoint} {said}"))
        }
    }
}
