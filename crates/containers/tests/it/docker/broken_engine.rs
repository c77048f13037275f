//! An engine whose disk is full, and one that is killed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bench_containers::{Backend, Cause, Docker, Environment, Hooks, Launch, Program, Pull};
use tokio::time::timeout;

use super::{
    images,
    rig::{BARE, REGISTRY, Rig, variable},
};

/// The bare engine, for one test at a time.
struct Bare {
    rig: Rig,
    folder: PathBuf,
    _lock: File,
}

impl Bare {
    async fn new() -> Option<Self> {
        let host = variable(BARE)?;
        let folder = Path::new(host.strip_prefix("unix://").unwrap()).parent().unwrap().to_owned();
        let lock = File::create(folder.join("bare.lock")).unwrap();
        lock.lock().unwrap();
        let rig = Rig::with(BARE, Environment::of::<String, String>([])).await?;
        Some(Self { rig, folder, _lock: lock })
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_said_to_be() {
    let Some(bare) = Bare::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let users = Rig::new().await.unwrap();
    let name = format!("{registry}/{}", users.launch("").name);
    // It is small in the registry, and larger than the disk.
    images::import(&users.client, &name, "1", "weights", &vec![0; 80 << 20]).await;
    images::push(&users.client, &name, "1", None).await;
    let program = Program::Image { image: format!("{name}:1"), entrypoint: None };
    let launch = Launch { program, pull: Pull::Missing, ..bare.rig.launch("") };
    let trouble = bare.rig.docker.fetch(&launch, &Hooks::default()).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::DiskFull, "{trouble:?}");
    assert!(trouble.said.contains("no space left on device"));
    assert!(trouble.fix.contains("docker image prune"));
}

#[tokio::test]
async fn an_engine_that_is_killed_is_an_error_everywhere_and_no_hang() {
    let Some(bare) = Bare::new().await else { return };
    let docker = &bare.rig.docker;
    let launch = bare.rig.launch("serve");
    let running = docker.start(&launch).await.unwrap();
    bare.rig.log_with(&running.id, "listening").await;
    let pid = fs::read_to_string(bare.folder.join("bare.pid")).unwrap();
    let command = ["/server", "wait-ms=60000"].map(str::to_owned);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    };
    let patience = Duration::from_secs(20);
    let (within, ()) =
        tokio::join!(timeout(patience, docker.run_within(&running.id, &command)), kill);
    let troubles = [
        within.unwrap().unwrap_err(),
        timeout(patience, docker.state(&running.id)).await.unwrap().unwrap_err(),
        timeout(patience, docker.log(&running.id, 0)).await.unwrap().unwrap_err(),
        timeout(patience, docker.start(&launch)).await.unwrap().unwrap_err(),
        timeout(patience, docker.stop(&running.id, patience)).await.unwrap().unwrap_err(),
        timeout(patience, docker.list()).await.unwrap().unwrap_err(),
        timeout(patience, docker.reap()).await.unwrap().unwrap_err(),
        timeout(patience, docker.fetch(&launch, &Hooks::default())).await.unwrap().unwrap_err(),
    ];
    for trouble in troubles {
        assert_eq!(trouble.cause, Cause::BackendUnreachable, "{trouble:?}");
        assert!(
            trouble.what.contains(&bare.rig.host) && trouble.fix.contains("systemctl start docker")
        );
    }
    let again = Docker::connect(Some(&bare.rig.host), Environment::ours()).await.unwrap_err();
    assert_eq!(again.cause, Cause::BackendUnreachable);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/docker");
    let script = Command::new(script).env("INFERBENCH_DOCKER_DIR", &bare.folder).output().unwrap();
    assert!(script.status.success(), "{script:?}");
    // The same connection finds the engine again; it has lost what it held.
    assert!(docker.list().await.unwrap().is_empty());
}
