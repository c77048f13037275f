//! Reads the host's sources while somebody asks for them.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bench_core::{Clock, Polling, TelemetrySource};
use tokio::time::Instant;

use super::{
    ring::Ring,
    wire::{PROTOCOL, Told},
};

/// Makes the sources, each time that they begin to be read.
pub type SourcesOf = Arc<dyn Fn() -> Vec<Box<dyn TelemetrySource>> + Send + Sync>;

/// How long sources are read after somebody asked last.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// The sources, what was read of them, and who asked for it last.
pub(super) struct Keeper {
    sources: SourcesOf,
    clock: Clock,
    life: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    /// While somebody asks.
    polling: Option<Polling>,
    asked: Instant,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn new(sources: SourcesOf) -> Self {
        let clock = Clock::start();
        // No two lives begin in the same nanosecond of one machine.
        let life = format!("{:x}-{:x}", clock.anchor().wall_ns, std::process::id());
        let state = State { ring: Ring::default(), polling: None, asked: Instant::now() };
        Self { sources, clock, life, state: Mutex::new(state) }
    }

    pub(super) fn life(&self) -> &str {
        &self.life
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now().as_nanos()
    }

    /// What was read since `since`, or from where on to ask; begins to read if nobody has asked for a while.
    /// Blocks while sources are made.
    ///
    /// # Errors
    ///
    /// When the system has no thread to read them on.
    pub(super) fn tell(&self, since: Option<u64>) -> io::Result<Told> {
        let mut state = self.state();
        state.asked = Instant::now();
        if state.polling.is_none() {
            state.ring.begin();
            state.polling = Polling::start((self.sources)(), self.clock)?;
        }
        state.take();
        let part = since.map_or_else(|| state.ring.standing(), |since| state.ring.since(since));
        Ok(Told {
            protocol: PROTOCOL,
            life: self.life.clone(),
            next: part.next,
            missed: part.missed,
            more: part.more,
            readings: part.readings,
            notes: part.notes,
        })
    }

    /// Takes in what was read, and reads no more once nobody asks: to be called about once a second. May block
    /// for a second.
    pub(super) fn tend(&self) {
        let mut state = self.state();
        state.take();
        let is_idle = state.asked.elapsed() > ASKED_WITHIN;
        let ended = if is_idle { state.polling.take() } else { None };
        drop(state);
        // Not while others wait for the state: a source that blocks is waited for.
        drop(ended);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left a ring that is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) {
        let Some(polling) = &self.polling else { return };
        polling.take().for_each(|batch| self.ring.add(batch));
        self.ring.miss(polling.take_dropped());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bench_core::testing::{ScriptedRead, ScriptedSource};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sources_are_read_while_somebody_asks_and_made_anew_for_the_next() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let keeper = Keeper::new(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let script = |n| ScriptedRead::of("n", n as f64);
            let period = Duration::from_millis(1);
            vec![Box::new(ScriptedSource::new(period, script)) as Box<dyn TelemetrySource>]
        }));
        assert_eq!(made.load(Ordering::Relaxed), 0, "nobody has asked");
        keeper.tend();
        let first = keeper.tell(None).unwrap();
        assert_eq!((first.next, first.readings.len(), first.life.as_str()), (0, 0, keeper.life()));
        let told = (0..30_000).find_map(|_| {
            std::thread::park_timeout(Duration::from_millis(1));
            Some(keeper.tell(Some(0)).unwrap()).filter(|told| told.readings.len() >= 3)
        });
        assert!(told.unwrap().readings[0].value.abs() < f64::EPSILON, "the first is told first");
        advance(ASKED_WITHIN - Duration::from_secs(1)).await;
        keeper.tend();
        keeper.tell(None).unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 1);
        advance(ASKED_WITHIN + Duration::from_secs(1)).await;
        keeper.tend();
        assert!(keeper.state().polling.is_none());
        keeper.tell(None).unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }
}
