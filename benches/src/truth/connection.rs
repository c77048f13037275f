//! One client's connection.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::AsRawFd,
};

use nix::{cmsg_space, sys::time::TimeSpec};

use super::answer::{Answer, Arrival, Written};
use crate::{clock::monotonic_ns, stamps::recv_stamped};

/// A client's socket, what it sent, and what it still has to get.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Received and not yet answered.
    pub(super) inbox: Vec<u8>,
    /// Composed and not yet taken by the socket.
    pub(super) outbox: Vec<u8>,
    /// When the latest bytes of `inbox` came.
    pub(super) arrival: Arrival,
    /// The answer on its way.
    pub(super) answer: Option<Box<Answer>>,
    /// To be closed once the outbox is empty.
    pub(super) closing: bool,
}

/// Where received bytes pass through; one for all connections.
#[derive(Debug)]
pub(super) struct Scratch {
    bytes: Box<[u8]>,
    control: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { bytes: vec![0; 64 * 1024].into(), control: cmsg_space!(TimeSpec) }
    }
}

impl Connection {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            inbox: Vec::new(),
            outbox: Vec::new(),
            arrival: Arrival::default(),
            answer: None,
            closing: false,
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the client closed its side; else those of `recvmsg(2)`.
    pub(super) fn receive(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let Scratch { bytes, control } = scratch;
        loop {
            match recv_stamped(self.socket.as_raw_fd(), bytes, control) {
                Ok((0, _)) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok((received, stamp_ns)) => {
                    self.arrival = Arrival { stamp_ns, read_ns: monotonic_ns() };
                    self.inbox.extend_from_slice(&bytes[..received]);
                    if received < bytes.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a response is on its way.
    pub(super) fn is_answering(&self) -> bool {
        self.answer.is_some() || self.is_blocked()
    }

    /// Whether the socket has not taken all that was composed.
    pub(super) fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Puts the next piece of the answer into the outbox, unless a piece is still there.
    pub(super) fn compose(&mut self) {
        if let (true, Some(answer)) = (self.outbox.is_empty(), &mut self.answer) {
            answer.compose(&mut self.outbox);
        }
    }

    /// Writes the outbox; `None` when the socket did not take all of it.
    ///
    /// # Errors
    ///
    /// Those of `write(2)`: the client is gone.
    pub(super) fn flush(&mut self) -> io::Result<Option<Written>> {
        loop {
            let before_ns = monotonic_ns();
            match self.socket.write(&self.outbox) {
                Ok(taken) if taken == self.outbox.len() => {
                    self.outbox.clear();
                    return Ok(Some(Written { before_ns, after_ns: monotonic_ns() }));
                }
                Ok(taken) => drop(self.outbox.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Connection {
    /// Takes what the client sent last, since closing over unread bytes would reset the connection
    /// and could lose the end of the answer.
    fn drop(&mut self) {
        let mut sink = [0; 4096];
        while matches!(self.socket.read(&mut sink), Ok(1..)) {}
    }
}
