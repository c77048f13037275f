//! The host that this process runs on: processors, memory, network, disks, and what tasks wait for.
//!
//! Linux tells all of it in files below `/proc`, which stay open: a read takes some 50 µs on a machine of two
//! cores. Other systems have no such files, so that there everything is absent, and said to be.
//!
//! Within a container these files are those of the whole host, but for the network, which is the container's own.

mod counters;
mod cpu;
mod memory;
mod pressure;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bench_core::{Readings, SourceError, TelemetrySource, async_trait, reading};

use self::cpu::Cpu;
pub use self::{memory::HostMemory, pressure::stalled_for};
use crate::{absent::Absences, kernel_file::KernelFile};

/// Interfaces and disks that are watched at most, of each: hosts of many containers have hundreds.
const MOST_INSTANCES: usize = 64;

/// How to watch the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The directory that has `proc` and `sys`: `/` by default, another one where a container is given those of
    /// its host.
    pub root: PathBuf,
    /// Time from one read to the next, half a second by default: the kernel counts in steps of 10 ms, so that a
    /// tenth of a second would tell a core's share by tens of percents. Cores are told every fourth time.
    pub period: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), period: Duration::from_millis(500) }
    }
}

/// Watches the host.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    cpu: Cpu,
    stat: KernelFile,
    meminfo: KernelFile,
    interfaces: KernelFile,
    disks: KernelFile,
    pressures: [(&'static str, KernelFile); 3],
    /// Names that were seen; none for what is not watched.
    names: HashMap<String, Option<Arc<str>>>,
    buffer: Vec<u8>,
    absences: Absences,
}

impl Host {
    /// Watches as `config` says.
    pub fn new(config: HostConfig) -> Self {
        let file = |path: &str| KernelFile::new(config.root.join(path));
        let pressures = [
            (reading::HOST_CPU_PRESSURE_S, file("proc/pressure/cpu")),
            (reading::HOST_MEMORY_PRESSURE_S, file("proc/pressure/memory")),
            (reading::HOST_IO_PRESSURE_S, file("proc/pressure/io")),
        ];
        Self {
            cpu: Cpu::new(config.period.saturating_mul(4)),
            stat: file("proc/stat"),
            meminfo: file("proc/meminfo"),
            interfaces: file("proc/net/dev"),
            disks: file("proc/diskstats"),
            pressures,
            names: HashMap::new(),
            buffer: Vec::new(),
            absences: Absences::default(),
            config,
        }
    }

    fn read_cpu(&mut self, into: &mut Readings) {
        let read = self.stat.read(&mut self.buffer);
        let read =
            read.and_then(|text| self.cpu.read(text, into).ok_or_else(|| self.stat.is_odd()));
        if let Err(why) = read {
            self.say(into, &[reading::HOST_CPU_RATIO, reading::HOST_CORE_RATIO], &why);
        }
    }

    fn read_memory(&mut self, into: &mut Readings) {
        let (memory, why) = match self.meminfo.read(&mut self.buffer) {
            Ok(text) => (HostMemory::parse(text), self.meminfo.is_odd()),
            Err(why) => (HostMemory::default(), why),
        };
        for (name, value) in [
            (reading::HOST_MEMORY_USED_BYTES, memory.used_bytes()),
            (reading::HOST_MEMORY_TOTAL_BYTES, memory.total_bytes),
            (reading::HOST_SWAP_USED_BYTES, memory.swap_used_bytes()),
        ] {
            match value {
                Some(value) => into.push(name, value as f64),
                None => self.absences.say(into, name, &why),
            }
        }
    }

    fn read_network(&mut self, into: &mut Readings) {
        const NAMES: [&str; 3] = [
            reading::HOST_NETWORK_SENT_BYTES,
            reading::HOST_NETWORK_RECEIVED_BYTES,
            reading::HOST_NETWORK_DROPPED,
        ];
        let text = match self.interfaces.read(&mut self.buffer) {
            Ok(text) => text,
            Err(why) => return self.say(into, &NAMES, &why),
        };
        let mut is_odd = true;
        for (name, counted) in counters::interfaces(text) {
            is_odd = false;
            if counted.sent_bytes == 0 && counted.received_bytes == 0 {
                continue;
            }
            let Some(name) = named(&mut self.names, name, || true) else { continue };
            into.push_of(&name, NAMES[0], counted.sent_bytes as f64);
            into.push_of(&name, NAMES[1], counted.received_bytes as f64);
            into.push_of(&name, NAMES[2], counted.dropped as f64);
        }
        if is_odd {
            self.say(into, &NAMES, &self.interfaces.is_odd());
        }
    }

    fn read_disks(&mut self, into: &mut Readings) {
        const NAMES: [&str; 2] = [reading::HOST_DISK_READ_BYTES, reading::HOST_DISK_WRITTEN_BYTES];
        let blocks = self.config.root.join("sys/block");
        if !blocks.is_dir() {
            let why = format!("no {} to tell disks from their parts", blocks.display());
            return self.say(into, &NAMES, &why);
        }
        let text = match self.disks.read(&mut self.buffer) {
            Ok(text) => text,
            Err(why) => return self.say(into, &NAMES, &why),
        };
        let mut is_odd = true;
        for (name, counted) in counters::disks(text) {
            is_odd = false;
            if counted.read_bytes == 0 && counted.written_bytes == 0 {
                continue;
            }
            // Neither partitions nor what is made of disks, such as volumes: their bytes are those of disks.
            let is_disk = || blocks.join(name.replace('/', "!")).join("device").exists();
            let Some(name) = named(&mut self.names, name, is_disk) else { continue };
            into.push_of(&name, NAMES[0], counted.read_bytes as f64);
            into.push_of(&name, NAMES[1], counted.written_bytes as f64);
        }
        if is_odd {
            self.say(into, &NAMES, &self.disks.is_odd());
        }
    }

    fn read_pressure(&mut self, into: &mut Readings) {
        for (name, file) in &mut self.pressures {
            let stalled = file.read(&mut self.buffer).map(stalled_for);
            match stalled {
                Ok(Some(stalled)) => into.push(*name, stalled.as_secs_f64()),
                Ok(None) => self.absences.say(into, name, &file.is_odd()),
                Err(why) => self.absences.say(into, name, &format!("the kernel tells none: {why}")),
            }
        }
    }

    fn say(&mut self, into: &mut Readings, names: &[&'static str], why: &str) {
        for name in names {
            self.absences.say(into, name, why);
        }
    }
}

#[async_trait]
impl TelemetrySource for Host {
    fn name(&self) -> &str {
        "host"
    }

    fn period(&self) -> Duration {
        self.config.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        self.read_cpu(into);
        self.read_memory(into);
        self.read_network(into);
        self.read_disks(into);
        self.read_pressure(into);
        Ok(())
    }
}

/// The instance of this name, if it is one that `is_watched`, which is asked once.
fn named(
    names: &mut HashMap<String, Option<Arc<str>>>,
    name: &str,
    is_watched: impl FnOnce() -> bool,
) -> Option<Arc<str>> {
    if let Some(known) = names.get(name) {
        return known.clone();
    }
    if names.values().flatten().count() >= MOST_INSTANCES {
        return None;
    }
    let instance = is_watched().then(|| Arc::from(name));
    names.insert(name.to_owned(), instance.clone());
    instance
}

#[cfg(test)]
mod tests;
