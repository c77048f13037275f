//! An engine that answers: Docker Engine, or Podman, which speaks as it does.

use std::{future::Future, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker as Client, errors::Error, models::ContainerInspectResponse,
    models::SystemVersion, query_parameters::InspectContainerOptions,
};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::{
    address::Address,
    container::NAME,
    refusal::{About, Refusal},
};
use crate::Trouble;

/// A request that is not answered by then is not answered at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) client: Client,
    /// Where it answers.
    at: String,
    /// Whether it runs on this machine, and its processes with it.
    pub(super) is_local: bool,
    podman: Option<Podman>,
}

/// Which Podman it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Podman {
    major: u32,
    minor: u32,
}

impl Podman {
    #[cfg(test)]
    pub(super) fn of(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether it gives containers the GPUs that are asked for: before 5.4 it leaves them out, and says nothing.
    pub(super) fn gives_gpus(self) -> bool {
        (self.major, self.minor) >= (5, 4)
    }
}

impl Engine {
    /// The one that answers at an address.
    pub(super) async fn at(address: &Address) -> Result<Self, Refusal> {
        // Each request has a time of its own.
        let longest = u64::from(u32::MAX);
        let client = match address {
            Address::Socket(path) => {
                Client::connect_with_socket(&path.to_string_lossy(), longest, API_DEFAULT_VERSION)
            }
            Address::Plain(place) => Client::connect_with_http(place, longest, API_DEFAULT_VERSION),
            Address::Tls { place, certificates } => {
                let [key, certificate, authority] =
                    ["key.pem", "cert.pem", "ca.pem"].map(|name| certificates.join(name));
                Client::connect_with_ssl(
                    place,
                    &key,
                    &certificate,
                    &authority,
                    longest,
                    API_DEFAULT_VERSION,
                )
            }
        }?;
        let is_local = cfg!(target_os = "linux") && matches!(address, Address::Socket(_));
        let mut engine = Self { client, at: address.to_string(), is_local, podman: None };
        let version = engine.ask(engine.client.version()).await?;
        engine.podman = podman(&version);
        Ok(engine)
    }

    /// What it answers to a request.
    pub(super) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refusal> {
        self.ask_within(PATIENCE, request).await
    }

    /// The same of one that may take long.
    pub(super) async fn ask_within<T>(
        &self,
        patience: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refusal> {
        match timeout(patience, request).await {
            Ok(answer) => answer.map_err(Refusal::from),
            Err(_) => Err(Refusal::Lost(format!("no answer within {} s", patience.as_secs()))),
        }
    }

    /// What it answers to a question after containers.
    ///
    /// Podman calls one `stopped` that has just ended, which is no word of Docker's: nothing then can be read of the answer,
    /// until it has cleaned up after it.
    pub(super) async fn ask_of_containers<T, F: Future<Output = Result<T, Error>>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<T, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(question()).await;
            let is_just_ended =
                matches!(&answer, Err(Refusal::Said(None, said)) if said.contains("`stopped`"));
            if !is_just_ended || Instant::now() > deadline {
                return answer;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What it knows of a container, whosever it is.
    pub(super) async fn look_at(&self, id: &str) -> Result<ContainerInspectResponse, Refusal> {
        let ask = || self.client.inspect_container(id, None::<InspectContainerOptions>);
        self.ask_of_containers(ask).await
    }

    /// The next of what it has to say over time. However long that takes: it only has to be there.
    pub(super) async fn next<T>(
        &self,
        stream: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
    ) -> Option<Result<T, Refusal>> {
        loop {
            if let Ok(item) = timeout(PATIENCE, stream.next()).await {
                return item.map(|item| item.map_err(Refusal::from));
            }
            if let Err(refusal) = self.ask(self.client.ping()).await {
                return Some(Err(refusal));
            }
        }
    }

    /// What it knows of a container, if that is one of ours.
    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Trouble> {
        let of_others = Refusal::Said(Some(404), format!("{id} is not inferbench's"));
        let found = self.look_at(id).await;
        found
            .and_then(|found| if is_ours(&found) { Ok(found) } else { Err(of_others) })
            .map_err(|refusal| refusal.of("look at a container", &self.about(id)))
    }

    /// It, for messages about a server.
    pub(super) fn about<'a>(&'a self, name: &'a str) -> About<'a> {
        let engine = if self.podman.is_some() { "Podman" } else { "Docker" };
        About {
            engine,
            at: &self.at,
            name,
            image: "the image",
            registry: "the registry",
            port: None,
        }
    }

    /// Which Podman it is, if it is one.
    pub(super) fn podman(&self) -> Option<Podman> {
        self.podman
    }
}

/// Why the engine of an address cannot be used.
pub(super) fn unreachable(engine: &str, address: &Address, refusal: Refusal) -> Trouble {
    let at = address.to_string();
    let about = About {
        engine,
        at: &at,
        name: "",
        image: "the image",
        registry: "the registry",
        port: None,
    };
    refusal.of("tell its version", &about)
}

fn is_ours(found: &ContainerInspectResponse) -> bool {
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.is_some_and(|labels| labels.contains_key(NAME))
}

fn podman(version: &SystemVersion) -> Option<Podman> {
    let components = version.components.iter().flatten();
    let podman = components.into_iter().find(|part| part.name.to_lowercase().contains("podman"))?;
    let mut numbers = podman.version.split('.').map(|part| part.parse().unwrap_or(0));
    Some(Podman { major: numbers.next().unwrap_or(0), minor: numbers.next().unwrap_or(0) })
}
