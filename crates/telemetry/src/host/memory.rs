//! How much memory the host has, and how much of it is left.

use std::path::Path;

/// What the host says of its memory. What it does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// All there is.
    pub total_bytes: Option<u64>,
    /// What new programs can have without anything being swapped out.
    pub available_bytes: Option<u64>,
    /// All of the swap.
    pub swap_total_bytes: Option<u64>,
    /// What is free of it.
    pub swap_free_bytes: Option<u64>,
}

impl HostMemory {
    /// What `proc/meminfo` below `root` says now.
    pub fn read(root: &Path) -> Self {
        let text = std::fs::read_to_string(root.join("proc/meminfo"));
        text.map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    /// What is not available.
    pub fn used_bytes(&self) -> Option<u64> {
        self.total_bytes?.checked_sub(self.available_bytes?)
    }

    /// What was swapped out.
    pub fn swap_used_bytes(&self) -> Option<u64> {
        self.swap_total_bytes?.checked_sub(self.swap_free_bytes?)
    }

    pub(super) fn parse(meminfo: &str) -> Self {
        let mut memory = Self::default();
        for line in meminfo.lines() {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let value = match name {
                "MemTotal" => &mut memory.total_bytes,
                "MemAvailable" => &mut memory.available_bytes,
                "SwapTotal" => &mut memory.swap_total_bytes,
                "SwapFree" => &mut memory.swap_free_bytes,
                _ => continue,
            };
            let kib =
                rest.trim().strip_suffix(" kB").and_then(|kib| kib.trim().parse::<u64>().ok());
            *value = kib.and_then(|kib| kib.checked_mul(1024));
        }
        memory
    }
}
