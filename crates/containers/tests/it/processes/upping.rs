use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bench_containers::{Answer, Cause, Hooks, Probe, Progress, up};
use bench_core::{Stop, async_trait};

use super::*;

/// Ready once it answers.
#[derive(Debug)]
struct Answers;

#[async_trait]
impl Probe for Answers {
    async fn ask(&self, url: &str, launch: &Launch) -> Answer {
        let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
        match ask(port, &format!("GET {}", launch.health)) {
            Some(_) => Answer::Ready,
            None => Answer::NotYet("nobody answers".to_owned()),
        }
    }
}

#[tokio::test]
async fn a_server_comes_up_dies_and_goes() {
    for rig in Rig::both() {
        let hooks = Hooks::default();
        let launch = launch("say=hello wait-ms=200");
        let up = up(&rig.process, &launch, &Answers, &hooks).await.unwrap();
        assert_eq!(up.origin.program, Some(stand_in().display().to_string()));
        assert_eq!(up.log[0], "hello");
        assert_eq!(up.launch.args[1], up.running.port.to_string());
        assert!(up.died(&rig.process).await.is_none());

        assert_eq!(ask(up.running.port, "POST /exit"), None);
        rig.end(&up.running).await;
        let died = up.died(&rig.process).await.unwrap();
        assert_eq!(died.cause, Cause::Exited);
        assert!(died.what.contains("exit code 3"), "{died}");
        up.down(&rig.process, &hooks).await.unwrap();
        assert!(rig.is_empty());
    }
}

#[tokio::test]
async fn one_that_ends_or_takes_too_long_is_explained_and_gone() {
    for rig in Rig::both() {
        let check = async |launch: Launch, cause, what: &str| {
            let trouble = up(&rig.process, &launch, &Answers, &Hooks::default()).await.unwrap_err();
            assert_eq!(trouble.cause, cause, "{trouble:?}");
            assert!(format!("{trouble:?}").contains(what), "{trouble:?}");
            assert!(rig.is_empty());
        };
        check(launch("say=no-config exit=2"), Cause::Exited, "no-config").await;
        let soon = Duration::from_millis(300);
        let slow = Launch { ready_within: soon, ..launch("say=slow wait-ms=600000") };
        check(slow, Cause::NotReady, "nobody answers").await;
    }
}

#[tokio::test]
async fn a_port_that_is_taken_all_the_time_is_told_at_last() {
    let rig = Rig::held();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let starts = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&starts);
    let hooks = Hooks::new(Stop::new(), move |progress| {
        let is_start = matches!(progress, Progress::Started { .. });
        counts.fetch_add(u32::from(is_start), Ordering::Relaxed);
    });
    // Whatever port is chosen, it takes that one.
    let launch = launch_of(stand_in(), ["serve", &port]);
    let trouble = up(&rig.process, &launch, &Never, &hooks).await.unwrap_err();
    assert_eq!((trouble.cause, starts.load(Ordering::Relaxed)), (Cause::PortTaken, 3));
    assert!(rig.is_empty());
}

/// Never ready.
#[derive(Debug)]
struct Never;

#[async_trait]
impl Probe for Never {
    async fn ask(&self, _: &str, _: &Launch) -> Answer {
        Answer::NotYet("nobody answers".to_owned())
    }
}

#[tokio::test]
async fn who_stops_waiting_leaves_nothing() {
    let rig = Rig::held();
    let stop = Stop::new();
    let raised = stop.clone();
    let hooks = Hooks::new(stop, move |progress| {
        if matches!(progress, Progress::Line(line) if line == "slow") {
            raised.escalate();
        }
    });
    let launch = launch("child say=slow wait-ms=600000");
    let launch = Launch { stop_within: Duration::from_millis(100), ..launch };
    let trouble = up(&rig.process, &launch, &Answers, &hooks).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::Stopped);
    assert!(rig.is_empty());
}
