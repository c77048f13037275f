//! What this machine has to give: threads, file descriptors, ports.

use std::{num::NonZeroUsize, path::Path, thread::available_parallelism};

use crate::{Code, Failure};

/// Files that are open beside the connections: logs, timers, the runtimes' own.
const OTHER_FILES: u64 = 64;

/// Load threads where the user does not say: one for each core, but one core is left to everything else
/// where there are more than two.
pub(crate) fn load_threads() -> NonZeroUsize {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = if cores > 2 { cores - 1 } else { cores };
    NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
}

/// Makes room for `files` of connections open at once, raising the limit on open files as far as that takes;
/// and for so many `connections` from this many addresses.
pub(crate) fn make_room(files: u64, connections: u64, sources: u64) -> Result<(), Failure> {
    let needed = files_of(files);
    let allowed = raise_to(needed);
    if allowed < needed {
        let what = format!(
            "{files} connections need {needed} open files; this process may have {allowed}"
        );
        return Err(Failure::new(Code::Resource, what)
            .fix(format!("ulimit -n {needed}, as a user who may")));
    }
    if let Some(ports) = ephemeral_ports(Path::new("/"))
        && ports.saturating_mul(sources) < connections
    {
        let what = format!(
            "{connections} connections to one address need as many ports; this machine has {ports} for each \
             address to connect from"
        );
        let fix = "--source-address, once for each address of this machine; or sysctl -w \
                   net.ipv4.ip_local_port_range=\"1024 65535\"";
        return Err(Failure::new(Code::Resource, what).fix(fix));
    }
    Ok(())
}

/// Files that are open while so many connections are.
pub(crate) const fn files_of(connections: u64) -> u64 {
    connections.saturating_add(OTHER_FILES)
}

/// Raises the limit on open files as far as this process may: what a server of many streams wants.
pub fn raise_file_limit() {
    raise_to(u64::MAX);
}

/// Raises the soft limit on open files to `needed` if the hard one lets it; returns what it then is.
#[cfg(unix)]
fn raise_to(needed: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    if soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_ok() {
        return needed.min(hard);
    }
    soft
}

#[cfg(not(unix))]
fn raise_to(_needed: u64) -> u64 {
    u64::MAX
}

/// Files that this process may have open once it has raised its limit, where the system says.
#[cfg(unix)]
pub(crate) fn most_files() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

#[cfg(not(unix))]
pub(crate) fn most_files() -> Option<u64> {
    None
}

/// Ports for connections to one address, where the system says, whose `proc` is below `root`.
pub(crate) fn ephemeral_ports(root: &Path) -> Option<u64> {
    let range = std::fs::read_to_string(root.join("proc/sys/net/ipv4/ip_local_port_range")).ok()?;
    let mut bounds = range.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    (high + 1).checked_sub(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_the_number() {
        make_room(10, 10, 1).unwrap();
        if cfg!(unix) {
            let failure = make_room(1 << 40, 1, 1).unwrap_err();
            assert_eq!(failure.code, Code::Resource);
            assert!(failure.fix.unwrap().contains("1099511627840"), "64 more than asked for");
        }
    }

    #[test]
    fn each_address_has_ports_of_its_own() {
        let Some(ports) = ephemeral_ports(Path::new("/")) else { return };
        assert_eq!(make_room(1, ports, 1), Ok(()));
        let failure = make_room(1, ports + 1, 1).unwrap_err();
        assert!(failure.fix.unwrap().contains("--source-address"));
        assert_eq!(make_room(1, ports + 1, 2), Ok(()));
    }
}
