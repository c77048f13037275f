//! Several that prepare one model, and programs that are stopped.

use std::process::{Command, Stdio};

use tokio::time::{sleep, timeout};

use super::*;
use crate::owner::Owner;

/// What has not happened by then never will.
const LIMIT: Duration = Duration::from_secs(60);

/// `hf`, which fetches once somebody makes the file `go`.
fn waiting(place: &Place) -> Prepare {
    place.model("there");
    let script = "touch \"$PLACE\"began; while ! test -e \"$PLACE\"go; do sleep 0.02; done; cp \"$PLACE\"there/* \"$4\"";
    place.program("hf", script);
    place.asked("hf:a/b", "b")
}

async fn until(what: impl Fn() -> bool) {
    let looked = async {
        while !what() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, looked).await.expect("it happens in time");
}

fn waited_for(place: &Place) -> Option<String> {
    let told = place.told.lock().unwrap();
    told.iter().find_map(|progress| match progress {
        Progress::Waiting(what) => Some(what.clone()),
        _ => None,
    })
}

#[test]
fn the_second_waits_for_the_first_and_finds_what_it_made() {
    let place = Place::new();
    let asked = waiting(&place);
    let hooks = place.hooks();
    let (first, second) = runtime().block_on(async {
        let second = async {
            until(|| place.path("began").exists()).await;
            let both = tokio::join!(prepare(&asked, &hooks), async {
                until(|| waited_for(&place).is_some()).await;
                fs::write(place.path("go"), "").unwrap();
            });
            both.0
        };
        tokio::join!(prepare(&asked, &hooks), second)
    });
    assert!(!first.unwrap().was_there && second.unwrap().was_there);
    assert_eq!(place.calls().len(), 1, "it is fetched once");
    let holder = format!("b is being prepared by process {}", std::process::id());
    assert_eq!(waited_for(&place), Some(holder));
}

#[test]
fn a_program_that_outlived_whoever_started_it_is_waited_for() {
    let place = Place::new();
    let asked = waiting(&place);
    fs::write(place.path("go"), "").unwrap();
    fs::create_dir(place.path("models")).unwrap();
    let mut orphan = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    // As a process leaves it that was killed: its own line is of nobody who is there.
    let gone = {
        let mut gone = Command::new("true").spawn().unwrap();
        let owner = Owner::of(gone.id());
        gone.wait().unwrap();
        owner.or_else(|| Owner::of(orphan.id())).unwrap()
    };
    let lines = format!("{gone}\n{}\n", Owner::of(orphan.id()).unwrap());
    fs::write(place.path("models/.b.lock"), lines).unwrap();
    let hooks = place.hooks();
    let prepared = runtime().block_on(async {
        let both = tokio::join!(prepare(&asked, &hooks), async {
            until(|| waited_for(&place).is_some()).await;
            assert!(place.calls().is_empty());
            orphan.kill().unwrap();
            orphan.wait().unwrap();
        });
        both.0
    });
    assert!(!prepared.unwrap().was_there);
    let said = waited_for(&place).unwrap();
    assert!(said.contains(&format!("an earlier one started ({})", orphan.id())), "{said}");
}

#[test]
fn who_stops_ends_the_program_and_keeps_what_came() {
    let place = Place::new();
    let asked = waiting(&place);
    let trap = "trap 'touch \"$PLACE\"ended; exit 1' TERM; touch \"$PLACE\"began; echo x > \"$4/config.json\"\n\
        while :; do sleep 0.02; done";
    place.program("hf", trap);
    let hooks = place.hooks();
    let stopped = runtime().block_on(async {
        let both = tokio::join!(prepare(&asked, &hooks), async {
            until(|| place.path("began").exists()).await;
            place.stop.escalate();
        });
        both.0
    });
    let trouble = stopped.unwrap_err();
    assert_eq!(trouble.cause, Cause::Stopped);
    assert!(place.path("ended").exists(), "it was asked to end");
    assert_eq!(place.names(), [".partial-b"]);
}

#[test]
fn how_far_it_is_is_told() {
    let place = Place::new();
    let asked = waiting(&place);
    let slow = "head -c 100000 /dev/zero > \"$4/config.json\"; touch \"$PLACE\"began; \
        while ! test -e \"$PLACE\"go; do sleep 0.02; done; cp \"$PLACE\"there/* \"$4\"";
    place.program("hf", slow);
    let hooks = place.hooks();
    let is_told = || {
        let told = place.told.lock().unwrap();
        told.iter().any(|progress| matches!(progress, Progress::Downloading { done: 100_000, .. }))
    };
    runtime().block_on(async {
        let both = tokio::join!(prepare(&asked, &hooks), async {
            until(is_told).await;
            fs::write(place.path("go"), "").unwrap();
        });
        both.0.unwrap();
    });
}
