//! Samples on their way from the load threads to the sinks.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Sender, TrySendError};

use crate::Sample;

/// What a load thread tells the run.
pub(super) enum Message {
    Sample(Box<Sample>),
    /// The thread's phase is over, with what a panic said, if there was one.
    Ended(Option<String>),
}

/// Samples that may wait for the sinks at a time.
pub(super) const CAPACITY: usize = 16_384;

/// One load thread's way to the sinks. It never waits: what does not fit stays here until it does.
#[derive(Clone)]
pub(super) struct Outbox {
    messages: Sender<Message>,
    /// Locked only when the channel is full, and at the end of a phase.
    kept: Arc<Mutex<Vec<Message>>>,
}

impl Outbox {
    pub(super) fn new(messages: Sender<Message>) -> Self {
        Self { messages, kept: Arc::default() }
    }

    pub(super) fn send(&self, sample: Box<Sample>) {
        if let Err(TrySendError::Full(message)) = self.messages.try_send(Message::Sample(sample)) {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
    }

    /// Ends the phase: delivers what was kept, now that waiting disturbs no request. Returns how many
    /// samples that were.
    pub(super) fn end(&self, panicked: Option<String>) -> u64 {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let delayed = kept.len() as u64;
        for message in kept.into_iter().chain([Message::Ended(panicked)]) {
            // Fails only if the run is gone, which then misses nothing.
            let _ = self.messages.send(message);
        }
        delayed
    }
}
