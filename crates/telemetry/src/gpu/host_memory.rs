//! The host's memory, which a GPU may share.

use std::{fs, path::Path};

/// Memory of this host in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostMemory {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl HostMemory {
    /// As the kernel tells it now; `None` where it does not.
    pub(super) fn read(proc: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(proc.join("meminfo")).ok()?)
    }

    fn parse(meminfo: &str) -> Option<Self> {
        let bytes = |name| {
            let line =
                meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1_024)
        };
        Some(Self { total: bytes("MemTotal")?, available: bytes("MemAvailable")? })
    }

    /// What is not available to new programs without swapping.
    pub(super) const fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_what_is_not_available() {
        let meminfo = "MemTotal:       127600748 kB\nMemFree:         1000000 kB\nMemAvailable:   100000000 kB\n";
        let memory = HostMemory::parse(meminfo).unwrap();
        assert_eq!(memory.total, 127_600_748 * 1_024);
        assert_eq!(memory.used(), 27_600_748 * 1_024);
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_known() {
        let fine = "MemTotal: 2 kB\nMemAvailable: 1 kB\n";
        assert!(HostMemory::parse(fine).is_some());
        for broken in [
            "",
            "MemTotal: 2 kB\n",
            "MemTotal: x kB\nMemAvailable: 1 kB",
            "MemTotal: 2\nMemAvailable: 1 kB",
        ] {
            assert_eq!(HostMemory::parse(broken), None, "{broken:?}");
        }
    }
}
