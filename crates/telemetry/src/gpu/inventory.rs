//! What there is, before anything is measured.

#[cfg(all(feature = "nvml", target_os = "linux"))]
use super::nvml;
use super::{Config, OpenError, Unavailable, first_that_works, nvidia_smi};

/// The GPUs of this host and their driver. What is not told is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Who says so: `nvml` or `nvidia-smi`.
    pub source: &'static str,
    /// The driver's version, such as `580.95.05`.
    pub driver: Option<String>,
    /// The newest CUDA that the driver knows, such as `13.0`.
    pub cuda: Option<String>,
    /// The GPUs that were asked for.
    pub gpus: Vec<InventoryGpu>,
}

/// A GPU, as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InventoryGpu {
    /// Its number.
    pub index: u32,
    /// Why nothing is known of it, as when it is lost.
    pub trouble: Option<String>,
    /// What it is, such as `NVIDIA H200`.
    pub name: Option<String>,
    /// `GPU-` and its UUID.
    pub uuid: Option<String>,
    /// Where it is plugged in.
    pub pci_bus: Option<String>,
    /// Its memory; of unified memory the host's.
    pub memory_bytes: Option<u64>,
    /// Whether it shares the host's memory, as told by that it says none of its own.
    pub has_unified_memory: bool,
    /// Whether the driver keeps it awake while nobody uses it.
    pub is_persistent: Option<bool>,
    /// Clock of the multiprocessors now.
    pub sm_clock_mhz: Option<u32>,
    /// The highest that they can have.
    pub sm_clock_max_mhz: Option<u32>,
    /// What somebody set it to for applications (`nvidia-smi -ac`). Clocks that are locked (`-lgc`) nobody tells; they
    /// show in the clock under load alone.
    pub sm_clock_set_mhz: Option<u32>,
    /// What it is for applications unless somebody sets it.
    pub sm_clock_default_mhz: Option<u32>,
    /// Clock of the memory now.
    pub memory_clock_mhz: Option<u32>,
    /// The highest that it can have.
    pub memory_clock_max_mhz: Option<u32>,
    /// Power limit in force.
    pub power_limit_w: Option<f64>,
    /// Power limit unless somebody sets it.
    pub power_limit_default_w: Option<f64>,
    /// Whether it is divided into MIG instances.
    pub is_mig: Option<bool>,
    /// Whether its memory corrects errors.
    pub is_ecc: Option<bool>,
    /// Who may compute on it: `default`, `exclusive process`, `prohibited`.
    pub compute_mode: Option<&'static str>,
    /// Who computes on it.
    pub processes: Option<Vec<GpuProcess>>,
}

/// A process that computes on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuProcess {
    /// Its number, in the namespace of the driver.
    pub pid: u32,
    /// Memory that it holds on the GPU.
    pub memory_bytes: Option<u64>,
}

/// What there is on this host; of `config` it looks at which GPUs, and where NVML and `nvidia-smi` are. Blocks for as
/// long as the driver takes, but no longer than [`Config::opening`] for each of them.
///
/// # Errors
///
/// As of [`sources`](super::sources).
pub fn inventory(config: &Config) -> Result<Inventory, Unavailable> {
    first_that_works(config.way, || by_nvml(config), || nvidia_smi::inventory(config))
}

#[cfg(all(feature = "nvml", target_os = "linux"))]
fn by_nvml(config: &Config) -> Result<Inventory, OpenError> {
    nvml::once(config, nvml::inventory)
}

#[cfg(not(all(feature = "nvml", target_os = "linux")))]
fn by_nvml(_config: &Config) -> Result<Inventory, OpenError> {
    Err(OpenError::NotHere("NVML is not built in".to_owned()))
}
