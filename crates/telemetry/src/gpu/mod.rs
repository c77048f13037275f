//! NVIDIA's GPUs of this host, through NVML, or through `nvidia-smi` where that cannot be loaded.
//!
//! [`sources`] picks; [`inventory`] says what there is. Both ways give the same readings as far as they go:
//!
//! | | NVML | `nvidia-smi` |
//! |---|---|---|
//! | period | 100 ms | 1 s: each read is a process that starts |
//! | energy counter, PCIe, processes, MIG, XID errors | yes | no |
//! | all else | yes | yes |
//!
//! A GPU's readings bear its number as their instance, those of a MIG instance the number that `nvidia-smi -L` gives it
//! behind that, as `0/3`. A GPU that is lost is [`Said::Lost`](bench_core::Said), and the others go on. What a GPU does
//! not support is asked once. Where it shares the host's memory and therefore says none of its own, as GB10 does, the
//! host's memory stands in its place, and the source says that `gpu_memory_kind` is `unified`.
//!
//! NVML takes some 20 ms for an answer about PCIe, during which it measures. So these are asked once in
//! [`Config::slow_period`], of one GPU at a time and after all else. Processes, ECC errors, limits, encoder and decoder
//! change seldom and are asked as seldom: their readings are up to a second old when a phase begins or ends.
//!
//! **Other makers.** A GPU of AMD (through `amdsmi` or `rocm-smi --json`) or of Apple (through `IOReport`) is one more
//! module beside these two: a [`TelemetrySource`] of its own that pushes `gpu_utilization_ratio`,
//! `gpu_memory_used_bytes`, `gpu_memory_total_bytes`, `gpu_power_w`, `gpu_energy_j` where there is a counter,
//! `gpu_temperature_c`, `gpu_sm_clock_mhz` and `gpu_throttled`, whose instance is the number of the GPU; it says
//! `gpu_name` and `gpu_uuid`, and `Absent` for what it cannot give. [`sources`] would ask it where NVIDIA's are not
//! there. Nothing else looks at where a reading comes from.

mod config;
mod inventory;
mod nvidia_smi;
#[cfg(all(feature = "nvml", target_os = "linux"))]
mod nvml;

use std::path::Path;

use bench_core::TelemetrySource;

use self::nvidia_smi::NvidiaSmiSource;
pub use self::{
    config::{Config, GpuId, GpuIdError, Gpus, Way},
    inventory::{GpuProcess, Inventory, InventoryGpu, inventory},
};
use crate::host::HostMemory;

/// Why no GPU can be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// Neither NVML nor `nvidia-smi` works here: there is no driver, or something is wrong with it.
    #[error("no NVIDIA GPU can be watched: {nvml}; {nvidia_smi}")]
    NoDriver {
        /// Why not NVML.
        nvml: String,
        /// Why not `nvidia-smi`.
        nvidia_smi: String,
    },
    /// The driver works and knows no GPU.
    #[error("NVIDIA's driver is here and knows no GPU")]
    NoGpu,
    /// A GPU was asked for that is not there.
    #[error("there is no GPU {wanted}; there {}", are(*.known))]
    NoSuchGpu {
        /// Which one.
        wanted: GpuId,
        /// How many there are.
        known: usize,
    },
}

fn are(n: usize) -> String {
    match n {
        1 => "is one, number 0".to_owned(),
        n => format!("are {n}, from number 0 on"),
    }
}

/// Why one of the ways to the GPUs cannot be gone.
#[derive(Debug)]
enum OpenError {
    /// It does not work here; another may.
    NotHere(String),
    /// It works, and the answer is no.
    Refused(Unavailable),
}

/// What watches the GPUs of this host: one source for all of them.
///
/// # Errors
///
/// When there is no driver that answers, no GPU, or not the one asked for; in one line each.
pub fn sources(config: &Config) -> Result<Vec<Box<dyn TelemetrySource>>, Unavailable> {
    let source = first_that_works(
        config.way,
        || open_nvml(config),
        || Ok(Box::new(NvidiaSmiSource::open(config)?) as Box<dyn TelemetrySource>),
    )?;
    Ok(vec![source])
}

/// What `nvml` gives, or `nvidia_smi` where it does not work here and is not the only way asked for.
fn first_that_works<T>(
    way: Way,
    nvml: impl FnOnce() -> Result<T, OpenError>,
    nvidia_smi: impl FnOnce() -> Result<T, OpenError>,
) -> Result<T, Unavailable> {
    let not_asked_for = || OpenError::NotHere("not asked for".to_owned());
    let nvml = if way == Way::NvidiaSmi { Err(not_asked_for()) } else { nvml() };
    let nvml = match nvml {
        Err(OpenError::NotHere(why)) => why,
        Err(OpenError::Refused(why)) => return Err(why),
        Ok(opened) => return Ok(opened),
    };
    let nvidia_smi = if way == Way::Nvml { Err(not_asked_for()) } else { nvidia_smi() };
    nvidia_smi.map_err(|error| match error {
        OpenError::NotHere(nvidia_smi) => Unavailable::NoDriver { nvml, nvidia_smi },
        OpenError::Refused(why) => why,
    })
}

#[cfg(all(feature = "nvml", target_os = "linux"))]
fn open_nvml(config: &Config) -> Result<Box<dyn TelemetrySource>, OpenError> {
    Ok(Box::new(nvml::NvmlSource::open(config)?))
}

#[cfg(not(all(feature = "nvml", target_os = "linux")))]
fn open_nvml(_config: &Config) -> Result<Box<dyn TelemetrySource>, OpenError> {
    Err(OpenError::NotHere("NVML is not built in".to_owned()))
}

/// The host's memory below `root`, used and in all, for a GPU that shares it.
fn host_memory(root: &Path) -> Option<[u64; 2]> {
    let memory = HostMemory::read(root);
    Some([memory.used_bytes()?, memory.total_bytes?])
}

/// Whether reasons for a slower clock, as NVML and `nvidia-smi` write them, are throttling, for power and for heat.
///
/// That a GPU is idle, or that somebody set its clocks or those of a display, is none.
fn throttled(reasons: u64) -> [f64; 3] {
    const SW_POWER_CAP: u64 = 0x4;
    const HW_SLOWDOWN: u64 = 0x8;
    const SYNC_BOOST: u64 = 0x10;
    const SW_THERMAL: u64 = 0x20;
    const HW_THERMAL: u64 = 0x40;
    const HW_POWER_BRAKE: u64 = 0x80;
    const POWER: u64 = SW_POWER_CAP | HW_POWER_BRAKE;
    const THERMAL: u64 = SW_THERMAL | HW_THERMAL;
    let any_of = |mask| f64::from(u8::from(reasons & mask != 0));
    [any_of(POWER | THERMAL | HW_SLOWDOWN | SYNC_BOOST), any_of(POWER), any_of(THERMAL)]
}

#[cfg(test)]
mod tests {
    use super::throttled;

    #[test]
    fn idle_and_settings_are_no_throttling() {
        let cases = [
            (0x0, [false, false, false], "as fast as it can"),
            (0x1, [false, false, false], "idle"),
            (0x2, [false, false, false], "clocks of applications"),
            (0x100, [false, false, false], "clocks of a display"),
            (0x4, [true, true, false], "power cap"),
            (0x80, [true, true, false], "power brake"),
            (0x20, [true, false, true], "software, heat"),
            (0x40 | 0x8, [true, false, true], "hardware, heat"),
            (0x8, [true, false, false], "hardware, which does not say why"),
            (0x10, [true, false, false], "another GPU of its group"),
            (0x4 | 0x20 | 0x1, [true, true, true], "both"),
        ];
        for (reasons, expected, what) in cases {
            assert_eq!(throttled(reasons).map(|is| is > 0.0), expected, "{what}");
        }
    }
}
