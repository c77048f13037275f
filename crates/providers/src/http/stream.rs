//! A TCP stream that knows when the kernel received what it returns.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bench_core::{Clock, Stamp};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::stamp::{StampClock, Stamping};

/// A TCP stream that reads with `recvmsg(2)` and keeps the kernel's receive stamp of its last read.
///
/// The kernel gives one stamp for a read, that of the last byte returned. What waits in the queue until
/// then is merged: an upper bound for all but the last segment.
#[derive(Debug)]
pub(super) struct StampedStream {
    stream: TcpStream,
    clock: Clock,
    stamps: StampClock,
    last: Stamp,
    /// Whether the socket was asked for stamps, and could be.
    stamped: bool,
}

impl StampedStream {
    pub(super) fn new(stream: TcpStream, clock: Clock, stamping: Stamping) -> Self {
        let stamped = stamping == Stamping::Kernel && socket::ask_for_stamps(&stream);
        let last = Stamp::of_read(clock.now());
        Self { stream, clock, stamps: StampClock::default(), last, stamped }
    }

    /// When what the last read returned came.
    pub(super) fn last_stamp(&self) -> Stamp {
        self.last
    }
}

/// Whether the kernel tells when it received what is read, found out over a connection of this process to itself.
pub fn kernel_stamps() -> bool {
    let stamped = || -> io::Result<bool> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut sends = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (receives, _) = listener.accept()?;
        if !socket::ask_for_stamps(&receives) {
            return Ok(false);
        }
        sends.write_all(b"x")?;
        // Waits until there is something to read.
        receives.peek(&mut [0])?;
        socket::receive(&receives, &mut [0]).map(|(_, stamp)| stamp > 0)
    };
    stamped().unwrap_or(false)
}

impl AsyncRead for StampedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if !me.stamped {
            ready!(Pin::new(&mut me.stream).poll_read(cx, into))?;
            me.last = Stamp::of_read(me.clock.now());
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(me.stream.poll_read_ready(cx))?;
            let room = into.initialize_unfilled();
            let mut received = None;
            let tried = me.stream.try_io(Interest::READABLE, || {
                let (bytes, wall) = socket::receive(&me.stream, room)?;
                received = Some((bytes, wall));
                // A short read has emptied the socket. To say so saves the read that would find that out.
                if bytes > 0 && bytes < room.len() {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match (received, tried) {
                (Some((bytes, wall)), _) => {
                    me.last = me.stamps.convert(wall, me.clock);
                    into.advance(bytes);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                // Not readable after all: the loop waits.
                (None, _) => {}
            }
        }
    }
}

impl AsyncWrite for StampedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A socket that does nothing but ask for stamps: the kernel stamps only while one does, and takes a few
/// milliseconds to begin, which the first connection of a run would miss.
#[derive(Debug)]
pub(super) struct Primer {
    _socket: Option<std::net::UdpSocket>,
}

impl Primer {
    pub(super) fn new(stamping: Stamping) -> Self {
        let wanted =
            (stamping == Stamping::Kernel).then(|| std::net::UdpSocket::bind("127.0.0.1:0"));
        Self { _socket: wanted.and_then(Result::ok).filter(socket::ask_for_stamps) }
    }
}

#[cfg(target_os = "linux")]
mod socket {
    use std::{
        cell::RefCell,
        io::{self, IoSliceMut},
        os::fd::{AsFd, AsRawFd},
    };

    use nix::{
        cmsg_space,
        sys::{
            socket::{
                ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
            },
            time::TimeSpec,
        },
    };

    use super::super::stamp::nanos;

    pub(super) fn ask_for_stamps(socket: &impl AsFd) -> bool {
        setsockopt(socket, ReceiveTimestampns, &true).is_ok()
    }

    thread_local! {
        /// Room for the stamp; one for all sockets of a thread, since it is empty between reads.
        static CONTROL: RefCell<Vec<u8>> = RefCell::new(cmsg_space!(TimeSpec));
    }

    /// One read: the bytes read, and the wall time of their arrival (0 where the kernel did not say).
    pub(super) fn receive(socket: &impl AsRawFd, into: &mut [u8]) -> io::Result<(usize, u64)> {
        CONTROL.with_borrow_mut(|control| {
            let mut pieces = [IoSliceMut::new(into)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(control), flags)?;
            let stamp = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(at) => Some(nanos(at.tv_sec(), at.tv_nsec())),
                _ => None,
            });
            Ok((message.bytes, stamp.unwrap_or(0)))
        })
    }
}

/// No other platform has stamps of nanoseconds on a TCP socket.
#[cfg(not(target_os = "linux"))]
mod socket {
    use std::io;

    pub(super) fn ask_for_stamps<S>(_socket: &S) -> bool {
        false
    }

    pub(super) fn receive<S>(_socket: &S, _into: &mut [u8]) -> io::Result<(usize, u64)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
