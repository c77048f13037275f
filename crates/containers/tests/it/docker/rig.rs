//! An engine to test with, and the containers that a test leaves in it: none.

use std::{
    env,
    io::{self, Write},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bench_containers::{Backend, Docker, Environment, Launch, Pull, State};
use bollard::{
    API_DEFAULT_VERSION, Docker as Client,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder},
};
use tokio::time::sleep;

use super::images;

/// Where an engine as users have it answers, as `.ci/docker` says.
const ENGINE: &str = "INFERBENCH_DOCKER_HOST";
/// The same of one without GPUs and with a small disk.
pub(crate) const BARE: &str = "INFERBENCH_BARE_DOCKER_HOST";
/// A registry that both know.
pub(crate) const REGISTRY: &str = "INFERBENCH_REGISTRY";
/// Whether a test may not be left out.
const REQUIRED: &str = "INFERBENCH_REQUIRE_ALL";

/// An engine, as a test asks it.
pub(crate) struct Rig {
    pub(crate) docker: Docker,
    /// To look at what the backend did.
    pub(crate) client: Client,
    pub(crate) host: String,
    /// What the server's image is called.
    pub(crate) image: String,
    prefix: String,
}

/// The value of a variable; none where it is not set, which is then said.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        let missing = format!("{name} is not set: .ci/docker says to what");
        assert!(env::var_os(REQUIRED).is_none(), "{missing}");
        // What a test prints is kept from who runs it; what it writes is not.
        io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    }
    value
}

/// A name that no other test has.
fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("inferbench-test-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Rig {
    /// The engine as users have it; none where there is none, which is then said.
    pub(crate) async fn new() -> Option<Self> {
        Self::with(ENGINE, Environment::of::<String, String>([])).await
    }

    /// The engine that a variable names, with an environment.
    pub(crate) async fn with(name: &str, environment: Environment) -> Option<Self> {
        let host = variable(name)?;
        let client = Client::connect_with_socket(&host, 120, API_DEFAULT_VERSION).unwrap();
        let docker = Docker::connect(Some(&host), environment).await.unwrap();
        let image = images::server(&client).await;
        Some(Self { docker, client, host, image, prefix: unique() })
    }

    /// A launch of the server, which does what its words say.
    pub(crate) fn launch(&self, words: &str) -> Launch {
        Launch {
            model: "tiny".to_owned(),
            args: words.split_whitespace().map(str::to_owned).collect(),
            pull: Pull::Never,
            ready_within: Duration::from_secs(60),
            ..Launch::of_image(&self.prefix, &self.image)
        }
    }

    /// What becomes of a server, once it is so.
    pub(crate) async fn until(
        &self,
        id: &str,
        mut is_so: impl AsyncFnMut(&State) -> bool,
    ) -> State {
        for _ in 0..600 {
            let state = self.docker.state(id).await.unwrap();
            if is_so(&state).await {
                return state;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("{:?}", self.docker.state(id).await);
    }

    /// What a server said, as soon as it has said something.
    pub(crate) async fn log_with(&self, id: &str, words: &str) -> Vec<String> {
        for _ in 0..600 {
            let lines = self.docker.log(id, 0).await.unwrap();
            if lines.iter().any(|line| line.text.contains(words)) {
                return lines.into_iter().map(|line| line.text).collect();
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing of {words}: {:?}", self.docker.log(id, 0).await);
    }

    /// The ids of containers whose labels say that they are this test's.
    pub(crate) async fn left(&self) -> Vec<String> {
        left(&self.client, &self.prefix).await
    }
}

async fn left(client: &Client, prefix: &str) -> Vec<String> {
    let filters = [("label", vec![format!("inferbench.name={prefix}")])].into();
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = client.list_containers(Some(options)).await.unwrap();
    found.into_iter().filter_map(|container| container.id).collect()
}

impl Drop for Rig {
    /// A test that failed leaves nothing either.
    fn drop(&mut self) {
        let (client, prefix) = (self.client.clone(), self.prefix.clone());
        let remove = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                for id in left(&client, &prefix).await {
                    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                    client.remove_container(&id, Some(options)).await.unwrap();
                }
                images::remove_all(&client, &prefix).await;
            });
        };
        let _ = std::thread::spawn(remove).join();
    }
}
