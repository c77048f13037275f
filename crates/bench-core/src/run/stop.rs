//! Ending a run before its end.

use std::sync::{
    Arc, Condvar, Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::watch;

/// How far a run is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Not at all.
    Go,
    /// Send nothing more, and let requests in flight end within the grace period.
    Drain,
    /// Give up requests in flight as well. Everything so far is kept.
    Abort,
}

/// The handle that stops a run, from any thread. Clones stop the same run.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The level, for those that look; `woken` is for those that wait.
    level: AtomicU8,
    woken: watch::Sender<Level>,
    /// For threads that wait.
    known: Mutex<()>,
    changed: Condvar,
}

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(Shared {
            level: AtomicU8::new(0),
            woken: watch::Sender::new(Level::Go),
            known: Mutex::new(()),
            changed: Condvar::new(),
        }))
    }
}

impl Stop {
    /// A handle that has not stopped anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the run is to be stopped.
    pub fn level(&self) -> Level {
        match self.0.level.load(Ordering::Relaxed) {
            0 => Level::Go,
            1 => Level::Drain,
            _ => Level::Abort,
        }
    }

    /// Stops the run one level further, as each Ctrl-C does; returns the level it now has.
    pub fn escalate(&self) -> Level {
        let next = match self.level() {
            Level::Go => Level::Drain,
            Level::Drain | Level::Abort => Level::Abort,
        };
        self.at_least(next);
        next
    }

    /// Stops the run as far as `level`, if it is not stopped further already.
    pub fn at_least(&self, level: Level) {
        if self.0.level.fetch_max(level as u8, Ordering::Relaxed) < level as u8 {
            self.0.woken.send_replace(level);
            // Taken so that nobody is between looking and waiting.
            drop(self.0.known.lock().unwrap_or_else(PoisonError::into_inner));
            self.0.changed.notify_all();
        }
    }

    /// Blocks this thread until the run is stopped at least as far as `level`.
    pub fn wait(&self, level: Level) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        while self.level() < level {
            known = self.0.changed.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the run is stopped at least as far as `level`.
    pub(super) async fn reached(&self, level: Level) {
        let mut woken = self.0.woken.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = woken.wait_for(|now| *now >= level).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_one_level_at_a_time_and_never_back() {
        let stop = Stop::new();
        assert_eq!(stop.level(), Level::Go);
        assert_eq!(stop.escalate(), Level::Drain);
        stop.reached(Level::Drain).await;
        assert_eq!(stop.clone().escalate(), Level::Abort);
        stop.at_least(Level::Drain);
        assert_eq!(stop.level(), Level::Abort);
        stop.reached(Level::Abort).await;
        stop.wait(Level::Abort);
    }
}
