//! What all the threads of one server share.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bench_core::Clock;

use crate::{
    config::Config,
    truth::{Truth, TruthLog},
};

/// What all the threads of one server share.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub(crate) config: Config,
    clock: Clock,
    requests: AtomicU64,
    truths: Mutex<TruthLog>,
}

impl Simulation {
    pub(crate) fn new(config: Config) -> Self {
        let truths = Mutex::new(TruthLog::new(config.record_limit));
        Self { config, clock: Clock::start(), requests: AtomicU64::new(0), truths }
    }

    /// Counts a request, and gives its number, from 0.
    pub(crate) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Seconds since the Unix epoch, as the API's `created` says them.
    pub(crate) fn unix_seconds(&self) -> u64 {
        (self.clock.anchor().wall_ns + self.clock.now().as_nanos()) / 1_000_000_000
    }

    pub(crate) fn record(&self, truth: Truth) {
        self.truths().insert(truth);
    }

    pub(crate) fn truth(&self, request_id: &str) -> Option<Truth> {
        self.truths().truth(request_id).cloned()
    }

    pub(crate) fn take_truth(&self) -> HashMap<String, Truth> {
        self.truths().take()
    }

    pub(crate) fn truths_forgotten(&self) -> u64 {
        self.truths().forgotten()
    }

    fn truths(&self) -> MutexGuard<'_, TruthLog> {
        // Nothing panics while it holds the log.
        self.truths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
