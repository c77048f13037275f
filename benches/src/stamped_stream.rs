//! A TCP stream for hyper that keeps the kernel's receive stamp of its last read.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use hyper::rt::ReadBufCursor;
use nix::{
    cmsg_space,
    sys::{
        socket::{setsockopt, sockopt::ReceiveTimestampns},
        time::TimeSpec,
    },
};
use tokio::{
    io::{AsyncWrite, Interest},
    net::TcpStream,
};

use crate::{clock::monotonic_ns, stamps::recv_stamped};

thread_local! {
    /// One receive buffer per thread: it is empty again when a read returns.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 16 * 1024].into_boxed_slice());
}

/// When the bytes of the latest read arrived; shared by the stream and who reads the body.
#[derive(Clone, Debug, Default)]
pub struct LastArrival(Arc<AtomicU64>);

impl LastArrival {
    /// Nanoseconds of the monotonic clock; the time of the read where the kernel gave no stamp.
    pub fn ns(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Reads with `recvmsg(2)`, once per readiness, and keeps the stamp.
#[derive(Debug)]
pub struct StampedStream {
    stream: TcpStream,
    control: Vec<u8>,
    arrival: LastArrival,
}

impl StampedStream {
    /// Asks the kernel to stamp what `stream` receives.
    ///
    /// # Errors
    ///
    /// When the socket cannot be stamped.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        setsockopt(&stream, ReceiveTimestampns, &true)?;
        Ok(Self { stream, control: cmsg_space!(TimeSpec), arrival: LastArrival::default() })
    }

    /// Where the moment of the latest read is kept.
    pub fn arrival(&self) -> LastArrival {
        self.arrival.clone()
    }
}

impl hyper::rt::Read for StampedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, control, arrival } = &mut *self;
        SCRATCH.with_borrow_mut(|scratch| {
            let room = out.remaining().min(scratch.len());
            let buffer = &mut scratch[..room];
            loop {
                ready!(stream.poll_read_ready(cx))?;
                let mut received = None;
                let outcome = stream.try_io(Interest::READABLE, || {
                    let (bytes, stamp) = recv_stamped(stream.as_raw_fd(), buffer, control)?;
                    received = Some(bytes);
                    // Under pressure a later read can bring an earlier stamp, by some microseconds.
                    // No byte is there before those it follows, so the later moment holds.
                    let ns = stamp.unwrap_or_else(monotonic_ns).max(arrival.ns());
                    arrival.0.store(ns, Relaxed);
                    // A short read empties the socket. To say so drops the readiness, which saves
                    // a second call that would fail with EAGAIN.
                    match bytes {
                        0 => Ok(()),
                        _ if bytes < room => Err(io::ErrorKind::WouldBlock.into()),
                        _ => Ok(()),
                    }
                });
                match (received, outcome) {
                    (Some(bytes), _) => {
                        out.put_slice(&buffer[..bytes]);
                        return Poll::Ready(Ok(()));
                    }
                    (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Poll::Ready(Err(error));
                    }
                    (None, _) => {}
                }
            }
        })
    }
}

impl hyper::rt::Write for StampedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
