//! Images that come from a registry, with progress, with a login, or not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bench_containers::{
    Backend, Cause, Environment, Hooks, Launch, Origin, Program, Progress, Pull, Trouble,
};
use bench_core::Stop;
use bollard::auth::DockerCredentials;
use tokio::time::sleep;

use super::{
    images,
    registry::{Gate, Guarded},
    rig::{REGISTRY, Rig, variable},
};

/// An image that is in a registry, and is removed here in the end.
struct Pushed {
    /// Without its registry.
    path: String,
    bytes: Vec<u8>,
}

impl Pushed {
    /// Of so many MiB. An engine pulls a layer once for all who wait for it, so that tests must not share one: each
    /// has a seed of its own.
    async fn new(
        rig: &Rig,
        registry: &str,
        (mib, seed): (usize, u64),
        login: Option<DockerCredentials>,
    ) -> Self {
        let path = rig.launch("").name;
        let bytes = images::noise(mib << 20, seed);
        let name = format!("{registry}/{path}");
        images::import(&rig.client, &name, "1", "weights", &bytes).await;
        images::push(&rig.client, &name, "1", login).await;
        Self { path, bytes }
    }

    fn launch(&self, rig: &Rig, registry: &str) -> Launch {
        let image = format!("{registry}/{}:1", self.path);
        let program = Program::Image { image, entrypoint: None };
        Launch { program, pull: Pull::Missing, ..rig.launch("") }
    }
}

/// What is told of a pull.
type Told = Arc<Mutex<Vec<Progress>>>;

fn hooks(stop: &Stop) -> (Hooks, Told) {
    let told = Told::default();
    let teller = Arc::clone(&told);
    (Hooks::new(stop.clone(), move |progress| teller.lock().unwrap().push(progress.clone())), told)
}

async fn fetch(rig: &Rig, launch: &Launch) -> Result<Origin, Trouble> {
    rig.docker.fetch(launch, &Hooks::default()).await
}

#[tokio::test]
async fn an_image_comes_with_progress_and_is_known_for_good() {
    let Some(rig) = Rig::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let pushed = Pushed::new(&rig, &registry, (12, 1), None).await;
    let mut gate = Gate::before(&registry, 8 << 20).await;
    let launch = pushed.launch(&rig, &gate.place);
    let (hooks, told) = hooks(&Stop::new());
    let pull = rig.docker.fetch(&launch, &hooks);
    // It is told how far it is while the rest is held back.
    let watch = async {
        let is_half = |progress: &Progress| match progress {
            Progress::Pulling { done, total, layers_done, layers, .. } => {
                (*done, *layers_done, *layers) > (0, 0, 0) && done < total
            }
            _ => false,
        };
        gate.is_reached().await;
        while !told.lock().unwrap().iter().any(is_half) {
            sleep(Duration::from_millis(20)).await;
        }
        gate.open();
    };
    let (origin, ()) = tokio::join!(pull, watch);
    let origin = origin.unwrap();
    let last = told.lock().unwrap().last().cloned();
    let Some(Progress::Pulling { image, done, total, layers_done, layers }) = last else {
        panic!()
    };
    assert!(image.ends_with(&format!("{}:1", pushed.path)));
    assert!(done == total && total > pushed.bytes.len() as u64, "{done} of {total}");
    assert_eq!((layers_done, layers), (1, 1));

    // By its digest it is the same one; and what is here is not pulled.
    let digest = origin.digest.unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let here = fetch(&rig, &launch).await.unwrap();
    assert_eq!(here.digest.as_ref(), Some(&digest));
    let by_digest = format!("{}/{}@{digest}", gate.place, pushed.path);
    images::remove(&rig.client, here.image.as_deref().unwrap()).await;
    let program = Program::Image { image: by_digest.clone(), entrypoint: None };
    let pinned = fetch(&rig, &Launch { program, ..launch.clone() }).await.unwrap();
    assert_eq!(pinned.digest, Some(digest));
}

#[tokio::test]
async fn what_is_pulled_is_as_the_policy_says() {
    let Some(rig) = Rig::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let pushed = Pushed::new(&rig, &registry, (1, 2), None).await;
    let launch = pushed.launch(&rig, &registry);
    let with = |pull| Launch { pull, ..launch.clone() };
    let trouble = fetch(&rig, &with(Pull::Never)).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageMissing);
    let first = fetch(&rig, &with(Pull::Always)).await.unwrap();
    assert_eq!(fetch(&rig, &with(Pull::Never)).await.unwrap(), first);

    // The tag moves on: what is here is still the old one, until it is pulled anew.
    let name = format!("{registry}/{}", pushed.path);
    images::import(&rig.client, &name, "1", "weights", &images::noise(1 << 20, 6)).await;
    images::push(&rig.client, &name, "1", None).await;
    images::import(&rig.client, &name, "1", "weights", b"local").await;
    let local = fetch(&rig, &with(Pull::Missing)).await.unwrap();
    let second = fetch(&rig, &with(Pull::Always)).await.unwrap();
    assert!(local != first && second != first && second != local);
    // It has no name any more.
    images::remove(&rig.client, local.digest.as_deref().unwrap()).await;
}

#[tokio::test]
async fn a_registry_that_has_it_not_or_is_not_there_is_said_to_be() {
    let Some(rig) = Rig::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let of = |image: String| Launch {
        program: Program::Image { image, entrypoint: None },
        pull: Pull::Missing,
        ..rig.launch("")
    };
    let trouble = fetch(&rig, &of(format!("{registry}/nobody/made:1"))).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageMissing, "{trouble:?}");
    assert!(trouble.what.contains("nobody/made:1"));
    // Port 1 is nobody's.
    let trouble = fetch(&rig, &of("127.0.0.1:1/a:1".to_owned())).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::RegistryUnreachable, "{trouble:?}");
    assert!(trouble.said.contains("connection refused"));
    let trouble = fetch(&rig, &of("UPPER:1".to_owned())).await.unwrap_err();
    assert!(matches!(trouble.cause, Cause::ImageMissing | Cause::Backend), "{trouble:?}");
}

#[tokio::test]
async fn a_login_is_taken_from_dockers_configuration() {
    let Some(rig) = Rig::new().await else { return };
    let registry = Guarded::start().await;
    let login = DockerCredentials {
        username: Some("user".to_owned()),
        password: Some("canary-pass".to_owned()),
        ..DockerCredentials::default()
    };
    let pushed = Pushed::new(&rig, &registry.place, (1, 3), Some(login)).await;
    let launch = pushed.launch(&rig, &registry.place);
    let trouble = fetch(&rig, &launch).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageDenied, "{trouble:?}");
    assert!(trouble.fix.contains(&format!("docker login {}", registry.place)));

    let folder = tempfile::tempdir().unwrap();
    let with = async |auth: &str| {
        let config = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.place);
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let environment = Environment::of([("DOCKER_CONFIG", folder.path().to_str().unwrap())]);
        Rig::with("INFERBENCH_DOCKER_HOST", environment).await.unwrap()
    };
    // `user:canary-wrong`, no base64 at all, and `user:canary-pass`.
    let trouble = fetch(&with("dXNlcjpjYW5hcnktd3Jvbmc=").await, &launch).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageDenied, "{trouble:?}");
    assert!(!format!("{trouble:?}").contains("canary"));
    let trouble = fetch(&with("%canary").await, &launch).await.unwrap_err();
    assert!(
        trouble.said.contains("config.json") && !trouble.said.contains("canary"),
        "{trouble:?}"
    );
    fetch(&with("dXNlcjpjYW5hcnktcGFzcw==").await, &launch).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_pull_may_stop() {
    let Some(rig) = Rig::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let pushed = Pushed::new(&rig, &registry, (4, 4), None).await;
    let mut gate = Gate::before(&registry, 1 << 20).await;
    let launch = pushed.launch(&rig, &gate.place);
    let stop = Stop::new();
    let (hooks, _) = hooks(&stop);
    let stop_it = async {
        gate.is_reached().await;
        stop.escalate();
    };
    let (trouble, ()) = tokio::join!(rig.docker.fetch(&launch, &hooks), stop_it);
    assert_eq!(trouble.unwrap_err().cause, Cause::Stopped);
    // The engine gave it up as well: it is not there though the way is open.
    gate.open();
    sleep(Duration::from_secs(1)).await;
    let trouble = fetch(&rig, &Launch { pull: Pull::Never, ..launch }).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::ImageMissing);
}

#[tokio::test]
async fn a_registry_that_goes_away_in_the_middle_is_said_to_have() {
    let Some(rig) = Rig::new().await else { return };
    let Some(registry) = variable(REGISTRY) else { return };
    let pushed = Pushed::new(&rig, &registry, (4, 5), None).await;
    let mut gate = Gate::before(&registry, 1 << 20).await;
    let launch = pushed.launch(&rig, &gate.place);
    let cut = async {
        gate.is_reached().await;
        gate.cut();
    };
    let (trouble, ()) = tokio::join!(fetch(&rig, &launch), cut);
    let trouble = trouble.unwrap_err();
    assert_eq!(trouble.cause, Cause::RegistryUnreachable, "{trouble:?}");
    assert!(trouble.said.contains("connection refused"), "{trouble:?}");
}
