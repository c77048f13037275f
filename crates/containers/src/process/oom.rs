//! Whether the system killed something for memory.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

/// What was killed has ended within that: its memory is given back first.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// How often the system killed a process for memory: of our control group, or of the machine.
#[derive(Debug)]
pub(super) struct OomKills {
    file: Option<PathBuf>,
    count: Option<u64>,
    rose: Option<Instant>,
}

impl OomKills {
    pub(super) fn new() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = files(Path::new("/sys/fs/cgroup"), &groups);
        let file = files.into_iter().chain(["/proc/vmstat".into()]).find(|f| count(f).is_some());
        let count = file.as_deref().and_then(count);
        Self { file, count, rose: None }
    }

    /// Looks, which is to be done now and then.
    pub(super) fn look(&mut self) {
        let count = self.file.as_deref().and_then(count);
        if count > self.count {
            self.rose = Some(Instant::now());
        }
        self.count = count;
    }

    /// Whether it has just done so: what was killed at the same time, and not by us, is then taken for it.
    pub(super) fn just_killed(&mut self) -> bool {
        self.look();
        self.rose.is_some_and(|rose| rose.elapsed() < ENDED_WITHIN)
    }
}

/// The files that tell it of the control groups that `/proc/self/cgroup` names, of either version.
fn files(root: &Path, groups: &str) -> Vec<PathBuf> {
    let file = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        match controllers {
            "" => Some(root.join(path).join("memory.events")),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                Some(root.join("memory").join(path).join("memory.oom_control"))
            }
            _ => None,
        }
    };
    groups.lines().filter_map(file).collect()
}

fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_both_versions_are_read() {
        let root = tempfile::tempdir().unwrap();
        let groups = "5:cpu,memory:/a/b\n4:cpuset:/\n0::/user.slice\n";
        let found = files(root.path(), groups);
        let expected = ["memory/a/b/memory.oom_control", "user.slice/memory.events"]
            .map(|f| root.path().join(f));
        assert_eq!(found, expected);
        for (file, text) in found.iter().zip([
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            "low 0\nhigh 0\nmax 12\noom 2\noom_kill 4\noom_group_kill 0\n",
        ]) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        assert_eq!([count(&found[0]), count(&found[1])], [Some(3), Some(4)]);
        assert_eq!(count(root.path()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_is_told_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.events");
        fs::write(&file, "oom_kill 1\n").unwrap();
        let mut kills = OomKills { count: count(&file), file: Some(file.clone()), rose: None };
        assert!(!kills.just_killed());
        fs::write(&file, "oom_kill 2\n").unwrap();
        assert!(kills.just_killed());
        tokio::time::advance(ENDED_WITHIN).await;
        assert!(!kills.just_killed());
        fs::remove_file(&file).unwrap();
        assert!(!kills.just_killed());
    }
}
