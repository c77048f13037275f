//! Ctrl-C once, twice, thrice; and being asked to terminate.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use bench_core::{Level, Stop};
use bench_harness::Exit;
#[cfg(unix)]
use std::{future::poll_fn, task::Poll};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// Which signal stopped the run, if one did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Listens from now on. The first signal drains the run, the second aborts it, the third leaves.
    ///
    /// Where the system refuses to listen, signals end the process as they always do.
    pub(crate) fn stop(stop: &Stop) -> Self {
        Self::listening(stop, Heard::Asked, |level| {
            output::say(match level {
                Level::Abort => "\naborting: what was measured is kept; once more leaves at once",
                _ => "\nstopping: waiting for requests in flight; once more gives them up",
            });
        })
    }

    /// The same, for a server that comes up, which is taken down then.
    pub(crate) fn give_up(stop: &Stop) -> Self {
        Self::listening(stop, Heard::Asked, |level| {
            output::say(match level {
                Level::Abort => "\nkilling it; once more leaves at once",
                _ => "\nstopping: what was started is taken down; once more kills it",
            });
        })
    }

    /// The same, without a word: for what ends at the first signal.
    pub(crate) fn end(stop: &Stop) -> Self {
        Self::listening(stop, Heard::Asked, |_| {})
    }

    /// The same, for what has to give the terminal back: also when that hangs up, or on a signal to quit.
    pub(crate) fn leave(stop: &Stop) -> Self {
        Self::listening(stop, Heard::All, |_| {})
    }

    fn listening(stop: &Stop, heard: Heard, tell: fn(Level)) -> Self {
        let signals = Self::default();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return signals;
        };
        // Here and not on the thread, which may begin later than the run.
        let Some(ears) = ({
            let _context = runtime.enter();
            Ears::open(heard)
        }) else {
            return signals;
        };
        let (stop, seen) = (stop.clone(), signals.clone());
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let _ = thread.spawn(move || runtime.block_on(seen.listen(ears, &stop, tell)));
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

    async fn listen(self, mut ears: Ears, stop: &Stop, tell: fn(Level)) {
        while let Some(which) = ears.next().await {
            let first =
                self.0.compare_exchange(0, which, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if !first && stop.level() == Level::Abort {
                std::process::exit(i32::from(self.exit().unwrap_or(Exit::Interrupted) as u8));
            }
            tell(stop.escalate());
        }
    }
}

/// Which signals are heard.
#[derive(Clone, Copy)]
enum Heard {
    /// To interrupt and to terminate, and that the terminal hangs up: whoever is started by `nohup` goes on then.
    Asked,
    /// Those that would end the process.
    All,
}

/// What hears signals, from its opening on: one that comes between two looks is not missed.
#[cfg(unix)]
struct Ears(Vec<(Signal, u8)>);

#[cfg(unix)]
impl Ears {
    fn open(heard: Heard) -> Option<Self> {
        let asked = [(SignalKind::interrupt(), 1), (SignalKind::terminate(), 2)];
        let is_all = matches!(heard, Heard::All);
        let hangs_up = (is_all || !ignores_hangup()).then_some((SignalKind::hangup(), 2));
        let quits = is_all.then_some((SignalKind::quit(), 2));
        let open = |(kind, which)| Some((signal(kind).ok()?, which));
        asked.into_iter().chain(hangs_up).chain(quits).map(open).collect::<Option<_>>().map(Self)
    }

    /// 1 for an interrupt, 2 for a request to end; `None` if none can be heard any more.
    async fn next(&mut self) -> Option<u8> {
        poll_fn(|cx| {
            let heard = self.0.iter_mut().find_map(|(signal, which)| match signal.poll_recv(cx) {
                Poll::Ready(heard) => Some(heard.map(|()| *which)),
                Poll::Pending => None,
            });
            heard.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Whether the process was started so that it outlives its terminal, as by `nohup`, or nobody knows.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    // The first bit is signal 1.
    ignored.is_none_or(|signals| signals & 1 != 0)
}

#[cfg(not(unix))]
struct Ears;

#[cfg(not(unix))]
impl Ears {
    fn open(_: Heard) -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> Option<u8> {
        tokio::signal::ctrl_c().await.ok().map(|()| 1)
    }
}
