//! Watches GPU, host, client and server while inferbench measures.
//!
//! Each module is a [`TelemetrySource`](bench_core::TelemetrySource), and knows no other. What a source reads bears
//! the names of [`bench_core::VOCABULARY`], whoever says it: a GPU's power is `gpu_power_w` of NVML, of
//! `nvidia-smi`, of a DCGM exporter and of another host's agent alike.
//!
//! | module | watches | by |
//! |---|---|---|
//! | [`agent`] | what another host's sources do | HTTP, from `inferbench agent` there |
//! | [`Dcgm`] | the GPUs of another machine | a DCGM exporter |
//! | [`ServerMetrics`] | the server under test | what it tells Prometheus |
//! | [`host`] | processors, memory, network, disks, pressure | files below `/proc`, Linux only |
//! | [`client`] | this process | `getrusage` and `/proc/self` |
//! | [`processes`] | which processes a server consists of; no source | files below `/proc`, Linux only |
//! | [`gpu`] | NVIDIA's GPUs of this host | NVML, or `nvidia-smi` where that cannot be loaded |
//!
//! What cannot be read is absent, and the source says once why ([`Said::Absent`](bench_core::Said)); it is never 0.
//! A source opens no connection of its own: what is asked of a server goes through [`Fetch`], which whoever puts
//! the parts together has.

mod absent;
pub mod agent;
pub mod client;
mod dcgm;
mod fetch;
pub mod gpu;
pub mod host;
mod kernel_file;
pub mod processes;
pub mod prometheus;
mod scrape;
mod server;
#[cfg(test)]
mod testing;

pub use dcgm::{Dcgm, DcgmConfig};
pub use fetch::{Fetch, FetchError};
pub use server::{ServerMetrics, ServerMetricsConfig};
