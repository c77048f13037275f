//! Sources against what stands in for what they watch.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod gpu_nvidia_smi;
#[cfg(all(feature = "nvml", target_os = "linux"))]
mod gpu_nvml;
#[cfg(all(feature = "nvml", target_os = "linux"))]
mod gpu_nvml_trouble;
mod rig;
