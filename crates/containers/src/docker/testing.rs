//! Launches for tests.

use std::time::Duration;

use crate::{EngineName, Gpus, Launch, Lifetime, Mount, Place, Program, Pull, Ulimit, Variable};

/// A server that asks for nothing.
pub(super) fn launch(name: &str, image: &str) -> Launch {
    Launch {
        name: name.to_owned(),
        engine: EngineName::Custom,
        model: "tiny".to_owned(),
        program: Program::Image { image: image.to_owned(), entrypoint: None },
        args: Vec::new(),
        env: [].into(),
        place: Place { inside: 8000, outside: None },
        mounts: Vec::new(),
        gpus: Gpus::None,
        shm_bytes: None,
        memory_bytes: None,
        ipc_host: false,
        ulimits: Vec::new(),
        runtime: None,
        user: None,
        pull: Pull::Missing,
        then: Vec::new(),
        health: "/health".to_owned(),
        ready_within: Duration::from_secs(60),
        stop_within: Duration::from_secs(10),
        lifetime: Lifetime::Kept,
    }
}

/// A server that asks for all that there is.
pub(super) fn large_launch() -> Launch {
    let variables = [
        ("HF_HOME", Variable::Text("/models".to_owned())),
        ("HF_TOKEN", Variable::Secret("HF_TOKEN".to_owned())),
        ("NGC_API_KEY", Variable::Secret("NGC_API_KEY".to_owned())),
    ];
    Launch {
        engine: EngineName::Vllm,
        model: "meta-llama/Llama-3.1-8B".to_owned(),
        args: ["--model", "meta-llama/Llama-3.1-8B", "--port", "8000"].map(str::to_owned).into(),
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
        lifetime: Lifetime::WithUs,
        ..launch("large", "registry/image:1")
    }
}
