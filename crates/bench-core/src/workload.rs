//! What to send.

use std::time::Duration;

use crate::{Answer, Request};

/// A request, and how long to wait before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What to send.
    pub request: Request,
    /// Time between the end of the previous answer and the sending of this request; not heeded before
    /// the first turn.
    pub delay: Duration,
}

impl From<Request> for Turn {
    /// A turn without delay.
    fn from(request: Request) -> Self {
        Self { request, delay: Duration::ZERO }
    }
}

/// A sequence of turns that follow one another: a conversation, or a single question.
pub trait Session: Send {
    /// The next turn, given how the previous one went: absent before the first turn. `None` ends the
    /// session.
    ///
    /// Called on a load thread between two requests. A failed previous turn is passed as far as it came;
    /// its [`outcome`](Answer::outcome) says how it ended.
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn>;

    /// Which turn of its conversation the first one is, from 0: another one where the turns before were sent
    /// as a session of their own.
    fn first_turn(&self) -> u32 {
        0
    }
}

/// What to send: yields sessions.
///
/// Called from one thread, which is no load thread, ahead of need and in order; that order is the order
/// of the requests. The same workload with the same seed yields the same sessions.
pub trait Workload: Send {
    /// The next session, or `None` when there is nothing left to send.
    fn next_session(&mut self) -> Option<Box<dyn Session>>;
}

/// Any iterator of sessions is a workload.
impl<I> Workload for I
where
    I: Iterator<Item = Box<dyn Session>> + Send,
{
    fn next_session(&mut self) -> Option<Box<dyn Session>> {
        self.next()
    }
}

/// A session of a single turn.
#[derive(Debug)]
pub struct Single(Option<Request>);

impl Single {
    /// The session that sends `request` and ends.
    pub fn new(request: Request) -> Self {
        Self(Some(request))
    }
}

impl Session for Single {
    fn next_turn(&mut self, _previous: Option<&Answer>) -> Option<Turn> {
        self.0.take().map(Turn::from)
    }
}
