//! The processes that a server consists of, and their end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::owner::{Owner, Stat};

/// How often it is looked whether they have ended.
const LOOKED_EVERY: Duration = Duration::from_millis(20);
/// What was killed is gone within that, unless the system itself is stuck.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// Processes that belong to one server: those of its group, and all that they started.
///
/// Each is known by its number and when it was started, so that none that has its number later is taken for it.
#[derive(Debug, Default)]
pub(super) struct Family {
    /// Those of whom the others are told: the server, and who holds it.
    heads: Vec<(u32, u64)>,
    /// Who holds it: not one of them.
    holder: Option<u32>,
    /// Those that were seen, by number, with when they were started.
    seen: BTreeMap<u32, u64>,
}

impl Family {
    /// That of `server`, which `holder` holds, if one does.
    pub(super) fn of(server: Option<&Owner>, holder: Option<&Owner>) -> Self {
        let here = |owner: Option<&Owner>| owner.and_then(Owner::seen_from_here);
        let (server, holder) = (here(server), here(holder));
        let heads = server.into_iter().chain(holder).collect();
        Self { heads, holder: holder.map(|(pid, _)| pid), seen: BTreeMap::new() }
    }

    /// Those that run now.
    pub(super) fn running(&mut self) -> Vec<u32> {
        let table = table();
        let is_there = |pid: u32, start: u64| table.get(&pid).is_some_and(|s| s.start == start);
        self.seen.retain(|pid, start| is_there(*pid, *start));
        // One that has ended still has its number, and so its group, until its parent has asked for how it did.
        let heads = self.heads.iter().filter(|(pid, start)| is_there(*pid, *start));
        let heads: BTreeSet<u32> = heads.map(|(pid, _)| *pid).collect();
        let known = |pid: &u32| heads.contains(pid) || self.seen.contains_key(pid);
        let mut members: BTreeSet<u32> = table.keys().copied().filter(known).collect();
        loop {
            let belongs = |stat: &Stat| {
                members.contains(&stat.parent)
                    || (heads.contains(&stat.group) && Some(stat.group) != self.holder)
            };
            let found = table.iter().filter(|(pid, stat)| !members.contains(pid) && belongs(stat));
            let found: Vec<u32> = found.map(|(pid, _)| *pid).collect();
            if found.is_empty() {
                break;
            }
            members.extend(found);
        }
        members.retain(|pid| Some(*pid) != self.holder);
        self.seen = members.iter().map(|pid| (*pid, table[pid].start)).collect();
        members.into_iter().filter(|pid| !table[pid].has_ended).collect()
    }

    /// Asks them to end, and ends those that are there after `patience`.
    ///
    /// # Errors
    ///
    /// Those that cannot be ended.
    pub(super) async fn end(&mut self, patience: Duration) -> Result<(), Vec<u32>> {
        if !patience.is_zero() {
            signal(&self.running(), Signal::SIGTERM);
            let asked = Instant::now();
            while asked.elapsed() < patience {
                if self.running().is_empty() {
                    return Ok(());
                }
                sleep(LOOKED_EVERY).await;
            }
        }
        let killed = Instant::now();
        loop {
            // Anew each time: one that was not seen may have started another meanwhile.
            let left = self.running();
            if left.is_empty() {
                return Ok(());
            }
            if killed.elapsed() > KILLED_WITHIN {
                return Err(left);
            }
            signal(&left, Signal::SIGKILL);
            sleep(LOOKED_EVERY).await;
        }
    }
}

/// Signals processes; one that has ended meanwhile needs none, and another user's are told as being left.
pub(super) fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Ok(pid) = i32::try_from(*pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// All processes that are seen from here.
fn table() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, Stat::of(pid)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command},
    };

    use super::*;

    /// A shell in a group of its own, which does what `script` says.
    fn shell(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap()
    }

    fn family(child: &Child) -> Family {
        // It may have ended.
        let server = Owner::of_child(child.id());
        Family::of(server.as_ref(), None)
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(30), "not so after 30 s: {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_group_ends_with_those_who_are_deaf() {
        let mut child = shell("trap '' TERM; (sleep 60; true) & (sleep 60; true) & wait");
        let mut family = family(&child);
        until("all are there", || family.running().len() == 5).await;
        let pids = family.running();
        family.end(Duration::from_millis(50)).await.unwrap();
        assert!(pids.iter().all(|pid| Owner::of(*pid).is_none()));
        child.wait().unwrap();
        assert!(family.running().is_empty());
    }

    #[tokio::test]
    async fn what_outlives_its_parent_and_has_a_group_of_its_own_is_still_known() {
        let mut child = shell("setsid sleep 60 & sleep 60 & wait");
        let mut family = family(&child);
        until("all are there", || family.running().len() == 3).await;
        signal(&[child.id()], Signal::SIGKILL);
        child.wait().unwrap();
        assert_eq!(family.running().len(), 2);
        family.end(Duration::from_secs(20)).await.unwrap();
    }

    #[tokio::test]
    async fn a_group_is_known_by_one_who_ended_and_was_not_asked_for() {
        let mut child = shell("(sleep 60; true) & exit 3");
        let mut family = family(&child);
        until("the shell has ended", || Owner::of(child.id()).is_none()).await;
        until("the others are there", || family.running().len() == 2).await;
        family.end(Duration::ZERO).await.unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }

    #[test]
    fn one_that_has_the_number_now_is_another() {
        let this = Owner::this().unwrap();
        let mut parts: Vec<String> = this.to_string().split(':').map(str::to_owned).collect();
        parts[1] = "1".to_owned();
        let another: Owner = parts.join(":").parse().unwrap();
        assert!(Family::of(Some(&another), None).running().is_empty());
        assert!(!Family::of(Some(&this), None).running().is_empty());
    }
}
