//! An answer on its way to the client.

use std::{
    io, mem,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{net::TcpStream, sync::oneshot};

use crate::{
    clock::{monotonic_ns, nanos},
    metrics::Times,
    queue::Slot,
    script::{Batch, Ending, Script},
    simulation::Simulation,
    truth::{Sent, Truth},
};

/// When a full socket is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// Tokens after which those sent are counted. For each token, threads would fight for the counter.
const COUNT_EVERY: u32 = 32;

/// An answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The connection's task owns the socket: a client that hangs up takes it away at once, and the
    /// rest of the answer goes when it falls due.
    socket: Weak<TcpStream>,
    script: Script,
    batch: Batch,
    /// Bytes of the batch that the socket has taken.
    written: usize,
    /// Events sent before the batch.
    events_before: usize,
    due_ns: u64,
    /// Tokens begun to be sent that are not counted yet.
    uncounted: u32,
    slot: Arc<Slot>,
    /// Absent once they have been counted.
    times: Option<Times>,
    /// Absent once it has been recorded, and where nothing is to be.
    truth: Option<Truth>,
    simulation: Arc<Simulation>,
    ended: oneshot::Sender<Ending>,
}

/// What is to be done with an answer after some of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More is due at this moment.
    DueAt(u64),
    /// All has been sent.
    Ended,
    /// The client is gone.
    Abandoned,
}

impl Answer {
    /// An answer, due as soon as `slot` is its, and what tells how it ended: nothing if the client went away.
    pub(crate) fn new(
        simulation: Arc<Simulation>,
        socket: &Arc<TcpStream>,
        mut script: Script,
        truth: Truth,
        slot: Arc<Slot>,
    ) -> (Box<Self>, oneshot::Receiver<Ending>) {
        let (ended, ending) = oneshot::channel();
        // Of the slot, not of the moment at which this was noticed: a late release costs no capacity.
        let admitted_ns = slot.since_ns().max(truth.received_ns);
        let times = Times {
            received_ns: truth.received_ns,
            admitted_ns,
            first_ns: None,
            last_ns: admitted_ns,
        };
        let delay = script.next_delay(simulation.stretch(admitted_ns)).unwrap_or_default();
        let answer = Self {
            socket: Arc::downgrade(socket),
            script,
            batch: Batch::default(),
            written: 0,
            events_before: 0,
            due_ns: admitted_ns.saturating_add(nanos(delay)),
            uncounted: 0,
            slot,
            times: Some(times),
            truth: simulation.config.record.then_some(truth),
            simulation,
            ended,
        };
        (Box::new(answer), ending)
    }

    /// When the next batch is due.
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Sends the batch that is due, or what is left of it. Never waits.
    ///
    /// While the socket is full nothing more is written; what falls due meanwhile follows as fast as
    /// the client reads.
    pub(crate) fn send(&mut self) -> Progress {
        let Some(socket) = self.socket.upgrade() else { return self.abandoned() };
        if let Some(until_ns) = self.frozen_until() {
            return Progress::DueAt(until_ns);
        }
        if self.written == self.batch.bytes.len() {
            self.begin_batch();
        }
        match self.write(&socket) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Progress::DueAt(monotonic_ns() + nanos(RETRY));
            }
            Err(_) => return self.abandoned(),
        }
        match self.script.next_delay(self.simulation.stretch(self.due_ns)) {
            Some(delay) => {
                // From the due moment, not from now: lateness does not add up.
                self.due_ns = self.due_ns.saturating_add(nanos(delay));
                Progress::DueAt(self.due_ns)
            }
            None => Progress::Ended,
        }
    }

    /// Tells the connection that all has been sent.
    pub(crate) fn end(self) {
        // Nobody listens where the client hung up at this very moment.
        let _ = self.ended.send(self.script.ending());
    }

    fn frozen_until(&self) -> Option<u64> {
        let conditions = &self.simulation.conditions;
        if conditions.can_freeze() { conditions.frozen_until(monotonic_ns()) } else { None }
    }

    fn begin_batch(&mut self) {
        self.batch.bytes.clear();
        self.batch.events.clear();
        self.written = 0;
        self.events_before = self.truth.as_ref().map_or(0, |truth| truth.sends.len());
        self.script.write_next(&mut self.batch);
        self.uncounted += self.batch.events.iter().sum::<u32>();
        if self.uncounted >= COUNT_EVERY {
            self.count();
        }
    }

    fn count(&mut self) {
        self.simulation.counters.count_generated(mem::take(&mut self.uncounted));
    }

    fn write(&mut self, socket: &TcpStream) -> io::Result<()> {
        if self.written == 0 {
            self.stamp(monotonic_ns());
        }
        if self.script.is_over() {
            // Before the write: whoever has seen the end finds the truth, and room.
            self.close();
        }
        while self.written < self.batch.bytes.len() {
            self.written += socket.try_write(&self.batch.bytes[self.written..])?;
        }
        Ok(())
    }

    /// Notes the batch's events as sent now; again if the socket did not take a byte of them.
    fn stamp(&mut self, at_ns: u64) {
        if let Some(times) = &mut self.times {
            let has_token = self.batch.events.iter().any(|tokens| *tokens > 0);
            times.first_ns = times.first_ns.or(has_token.then_some(at_ns));
            times.last_ns = at_ns;
        }
        if let Some(truth) = &mut self.truth {
            truth.sends.truncate(self.events_before);
            truth.sends.extend(self.batch.events.iter().map(|&tokens| Sent { at_ns, tokens }));
        }
    }

    fn close(&mut self) {
        self.count();
        if self.script.ending() == Ending::Complete
            && let Some(times) = self.times.take()
        {
            self.simulation.counters.count_finished(times);
        }
        self.record();
        // One that stalls is never done.
        if self.script.ending() != Ending::Stall {
            self.slot.free(self.due_ns);
        }
    }

    fn abandoned(&mut self) -> Progress {
        self.count();
        self.slot.free(monotonic_ns());
        self.record();
        Progress::Abandoned
    }

    fn record(&mut self) {
        if let Some(truth) = self.truth.take() {
            self.simulation.record(truth);
        }
    }
}
