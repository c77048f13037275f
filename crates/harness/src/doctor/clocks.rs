//! Clocks and timers: what times are measured with.

use std::{path::Path, time::Duration};

use bench_core::{Clock, timer::Timer};
use tokio::time::Instant;

use super::{Finding, told};

/// Clocks that take a system call and a device to be read, some microseconds each.
const SLOW: [&str; 4] = ["hpet", "acpi_pm", "jiffies", "pit"];
/// Naps that are timed, of a millisecond each, while the wall clock is watched.
const NAPS: u32 = 100;
const NAP: Duration = Duration::from_millis(1);
/// Half of them may be late by no more.
const LATE: Duration = Duration::from_millis(1);

#[derive(Clone, Debug, Default)]
pub(super) struct Clocks {
    /// What the kernel reads.
    source: Option<String>,
    /// By how much the wall clock was set meanwhile, in milliseconds; 0 if it was not.
    set_ms: Option<f64>,
    /// How late timers are, at the median.
    timers_late: Option<Duration>,
    /// Whether the kernel tells when it received something.
    kernel_stamps: bool,
}

impl Clocks {
    pub(super) fn gather(root: &Path) -> Self {
        let before = Clock::start().anchor();
        let timers_late = lateness();
        let after = Clock::start().anchor();
        let set_ms = after.step_ms_since(before).unwrap_or(0.0);
        let source = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        Self {
            source: told(root, source),
            // There is nothing to hold it against without the other clock.
            set_ms: after.monotonic_ns.map(|_| set_ms),
            timers_late,
            kernel_stamps: bench_providers::kernel_stamps(),
        }
    }

    pub(super) fn findings(&self) -> [Finding; 4] {
        [self.check_source(), self.check_wall(), self.check_timers(), self.check_stamps()]
    }

    fn check_source(&self) -> Finding {
        match self.source.as_deref() {
            None => {
                Finding::unknown("clock", "the system does not say what it reads the time from")
            }
            Some(slow) if SLOW.contains(&slow) => {
                Finding::doubt("clock", format!("{slow}: each look at it takes microseconds"))
                    .fix("boot with clocksource=tsc, where the processor has a steady one")
            }
            Some(source) => Finding::ok("clock", source),
        }
    }

    fn check_wall(&self) -> Finding {
        match self.set_ms {
            None => {
                Finding::unknown("wall-clock", "the system has no other clock to hold it against")
            }
            Some(ms) if ms.abs() > 0.0 => Finding::doubt(
                "wall-clock",
                format!("was set by {ms:.1} ms just now: kernel stamps are of no use meanwhile"),
            )
            .fix("let chrony or ntpd slew it; see `timedatectl`"),
            Some(_) => Finding::ok("wall-clock", "was not set while it was watched"),
        }
    }

    fn check_timers(&self) -> Finding {
        let Some(late) = self.timers_late else {
            return Finding::unknown("timers", "the system gives no runtime");
        };
        let found = format!("{:.0} us late at the median", late.as_secs_f64() * 1e6);
        match late > LATE {
            true => Finding::doubt("timers", format!("{found}: requests are sent so late")),
            false => Finding::ok("timers", found),
        }
    }

    fn check_stamps(&self) -> Finding {
        match self.kernel_stamps {
            true => Finding::ok("stamps", "the kernel tells when it received what is read"),
            false => Finding::doubt(
                "stamps",
                "the kernel does not tell when it received what is read: a busy client reads late",
            )
            .fix("measure from Linux"),
        }
    }
}

/// By how much a load thread's timer is late, at the median.
fn lateness() -> Option<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let mut late = runtime.block_on(async {
        let mut timer = Timer::fine();
        let mut late = Vec::new();
        for _ in 0..NAPS {
            let due = Instant::now() + NAP;
            timer.sleep_until(due).await;
            late.push(due.elapsed());
        }
        late
    });
    late.sort_unstable();
    late.get(late.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    fn check(clocks: &Clocks) -> [State; 4] {
        clocks.findings().map(|finding| finding.state)
    }

    #[test]
    fn a_steady_clock_that_is_quick_to_read_is_fine() {
        let clocks = Clocks {
            source: Some("tsc".to_owned()),
            set_ms: Some(0.0),
            timers_late: Some(Duration::from_micros(80)),
            kernel_stamps: true,
        };
        assert_eq!(check(&clocks), [State::Ok; 4]);
        let far = Some(Duration::from_millis(3));
        for (n, worse) in [
            Clocks { source: Some("hpet".to_owned()), ..clocks.clone() },
            Clocks { set_ms: Some(-12.0), ..clocks.clone() },
            Clocks { timers_late: far, ..clocks.clone() },
            Clocks { kernel_stamps: false, ..clocks.clone() },
        ]
        .iter()
        .enumerate()
        {
            let mut expected = [State::Ok; 4];
            expected[n] = State::Doubt;
            assert_eq!(check(worse), expected, "{worse:?}");
        }
        let unknown = check(&Clocks::default());
        assert_eq!(unknown[..3], [State::Unknown; 3]);
    }
}
