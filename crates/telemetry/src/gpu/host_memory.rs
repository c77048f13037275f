//! The host's memory, which a GPU may share.

use std::path::Path;

use crate::host;

/// Memory of this host in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostMemory {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl HostMemory {
    /// As the kernel tells it now; `None` where it does not.
    pub(super) fn read(proc: &Path) -> Option<Self> {
        let host::HostMemory { total_bytes, available_bytes, .. } = host::HostMemory::read(proc);
        Some(Self { total: total_bytes?, available: available_bytes? })
    }

    /// What is not available to new programs without swapping.
    pub(super) const fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(meminfo: &str) -> Option<HostMemory> {
        let proc = tempfile::tempdir().unwrap();
        std::fs::write(proc.path().join("meminfo"), meminfo).unwrap();
        HostMemory::read(proc.path())
    }

    #[test]
    fn what_is_used_is_what_is_not_available() {
        let meminfo = "MemTotal:       127600748 kB\nMemFree:         1000000 kB\nMemAvailable:   100000000 kB\n";
        let memory = of(meminfo).unwrap();
        assert_eq!(memory.total, 127_600_748 * 1_024);
        assert_eq!(memory.used(), 27_600_748 * 1_024);
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_known() {
        let fine = "MemTotal: 2 kB\nMemAvailable: 1 kB\n";
        assert!(of(fine).is_some());
        for broken in [
            "",
            "MemTotal: 2 kB\n",
            "MemTotal: x kB\nMemAvailable: 1 kB",
            "MemTotal: 2\nMemAvailable: 1 kB",
        ] {
            assert_eq!(of(broken), None, "{broken:?}");
        }
    }
}
