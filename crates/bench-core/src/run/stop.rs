//! Ending a run before its end.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
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
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
    /// The run's, where this handle is a point's.
    of_run: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    /// The level, for those that look; `woken` is for those that wait.
    level: AtomicU8,
    woken: watch::Sender<Level>,
    /// For threads that wait.
    known: Mutex<()>,
    changed: Condvar,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            level: AtomicU8::new(0),
            woken: watch::Sender::new(Level::Go),
            known: Mutex::new(()),
            changed: Condvar::new(),
        }
    }
}

impl Shared {
    fn level(&self) -> Level {
        match self.level.load(Ordering::Relaxed) {
            0 => Level::Go,
            1 => Level::Drain,
            _ => Level::Abort,
        }
    }

    async fn reached(&self, level: Level) {
        let mut woken = self.woken.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = woken.wait_for(|now| *now >= level).await;
    }
}

impl Stop {
    /// A handle that has not stopped anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that stops one point, and is stopped with the run.
    pub(super) fn of_point(&self) -> Self {
        Self { shared: Arc::default(), of_run: Some(Arc::clone(&self.shared)) }
    }

    /// How far the run is to be stopped.
    pub fn level(&self) -> Level {
        let of_run = self.of_run.as_ref().map_or(Level::Go, |run| run.level());
        self.shared.level().max(of_run)
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
        let shared = &self.shared;
        if shared.level.fetch_max(level as u8, Ordering::Relaxed) < level as u8 {
            shared.woken.send_replace(level);
            // Taken so that nobody is between looking and waiting.
            drop(shared.known.lock().unwrap_or_else(PoisonError::into_inner));
            shared.changed.notify_all();
        }
    }

    /// Blocks this thread until the run is stopped at least as far as `level`.
    pub fn wait(&self, level: Level) {
        let shared = &self.shared;
        let mut known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        while self.level() < level {
            known = shared.changed.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks this thread until the run is stopped in any way, but for `most` at the longest.
    pub(super) fn wait_at_most(&self, most: Duration) {
        let shared = &self.shared;
        let known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let going = |_: &mut ()| self.level() == Level::Go;
        // Whether it was stopped or not, the caller looks for itself.
        drop(shared.changed.wait_timeout_while(known, most, going));
    }

    /// Waits until the run is stopped at least as far as `level`.
    pub async fn reached(&self, level: Level) {
        match &self.of_run {
            None => self.shared.reached(level).await,
            Some(of_run) => tokio::select! {
                () = self.shared.reached(level) => {}
                () = of_run.reached(level) => {}
            },
        }
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
