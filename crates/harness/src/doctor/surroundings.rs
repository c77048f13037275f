//! What this machine is within, and what the environment asks of programs.

use std::path::Path;

use super::{Finding, told};
use crate::environment::proxy_variables;

/// Share of the time since the start that the hypervisor may have given to others.
const STOLEN: f64 = 0.01;

#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// Variables that would have programs use a proxy.
    proxies: Vec<&'static str>,
    /// What kind of virtual machine this is.
    hypervisor: Option<String>,
    /// What kind of container this is.
    container: Option<&'static str>,
    /// Share of the time since the start during which somebody else had the processors.
    stolen: Option<f64>,
}

impl Surroundings {
    pub(super) fn gather(root: &Path) -> Self {
        Self {
            proxies: proxy_variables(),
            hypervisor: hypervisor(root),
            container: container(root),
            stolen: stolen(root),
        }
    }

    pub(super) fn findings(&self) -> [Finding; 2] {
        [self.check_machine(), self.check_proxies()]
    }

    fn check_machine(&self) -> Finding {
        let kind = match (&self.hypervisor, self.container) {
            (Some(hypervisor), Some(container)) => {
                format!("{container} in a virtual machine ({hypervisor})")
            }
            (Some(hypervisor), None) => format!("a virtual machine ({hypervisor})"),
            (None, Some(container)) => container.to_owned(),
            (None, None) => "nothing says that it is virtual".to_owned(),
        };
        match self.stolen {
            Some(stolen) if stolen > STOLEN => Finding::doubt(
                "machine",
                format!(
                    "{kind}; others had {:.1} % of its processors' time since it started",
                    stolen * 1e2
                ),
            )
            .fix("a machine whose processors nobody shares"),
            _ => Finding::ok("machine", kind),
        }
    }

    fn check_proxies(&self) -> Finding {
        match self.proxies.as_slice() {
            [] => Finding::ok("proxies", "none set"),
            proxies => Finding::ok(
                "proxies",
                format!("{} not followed: servers are reached directly", proxies.join(", ")),
            ),
        }
    }
}

fn hypervisor(root: &Path) -> Option<String> {
    const NAMES: [&str; 8] =
        ["QEMU", "KVM", "VMware", "VirtualBox", "Virtual Machine", "Firecracker", "Xen", "Bochs"];
    let dmi = |file: &str| told(root, &format!("sys/class/dmi/id/{file}"));
    let product = [dmi("sys_vendor"), dmi("product_name")].into_iter().flatten();
    let product = product.collect::<Vec<_>>().join(" ");
    if let Some(name) = told(root, "sys/hypervisor/type") {
        return Some(name);
    }
    // Of x86; elsewhere only the maker's name tells.
    let flags = told(root, "proc/cpuinfo")?;
    let flags = flags.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let is_virtual = flags.split_whitespace().any(|flag| flag == "hypervisor")
        || NAMES.iter().any(|name| product.contains(name));
    let named = if product.is_empty() { "of unknown make".to_owned() } else { product };
    is_virtual.then_some(named)
}

fn container(root: &Path) -> Option<&'static str> {
    let is_there = |path: &str| root.join(path).exists();
    if is_there("var/run/secrets/kubernetes.io") {
        Some("a pod of Kubernetes")
    } else if is_there(".dockerenv") {
        Some("a container of Docker")
    } else if is_there("run/.containerenv") {
        Some("a container of Podman")
    } else {
        None
    }
}

/// `cpu  user nice system idle iowait irq softirq steal …`.
fn stolen(root: &Path) -> Option<f64> {
    let stat = told(root, "proc/stat")?;
    let times = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<f64> = times.split_whitespace().take(8).flat_map(str::parse).collect();
    let total: f64 = times.iter().sum();
    times.get(7).filter(|_| total > 0.0).map(|stolen| stolen / total)
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn a_machine_is_told_by_what_it_has() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let found = |state| {
            let finding = Surroundings::gather(root.path()).check_machine();
            assert_eq!(finding.state, state, "{finding:?}");
            finding.found
        };
        assert_eq!(found(State::Ok), "nothing says that it is virtual");
        write("proc/cpuinfo", "processor: 0\nflags\t\t: fpu hypervisor\n");
        assert_eq!(found(State::Ok), "a virtual machine (of unknown make)");
        write("sys/class/dmi/id/sys_vendor", "QEMU\n");
        write("sys/class/dmi/id/product_name", "Standard PC\n");
        write(".dockerenv", "");
        assert_eq!(
            found(State::Ok),
            "a container of Docker in a virtual machine (QEMU Standard PC)"
        );
        write("proc/stat", "cpu  10 0 10 70 0 0 0 10 0 0\n");
        assert!(
            found(State::Doubt)
                .ends_with("others had 10.0 % of its processors' time since it started")
        );
        for garbage in ["", "cpu", "cpu  x", "cpu  0 0 0 0 0 0 0 0"] {
            write("proc/stat", garbage);
            assert_eq!(stolen(root.path()), None, "{garbage}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_followed_is_named() {
        let proxies = vec!["HTTP_PROXY", "ALL_PROXY"];
        let finding = Surroundings { proxies, ..Surroundings::default() }.check_proxies();
        assert_eq!(finding.state, State::Ok);
        assert!(finding.found.starts_with("HTTP_PROXY, ALL_PROXY not followed"), "{finding:?}");
    }
}
