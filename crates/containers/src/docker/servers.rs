//! Containers of ours: how they are started, looked at and stopped.

use std::{collections::HashMap, time::Duration};

use bollard::{
    models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, PortMap},
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
        StartContainerOptions, StopContainerOptionsBuilder, TopOptionsBuilder,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    container::{self, ENGINE, Given, KEPT, LIFETIME, MODEL, NAME, OWNER, SECRETS},
    engine::{Engine, PATIENCE},
    image::Reference,
    refusal::{About, Refusal},
};
use crate::{
    Cause, Environment, Gpus, Held, Launch, Running, State, Trouble, environment::Mask,
    owner::Owner, port,
};

/// A container is given GPUs and its file system within that: a hook of the GPUs' may take long.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// A free port is taken by somebody else now and then, before the engine has it.
const MOST_PORTS: usize = 3;

/// A container that runs.
pub(super) async fn start(
    engine: &Engine,
    environment: &Environment,
    launch: &Launch,
    image: (&str, Option<&[String]>),
) -> Result<Running, Trouble> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = launch.place.outside.map_or_else(port::free, Ok)?;
        let started = start_at(engine, environment, launch, image, Some(port)).await;
        let is_taken = started.as_ref().is_err_and(|trouble| trouble.cause == Cause::PortTaken);
        if is_taken && launch.place.outside.is_none() && tries < MOST_PORTS {
            continue;
        }
        return started.map(|id| Running { id, port });
    }
}

/// Creates a container and starts it; of one that cannot be started nothing is left.
pub(super) async fn start_at(
    engine: &Engine,
    environment: &Environment,
    launch: &Launch,
    (image, entrypoint): (&str, Option<&[String]>),
    port: Option<u16>,
) -> Result<String, Trouble> {
    if launch.gpus != Gpus::None && engine.podman().is_some_and(|podman| !podman.gives_gpus()) {
        let what = "this Podman leaves GPUs out that are asked for over its API, without a word";
        return Err(Trouble::new(Cause::NoGpuRuntime, what)
            .fix("use Podman 5.4 or newer, or Docker; without a GPU: --gpus none"));
    }
    let (variables, mask) = container::variables(launch, environment);
    let owner = Owner::this();
    let given = Given {
        image,
        entrypoint,
        variables: &variables,
        port,
        owner: owner.as_ref(),
        podman: engine.podman(),
    };
    let reference = Reference::of(image);
    let about = About { image, registry: &reference.registry, port, ..engine.about(&launch.name) };
    let told = |refusal: Refusal| hide(refusal.of_start(&about), &mask);
    let body = container::body(launch, &given);
    // What runs to its end beside a server is called as the server is, and its container as it comes.
    let name = if port.is_some() { launch.name.as_str() } else { "" };
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let options = (!name.is_empty()).then_some(options);
    let created = engine.ask(engine.client.create_container(options, body)).await.map_err(told)?;
    let start = engine.client.start_container(&created.id, None::<StartContainerOptions>);
    if let Err(refusal) = engine.ask_within(START_PATIENCE, start).await {
        let mut trouble = told(refusal);
        if let Err(left) = remove(engine, &created.id).await {
            trouble.said =
                format!("{}\nits container {} is still there: {left}", trouble.said, created.id);
        }
        return Err(trouble);
    }
    Ok(created.id)
}

fn hide(trouble: Trouble, mask: &Mask) -> Trouble {
    let Trouble { cause, what, said, fix } = trouble;
    Trouble { cause, what: mask.hide(what), said: mask.hide(said), fix: mask.hide(fix) }
}

/// What became of one.
pub(super) async fn state(engine: &Engine, id: &str) -> Result<State, Trouble> {
    let found = engine.inspect(id).await?;
    let mut state = told(&found);
    if state.is_running {
        state.pids = pids(engine, id, &found).await;
    }
    Ok(state)
}

/// What an engine tells of a container.
pub(super) fn told(found: &ContainerInspectResponse) -> State {
    use ContainerStateStatusEnum::{DEAD, EXITED, RESTARTING};
    let Some(now) = &found.state else { return State::default() };
    let has_ended = matches!(now.status, Some(EXITED | DEAD | RESTARTING));
    let said = now.error.clone().filter(|said| !said.is_empty());
    let restarts = found.restart_count.and_then(|count| u64::try_from(count).ok());
    let ports = found.network_settings.as_ref().and_then(|network| network.ports.as_ref());
    State {
        is_running: now.running == Some(true) && now.restarting != Some(true),
        exit_code: now.exit_code.filter(|_| has_ended),
        oom_killed: now.oom_killed == Some(true),
        restarts: restarts.unwrap_or(0),
        pids: Vec::new(),
        port: ports.and_then(port),
        said: said.map(|said| secrets(found).hide(said)),
    }
}

fn port(ports: &PortMap) -> Option<u16> {
    let bindings = ports.values().flatten().flatten();
    bindings.filter_map(|binding| binding.host_port.as_deref()?.parse().ok()).next()
}

/// The values of its variables that are secrets, whoever gave them.
pub(super) fn secrets(found: &ContainerInspectResponse) -> Mask {
    let Some(config) = &found.config else { return Mask::default() };
    let label = config.labels.as_ref().and_then(|labels| labels.get(SECRETS));
    let names: Vec<&str> = label.map(|names| names.split(',').collect()).unwrap_or_default();
    let variables = config.env.iter().flatten().filter_map(|variable| variable.split_once('='));
    let values = variables.filter(|(name, _)| names.contains(name));
    Mask::of(values.map(|(_, value)| value.to_owned()).collect())
}

/// The processes of one that runs, where they are this machine's.
async fn pids(engine: &Engine, id: &str, found: &ContainerInspectResponse) -> Vec<u32> {
    if !engine.is_local {
        return Vec::new();
    }
    let first = || {
        let pid = found.state.as_ref()?.pid?;
        u32::try_from(pid).ok().filter(|pid| *pid > 0)
    };
    // Podman has another list, of its own making.
    if engine.podman().is_some() {
        return first().into_iter().collect();
    }
    let options = TopOptionsBuilder::new().ps_args("-eo pid").build();
    let top = engine.ask(engine.client.top_processes(id, Some(options))).await;
    let rows = top.ok().and_then(|top| top.processes).unwrap_or_default();
    let pids: Vec<u32> = rows.iter().filter_map(|row| row.first()?.trim().parse().ok()).collect();
    if pids.is_empty() { first().into_iter().collect() } else { pids }
}

/// Ends one and removes it.
pub(super) async fn stop(engine: &Engine, id: &str, patience: Duration) -> Result<(), Trouble> {
    match engine.inspect(id).await {
        Err(trouble) if trouble.cause == Cause::Unknown => return Ok(()),
        found => drop(found?),
    }
    if !patience.is_zero() {
        let seconds = patience.as_secs() + u64::from(patience.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        let stop = engine.client.stop_container(id, Some(options));
        // One that cannot be asked is ended all the same; whether that goes well is what counts.
        let _ = engine.ask_within(Duration::from_secs(seconds) + PATIENCE, stop).await;
    }
    remove(engine, id).await.map_err(|refusal| refusal.of("remove a container", &engine.about(id)))
}

/// Kills and removes a container, its own volumes included. One that is gone is fine.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<(), Refusal> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let refusal = match engine.ask(engine.client.remove_container(id, Some(options))).await {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.is_missing() => return Ok(()),
            Err(refusal) => refusal,
        };
        // Somebody else is removing it, or its end has not got about.
        let is_busy = matches!(refusal, Refusal::Said(Some(409), _));
        if !is_busy || Instant::now() > deadline {
            return Err(refusal);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Those that there are.
pub(super) async fn list(engine: &Engine) -> Result<Vec<Held>, Trouble> {
    let filters = HashMap::from([("label", vec![NAME])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let ask = || engine.client.list_containers(Some(options.clone()));
    let listed = engine.ask_of_containers(ask).await;
    let about = engine.about("");
    let listed = listed.map_err(|refusal| refusal.of("list containers", &about))?;
    let mut held = Vec::new();
    for summary in listed {
        let Some(id) = summary.id.clone() else { continue };
        match engine.look_at(&id).await {
            Ok(found) => held.push(held_of(id, summary, told(&found))),
            // It went away meanwhile.
            Err(refusal) if refusal.is_missing() => {}
            Err(refusal) => return Err(refusal.of("look at a container", &about)),
        }
    }
    Ok(held)
}

fn held_of(id: String, summary: ContainerSummary, state: State) -> Held {
    let mut labels = summary.labels.unwrap_or_default();
    let mut label = |name: &str| labels.remove(name).unwrap_or_default();
    let owner: Option<Owner> = label(OWNER).parse().ok();
    let is_kept = label(LIFETIME) == KEPT;
    Held {
        id,
        name: label(NAME),
        engine: label(ENGINE),
        model: label(MODEL),
        of: summary.image.unwrap_or_default(),
        port: state.port,
        state,
        created_s: summary.created.and_then(|created| u64::try_from(created).ok()),
        is_orphan: owner.is_some_and(|owner| owner.is_gone()),
        is_kept,
    }
}
