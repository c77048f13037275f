//! Ctrl-C once, twice, thrice; and being asked to terminate.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use bench_core::{Level, Stop};
use bench_harness::Exit;

/// Which signal stopped the run, if one did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Listens from now on. The first signal drains the run, the second aborts it, the third leaves.
    ///
    /// Where the system refuses to listen, signals end the process as they always do.
    pub(crate) fn stop(stop: &Stop) -> Self {
        let signals = Self::default();
        let (stop, seen) = (stop.clone(), signals.clone());
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let _ = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(seen.listen(&stop));
            }
        });
        signals
    }

    /// The exit code of the signal that came first.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }

    async fn listen(self, stop: &Stop) {
        loop {
            let Some(which) = next_signal().await else { return };
            let first =
                self.0.compare_exchange(0, which, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if !first && stop.level() == Level::Abort {
                std::process::exit(i32::from(self.exit().unwrap_or(Exit::Interrupted) as u8));
            }
            let told = match stop.escalate() {
                Level::Abort => "aborting: what was measured is kept; once more leaves at once",
                _ => "stopping: waiting for requests in flight; once more gives them up",
            };
            eprintln!("\n{told}");
        }
    }
}

/// 1 for an interrupt, 2 for a request to terminate; `None` if neither can be heard.
#[cfg(unix)]
async fn next_signal() -> Option<u8> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    tokio::select! {
        _ = interrupt.recv() => Some(1),
        _ = terminate.recv() => Some(2),
    }
}

#[cfg(not(unix))]
async fn next_signal() -> Option<u8> {
    tokio::signal::ctrl_c().await.ok().map(|()| 1)
}
