//! What a reader reports: events, time, and what they cost its process.

use std::{fs, time::Duration};

use anyhow::Context;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use serde::Serialize;

use crate::clock::monotonic_ns;

/// The figures of one load, printed as one line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadFigures {
    /// Connections, each with one response at a time.
    pub streams: u32,
    /// SSE events read: role, content, finish, usage and `[DONE]`.
    pub events: u64,
    /// From the first request to the last `[DONE]`.
    pub wall_s: f64,
    /// User time of this process meanwhile.
    pub cpu_user_s: f64,
    /// System time of this process meanwhile.
    pub cpu_sys_s: f64,
    /// User and system time per event.
    pub cpu_us_per_event: f64,
    /// Events per second of wall time.
    pub events_per_s: f64,
    /// Resident memory that one open stream adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_kib_per_stream: Option<f64>,
}

/// Measures a load from [`LoadMeter::start`] to [`LoadMeter::finish`].
#[derive(Debug)]
pub struct LoadMeter {
    start_ns: u64,
    start_cpu: CpuTime,
}

impl LoadMeter {
    /// Starts to measure now.
    pub fn start() -> Self {
        Self { start_ns: monotonic_ns(), start_cpu: CpuTime::of_this_process() }
    }

    /// The figures of a load that ends now.
    pub fn finish(self, streams: u32, events: u64) -> LoadFigures {
        let cpu = CpuTime::of_this_process();
        let wall_s = Duration::from_nanos(monotonic_ns() - self.start_ns).as_secs_f64();
        let cpu_user_s = (cpu.user - self.start_cpu.user).as_secs_f64();
        let cpu_sys_s = (cpu.system - self.start_cpu.system).as_secs_f64();
        LoadFigures {
            streams,
            events,
            wall_s,
            cpu_user_s,
            cpu_sys_s,
            cpu_us_per_event: (cpu_user_s + cpu_sys_s) * 1e6 / events.max(1) as f64,
            events_per_s: events as f64 / wall_s,
            rss_kib_per_stream: None,
        }
    }
}

#[derive(Debug)]
struct CpuTime {
    user: Duration,
    system: Duration,
}

impl CpuTime {
    fn of_this_process() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("own usage is readable");
        Self { user: duration(usage.user_time()), system: duration(usage.system_time()) }
    }
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_micros(time.num_microseconds().try_into().expect("CPU time is positive"))
}

/// Resident memory of this process.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn resident_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    vm_rss_kib(&status).context("/proc/self/status has no VmRSS")
}

fn vm_rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_among_the_other_lines() {
        assert_eq!(vm_rss_kib("VmHWM:\t  900 kB\nVmRSS:\t    812 kB\nThreads:\t1\n"), Some(812));
        assert_eq!(vm_rss_kib("Threads:\t1\n"), None);
        assert!(resident_kib().unwrap() > 100);
    }

    #[test]
    fn a_load_without_events_costs_a_finite_number() {
        assert!(LoadMeter::start().finish(1, 0).cpu_us_per_event.is_finite());
    }
}
