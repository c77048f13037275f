//! Who computes on a GPU.

use bench_core::reading::{GPU_OTHER_PROCESSES, GPU_PROCESS_MEMORY_BYTES, GPU_PROCESSES};
use nvml_wrapper::{Device, enums::device::UsedGpuMemory, error::NvmlError};

use super::{super::Config, family};

pub(super) const NAMES: [&str; 3] = [GPU_PROCESSES, GPU_PROCESS_MEMORY_BYTES, GPU_OTHER_PROCESSES];

/// The processes on a GPU.
pub(super) struct Processes {
    number: usize,
    memory: Result<f64, &'static str>,
    others: Result<f64, &'static str>,
}

impl Processes {
    pub(super) fn read(device: &Device<'_>, config: &Config) -> Result<Self, NvmlError> {
        let mut processes = device.running_compute_processes()?;
        let memory = processes.iter().map(|process| match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes as f64),
            UsedGpuMemory::Unavailable => None,
        });
        let memory = memory.sum::<Option<f64>>();
        // On a divided GPU one process may have several instances.
        processes.sort_unstable_by_key(|process| process.pid);
        processes.dedup_by_key(|process| process.pid);
        let pids = processes.iter().map(|process| process.pid);
        Ok(Self {
            number: pids.len(),
            memory: memory.ok_or("the driver does not manage the memory of processes"),
            others: others(pids, config),
        })
    }

    /// What there is to tell, or why not.
    pub(super) fn values(&self) -> [(&'static str, Result<f64, &'static str>); 3] {
        let [number, memory, others] = NAMES;
        [(number, Ok(self.number as f64)), (memory, self.memory), (others, self.others)]
    }
}

/// How many of `pids` are neither the server's nor this one.
fn others(pids: impl Iterator<Item = u32>, config: &Config) -> Result<f64, &'static str> {
    let server = config.server_pids.as_deref();
    let server = server.ok_or("the processes of the server are not known")?;
    let family: Vec<_> = server.iter().copied().chain([std::process::id()]).collect();
    let mut others = 0;
    for pid in pids {
        match family::is_of(&config.root, pid, &family) {
            Some(true) => {}
            Some(false) => others += 1,
            None => {
                return Err("the driver counts a process that is not seen from here, as from \
                            within a container");
            }
        }
    }
    Ok(f64::from(others))
}
