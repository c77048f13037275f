//! How busy this process is.

use std::time::Duration;

use tokio::time::Instant;

/// What this process has used of the processors.
pub(super) struct ProcessorTime {
    at: Instant,
    used: Option<Duration>,
}

impl ProcessorTime {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), used: processor_time() }
    }

    /// Time since.
    pub(super) fn wall(&self) -> Duration {
        self.at.elapsed()
    }

    pub(super) fn cores_since(&self) -> Option<f64> {
        let wall = self.at.elapsed().as_secs_f64();
        let used = processor_time()?.checked_sub(self.used?)?.as_secs_f64();
        (wall > 0.0).then(|| used / wall)
    }
}

#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

/// Processor time that the calling thread has used.
#[cfg(unix)]
pub(super) fn thread_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(not(unix))]
pub(super) fn thread_time() -> Option<Duration> {
    None
}
