//! Servers that start, and those that cannot.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use bench_containers::{
    Backend, Cause, Environment, Gpus, Launch, Lifetime, Mount, Place, Program, Trouble, Ulimit,
    Variable,
};
use bollard::query_parameters::InspectContainerOptions;

use super::rig::{BARE, Rig};

/// What a port answers.
fn ask(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = vec![0; 64];
    let bytes = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..bytes]).into_owned()
}

/// Why a launch does not start. Nothing is left of it.
async fn refused(rig: &Rig, launch: &Launch) -> Trouble {
    let before = rig.left().await;
    let trouble = rig.docker.start(launch).await.unwrap_err();
    assert_eq!(rig.left().await, before, "{trouble:?}");
    trouble
}

#[tokio::test]
async fn a_server_starts_answers_and_is_gone() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("serve");
    let running = rig.docker.start(&launch).await.unwrap();
    rig.log_with(&running.id, "listening").await;
    assert!(ask(running.port).ends_with("ok"));
    let state = rig.docker.state(&running.id).await.unwrap();
    assert!(state.is_running && state.exit_code.is_none() && !state.oom_killed, "{state:?}");
    assert_eq!((state.port, state.restarts), (Some(running.port), 0));
    assert_eq!(state.pids.len(), 1, "{state:?}");
    let name = std::fs::read_to_string(format!("/proc/{}/comm", state.pids[0]));
    assert_eq!(name.unwrap(), "server\n");

    let held = rig.docker.list().await.unwrap();
    let held = held.iter().find(|held| held.id == running.id).unwrap();
    assert_eq!((held.name.as_str(), held.engine.as_str()), (launch.name.as_str(), "custom"));
    assert_eq!((held.model.as_str(), held.of.as_str()), ("tiny", rig.image.as_str()));
    assert_eq!((held.port, held.is_orphan), (Some(running.port), false));
    assert!(held.created_s.is_some());

    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, running.port)).is_err());
    assert_eq!(rig.left().await, [""; 0]);
    let trouble = rig.docker.state(&running.id).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::Unknown);
}

#[tokio::test]
async fn it_gets_what_it_asks_for_and_nothing_more() {
    let Some(rig) = Rig::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "a model").unwrap();
    let launch = Launch {
        mounts: vec![Mount {
            outside: folder.path().to_owned(),
            inside: "/models".to_owned(),
            read_only: true,
        }],
        gpus: Gpus::Devices(vec!["0".to_owned(), "2".to_owned()]),
        ulimits: vec![Ulimit { name: "memlock".to_owned(), value: -1 }],
        shm_bytes: Some(256 << 20),
        ..rig.launch("read=/models/config.json write=/models/new environment serve")
    };
    let running = rig.docker.start(&launch).await.unwrap();
    let log = rig.log_with(&running.id, "listening").await;
    for said in ["a model", "Err(ReadOnlyFilesystem)", "NVIDIA_VISIBLE_DEVICES=0,2"] {
        assert!(log.iter().any(|line| line == said), "{log:?}");
    }
    let found = rig.client.inspect_container(&running.id, None::<InspectContainerOptions>).await;
    let config = found.unwrap().host_config.unwrap();
    assert_eq!(config.privileged, Some(false));
    assert_eq!(config.security_opt.unwrap(), ["no-new-privileges:true"]);
    assert_eq!(config.shm_size, Some(256 << 20));
    let bindings = config.port_bindings.unwrap().remove("8000/tcp").unwrap().unwrap();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].host_ip.as_deref(), Some("127.0.0.1"));
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}

#[tokio::test]
async fn a_port_or_a_name_that_is_taken_is_said_to_be() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("serve");
    let running = rig.docker.start(&launch).await.unwrap();
    let trouble = refused(&rig, &launch).await;
    assert_eq!(trouble.cause, Cause::NameTaken);
    assert!(trouble.said.contains("is already in use by container"), "{trouble:?}");

    let at = |port| Launch {
        place: Place { inside: 8000, outside: Some(port) },
        name: format!("{}-b", launch.name),
        ..launch.clone()
    };
    let trouble = refused(&rig, &at(running.port)).await;
    assert_eq!(trouble.cause, Cause::PortTaken);
    assert!(trouble.said.contains("port is already allocated"), "{trouble:?}");
    assert!(trouble.what.contains(&running.port.to_string()));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let trouble = refused(&rig, &at(listener.local_addr().unwrap().port())).await;
    assert_eq!(trouble.cause, Cause::PortTaken);
    assert!(trouble.said.contains("address already in use"), "{trouble:?}");
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let Some(rig) = Rig::new().await else { return };
    let launch = rig.launch("serve");
    let of = |entrypoint: &str| Program::Image {
        image: rig.image.clone(),
        entrypoint: Some(vec![entrypoint.to_owned()]),
    };
    for entrypoint in ["/nope", "nope", "/etc"] {
        let trouble = refused(&rig, &Launch { program: of(entrypoint), ..launch.clone() }).await;
        assert_eq!(trouble.cause, Cause::BadEntrypoint, "{trouble:?}");
        assert!(trouble.said.contains(&format!("exec: \"{entrypoint}\"")), "{trouble:?}");
    }
    let image = "inferbench-test/nobody-made-this:1".to_owned();
    let program = Program::Image { image, entrypoint: None };
    let trouble = refused(&rig, &Launch { program, ..launch.clone() }).await;
    assert_eq!(trouble.cause, Cause::ImageMissing, "{trouble:?}");

    let mounts = vec![Mount {
        outside: "/nobody/made/this".into(),
        inside: "/models".to_owned(),
        read_only: true,
    }];
    let trouble = refused(&rig, &Launch { mounts, ..launch.clone() }).await;
    assert_eq!(trouble.cause, Cause::Recipe, "{trouble:?}");
    assert!(trouble.said.contains("/nobody/made/this"));

    let runtime = Some("nobody-made-this".to_owned());
    let trouble = refused(&rig, &Launch { runtime, ..launch.clone() }).await;
    assert_eq!(trouble.cause, Cause::NoGpuRuntime, "{trouble:?}");

    let program = Program::Process("llama-server".into());
    let trouble = refused(&rig, &Launch { program, ..launch }).await;
    assert_eq!(trouble.cause, Cause::Recipe, "{trouble:?}");
}

#[tokio::test]
async fn a_driver_that_is_not_loaded_is_told_in_its_own_words() {
    let Some(rig) = Rig::new().await else { return };
    let error = "nvidia-container-cli: initialization error: nvml error: driver not loaded";
    let variable = Variable::Text(error.to_owned());
    let launch = Launch {
        gpus: Gpus::All,
        env: [("INFERBENCH_FAKE_GPU_ERROR".to_owned(), variable)].into(),
        ..rig.launch("serve")
    };
    let trouble = refused(&rig, &launch).await;
    assert_eq!(trouble.cause, Cause::GpuDriver);
    assert!(trouble.said.contains(error) && trouble.fix.contains("nvidia-smi"), "{trouble:?}");
}

#[tokio::test]
async fn an_engine_without_gpus_says_so_and_what_mends_it() {
    let Some(rig) = Rig::with(BARE, Environment::of::<String, String>([])).await else { return };
    let trouble = refused(&rig, &Launch { gpus: Gpus::All, ..rig.launch("serve") }).await;
    assert_eq!(trouble.cause, Cause::NoGpuRuntime);
    assert_eq!(trouble.said, "could not select device driver \"\" with capabilities: [[gpu]]");
    assert!(trouble.fix.contains("nvidia-ctk runtime configure --runtime=docker"));
}

#[tokio::test]
async fn a_limit_that_the_system_denies_is_named() {
    let Some(rig) = Rig::with(BARE, Environment::of::<String, String>([])).await else { return };
    let ulimits = vec![Ulimit { name: "memlock".to_owned(), value: -1 }];
    let launch = Launch { ulimits, ..rig.launch("serve") };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    let may_raise = u64::from_str_radix(effective, 16).unwrap() & (1 << 24) != 0;
    if may_raise {
        let running = rig.docker.start(&launch).await.unwrap();
        rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
    } else {
        let trouble = refused(&rig, &launch).await;
        assert_eq!(trouble.cause, Cause::LimitDenied);
        assert!(trouble.said.contains("error setting rlimit type 8"), "{trouble:?}");
    }
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let canary = "canary-5d41402abc4b";
    let environment = Environment::of([("HF_TOKEN", canary)]);
    let Some(rig) = Rig::with("INFERBENCH_DOCKER_HOST", environment).await else { return };
    let secret = |name: &str| (name.to_owned(), Variable::Secret(name.to_owned()));
    let launch = Launch {
        env: [secret("HF_TOKEN"), secret("NGC_API_KEY")].into(),
        lifetime: Lifetime::Kept,
        ..rig.launch("environment serve")
    };
    let running = rig.docker.start(&launch).await.unwrap();
    let log = rig.log_with(&running.id, "listening").await;
    // It has it, and it is not shown; the other was not set, and is not passed on.
    assert!(log.contains(&"HF_TOKEN=***".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("NGC_API_KEY")));
    let command = ["/server", "environment"].map(str::to_owned);
    let output = rig.docker.run_within(&running.id, &command).await.unwrap();
    assert!(output.text.contains("HF_TOKEN=***"), "{output:?}");

    // Somebody else, who does not know it, sees as little.
    let other = Rig::new().await.unwrap();
    let found = rig.client.inspect_container(&running.id, None::<InspectContainerOptions>).await;
    let labels = found.unwrap().config.unwrap().labels;
    let shown = format!(
        "{log:?} {output:?} {labels:?} {:?} {:?} {:?} {:?}",
        other.docker.list().await.unwrap(),
        other.docker.log(&running.id, 0).await.unwrap(),
        rig.docker.state(&running.id).await.unwrap(),
        rig.docker.start(&launch).await.unwrap_err(),
    );
    assert!(!shown.contains("canary"), "{shown}");
    rig.docker.stop(&running.id, launch.stop_within).await.unwrap();
}
