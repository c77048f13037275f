//! The processors: how many, how fast, and who else is on them.

use std::{collections::BTreeSet, num::NonZeroUsize, path::Path, thread::available_parallelism};

use super::{Finding, counted, number, told};

#[derive(Clone, Debug, Default)]
pub(super) struct Processors {
    /// Cores that this process may use.
    cores: Option<usize>,
    /// Whether several of them share a core of the chip.
    smt: Option<bool>,
    /// Cores' worth of time that the control group gives.
    quota: Option<f64>,
    /// What decides on clocks.
    governors: BTreeSet<String>,
    /// Tasks that ran or waited, over the last minute.
    load: Option<f64>,
}

impl Processors {
    pub(super) fn gather(root: &Path) -> Self {
        Self {
            cores: available_parallelism().ok().map(NonZeroUsize::get),
            smt: number(root, "sys/devices/system/cpu/smt/active").map(|active| active == 1),
            quota: quota(root),
            governors: governors(root),
            load: told(root, "proc/loadavg").and_then(|load| load.split(' ').next()?.parse().ok()),
        }
    }

    pub(super) fn findings(&self) -> [Finding; 3] {
        [self.check_cores(), self.check_governor(), self.check_load()]
    }

    fn check_cores(&self) -> Finding {
        let Some(cores) = self.cores else {
            return Finding::unknown("cores", "the system does not say how many there are");
        };
        let smt = match self.smt {
            Some(true) => ", two or more to a core of the chip (SMT)",
            Some(false) => ", SMT off",
            None => "",
        };
        let found = counted(cores, "core") + smt;
        match self.quota {
            Some(quota) => Finding::doubt(
                "cores",
                format!(
                    "{found}; a limit of {quota} of them stops all threads whenever it is used up"
                ),
            )
            .fix("run without a CPU limit, as docker run without --cpus"),
            None if cores < 2 => Finding::doubt(
                "cores",
                format!("{found}: whatever else runs here delays what is measured"),
            ),
            None => Finding::ok("cores", found),
        }
    }

    fn check_governor(&self) -> Finding {
        let names: Vec<&str> = self.governors.iter().map(String::as_str).collect();
        match names.as_slice() {
            [] => Finding::unknown(
                "governor",
                "the system does not say, as most virtual machines do not",
            ),
            ["performance"] => Finding::ok("governor", "performance"),
            _ => Finding::doubt(
                "governor",
                format!("{}: cores are slow when work comes after a pause", names.join(", ")),
            )
            .fix("sudo cpupower frequency-set -g performance"),
        }
    }

    /// This process has hardly done anything yet: all of the load is of others.
    fn check_load(&self) -> Finding {
        let Some((load, cores)) = self.load.zip(self.cores) else {
            return Finding::unknown("load", "the system does not say how busy it is");
        };
        let found = format!("{load:.2} tasks over the last minute");
        match load > cores as f64 / 2.0 {
            true => Finding::doubt("load", format!("{found}, on {}", counted(cores, "core")))
                .fix("see `top`; measure when nothing else runs"),
            false => Finding::ok("load", found),
        }
    }
}

/// Of control groups, version 2 or 1; those above this one are not seen.
fn quota(root: &Path) -> Option<f64> {
    let (quota, period) = match told(root, "sys/fs/cgroup/cpu.max") {
        Some(limit) => {
            let (quota, period) = limit.split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        None => (
            number(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us")?,
            number(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us")?,
        ),
    };
    (period > 0).then(|| quota as f64 / period as f64)
}

fn governors(root: &Path) -> BTreeSet<String> {
    let policies = root.join("sys/devices/system/cpu/cpufreq").read_dir();
    let policies = policies.into_iter().flatten().flatten();
    policies.filter_map(|policy| told(&policy.path(), "scaling_governor")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    fn check(processors: &Processors) -> [(State, String); 3] {
        processors.findings().map(|finding| (finding.state, finding.found))
    }

    #[test]
    fn a_quiet_machine_at_full_clocks_is_fine() {
        let governors = ["performance".to_owned()].into();
        let processors = Processors {
            cores: Some(8),
            smt: Some(false),
            quota: None,
            governors,
            load: Some(0.5),
        };
        assert!(check(&processors).iter().all(|(state, _)| *state == State::Ok));
        for worse in [
            Processors { cores: Some(1), ..processors.clone() },
            Processors { quota: Some(1.5), ..processors.clone() },
            Processors { governors: ["powersave".to_owned()].into(), ..processors.clone() },
            Processors { load: Some(4.1), ..processors.clone() },
        ] {
            let doubts: Vec<_> =
                check(&worse).into_iter().filter(|(state, _)| *state == State::Doubt).collect();
            assert_eq!(doubts.len(), 1, "{worse:?}: {doubts:?}");
        }
    }

    #[test]
    fn facts_are_where_the_kernel_has_them() {
        let root = tempfile::tempdir().unwrap();
        let cpu = root.path().join("sys/devices/system/cpu");
        for (policy, governor) in [("policy0", "powersave\n"), ("policy1", "performance\n")] {
            std::fs::create_dir_all(cpu.join("cpufreq").join(policy)).unwrap();
            let file = cpu.join("cpufreq").join(policy).join("scaling_governor");
            std::fs::write(file, governor).unwrap();
        }
        std::fs::create_dir_all(root.path().join("sys/fs/cgroup")).unwrap();
        let limit = root.path().join("sys/fs/cgroup/cpu.max");
        std::fs::write(&limit, "150000 100000\n").unwrap();
        let processors = Processors::gather(root.path());
        assert_eq!(processors.quota, Some(1.5));
        assert_eq!(processors.governors.len(), 2);
        for unlimited in ["max 100000", "", "1 0", "garbage"] {
            std::fs::write(&limit, unlimited).unwrap();
            assert_eq!(quota(root.path()), None, "{unlimited}");
        }
    }
}
