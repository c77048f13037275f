//! Which processes of this machine a server consists of, told by the port that it listens on.
//!
//! What is on a GPU beside the server under test disturbs the measurement; to say so, the server's own processes
//! must be known. vLLM's API server, which listens, forks the engine that holds the GPU; a launcher may have started
//! both. So they are:
//!
//! - the processes that have the listening socket open,
//! - of each, the parent, and its parent, as long as it is of the same process group and neither init, a shell
//!   nor one that this process descends from,
//! - all descendants of these.
//!
//! A server in a container whose network is the host's is found alike: seen from the host, its processes have
//! ordinary numbers. In a container of its own network, it is not: there, a proxy such as `docker-proxy` listens,
//! which is an error here, or nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// The number of a process.
pub type Pid = u32;

/// Why it cannot be said which processes a server consists of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessesError {
    /// The system does not tell, as any other than Linux.
    #[error("cannot read {}", path.display())]
    Untold {
        /// What would tell.
        path: PathBuf,
        /// Why it does not.
        #[source]
        cause: io::Error,
    },
    /// Somebody listens there who belongs to another user.
    #[error(
        "port {port} belongs to another user's process; {hidden} processes may not be looked at"
    )]
    NotPermitted {
        /// The port.
        port: u16,
        /// Processes whose files may not be seen.
        hidden: usize,
    },
    /// What listens there passes connections on, as to a container.
    #[error("process {pid}, which listens on port {port}, is {name}: it passes connections on")]
    PassedOn {
        /// The port.
        port: u16,
        /// Who listens.
        pid: Pid,
        /// What it is called.
        name: String,
    },
}

/// Programs that listen for somebody else.
const FORWARDERS: [&str; 7] =
    ["docker-proxy", "rootlessport", "slirp4netns", "pasta", "conmon", "ssh", "kubectl"];

/// Programs that start others which do not belong together.
const SHELLS: [&str; 9] =
    ["sh", "bash", "dash", "ash", "zsh", "fish", "ksh", "tmux: server", "screen"];

/// Listening, as `/proc/net/tcp` says it.
const LISTENS: &str = "0A";

/// The processes of the server that listens on TCP port `port` of this machine, in order; none if nobody does.
///
/// # Errors
///
/// When the system does not tell, or when what listens is not the server.
pub fn listening_on(port: u16) -> Result<Vec<Pid>, ProcessesError> {
    below(Path::new("/proc"), port, std::process::id())
}

/// The same, told by the files below `proc` to the process `own`.
fn below(proc: &Path, port: u16, own: Pid) -> Result<Vec<Pid>, ProcessesError> {
    let sockets = sockets(proc, port)?;
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let table = Table::read(proc)?;
    let mut hidden = 0;
    let mut holders = Vec::new();
    for pid in table.0.keys() {
        match holds(&proc.join(pid.to_string()).join("fd"), &sockets) {
            Ok(true) => holders.push(*pid),
            Ok(false) => {}
            Err(error) => hidden += usize::from(error.kind() == io::ErrorKind::PermissionDenied),
        }
    }
    if holders.is_empty() && hidden > 0 {
        return Err(ProcessesError::NotPermitted { port, hidden });
    }
    let name = |pid: &Pid| table.0.get(pid).map(|process| process.name.clone());
    for pid in &holders {
        if let Some(name) = name(pid).filter(|name| FORWARDERS.contains(&name.as_str())) {
            return Err(ProcessesError::PassedOn { port, pid: *pid, name });
        }
    }
    Ok(table.families(&holders, own))
}

/// The parent of `pid` by the files below `root`; 0 of the first one.
pub fn parent(root: &Path, pid: Pid) -> Option<Pid> {
    let stat = fs::read(root.join("proc").join(pid.to_string()).join("stat")).ok()?;
    Some(Process::parse(&String::from_utf8_lossy(&stat))?.parent)
}

/// The numbers of the sockets that listen on `port`.
fn sockets(proc: &Path, port: u16) -> Result<BTreeSet<u64>, ProcessesError> {
    let (v4, v6) = (proc.join("net/tcp"), proc.join("net/tcp6"));
    let table = fs::read_to_string(&v4);
    let table = table.map_err(|cause| ProcessesError::Untold { path: v4, cause })?;
    // A kernel without IPv6 has none.
    let table6 = fs::read_to_string(v6).unwrap_or_default();
    let lines = table.lines().chain(table6.lines());
    Ok(lines.filter_map(|line| listening_socket(line, port)).collect())
}

/// `0: 0100007F:1F90 00000000:0000 0A …`: number, own address, the other's, state; the tenth word is the socket's
/// number.
fn listening_socket(line: &str, port: u16) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let (_, own_port) = words.nth(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(own_port, 16) == Ok(port) && words.nth(1)? == LISTENS;
    is_it.then(|| words.nth(5)?.parse().ok()).flatten()
}

/// Whether a process with these files has one of `sockets` open.
fn holds(files: &Path, sockets: &BTreeSet<u64>) -> io::Result<bool> {
    for file in fs::read_dir(files)? {
        // A file that is closed meanwhile is not it.
        let Ok(target) = file.and_then(|file| fs::read_link(file.path())) else { continue };
        let socket =
            target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']'));
        if socket.and_then(|n| n.parse().ok()).is_some_and(|n| sockets.contains(&n)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The processes there are.
struct Table(BTreeMap<Pid, Process>);

struct Process {
    name: String,
    parent: Pid,
    group: Pid,
}

impl Table {
    fn read(proc: &Path) -> Result<Self, ProcessesError> {
        let untold = |cause| ProcessesError::Untold { path: proc.to_owned(), cause };
        let mut processes = BTreeMap::new();
        for entry in fs::read_dir(proc).map_err(untold)?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that has ended meanwhile is none.
            let stat = fs::read(entry.path().join("stat")).unwrap_or_default();
            if let Some(process) = Process::parse(&String::from_utf8_lossy(&stat)) {
                processes.insert(pid, process);
            }
        }
        Ok(Self(processes))
    }

    /// The processes that belong with `holders`, and all that these have started.
    fn families(&self, holders: &[Pid], own: Pid) -> Vec<Pid> {
        let ours: BTreeSet<Pid> = std::iter::once(own).chain(self.ancestors(own)).collect();
        let mut family: BTreeSet<Pid> = BTreeSet::new();
        for holder in holders {
            family.insert(*holder);
            family.extend(self.launchers(*holder, &ours));
        }
        // Ever more children, until there are none.
        let mut newest = family.clone();
        while !newest.is_empty() {
            let children = self.0.iter().filter(|(_, process)| newest.contains(&process.parent));
            let children: BTreeSet<Pid> = children.map(|(pid, _)| *pid).collect();
            newest = &children - &family;
            family.extend(&newest);
        }
        family.into_iter().collect()
    }

    /// The ancestors of `pid` that started it as a part of the whole, and are not among `ours`.
    fn launchers(&self, pid: Pid, ours: &BTreeSet<Pid>) -> impl Iterator<Item = Pid> {
        let group = self.0.get(&pid).map(|process| process.group);
        self.ancestors(pid).take_while(move |ancestor| {
            let is_launcher = |process: &Process| {
                Some(process.group) == group && !SHELLS.contains(&process.name.as_str())
            };
            *ancestor > 1
                && !ours.contains(ancestor)
                && self.0.get(ancestor).is_some_and(is_launcher)
        })
    }

    /// The parent of `pid`, its parent, and so on.
    fn ancestors(&self, pid: Pid) -> impl Iterator<Item = Pid> {
        let parent =
            |pid: &Pid| self.0.get(pid).map(|process| process.parent).filter(|pid| *pid > 0);
        // Numbers are used again: a table that was not read at once might hold a circle.
        std::iter::successors(parent(&pid), move |pid| parent(pid)).take(self.0.len())
    }
}

impl Process {
    /// `1234 (name) S 1 1234 …`: number, name, which may hold anything, state, parent, process group.
    fn parse(stat: &str) -> Option<Self> {
        let (start, rest) = stat.rsplit_once(')')?;
        let (_, name) = start.split_once('(')?;
        let mut words = rest.split_ascii_whitespace().skip(1).map(str::parse);
        Some(Self {
            name: name.to_owned(),
            parent: words.next()?.ok()?,
            group: words.next()?.ok()?,
        })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
        os::unix::{fs::symlink, process::CommandExt},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A tree of files as below `/proc`.
    struct Proc(tempfile::TempDir);

    impl Proc {
        fn new(listening: &str) -> Self {
            let proc = Self(tempfile::tempdir().unwrap());
            fs::create_dir(proc.0.path().join("net")).unwrap();
            fs::write(proc.0.path().join("net/tcp"), listening).unwrap();
            proc
        }

        fn process(
            self,
            pid: Pid,
            name: &str,
            parent: Pid,
            group: Pid,
            socket: Option<u64>,
        ) -> Self {
            let at = self.0.path().join(pid.to_string());
            fs::create_dir_all(at.join("fd")).unwrap();
            let stat = format!("{pid} ({name}) S {parent} {group} {group} 0 -1 4194560\n");
            fs::write(at.join("stat"), stat).unwrap();
            symlink("/dev/null", at.join("fd/0")).unwrap();
            if let Some(socket) = socket {
                symlink(format!("socket:[{socket}]"), at.join("fd/7")).unwrap();
            }
            self
        }

        fn listening_on(&self, port: u16) -> Result<Vec<Pid>, ProcessesError> {
            below(self.0.path(), port, 900)
        }
    }

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5001 1 0 100 0 0 10 0
   1: 0100007F:1F40 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 5002 1 0 20 4 30 10 -1
   2: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5003 1 0 100 0 0 10 0
garbage
   3: 00000000:1F40 0
";

    #[test]
    fn a_server_is_who_listens_its_launcher_and_all_it_started() {
        let proc = Proc::new(TCP)
            .process(1, "systemd", 0, 1, None)
            .process(100, "bash", 1, 100, None)
            .process(200, "launcher", 100, 200, None)
            .process(201, "router", 200, 200, Some(5001))
            .process(202, "shard (1) x", 200, 202, None)
            .process(203, "worker", 202, 203, None)
            .process(300, "python", 100, 300, Some(5003))
            .process(900, "inferbench", 100, 900, Some(5002));
        assert_eq!(proc.listening_on(8000).unwrap(), [200, 201, 202, 203]);
        assert_eq!(proc.listening_on(8001).unwrap(), [300], "a shell's jobs are apart");
        assert!(proc.listening_on(8002).unwrap().is_empty(), "nobody listens");
    }

    #[test]
    fn scripts_init_and_our_own_ancestors_launch_nothing() {
        let proc = Proc::new(TCP)
            .process(1, "tini", 0, 1, None)
            .process(50, "make", 1, 1, None)
            .process(60, "sh", 50, 1, None)
            .process(70, "server", 60, 1, Some(5001))
            .process(80, "server", 50, 1, Some(5003))
            .process(900, "inferbench", 50, 1, None);
        assert_eq!(proc.listening_on(8000).unwrap(), [70]);
        assert_eq!(proc.listening_on(8001).unwrap(), [80]);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let proc =
            Proc::new(TCP).process(10, "a", 11, 10, Some(5001)).process(11, "b", 10, 10, None);
        assert_eq!(proc.listening_on(8000).unwrap(), [10, 11]);
    }

    #[test]
    fn who_listens_for_a_container_is_not_the_server() {
        let proc = Proc::new(TCP).process(10, "docker-proxy", 1, 10, Some(5001));
        let error = proc.listening_on(8000).unwrap_err();
        assert!(matches!(error, ProcessesError::PassedOn { pid: 10, .. }), "{error}");
    }

    #[test]
    fn a_system_that_does_not_tell_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        let error = below(empty.path(), 8000, 900).unwrap_err();
        assert!(matches!(error, ProcessesError::Untold { .. }), "{error}");
        let proc =
            Proc::new("\u{0}\n\n: : :\n0: :1F40 : 0A : : : : : many\n").process(1, "x", 0, 1, None);
        assert!(proc.listening_on(8000).unwrap().is_empty(), "what is no table names no socket");
    }

    /// A shell that has our listening socket, and of which a child sleeps.
    struct Family(Child);

    impl Family {
        fn start(listener: &TcpListener) -> (Self, Pid) {
            let socket = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 600 & echo $!; wait"]).process_group(0);
            let mut child = command.stdin(socket).stdout(Stdio::piped()).spawn().unwrap();
            let mut grandchild = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut grandchild).unwrap();
            (Self(child), grandchild.trim().parse().unwrap())
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            let group = format!("-{}", self.0.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn real_processes_are_found_with_their_children() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "there may be no IPv6, but there is IPv4");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let (family, grandchild) = Family::start(&listener);
            let ours = std::process::id();
            let found = listening_on(port).unwrap();
            for pid in [family.0.id(), grandchild, ours] {
                assert!(found.contains(&pid), "{pid} among {found:?}");
            }
            drop(listener);
            let found = listening_on(port).unwrap();
            assert!(found.contains(&family.0.id()) && found.contains(&grandchild), "{found:?}");
            assert!(!found.contains(&ours), "it let go of it: {found:?}");
        }
    }
}
