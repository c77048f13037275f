//! Whose server it is: a process of ours, and whether that is gone.

use std::{fmt, fs, str::FromStr};

/// A process, told from any other that ever had its number.
///
/// As text, `PID:START:NAMESPACE:BOOT:MACHINE`: what a label of a container holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    /// When it was started, in ticks since the machine was.
    start: u64,
    /// Which processes its number counts among.
    namespace: String,
    /// Which start of its machine.
    boot: String,
    /// Which machine.
    machine: String,
}

impl Owner {
    /// This process; `None` where the system does not tell processes apart that well.
    pub(crate) fn this() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The process of a number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::told_by(pid, Stat::of(pid).filter(|stat| !stat.has_ended)?)
    }

    /// A child that nobody has asked for how it ended: it may have.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_child(pid: u32) -> Option<Self> {
        Self::told_by(pid, Stat::of(pid)?)
    }

    fn told_by(pid: u32, Stat { start, .. }: Stat) -> Option<Self> {
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let namespace = namespace.trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
        Some(Self { pid, start, namespace, boot, machine: machine()? })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it is known to be gone. Of a process that cannot be looked at from here, such as one on another machine,
    /// it is not.
    pub(crate) fn is_gone(&self) -> bool {
        let Some(this) = Self::this() else { return false };
        if self.machine != this.machine {
            return false;
        }
        let is_watched = self.namespace == this.namespace;
        self.boot != this.boot || (is_watched && Self::of(self.pid).as_ref() != Some(self))
    }

    /// Its number, and when it was started, if it is one of the processes that are seen from here. It may have ended.
    #[cfg(target_os = "linux")]
    pub(crate) fn seen_from_here(&self) -> Option<(u32, u64)> {
        let this = Self::this()?;
        let of = |owner: &Self| [&owner.namespace, &owner.boot, &owner.machine].map(String::clone);
        (of(self) == of(&this)).then_some((self.pid, self.start))
    }
}

/// What the system tells of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Whether it runs no more, and only its parent has not asked for how it ended.
    pub(crate) has_ended: bool,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    /// When it was started, in ticks since the machine was.
    pub(crate) start: u64,
}

impl Stat {
    /// That of the process of a number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may hold anything; what follows is numbers.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let start = fields.nth(16)?.parse().ok()?;
        Some(Self { has_ended, parent, group, start })
    }
}

/// What this machine is called: by its name where it has no number, as in many containers.
fn machine() -> Option<String> {
    let first = |path: &str| {
        let text = fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    first("/etc/machine-id").or_else(|| first("/proc/sys/kernel/hostname"))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, start, namespace, boot, machine } = self;
        write!(f, "{pid}:{start}:{namespace}:{boot}:{machine}")
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(5, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or(());
        Ok(Self {
            pid: part()?.parse().map_err(|_| ())?,
            start: part()?.parse().map_err(|_| ())?,
            namespace: part()?.to_owned(),
            boot: part()?.to_owned(),
            machine: part()?.to_owned(),
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_there_until_it_ends() {
        let this = Owner::this().unwrap();
        assert!(!this.is_gone());
        assert_eq!(this.to_string().parse(), Ok(this.clone()));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner::of(child.id()).unwrap();
        assert!(!owner.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(owner.is_gone());
    }

    #[test]
    fn a_number_that_another_process_has_now_is_not_its_own() {
        let this = Owner::this().unwrap();
        assert!(Owner { start: this.start + 1, ..this.clone() }.is_gone());
        let another = || "another".to_owned();
        assert!(Owner { boot: another(), ..this.clone() }.is_gone());
        assert!(!Owner { boot: another(), machine: another(), ..this.clone() }.is_gone());
        assert!(!Owner { namespace: another(), start: 0, ..this }.is_gone());
        assert!("1:2:3:4".parse::<Owner>().is_err() && "x:1:2:3:4".parse::<Owner>().is_err());
    }
}
