//! What this machine has to give: files, ports, memory, disk.

use std::path::Path;

use bench_telemetry::host::HostMemory;

use super::{Finding, size, told};
use crate::machine;

/// Less free memory than this is little, however much there is.
const LITTLE_MEMORY: u64 = 1 << 30;
/// A short run takes less than the first; hardly any takes more than the second.
const NO_DISK: u64 = 64 << 20;
const LITTLE_DISK: u64 = 1 << 30;

#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    /// Files that this process may have open, at most.
    files: Option<u64>,
    /// Ports for connections to one address.
    ports: Option<u64>,
    /// Of these, waiting for stray packets of connections that have ended.
    waiting: Option<u64>,
    memory: HostMemory,
    /// Share of the last ten seconds during which some task waited for memory.
    memory_stalled: Option<f64>,
    disk: Option<Disk>,
}

/// Where directories of runs go.
#[derive(Clone, Copy, Debug)]
struct Disk {
    free_bytes: u64,
    is_writable: bool,
}

impl Room {
    pub(super) fn gather(root: &Path, artifacts: &Path) -> Self {
        Self {
            files: machine::most_files(),
            ports: machine::ephemeral_ports(root),
            waiting: waiting(root),
            memory: HostMemory::read(root),
            memory_stalled: memory_stalled(root),
            disk: disk(artifacts),
        }
    }

    pub(super) fn findings(&self, concurrency: u64) -> [Finding; 5] {
        [
            self.check_files(concurrency),
            self.check_ports(concurrency),
            self.check_memory(),
            self.check_swap(),
            self.check_disk(),
        ]
    }

    fn check_files(&self, concurrency: u64) -> Finding {
        let Some(files) = self.files else {
            return Finding::unknown("files", "the system does not say how many may be open");
        };
        let needed = machine::files_of(concurrency);
        let advised = concurrency.saturating_mul(4).max(needed);
        let fix = format!("ulimit -n {advised}, as a user who may");
        if files < needed {
            Finding::no(
                "files",
                format!("{files} may be open; {concurrency} connections need {needed}"),
            )
            .fix(fix)
        } else if files < advised {
            Finding::doubt(
                "files",
                format!("{files} may be open: less than 4 for each of {concurrency} requests"),
            )
            .fix(fix)
        } else {
            Finding::ok("files", format!("{files} may be open"))
        }
    }

    fn check_ports(&self, concurrency: u64) -> Finding {
        const FIX: &str = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";
        let Some(ports) = self.ports else {
            return Finding::unknown("ports", "the system does not say how many there are");
        };
        let waiting = self.waiting.unwrap_or(0);
        let found = match waiting {
            0 => format!("{ports} for each address"),
            _ => format!("{ports} for each address, {waiting} still waiting after use"),
        };
        if ports < concurrency {
            Finding::no("ports", format!("{found}; {concurrency} requests need as many")).fix(FIX)
        } else if ports.saturating_sub(waiting) < concurrency.saturating_mul(4) {
            Finding::doubt("ports", format!("{found}: connections made anew may find none"))
                .fix(FIX)
        } else {
            Finding::ok("ports", found)
        }
    }

    fn check_memory(&self) -> Finding {
        let HostMemory { total_bytes: Some(total), available_bytes: Some(available), .. } =
            self.memory
        else {
            return Finding::unknown("memory", "the system does not say how much there is");
        };
        let found = format!("{} of {} available", size(available), size(total));
        let stalled = self.memory_stalled.filter(|share| *share > 0.01);
        match stalled {
            Some(share) => Finding::doubt(
                "memory",
                format!(
                    "{found}; tasks waited for some during {:.0} % of the last 10 s",
                    share * 1e2
                ),
            ),
            None if available < LITTLE_MEMORY.min(total / 10) => Finding::doubt("memory", found),
            None => Finding::ok("memory", found),
        }
    }

    fn check_swap(&self) -> Finding {
        match self.memory.swap_used_bytes() {
            None => Finding::unknown("swap", "the system does not say how much is in use"),
            Some(0) => Finding::ok("swap", "none in use"),
            Some(used) => Finding::doubt(
                "swap",
                format!("{} in use: what is needed again has to be read back first", size(used)),
            )
            .fix("sudo swapoff -a, where memory suffices"),
        }
    }

    fn check_disk(&self) -> Finding {
        const FIX: &str = "--artifact-dir, on another disk";
        let Some(Disk { free_bytes, is_writable }) = self.disk else {
            return Finding::unknown("disk", "the system does not say what is free where runs go");
        };
        let found = format!("{} free where runs go", size(free_bytes));
        if !is_writable {
            Finding::no("disk", "the directory where runs go cannot be written").fix(FIX)
        } else if free_bytes < NO_DISK {
            Finding::no("disk", found).fix(FIX)
        } else if free_bytes < LITTLE_DISK {
            Finding::doubt("disk", found).fix(FIX)
        } else {
            Finding::ok("disk", found)
        }
    }
}

/// `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1`.
fn waiting(root: &Path) -> Option<u64> {
    let sockets = told(root, "proc/net/sockstat")?;
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let mut words = tcp.split(' ');
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

/// `some avg10=0.00 avg60=…`, in percent.
fn memory_stalled(root: &Path) -> Option<f64> {
    let pressure = told(root, "proc/pressure/memory")?;
    let some = pressure.lines().find_map(|line| line.strip_prefix("some avg10="))?;
    some.split(' ').next()?.parse::<f64>().ok().map(|percent| percent / 1e2)
}

/// Of the nearest directory that is there, in which the missing ones would be made.
#[cfg(unix)]
fn disk(artifacts: &Path) -> Option<Disk> {
    use nix::{
        sys::statvfs::statvfs,
        unistd::{AccessFlags, access},
    };
    let artifacts = std::path::absolute(artifacts).ok()?;
    let there = artifacts.ancestors().find(|directory| directory.exists())?;
    let told = statvfs(there).ok()?;
    // Their types differ from system to system.
    #[expect(clippy::useless_conversion, reason = "not on every system")]
    let free_bytes = u64::from(told.blocks_available()).saturating_mul(told.fragment_size().into());
    Some(Disk { free_bytes, is_writable: access(there, AccessFlags::W_OK).is_ok() })
}

#[cfg(not(unix))]
fn disk(_artifacts: &Path) -> Option<Disk> {
    None
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    const ROOM: Room = Room {
        files: Some(65_536),
        ports: Some(28_232),
        waiting: Some(10),
        memory: HostMemory {
            total_bytes: Some(64 << 30),
            available_bytes: Some(32 << 30),
            swap_total_bytes: Some(1 << 30),
            swap_free_bytes: Some(1 << 30),
        },
        memory_stalled: Some(0.0),
        disk: Some(Disk { free_bytes: 100 << 30, is_writable: true }),
    };

    /// What is not fine for so many requests, and whether there is something to do.
    fn check(room: &Room, concurrency: u64) -> Vec<(&'static str, State)> {
        let findings = room.findings(concurrency).into_iter();
        findings.filter(|f| f.state != State::Ok).map(|f| (f.check, f.state)).collect()
    }

    #[test]
    fn limits_are_held_against_what_is_to_run() {
        assert_eq!(check(&ROOM, 100), []);
        assert_eq!(check(&ROOM, 10_000), [("ports", State::Doubt)]);
        assert_eq!(check(&ROOM, 20_000), [("files", State::Doubt), ("ports", State::Doubt)]);
        assert_eq!(check(&ROOM, 70_000), [("files", State::No), ("ports", State::No)]);
        assert_eq!(check(&ROOM, u64::MAX), [("files", State::No), ("ports", State::No)]);
        let busy = Room { waiting: Some(28_000), ..ROOM };
        assert_eq!(check(&busy, 100), [("ports", State::Doubt)]);
    }

    #[test]
    fn what_a_run_needs_itself_is_enough_files() {
        let files = |files| check(&Room { files: Some(files), ..ROOM }, 16);
        assert_eq!(files(16 + 63), [("files", State::No)], "as a run refuses it");
        assert_eq!(files(16 + 64), []);
    }

    #[test]
    fn too_little_memory_and_disk_are_told() {
        let memory = |available| HostMemory { available_bytes: Some(available), ..ROOM.memory };
        let disk = |free_bytes, is_writable| Some(Disk { free_bytes, is_writable });
        let swapping = HostMemory { swap_free_bytes: Some(0), ..ROOM.memory };
        for (room, check_name, state) in [
            (Room { memory: memory(1 << 20), ..ROOM }, "memory", State::Doubt),
            (Room { memory_stalled: Some(0.2), ..ROOM }, "memory", State::Doubt),
            (Room { memory: swapping, ..ROOM }, "swap", State::Doubt),
            (Room { disk: disk(1 << 29, true), ..ROOM }, "disk", State::Doubt),
            (Room { disk: disk(1 << 20, true), ..ROOM }, "disk", State::No),
            (Room { disk: disk(1 << 40, false), ..ROOM }, "disk", State::No),
        ] {
            assert_eq!(check(&room, 1), [(check_name, state)], "{room:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_doubt() {
        let states = Room::default().findings(1 << 40).map(|finding| finding.state);
        assert_eq!(states, [State::Unknown; 5]);
    }

    #[test]
    fn facts_are_where_the_kernel_has_them() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "proc/net/sockstat",
            "sockets: used 9\nTCP: inuse 5 orphan 0 tw 42 alloc 7 mem 1\nUDP: tw 1\n",
        );
        write(
            "proc/pressure/memory",
            "some avg10=12.50 avg60=0.00 total=1\nfull avg10=0.00 total=1\n",
        );
        write("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
        let room = Room::gather(root.path(), root.path());
        assert_eq!((room.waiting, room.ports), (Some(42), Some(28_232)));
        assert_eq!(room.memory_stalled, Some(0.125));
        assert_eq!(room.disk.map(|disk| disk.is_writable), cfg!(unix).then_some(true));
    }
}
