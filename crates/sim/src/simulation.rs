//! What all the threads of one server share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bench_core::Clock;

use crate::{
    conditions::{Conditions, Stretch},
    config::Config,
    metrics::{Counters, Readings},
    prefix_cache::{PrefixBlocks, PrefixCache},
    queue::Queue,
    truth::{Truth, TruthLog},
};

/// What all the threads of one server share.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub(crate) config: Config,
    pub(crate) conditions: Conditions,
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Counters,
    clock: Clock,
    requests: AtomicU64,
    completions: AtomicU64,
    prefixes: Option<Mutex<PrefixCache>>,
    truths: Mutex<TruthLog>,
}

impl Simulation {
    pub(crate) fn new(config: Config) -> Self {
        let prefixes = config.prefix_cache.then(|| Mutex::new(PrefixCache::new(config.kv_blocks)));
        Self {
            conditions: Conditions::new(&config),
            queue: Queue::new(config.max_running),
            counters: Counters::default(),
            clock: Clock::start(),
            requests: AtomicU64::new(0),
            completions: AtomicU64::new(0),
            prefixes,
            truths: Mutex::new(TruthLog::new(config.record_limit)),
            config,
        }
    }

    /// Counts a request, and gives its number, from 0.
    pub(crate) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Counts a request for completion, and gives its number among those, from 0: what others ask of
    /// the server changes no delay.
    pub(crate) fn count_completion(&self, received_ns: u64) -> u64 {
        self.conditions.begin(received_ns);
        self.completions.fetch_add(1, Ordering::Relaxed)
    }

    /// How much longer a delay is that begins at `at_ns`; `None` where it never is.
    pub(crate) fn stretch(&self, at_ns: u64) -> Option<Stretch> {
        self.conditions.stretch(at_ns, || self.queue.running())
    }

    /// The cache of prefixes, if there is one, forgets them.
    pub(crate) fn forget_prefixes(&self) {
        if let Some(prefixes) = &self.prefixes {
            lock(prefixes).clear();
        }
    }

    /// The cache of prefixes, if there is one, meets a prompt: how many of its tokens were there.
    pub(crate) fn meet_prompt(&self, blocks: impl FnOnce() -> PrefixBlocks) -> Option<u32> {
        let prefixes = self.prefixes.as_ref()?;
        let blocks = blocks();
        Some(lock(prefixes).meet(&blocks))
    }

    /// What `/metrics` tells.
    pub(crate) fn readings(&self) -> Readings {
        Readings::new(&self.config, &self.queue, &self.counters)
    }

    /// Seconds since the Unix epoch, as the API's `created` says them.
    pub(crate) fn unix_seconds(&self) -> u64 {
        (self.clock.anchor().wall_ns + self.clock.now().as_nanos()) / 1_000_000_000
    }

    pub(crate) fn record(&self, truth: Truth) {
        lock(&self.truths).insert(truth);
    }

    pub(crate) fn truth(&self, request_id: &str) -> Option<Truth> {
        lock(&self.truths).truth(request_id).cloned()
    }

    pub(crate) fn take_truth(&self) -> HashMap<String, Truth> {
        lock(&self.truths).take()
    }

    pub(crate) fn truths_forgotten(&self) -> u64 {
        lock(&self.truths).forgotten()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
