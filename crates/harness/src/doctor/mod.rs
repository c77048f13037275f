//! What on this machine, and of a server, stands in the way of numbers that can be trusted.
//!
//! Each file looks after one matter: it gathers facts, none of which needs to be there, and has a function for each
//! check that makes a [`Finding`] of them and looks at nothing else.

mod clocks;
mod finding;
mod gpu;
mod processors;
mod room;
mod server;
mod surroundings;

use std::path::{Path, PathBuf};

pub use finding::{Finding, State};

use self::{
    clocks::Clocks, gpu::Gpus, processors::Processors, room::Room, server::Served,
    surroundings::Surroundings,
};
use crate::Settings;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// Requests in flight that this machine is to hold.
    pub concurrency: u64,
    /// Where directories of runs go.
    pub artifacts: PathBuf,
    /// The server to ask, the first of the settings' targets, if any.
    pub server: Option<Settings>,
    /// The directory that has `proc` and `sys`: `/`, but in tests.
    pub root: PathBuf,
}

impl Doctor {
    /// Looks at everything, in the order in which it is to be read. It takes a fifth of a second, and the server's
    /// time for two short answers; nothing is changed.
    pub fn examine(&self) -> Vec<Finding> {
        let served = self.server.as_ref().map(Served::ask);
        let mut findings = served.as_ref().map(Served::findings).unwrap_or_default();
        findings.extend(Gpus::gather(&self.root).findings(served.as_ref().map(Served::processes)));
        findings.extend(Processors::gather(&self.root).findings());
        findings.extend(Room::gather(&self.root, &self.artifacts).findings(self.concurrency));
        findings.extend(Clocks::gather(&self.root).findings());
        findings.extend(Surroundings::gather(&self.root).findings());
        findings
    }
}

/// What a file below `root` says, if it says anything.
fn told(root: &Path, path: &str) -> Option<String> {
    let text = std::fs::read_to_string(root.join(path)).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The number that a file below `root` holds.
fn number(root: &Path, path: &str) -> Option<u64> {
    told(root, path)?.parse().ok()
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if size < 10.0 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// `1 core`, `2 cores`.
fn counted(count: usize, name: &str) -> String {
    let plural = match name.strip_suffix("ss") {
        _ if count == 1 => String::new(),
        Some(_) => "es".to_owned(),
        None => "s".to_owned(),
    };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_needs_to_be_there() {
        let nothing = tempfile::tempdir().unwrap();
        let doctor = Doctor {
            concurrency: 1,
            artifacts: nothing.path().join("not/there/yet"),
            server: None,
            root: nothing.path().to_owned(),
        };
        let findings = doctor.examine();
        let mut names: Vec<_> = findings.iter().map(|finding| finding.check).collect();
        assert!(names.len() > 12, "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), findings.len(), "each once: {names:?}");
        let forbids = findings.iter().find(|finding| finding.state == State::No);
        assert_eq!(forbids, None, "what is not known forbids nothing");
    }

    #[test]
    fn sizes_and_counts_are_words() {
        assert_eq!([size(0), size(1 << 20), size(15 << 30)], ["0.0 KiB", "1.0 MiB", "15 GiB"]);
        assert_eq!(size(u64::MAX), "16777216 TiB");
        assert_eq!([counted(1, "core"), counted(0, "core")], ["1 core", "0 cores"]);
        assert_eq!([counted(1, "process"), counted(2, "process")], ["1 process", "2 processes"]);
    }
}
