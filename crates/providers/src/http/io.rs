//! What connections read from and write to.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bench_core::{Clock, Stamp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::stream::StampedStream;

/// An open way to a server, that knows when what it returns came.
#[derive(Debug)]
pub(super) enum Io {
    Plain(StampedStream),
    #[cfg(unix)]
    Local(LocalStream),
    Tls(Box<TlsStream<StampedStream>>),
}

impl Io {
    /// When what the last read returned came.
    pub(super) fn last_stamp(&self) -> Stamp {
        match self {
            Self::Plain(stream) => stream.last_stamp(),
            #[cfg(unix)]
            Self::Local(stream) => stream.last,
            // Of the encrypted bytes that completed the record.
            Self::Tls(stream) => stream.get_ref().0.last_stamp(),
        }
    }
}

/// A socket of this machine: the kernel stamps none.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct LocalStream {
    stream: tokio::net::UnixStream,
    clock: Clock,
    last: Stamp,
}

#[cfg(unix)]
impl LocalStream {
    pub(super) fn new(stream: tokio::net::UnixStream, clock: Clock) -> Self {
        Self { stream, clock, last: Stamp::of_read(clock.now()) }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            #[cfg(unix)]
            Self::Local(local) => {
                ready!(Pin::new(&mut local.stream).poll_read(cx, into))?;
                local.last = Stamp::of_read(local.clock.now());
                Poll::Ready(Ok(()))
            }
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

/// Does the same with whichever stream it is.
macro_rules! with_stream {
    ($io:expr, $stream:ident => $done:expr) => {
        match $io {
            Self::Plain($stream) => $done,
            #[cfg(unix)]
            Self::Local(LocalStream { stream: $stream, .. }) => $done,
            Self::Tls($stream) => $done,
        }
    };
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        with_stream!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
