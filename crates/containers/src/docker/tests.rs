//! What becomes of each request when the engine breaks off, hangs or talks nonsense. Time is not the real one.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::{
    fs,
    os::unix::net::UnixListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use bench_core::Stop;
use tokio::time::{Instant, sleep};

use super::{
    fake::{Answer, Fake, answer, parts},
    *,
};
use crate::{Gpus, Place, Progress, Pull};

/// A container of ours, as far as it is looked at.
fn container(state: &str) -> Answer {
    let labels = r#"{"inferbench.name": "a", "inferbench.secrets": "KEY"}"#;
    let config = format!(r#"{{"Labels": {labels}, "Env": ["KEY=canary", "HOME=/"]}}"#);
    answer(200, &format!(r#"{{"Id": "1f", "Config": {config}, "State": {state}}}"#))
}

/// A message of a log: 1 for standard output, 2 for errors.
fn message(stream: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![stream, 0, 0, 0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.bytes());
    bytes
}

/// How a request to an engine fails that answers it so.
async fn failing(answers: Answer) -> Trouble {
    let fake = Fake::new();
    fake.says("GET /containers/1f/json", [answers]);
    let docker = fake.connect().await.unwrap();
    let began = Instant::now();
    let trouble = docker.state("1f").await.unwrap_err();
    assert!(began.elapsed() <= engine::PATIENCE + Duration::from_secs(1));
    trouble
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_as_an_engine_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody.sock");
    let host = format!("unix://{}", path.display());
    let connect = async || {
        let environment = Environment::of::<String, String>([]);
        Docker::connect(Some(&host), environment).await.unwrap_err()
    };
    let trouble = connect().await;
    assert_eq!(trouble.cause, Cause::BackendUnreachable);
    assert!(trouble.what.contains(&host) && trouble.fix.contains("systemctl start docker"));
    // A socket that nobody listens on any more.
    drop(UnixListener::bind(&path).unwrap());
    let trouble = connect().await;
    assert_eq!(trouble.cause, Cause::BackendUnreachable);
    assert!(trouble.said.contains("refused"), "{trouble:?}");
    fs::remove_file(&path).unwrap();
    // One that listens, and says nothing.
    let _listener = UnixListener::bind(&path).unwrap();
    let trouble = connect().await;
    assert_eq!(trouble.cause, Cause::BackendUnreachable);
    assert!(trouble.said.contains("no answer within 30 s"), "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_is_trouble_and_no_hang() {
    let hanging = Answer::then_hangs;
    for (answers, cause) in [
        (hanging(answer(200, "")), Cause::Backend),
        (hanging(parts(&[b"{\"Id\": "])), Cause::BackendUnreachable),
        (parts(&[b"{\"Id\": "]), Cause::BackendUnreachable),
        (answer(200, "<html>"), Cause::Backend),
        (answer(200, "[]"), Cause::Backend),
        // It says nothing of whose it is.
        (answer(200, "{}"), Cause::Unknown),
        (answer(404, r#"{"message": "No such container: 1f"}"#), Cause::Unknown),
        (answer(500, r#"{"message": "something new"}"#), Cause::Backend),
        (answer(500, "no JSON"), Cause::Backend),
        (answer(500, ""), Cause::Backend),
    ] {
        let trouble = failing(answers.clone()).await;
        assert_eq!(trouble.cause, cause, "{answers:?}: {trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn podman_is_known_by_what_it_says_and_asked_for_gpus_in_its_own_way() {
    let says = |version: &str| {
        let component = format!(r#"{{"Name": "Podman Engine", "Version": "{version}"}}"#);
        answer(200, &format!(r#"{{"Version": "{version}", "Components": [{component}]}}"#))
    };
    let fake = Fake::new();
    fake.says("GET /version", [says("4.3.1"), says("5.4.2")]);
    fake.says("POST /containers/create", [answer(201, r#"{"Id": "1f", "Warnings": []}"#)]);
    fake.says("POST /containers/1f/start", [answer(204, "")]);
    let launch = Launch { gpus: Gpus::All, ..Launch::of_image("a", "i:1") };
    let old = fake.connect().await.unwrap();
    assert_eq!(old.name(), "podman");
    // It would start without them, and say nothing.
    assert_eq!(old.start(&launch).await.unwrap_err().cause, Cause::NoGpuRuntime);
    assert!(fake.asked("POST").is_empty());
    let new = fake.connect().await.unwrap();
    new.start(&launch).await.unwrap();
    let asked = fake.asked("POST /containers/create");
    assert!(asked[0].contains(r#""DeviceIDs":["nvidia.com/gpu=all"]"#), "{asked:?}");
}

const HALF: &[u8] =
    br#"{"id": "a", "status": "Downloading", "progressDetail": {"current": 1, "total": 2}}"#;

fn pulling() -> Fake {
    let fake = Fake::new();
    let here = answer(200, r#"{"Id": "sha256:1", "RepoDigests": ["i@sha256:2"]}"#);
    fake.says("GET /images/i:1/json", [answer(404, r#"{"message": "No such image: i:1"}"#), here]);
    fake
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_broke_off_is_tried_once_more() {
    let fake = pulling();
    let whole = parts(&[HALF, b"\n", br#"{"id": "a", "status": "Pull complete"}"#]).ended();
    fake.says("POST /images/create", [parts(&[HALF]), whole]);
    let docker = fake.connect().await.unwrap();
    let origin = docker.fetch(&Launch::of_image("a", "i:1"), &Hooks::default()).await.unwrap();
    assert_eq!(origin.digest.as_deref(), Some("sha256:2"));
    let asked = fake.asked("POST /images/create?fromImage=i%3A1");
    assert_eq!(asked.len(), 2);

    // And no more than once, nor for what another try does not mend.
    for (answers, cause, tries) in [
        (parts(&[HALF]), Cause::BackendUnreachable, 2),
        (
            parts(&[HALF, br#"{"errorDetail": {"message": "unexpected EOF"}}"#]).ended(),
            Cause::RegistryUnreachable,
            2,
        ),
        (
            parts(&[HALF, br#"{"errorDetail": {"message": "toomanyrequests: wait"}}"#]).ended(),
            Cause::RateLimited,
            1,
        ),
        (
            parts(&[br#"{"errorDetail": {"message": "no space left on device"}}"#]).ended(),
            Cause::DiskFull,
            1,
        ),
        (parts(&[b"no JSON\n"]).ended(), Cause::Backend, 1),
        (answer(429, r#"{"message": "toomanyrequests: wait"}"#), Cause::RateLimited, 1),
    ] {
        let fake = pulling();
        fake.says("POST /images/create", [answers.clone()]);
        let docker = fake.connect().await.unwrap();
        let trouble =
            docker.fetch(&Launch::of_image("a", "i:1"), &Hooks::default()).await.unwrap_err();
        assert_eq!(trouble.cause, cause, "{answers:?}: {trouble:?}");
        assert_eq!(fake.asked("POST /images/create").len(), tries, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_is_silent_goes_on_as_long_as_the_engine_is_there() {
    let fake = pulling();
    fake.says("POST /images/create", [parts(&[HALF]).then_hangs()]);
    let docker = fake.connect().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let hooks =
        Hooks::new(Stop::new(), move |progress| teller.lock().unwrap().push(progress.clone()));
    let launch = Launch::of_image("a", "i:1");
    let fetch = docker.fetch(&launch, &hooks);
    let kill = async {
        sleep(Duration::from_secs(600)).await;
        // What was the last to come was told, though nothing followed it.
        let Some(Progress::Pulling { done: 1, total: 2, .. }) = told.lock().unwrap().last() else {
            panic!("{told:?}");
        };
        fake.says("GET /_ping", [Answer::nothing()]);
    };
    let (trouble, ()) = tokio::join!(fetch, kill);
    assert_eq!(trouble.unwrap_err().cause, Cause::BackendUnreachable);
    assert!(fake.asked("GET /_ping").len() >= 19);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_to_be_pulled_is_not() {
    let fake = pulling();
    let docker = fake.connect().await.unwrap();
    let launch = Launch { pull: Pull::Never, ..Launch::of_image("a", "i:1") };
    let trouble = docker.fetch(&launch, &Hooks::default()).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageMissing);
    assert!(fake.asked("POST").is_empty());
}

fn starting(start: Answer) -> Fake {
    let fake = Fake::new();
    fake.says("POST /containers/create", [answer(201, r#"{"Id": "1f", "Warnings": []}"#)]);
    fake.says("POST /containers/1f/start", [start]);
    fake.says("DELETE /containers/1f", [answer(204, "")]);
    fake
}

#[tokio::test(start_paused = true)]
async fn a_port_that_was_taken_meanwhile_is_another_the_next_time() {
    let taken =
        || answer(500, r#"{"message": "Bind for 127.0.0.1:1 failed: port is already allocated"}"#);
    let fake = starting(answer(204, ""));
    fake.says("POST /containers/1f/start", [taken(), taken(), answer(204, "")]);
    let docker = fake.connect().await.unwrap();
    let running = docker.start(&Launch::of_image("a", "i:1")).await.unwrap();
    let asked = fake.asked("POST /containers/create");
    assert_eq!((asked.len(), fake.asked("DELETE /containers/1f").len()), (3, 2));
    assert!(asked[2].contains(&format!(r#""HostPort":"{}""#, running.port)));

    // One that was asked for is not replaced.
    let fake = starting(taken());
    let place = Place { inside: 8000, outside: Some(1) };
    let docker = fake.connect().await.unwrap();
    let trouble =
        docker.start(&Launch { place, ..Launch::of_image("a", "i:1") }).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::PortTaken);
    assert_eq!(fake.asked("POST /containers/create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_start_that_failed_is_said() {
    let fake = starting(answer(500, r#"{"message": "no space left on device"}"#));
    fake.says("DELETE /containers/1f", [answer(500, r#"{"message": "device or resource busy"}"#)]);
    let docker = fake.connect().await.unwrap();
    let trouble = docker.start(&Launch::of_image("a", "i:1")).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::DiskFull);
    assert!(trouble.said.contains("container 1f is still there: device or resource busy"));
    // One that does not answer is removed as well: it may have been about to start.
    let fake = starting(Answer::nothing());
    let docker = fake.connect().await.unwrap();
    let trouble = docker.start(&Launch::of_image("a", "i:1")).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::BackendUnreachable);
    assert_eq!(fake.asked("DELETE /containers/1f").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_whoever_removes_it_already() {
    let fake = Fake::new();
    fake.says("GET /containers/1f/json", [container("{}")]);
    fake.says("POST /containers/1f/stop", [answer(304, "")]);
    let busy = || answer(409, r#"{"message": "removal of container 1f is already in progress"}"#);
    let gone = answer(404, r#"{"message": "No such container: 1f"}"#);
    fake.says("DELETE /containers/1f", [busy(), busy(), gone]);
    let docker = fake.connect().await.unwrap();
    docker.stop("1f", Duration::from_millis(1_500)).await.unwrap();
    // It is asked in whole seconds, and removed with its own volumes.
    assert_eq!(fake.asked("POST /containers/1f/stop?t=2").len(), 1);
    let removed = fake.asked("DELETE /containers/1f?");
    assert!(removed.iter().all(|asked| asked.contains("v=true") && asked.contains("force=true")));
    fake.says("DELETE /containers/1f", [busy()]);
    assert_eq!(docker.stop("1f", Duration::ZERO).await.unwrap_err().cause, Cause::Backend);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_in_the_middle_gives_what_came() {
    let fake = Fake::new();
    fake.says("GET /containers/1f/json", [container(r#"{"Running": true}"#)]);
    let (first, second) = (message(1, "one canary\n"), message(2, "two\n"));
    fake.says("GET /containers/1f/logs", [parts(&[&first, &second]).ended()]);
    let cut = parts(&[&first, &second, &message(1, "three\n")[..10]]).then_hangs();
    fake.says("GET /containers/1f/logs?follow=true", [cut]);
    let docker = fake.connect().await.unwrap();
    for _ in 0..3 {
        let lines = docker.log("1f", 0).await.unwrap();
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one ***", "two"]);
    }
    // It was opened once. One whose engine is gone before all that is there has come is trouble.
    assert_eq!(fake.asked("GET /containers/1f/logs").len(), 2);
    fake.says("GET /_ping", [Answer::nothing()]);
    fake.says("GET /containers/2f/json", [container(r#"{"Running": true}"#)]);
    fake.says("GET /containers/2f/logs", [parts(&[&first]).then_hangs()]);
    assert_eq!(docker.log("2f", 0).await.unwrap_err().cause, Cause::BackendUnreachable);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_just_ended_is_looked_at_until_podman_has_a_word_for_it() {
    let fake = Fake::new();
    let just_ended = || container(r#"{"Status": "stopped", "ExitCode": 3}"#);
    let ended = container(r#"{"Status": "exited", "ExitCode": 3}"#);
    fake.says("GET /containers/1f/json", [just_ended(), just_ended(), ended]);
    let listed = |state: &str| answer(200, &format!(r#"[{{"Id": "1f", "State": "{state}"}}]"#));
    fake.says("GET /containers/json", [listed("stopped"), listed("exited")]);
    let docker = fake.connect().await.unwrap();
    assert_eq!(docker.state("1f").await.unwrap().exit_code, Some(3));
    assert_eq!(docker.list().await.unwrap()[0].state.exit_code, Some(3));
    // Not for ever.
    fake.says("GET /containers/1f/json", [just_ended()]);
    assert_eq!(docker.state("1f").await.unwrap_err().cause, Cause::Backend);
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_says_of_a_container_is_all_that_is_told() {
    let fake = Fake::new();
    fake.says("GET /containers/1f/top", [answer(500, r#"{"message": "no ps"}"#)]);
    let docker = fake.connect().await.unwrap();
    for (state, expected) in [
        ("{}", State::default()),
        (
            r#"{"Status": "running", "Running": true, "Pid": 7, "ExitCode": 0}"#,
            State { is_running: true, pids: vec![7], ..State::default() },
        ),
        (
            r#"{"Status": "exited", "ExitCode": 137, "OOMKilled": true, "Error": "with canary"}"#,
            State {
                exit_code: Some(137),
                oom_killed: true,
                said: Some("with ***".to_owned()),
                ..State::default()
            },
        ),
        (
            r#"{"Status": "restarting", "Running": true, "Restarting": true, "ExitCode": 1}"#,
            State { exit_code: Some(1), ..State::default() },
        ),
        (r#"{"Status": "created", "ExitCode": 0}"#, State::default()),
    ] {
        fake.says("GET /containers/1f/json", [container(state)]);
        assert_eq!(docker.state("1f").await.unwrap(), expected, "{state}");
    }
}
