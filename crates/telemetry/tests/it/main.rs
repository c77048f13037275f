//! Sources against what stands in for what they watch.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod gpu_nvidia_smi;
mod gpu_nvml;
mod gpu_nvml_trouble;
mod rig;
