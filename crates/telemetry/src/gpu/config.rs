//! What is to be watched.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

/// Which GPUs are watched, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which way to them. By default NVML, and `nvidia-smi` where that does not work.
    pub way: Way,
    /// Which GPUs. By default all, whatever `CUDA_VISIBLE_DEVICES` says: the server has an environment of its own.
    pub gpus: Gpus,
    /// Time from one read to the next. By default 100 ms; `nvidia-smi` is never asked more than once a second.
    pub period: Duration,
    /// Time between reads of what changes seldom or takes long to ask: processes, ECC errors, limits, PCIe. By default
    /// a second.
    pub slow_period: Duration,
    /// How long a read waits for the driver before it is an error. By default 2 s.
    pub patience: Duration,
    /// How long the driver may take to start: without persistence mode it wakes each GPU. By default 30 s.
    pub opening: Duration,
    /// The processes of the server under test, if they are known; those that they started count as theirs. Without,
    /// nobody can say which processes on a GPU are others. Where the driver counts
    /// processes that are not seen from here, as from within a container, nobody can either.
    pub server_pids: Option<Vec<u32>>,
    /// The library of NVML; `None` is where the system looks for `libnvidia-ml.so.1`.
    pub library: Option<PathBuf>,
    /// The program that is asked where there is no NVML. By default `nvidia-smi`, as `PATH` has it.
    pub nvidia_smi: PathBuf,
    /// The directory whose `proc` tells of processes and memory. By default `/`.
    pub root: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            way: Way::default(),
            gpus: Gpus::All,
            period: Duration::from_millis(100),
            slow_period: Duration::from_secs(1),
            patience: Duration::from_secs(2),
            opening: Duration::from_secs(30),
            server_pids: None,
            library: None,
            nvidia_smi: "nvidia-smi".into(),
            root: "/".into(),
        }
    }
}

/// A way to NVIDIA's GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// The first that works.
    #[default]
    Any,
    /// The driver's library alone.
    Nvml,
    /// The driver's program alone.
    NvidiaSmi,
}

/// A choice of GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gpus {
    /// All that the driver knows.
    #[default]
    All,
    /// These alone.
    These(Vec<GpuId>),
}

/// How a GPU is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuId {
    /// Its number, as `nvidia-smi` counts: by the PCI bus.
    Index(u32),
    /// `GPU-` and its UUID.
    Uuid(String),
}

/// What is no name of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither the number of a GPU nor its UUID, such as 0 or GPU-8f6d...")]
pub struct GpuIdError(String);

impl FromStr for GpuId {
    type Err = GpuIdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.parse() {
            Ok(index) => Ok(Self::Index(index)),
            Err(_) if s.len() > 4 && s.starts_with("GPU-") => Ok(Self::Uuid(s.to_owned())),
            Err(_) => Err(GpuIdError(s.to_owned())),
        }
    }
}

impl fmt::Display for GpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_by_its_number_or_its_uuid() {
        let uuid = "GPU-00000000-0000-0000-0000-000000000001";
        assert_eq!("7".parse(), Ok(GpuId::Index(7)));
        assert_eq!(uuid.parse(), Ok(GpuId::Uuid(uuid.to_owned())));
        for wrong in ["", "-1", "GPU-", "H200", "0,1", "99999999999"] {
            assert!(wrong.parse::<GpuId>().is_err(), "{wrong:?}");
        }
    }
}
