//! Sources against what stands in for what they watch.

#![allow(missing_docs, reason = "tests")]

mod gpu_nvidia_smi;
mod gpu_nvml;
mod gpu_nvml_trouble;
mod rig;
