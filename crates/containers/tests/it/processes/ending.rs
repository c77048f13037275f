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
