use nix::sys::signal::Signal;

use super::*;

#[tokio::test]
async fn all_that_a_server_started_ends_with_it_deaf_or_not() {
    for rig in Rig::both() {
        let running = rig.start("child child-elsewhere deaf").await;
        rig.said_all(&running).await;
        let pids = rig.state(&running).await.pids;
        assert_eq!(pids.len(), 3);
        rig.another().stop(&running.id, Duration::from_millis(100)).await.unwrap();
        assert!(pids.iter().all(|pid| !runs(*pid)) && rig.is_empty());
    }
}

#[tokio::test]
async fn what_outlives_its_parent_and_its_group_is_still_held() {
    let rig = Rig::held();
    let running = rig.start("orphan").await;
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    assert_eq!(pids.len(), 2);
    rig.process.stop(&running.id, Duration::from_millis(100)).await.unwrap();
    assert!(pids.iter().all(|pid| !runs(*pid)));
}

#[tokio::test]
async fn how_it_ended_is_known() {
    for rig in Rig::both() {
        for (words, expected) in [("exit=0", 0), ("say=x exit=3", 3), ("abort", 134)] {
            let running = rig.start(words).await;
            let state = rig.end(&running).await;
            assert_eq!(state.exit_code, Some(expected), "{words}");
            assert!(!state.oom_killed && state.said.is_none(), "{state:?}");
            // Another process of ours knows it, too.
            let held = rig.another().list().await.unwrap();
            assert_eq!((held[0].state.exit_code, held[0].port), (Some(expected), None));
            rig.process.stop(&running.id, PATIENCE).await.unwrap();
            assert!(rig.is_empty());
        }
        let running = rig.start("").await;
        signal(rig.state(&running).await.pids[0], Signal::SIGKILL);
        assert_eq!(rig.end(&running).await.exit_code, Some(137));
        rig.process.stop(&running.id, PATIENCE).await.unwrap();
    }
}

/// A control group of our own with little memory; `None` where none can be made.
struct Group(PathBuf);

impl Group {
    fn with_mib(mib: u64) -> Option<Self> {
        let name = format!("inferbench-test-{}", std::process::id());
        let versions = [("memory", "memory.limit_in_bytes"), ("", "memory.max")]
            .map(|(folder, limit)| (Path::new("/sys/fs/cgroup").join(folder).join(&name), limit));
        versions.into_iter().find_map(|(folder, limit)| {
            fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            let limit = group.0.join(limit);
            (limit.exists() && fs::write(limit, (mib << 20).to_string()).is_ok()).then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn what_the_system_killed_for_memory_is_told_from_what_was_killed() {
    let Some(group) = Group::with_mib(100) else {
        let missing = "this user cannot make a control group of a memory of its own";
        assert!(env::var_os("INFERBENCH_REQUIRE_ALL").is_none(), "{missing}");
        // What a test prints is kept from who runs it; what it writes is not.
        std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
        return;
    };
    let Rig { place, process } = Rig::alone();
    let enter = "echo $$ >$1/cgroup.procs && exec $2 hold $3";
    let group = group.0.to_str().unwrap();
    let stand_in = stand_in();
    let process = process.held_by("sh", ["-c", enter, "sh", group, stand_in.to_str().unwrap()]);
    let rig = Rig { place, process };
    let running = rig.start("take-mib=300").await;
    let state = rig.end(&running).await;
    assert_eq!((state.exit_code, state.oom_killed), (Some(137), true));
    rig.process.stop(&running.id, PATIENCE).await.unwrap();
    let running = rig.start("").await;
    let server = pid_of(&rig, "mine", "server");
    signal(server, Signal::SIGTERM);
    let state = rig.end(&running).await;
    assert_eq!((state.exit_code, state.oom_killed), (Some(143), false));
    rig.process.stop(&running.id, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn the_last_line_is_told_though_nothing_ended_it() {
    for rig in Rig::both() {
        let running = rig.start("say=whole say-part=half exit=1").await;
        rig.end(&running).await;
        assert_eq!(rig.said(&running, "half").await, ["whole", "half"]);
        rig.process.stop(&running.id, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_server_that_crashed_left_running_is_ended_too() {
    let rig = Rig::held();
    let running = rig.start("child").await;
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    assert_eq!(pids.len(), 2);
    signal(pid_of(&rig, "mine", "server"), Signal::SIGKILL);
    until("nothing is left", || pids.iter().all(|pid| !runs(*pid))).await;
    assert_eq!(rig.state(&running).await.exit_code, Some(137));
    rig.process.stop(&running.id, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_server_ends_with_who_holds_it_where_that_is_asked_to() {
    let rig = Rig::held();
    let running = rig.start("child").await;
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    signal(pid_of(&rig, "mine", "holder"), Signal::SIGTERM);
    // The child is deaf, and the server has as long as its recipe says: it is killed at last.
    until("the server has ended", || !runs(pid_of(&rig, "mine", "server"))).await;
    rig.process.stop(&running.id, Duration::ZERO).await.unwrap();
    assert!(pids.iter().all(|pid| !runs(*pid)) && rig.is_empty());
}

#[tokio::test]
async fn a_server_ends_with_us_or_is_kept() {
    let rig = Rig::held();
    let running = rig.start("").await;
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    let Rig { place, process } = rig;
    drop(process);
    until("nothing is left", || !runs(pids[0])).await;
    let servers = place.path().join("state/servers");
    until("nothing is written down", || fs::read_dir(&servers).unwrap().count() == 0).await;

    for rig in Rig::both() {
        let running = rig.process.start(&kept("")).await.unwrap();
        rig.said_all(&running).await;
        let pids = rig.state(&running).await.pids;
        let another = rig.another();
        let Rig { place, process } = rig;
        drop(process);
        assert!(ask(running.port, "GET /health").is_some());
        assert!(another.reap().await.unwrap().is_empty());
        let held = another.list().await.unwrap();
        assert!(held[0].state.is_running && held[0].is_kept && !held[0].is_orphan);
        another.stop(&held[0].id, PATIENCE).await.unwrap();
        assert!(!runs(pids[0]));
        drop(place);
    }
}
