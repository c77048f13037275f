//! A launch as a container: what an engine is asked to create.

use std::{collections::HashMap, net::Ipv4Addr};

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountType,
    PortBinding, PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::engine::Podman;
use crate::{Environment, Gpus, Launch, Lifetime, Variable, environment::Mask, owner::Owner};

/// The labels by which a container is known as ours.
pub(super) const NAME: &str = "inferbench.name";
pub(super) const ENGINE: &str = "inferbench.engine";
pub(super) const MODEL: &str = "inferbench.model";
pub(super) const VERSION: &str = "inferbench.version";
pub(super) const LIFETIME: &str = "inferbench.lifetime";
pub(super) const KEPT: &str = "kept";
/// Whose it is, if it is to end with that process.
pub(super) const OWNER: &str = "inferbench.owner";
/// The names of its variables that are secrets: their values are to be hidden in what it says.
pub(super) const SECRETS: &str = "inferbench.secrets";

/// What of a container is not in its launch.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) image: &'a str,
    pub(super) entrypoint: Option<&'a [String]>,
    /// Its environment, the values of secrets included.
    pub(super) variables: &'a [(String, String)],
    /// The port of this machine that leads to it; one that runs to its end has none.
    pub(super) port: Option<u16>,
    /// Whose it is.
    pub(super) owner: Option<&'a Owner>,
    /// Which Podman creates it, if not Docker.
    pub(super) podman: Option<Podman>,
}

/// The environment that a launch gives its server, and what hides the secrets in it.
pub(super) fn variables(
    launch: &Launch,
    environment: &Environment,
) -> (Vec<(String, String)>, Mask) {
    let mut secrets = Vec::new();
    let mut variables = Vec::new();
    for (name, variable) in &launch.env {
        let value = match variable {
            Variable::Text(text) => text.clone(),
            Variable::Secret(ours) => match environment.var(ours) {
                Some(value) => {
                    secrets.push(value.clone());
                    value
                }
                None => continue,
            },
        };
        variables.push((name.clone(), value));
    }
    (variables, Mask::of(secrets))
}

/// What is asked of the engine.
pub(super) fn body(launch: &Launch, given: &Given<'_>) -> ContainerCreateBody {
    let inside = format!("{}/tcp", launch.place.inside);
    let variables = given.variables.iter();
    let stop_s = launch.stop_within.as_secs();
    ContainerCreateBody {
        image: Some(given.image.to_owned()),
        entrypoint: given.entrypoint.map(<[String]>::to_vec),
        cmd: (!launch.args.is_empty()).then(|| launch.args.clone()),
        env: Some(variables.map(|(name, value)| format!("{name}={value}")).collect()),
        user: launch.user.clone(),
        labels: Some(labels(launch, given.owner)),
        exposed_ports: given.port.map(|_| vec![inside.clone()]),
        stop_timeout: i64::try_from(stop_s).ok(),
        host_config: Some(host_config(launch, given, inside)),
        ..ContainerCreateBody::default()
    }
}

fn labels(launch: &Launch, owner: Option<&Owner>) -> HashMap<String, String> {
    let is_secret = |variable: &Variable| matches!(variable, Variable::Secret(_));
    let secrets = launch.env.iter().filter(|(_, variable)| is_secret(variable));
    let secrets: Vec<_> = secrets.map(|(name, _)| name.as_str()).collect();
    let lifetime = match launch.lifetime {
        Lifetime::Kept => KEPT,
        Lifetime::WithUs => "with-us",
    };
    let mut labels = vec![
        (NAME, launch.name.clone()),
        (ENGINE, launch.engine.name().to_owned()),
        (MODEL, launch.model.clone()),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (LIFETIME, lifetime.to_owned()),
        (SECRETS, secrets.join(",")),
    ];
    let owner = owner.filter(|_| launch.lifetime == Lifetime::WithUs);
    labels.extend(owner.map(|owner| (OWNER, owner.to_string())));
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn host_config(launch: &Launch, given: &Given<'_>, inside: String) -> HostConfig {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let memory = launch.memory_bytes.map(bytes);
    HostConfig {
        port_bindings: given.port.map(|port| loopback(inside, port)),
        mounts: Some(launch.mounts.iter().map(mount).collect()),
        device_requests: Some(devices(&launch.gpus, given.podman)).filter(|them| !them.is_empty()),
        shm_size: launch.shm_bytes.map(bytes),
        memory,
        // No swap beside: a server that swaps is not worth measuring.
        memory_swap: memory,
        ipc_mode: launch.ipc_host.then(|| "host".to_owned()),
        ulimits: Some(launch.ulimits.iter().map(ulimit).collect()),
        runtime: launch.runtime.clone(),
        security_opt: Some(security(launch, given.podman)),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: given.podman.is_none().then(log_config),
        ..HostConfig::default()
    }
}

fn loopback(inside: String, port: u16) -> PortMap {
    let binding = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
        host_port: Some(port.to_string()),
    };
    HashMap::from([(inside, Some(vec![binding]))])
}

fn mount(mount: &crate::Mount) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(mount.outside.to_string_lossy().into_owned()),
        target: Some(mount.inside.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

fn ulimit(limit: &crate::Ulimit) -> ResourcesUlimits {
    let (name, value) = (Some(limit.name.clone()), Some(limit.value));
    ResourcesUlimits { name, soft: value, hard: value }
}

/// GPUs, as `--gpus` asks Docker for them; Podman knows them by CDI's names alone.
fn devices(gpus: &Gpus, podman: Option<Podman>) -> Vec<DeviceRequest> {
    let (count, ids) = match gpus {
        Gpus::None => return Vec::new(),
        Gpus::All => (Some(-1), None),
        Gpus::Count(count) => (Some(i64::from(*count)), None),
        Gpus::Devices(ids) => (None, Some(ids.clone())),
    };
    let request = match podman {
        None => DeviceRequest {
            count,
            device_ids: ids,
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        },
        Some(_) => DeviceRequest {
            driver: Some("cdi".to_owned()),
            device_ids: Some(cdi_names(gpus)),
            ..DeviceRequest::default()
        },
    };
    vec![request]
}

fn cdi_names(gpus: &Gpus) -> Vec<String> {
    let numbered = |count: u32| (0..count).map(|number| number.to_string()).collect();
    let ids = match gpus {
        Gpus::None => Vec::new(),
        Gpus::All => vec!["all".to_owned()],
        Gpus::Count(count) => numbered(*count),
        Gpus::Devices(ids) => ids.clone(),
    };
    ids.iter().map(|id| format!("nvidia.com/gpu={id}")).collect()
}

fn security(launch: &Launch, podman: Option<Podman>) -> Vec<String> {
    let mut options = vec!["no-new-privileges:true".to_owned()];
    // Where SELinux is on, Podman's containers see neither folders nor GPUs of the host otherwise, as NVIDIA's guide says.
    if podman.is_some() && (launch.gpus != Gpus::None || !launch.mounts.is_empty()) {
        options.push("label=disable".to_owned());
    }
    options
}

/// A log that can be read again, whatever the engine does with logs otherwise, and that does not fill the disk.
fn log_config() -> HostConfigLogConfig {
    let options = [("max-size", "64m"), ("max-file", "2")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(options.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{EngineName, Mount, Ulimit};

    /// A server that asks for all that there is.
    fn large_launch() -> Launch {
        let variables = [
            ("HF_HOME", Variable::Text("/models".to_owned())),
            ("HF_TOKEN", Variable::Secret("HF_TOKEN".to_owned())),
            ("NGC_API_KEY", Variable::Secret("NGC_API_KEY".to_owned())),
        ];
        Launch {
            engine: EngineName::Vllm,
            model: "meta-llama/Llama-3.1-8B".to_owned(),
            args: ["--model", "meta-llama/Llama-3.1-8B", "--port", "8000"]
                .map(str::to_owned)
                .into(),
            env: variables.map(|(name, variable)| (name.to_owned(), variable)).into(),
            mounts: vec![Mount {
                outside: "/srv/models".into(),
                inside: "/models".to_owned(),
                read_only: true,
            }],
            gpus: Gpus::Count(2),
            shm_bytes: Some(16 << 30),
            memory_bytes: Some(64 << 30),
            ipc_host: true,
            ulimits: vec![Ulimit { name: "memlock".to_owned(), value: -1 }],
            runtime: Some("nvidia".to_owned()),
            user: Some("1000:1000".to_owned()),
            stop_within: Duration::from_secs(30),
            ..Launch::of_image("large", "registry/image:1")
        }
    }

    fn check(name: &str, launch: &Launch, podman: Option<Podman>) {
        let environment =
            Environment::of([("HF_TOKEN", "hf_canary"), ("NGC_API_KEY", "nv_canary")]);
        let (variables, _) = variables(launch, &environment);
        let owner = "7:8:9:boot:machine".parse().unwrap();
        let entrypoint = ["/opt/start".to_owned()];
        let given = Given {
            image: "registry/image:1",
            entrypoint: podman.is_some().then_some(&entrypoint[..]),
            variables: &variables,
            port: Some(18000),
            owner: Some(&owner),
            podman,
        };
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(name, body(launch, &given));
        });
    }

    #[test]
    fn a_launch_is_asked_for_in_full() {
        check("large", &large_launch(), None);
        check("large_podman", &large_launch(), Some(Podman::of(5, 4)));
        check(
            "small",
            &Launch { lifetime: Lifetime::Kept, ..Launch::of_image("small", "registry/image:1") },
            None,
        );
    }

    #[test]
    fn secrets_are_in_the_environment_alone() {
        let launch = large_launch();
        let environment = Environment::of([("HF_TOKEN", "hf_canary")]);
        let (variables, _) = variables(&launch, &environment);
        let given = Given {
            image: "i",
            entrypoint: None,
            variables: &variables,
            port: None,
            owner: None,
            podman: None,
        };
        let mut body = body(&launch, &given);
        let env = body.env.take().unwrap();
        // One that is not set is not passed on.
        assert_eq!(env, ["HF_HOME=/models", "HF_TOKEN=hf_canary"]);
        assert!(!format!("{body:?}").contains("canary"));
    }

    #[test]
    fn gpus_are_asked_for_as_each_engine_wants_it() {
        let ids = ["0", "GPU-1f"].map(str::to_owned).to_vec();
        let of = |gpus: &Gpus| devices(gpus, None).pop().map(|it| (it.count, it.device_ids));
        assert_eq!(of(&Gpus::None), None);
        assert_eq!(of(&Gpus::All), Some((Some(-1), None)));
        assert_eq!(of(&Gpus::Count(2)), Some((Some(2), None)));
        assert_eq!(of(&Gpus::Devices(ids.clone())), Some((None, Some(ids.clone()))));
        assert_eq!(cdi_names(&Gpus::Count(2)), ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]);
        assert_eq!(cdi_names(&Gpus::Devices(ids)), ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1f"]);
    }
}
