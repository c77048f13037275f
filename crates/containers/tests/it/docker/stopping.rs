//! Servers that end: when they are asked to, when they are not, and when those who started them are gone.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use bench_containers::{Backend, Cause, Launch, Lifetime};
use bollard::{
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, RemoveContainerOptionsBuilder,
    },
};

use super::rig::Rig;

#[tokio::test]
async fn one_that_does_not_listen_is_ended_all_the_same_and_only_once() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("deaf serve");
    let running = rig.docker.start(&launch).await.unwrap();
    rig.log_with(&running.id, "listening").await;
    for _ in 0..2 {
        rig.docker.stop(&running.id, Duration::from_millis(300)).await.unwrap();
        assert_eq!(rig.left().await, [""; 0]);
    }
}

#[tokio::test]
async fn several_may_stop_one_at_once() {
    let Some(rig) = Rig::new().await else { return };
    let running = rig.docker.start(&rig.launch("serve")).await.unwrap();
    let stop = || rig.docker.stop(&running.id, Duration::from_secs(5));
    let (first, second, third) = tokio::join!(stop(), stop(), stop());
    first.and(second).and(third).unwrap();
    assert_eq!(rig.left().await, [""; 0]);
}

#[tokio::test]
async fn containers_of_others_are_neither_looked_at_nor_touched() {
    let Some(rig) = Rig::new().await else { return };
    let body = ContainerCreateBody { image: Some(rig.image.clone()), ..Default::default() };
    let other = rig.client.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    rig.docker.stop(&other, Duration::ZERO).await.unwrap();
    rig.docker.reap().await.unwrap();
    assert!(rig.client.inspect_container(&other, None::<InspectContainerOptions>).await.is_ok());
    assert!(!rig.docker.list().await.unwrap().iter().any(|held| held.id == other));
    for trouble in [
        rig.docker.state(&other).await.unwrap_err(),
        rig.docker.log(&other, 0).await.unwrap_err(),
        rig.docker.run_within(&other, &["/server".to_owned()]).await.unwrap_err(),
    ] {
        assert_eq!(trouble.cause, Cause::Unknown);
    }
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    rig.client.remove_container(&other, Some(options)).await.unwrap();
}

/// Names a test that another starts, which is then to be killed.
const HOLDER: &str = "INFERBENCH_TEST_HOLDS";

/// Not a test by itself: starts two servers and waits to be killed, where another test runs it.
#[tokio::test]
async fn holds_two_servers_until_it_is_killed() {
    if env::var_os(HOLDER).is_none() {
        return;
    }
    let rig = Rig::new().await.unwrap();
    let with_us = rig.launch("serve");
    let kept = Launch {
        lifetime: Lifetime::Kept,
        name: format!("{}-kept", with_us.name),
        ..with_us.clone()
    };
    for launch in [with_us, kept] {
        let running = rig.docker.start(&launch).await.unwrap();
        println!("\nheld: {}", running.id);
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_a_killed_process_leaves_the_next_one_takes_down() {
    let Some(rig) = Rig::new().await else { return };
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "docker::stopping::holds_two_servers_until_it_is_killed"])
        .env(HOLDER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ids = lines.filter_map(|line| Some(line.split_once("held: ")?.1.to_owned()));
    let ids: Vec<String> = ids.take(2).collect();
    let held =
        async |id: &str| rig.docker.list().await.unwrap().into_iter().find(|held| held.id == id);
    rig.docker.reap().await.unwrap();
    for id in &ids {
        assert!(held(id).await.is_some_and(|held| !held.is_orphan && held.state.is_running));
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    rig.docker.reap().await.unwrap();
    assert!(held(&ids[0]).await.is_none());
    // One that was to be kept is nobody's orphan.
    assert!(held(&ids[1]).await.is_some_and(|held| !held.is_orphan && held.state.is_running));
    rig.docker.stop(&ids[1], Duration::ZERO).await.unwrap();
}
