//! What ties a frame to the read that it came with.
//!
//! A connection takes frames apart for all its streams, and one poll of it may read several times; a stream runs
//! later, and would see the moment of the last of these reads. So each poll may read once: the next has to wait for
//! its turn behind the streams that this read woke, which the one queue of a `current_thread` runtime gives. What
//! such a stream finds came with the read whose stamp lies here.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bench_core::{Moment, Stamp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::io::Io;

/// The reads of a connection, as its streams see them: all on one thread, so nothing is locked.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Whether this poll of the connection has yet to read.
    may_read: AtomicBool,
    /// Those that returned something.
    count: AtomicU64,
    /// When what the last returned came, in nanoseconds.
    at: AtomicU64,
    /// How much later it was read, in nanoseconds; `UNKNOWN` where the kernel did not say.
    lag: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Reads {
    /// The connection is about to be polled.
    pub(super) fn begin_poll(&self) {
        self.may_read.store(true, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// When what the last read returned came.
    pub(super) fn last_stamp(&self) -> Stamp {
        let lag = self.lag.load(Relaxed);
        Stamp {
            at: Moment::from_nanos(self.at.load(Relaxed)),
            lag: (lag != UNKNOWN).then(|| Duration::from_nanos(lag)),
        }
    }

    fn has_read(&self, stamp: Stamp) {
        let lag = stamp.lag.map(|lag| u64::try_from(lag.as_nanos()).unwrap_or(UNKNOWN - 1));
        self.may_read.store(false, Relaxed);
        self.at.store(stamp.at.as_nanos(), Relaxed);
        self.lag.store(lag.unwrap_or(UNKNOWN), Relaxed);
        self.count.fetch_add(1, Relaxed);
    }
}

/// A stream that lets one read through for each poll of the connection.
#[derive(Debug)]
pub(super) struct OneRead {
    io: Io,
    reads: Arc<Reads>,
}

impl OneRead {
    pub(super) fn new(io: Io, reads: Arc<Reads>) -> Self {
        Self { io, reads }
    }
}

impl AsyncRead for OneRead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, reads } = self.get_mut();
        if !reads.may_read.load(Relaxed) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut *io).poll_read(cx, into))?;
        if into.filled().len() > before {
            reads.has_read(io.last_stamp());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OneRead {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
