//! How busy the processors are.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bench_core::{Moment, Readings, reading};

/// Less than this apart, two counts differ by too few steps of 10 ms to tell a share.
const SHORTEST: Duration = Duration::from_millis(100);
/// No machine has more.
const MOST_CORES: usize = 8_192;

/// What was counted before.
#[derive(Debug)]
pub(super) struct Cpu {
    whole: Option<(Moment, Times)>,
    cores: BTreeMap<u32, Core>,
    cores_at: Option<Moment>,
    cores_every: Duration,
}

#[derive(Debug)]
struct Core {
    instance: Arc<str>,
    times: Times,
}

/// Time since the start, in ticks. A core that waits for a disk is idle; one that the hypervisor gave to
/// somebody else is not, nor does it do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    busy: u64,
    idle: u64,
}

impl Cpu {
    pub(super) const fn new(cores_every: Duration) -> Self {
        Self { whole: None, cores: BTreeMap::new(), cores_at: None, cores_every }
    }

    /// Reads `/proc/stat`; `None` if that is what `text` is not.
    pub(super) fn read(&mut self, text: &str, into: &mut Readings) -> Option<()> {
        let at = into.at();
        let mut lines = text.lines().map_while(|line| line.strip_prefix("cpu"));
        let whole = Times::parse(lines.next()?.strip_prefix(' ')?)?;
        match self.whole {
            Some((before, _)) if at.since(before) < SHORTEST => {}
            before => {
                let share = before.and_then(|(_, before)| whole.share_since(before));
                if let Some(share) = share {
                    into.push(reading::HOST_CPU_RATIO, share);
                }
                self.whole = Some((at, whole));
            }
        }
        let every = self.cores_every.max(SHORTEST);
        if self.cores_at.is_none_or(|before| at.since(before) >= every) {
            self.cores_at = Some(at);
            lines.take(MOST_CORES).for_each(|line| self.read_core(line, into));
        }
        Some(())
    }

    fn read_core(&mut self, line: &str, into: &mut Readings) {
        let Some((number, times)) = line.split_once(' ') else { return };
        let (Ok(number), Some(times)) = (number.parse(), Times::parse(times)) else { return };
        let core = self
            .cores
            .entry(number)
            .or_insert_with(|| Core { instance: number.to_string().into(), times });
        if let Some(share) = times.share_since(core.times) {
            into.push_of(&core.instance, reading::HOST_CORE_RATIO, share);
        }
        core.times = times;
    }
}

impl Times {
    /// Of user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in user and nice.
    fn parse(fields: &str) -> Option<Self> {
        let mut times = Self { busy: 0, idle: 0 };
        let mut read = 0;
        for (n, field) in fields.split_ascii_whitespace().take(8).enumerate() {
            let ticks: u64 = field.parse().ok()?;
            let sum = if n == 3 || n == 4 { &mut times.idle } else { &mut times.busy };
            *sum = sum.checked_add(ticks)?;
            read += 1;
        }
        (read >= 4).then_some(times)
    }

    /// The share that was busy; `None` if nothing passed, or a count went back.
    fn share_since(self, before: Self) -> Option<f64> {
        let busy = self.busy.checked_sub(before.busy)?;
        let idle = self.idle.checked_sub(before.idle)?;
        let total = busy as f64 + idle as f64;
        (total > 0.0).then(|| busy as f64 / total)
    }
}
