//! What is typed, for as long as there is somebody to type.

use std::{
    io::{self, IsTerminal},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};

/// Events that wait to be taken; no more are read before.
const MOST_WAITING: usize = 64;

/// What is typed at the terminal, read by a thread of its own: from one that is gone crossterm reads on and on, without
/// a pause and without an end.
#[derive(Debug)]
pub(super) struct Keys {
    events: Receiver<io::Result<Event>>,
    /// Whether they come from standard input. Asked once: a terminal that is gone is no terminal.
    are_from_stdin: bool,
}

impl Keys {
    /// Listens from now on, until the process ends.
    pub(super) fn listen() -> io::Result<Self> {
        let (said, events) = sync_channel(MOST_WAITING);
        let read = move || while said.send(event::read()).is_ok() {};
        thread::Builder::new().name("keys".to_owned()).spawn(read)?;
        Ok(Self { events, are_from_stdin: io::stdin().is_terminal() })
    }

    /// The next event, if one comes within `time`.
    pub(super) fn next(&self, time: Duration) -> io::Result<Option<Event>> {
        match self.events.recv_timeout(time) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Whether the terminal hung up, as when its window was closed; a signal does not tell everybody of that.
    #[cfg(unix)]
    pub(super) fn are_gone(&self) -> bool {
        use std::os::fd::{AsFd, BorrowedFd};

        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

        // An error and a hang-up are told without being asked for.
        let is_gone = |end: BorrowedFd<'_>| {
            let mut end = [PollFd::new(end, PollFlags::empty())];
            poll(&mut end, PollTimeout::ZERO).is_ok() && end[0].any() == Some(true)
        };
        is_gone(io::stdout().as_fd()) || self.are_from_stdin && is_gone(io::stdin().as_fd())
    }

    /// Whether the terminal hung up, which nothing tells of here.
    #[cfg(not(unix))]
    pub(super) fn are_gone(&self) -> bool {
        let _ = self.are_from_stdin;
        false
    }
}
