//! What is told of servers: what became of them, what they said, and what programs beside them say.

use std::time::Duration;

use bench_containers::{Backend, Cause, Hooks, Launch};
use bench_core::Level;
use bollard::{
    models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{CreateContainerOptions, StartContainerOptions},
};

use super::rig::Rig;

fn command<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

#[tokio::test]
async fn a_crash_leaves_its_exit_code_and_all_that_was_said() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("say=loading say-error=CUDA-error exit=3");
    let running = rig.docker.start(&launch).await.unwrap();
    let state = rig.until(&running.id, async |state| !state.is_running).await;
    assert_eq!((state.exit_code, state.oom_killed, state.pids.len()), (Some(3), false, 0));
    let lines = rig.docker.log(&running.id, 0).await.unwrap();
    let mut texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["CUDA-error", "loading"]);
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
    assert_eq!(rig.left().await, [""; 0]);
}

#[tokio::test]
async fn one_that_takes_too_much_memory_is_known_to_be_killed_for_it() {
    let Some(rig) = Rig::new().await else { return };
    let launch = Launch { memory_bytes: Some(64 << 20), ..rig.launch("memory=256 serve") };
    let running = rig.docker.start(&launch).await.unwrap();
    let state = rig.until(&running.id, async |state| !state.is_running).await;
    assert!(state.oom_killed, "{state:?}");
    assert_eq!(state.exit_code, Some(137));
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}

#[tokio::test]
async fn one_that_is_started_again_and_again_is_counted() {
    let Some(rig) = Rig::new().await else { return };
    // We start none that way; but users change what we started.
    let body = ContainerCreateBody {
        image: Some(rig.image.clone()),
        cmd: Some(command(["say=again", "exit=1"]).into()),
        labels: Some([("inferbench.name".to_owned(), rig.launch("").name)].into()),
        host_config: Some(HostConfig {
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::ON_FAILURE),
                maximum_retry_count: Some(2),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let created = rig.client.create_container(None::<CreateContainerOptions>, body).await.unwrap();
    rig.client.start_container(&created.id, None::<StartContainerOptions>).await.unwrap();
    // Asked throughout, so that it is followed over the ends of it.
    let mut texts = Vec::new();
    let state = rig
        .until(&created.id, async |state| {
            let lines = rig.docker.log(&created.id, texts.len() as u64).await.unwrap();
            texts.extend(lines.into_iter().map(|line| line.text));
            texts.len() == 3 && !state.is_running
        })
        .await;
    assert_eq!((state.restarts, state.exit_code), (2, Some(1)));
    assert_eq!(texts, ["again"; 3]);
    rig.docker.stop(&created.id, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_long_log_is_read_in_parts_and_numbered() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("say-lines=25000 bars serve");
    let running = rig.docker.start(&launch).await.unwrap();
    rig.log_with(&running.id, "line 0").await;
    let mut texts = Vec::new();
    while texts.last().is_none_or(|last| last != "listening") {
        let lines = rig.docker.log(&running.id, texts.len() as u64).await.unwrap();
        assert!(lines.len() <= 10_000);
        for line in lines {
            assert_eq!(line.number, texts.len() as u64);
            texts.push(line.text);
        }
    }
    assert!((0..25_000).all(|line| texts[line] == format!("line {line}")));
    assert_eq!(texts[25_000..], ["10%", "20%", "30%", "red", "listening"]);

    // Another process of ours counts as this one does, and has all of it at once.
    let other = Rig::new().await.unwrap();
    let lines = other.docker.log(&running.id, 24_999).await.unwrap();
    assert_eq!((lines[0].number, lines.len()), (24_999, 6));
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
    let trouble = rig.docker.log(&running.id, 0).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::Unknown);
}

#[tokio::test]
async fn programs_run_beside_a_server() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("serve");
    let running = rig.docker.start(&launch).await.unwrap();
    let run = async |words: &[String]| rig.docker.run_within(&running.id, words).await;
    let output =
        run(&command(["/server", "say=pulling", "say-error=done", "exit=4"])).await.unwrap();
    assert_eq!(output.exit_code, 4);
    let mut lines: Vec<_> = output.text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["done", "pulling"]);
    let trouble = run(&command(["/nope"])).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::BadEntrypoint, "{trouble:?}");
    rig.client.kill_container(&running.id, None).await.unwrap();
    rig.until(&running.id, async |state| !state.is_running).await;
    let trouble = run(&command(["/server"])).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::Exited, "{trouble:?}");
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}

#[tokio::test]
async fn a_container_runs_to_its_end_beside_a_server_of_its_name() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("serve");
    let running = rig.docker.start(&launch).await.unwrap();
    let listing = rig.launch("say=profiles say-error=2 exit=5");
    let output = rig.docker.run_to_end(&listing, &Hooks::default()).await.unwrap();
    assert_eq!(output.exit_code, 5);
    assert!(output.text.contains("profiles\n") && output.text.contains("2\n"), "{output:?}");
    let late = Launch { ready_within: Duration::from_millis(300), ..rig.launch("serve") };
    let trouble = rig.docker.run_to_end(&late, &Hooks::default()).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::NotReady);
    let (hooks, endless) = (Hooks::default(), rig.launch("serve"));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        hooks.stop.at_least(Level::Drain);
    };
    let (stopped, ()) = tokio::join!(rig.docker.run_to_end(&endless, &hooks), stop);
    assert_eq!(stopped.unwrap_err().cause, Cause::Stopped);
    assert_eq!(rig.left().await, [running.id.as_str()]);
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}
