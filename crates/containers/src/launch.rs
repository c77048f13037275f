//! One server to start, in full: nothing about it is left to be chosen.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use crate::EngineName;

/// A server to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// What it is called, by `down` and `logs` too, and its container.
    pub name: String,
    /// Which kind of server it is.
    pub engine: EngineName,
    /// The model, as requests name it.
    pub model: String,
    /// What is started.
    pub program: Program,
    /// Its arguments. Those of a process that is to listen at a free port have `{port}` where [`Launch::at_port`] is to
    /// put it, and so have its environment and the programs that run within it.
    pub args: Vec<String>,
    /// Its environment, beside what it has anyway.
    pub env: BTreeMap<String, Variable>,
    /// Where it listens.
    pub place: Place,
    /// Folders of this machine that it sees; a process sees them all.
    pub mounts: Vec<Mount>,
    /// The GPUs that it may use.
    pub gpus: Gpus,
    /// Its shared memory, in bytes; Docker's 64 MiB if `None`.
    pub shm_bytes: Option<u64>,
    /// The most memory that it may use, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether it shares the host's shared memory, as several GPUs may want.
    pub ipc_host: bool,
    /// Limits of the system that it needs otherwise than usual.
    pub ulimits: Vec<Ulimit>,
    /// Docker's runtime, such as `nvidia`; the usual one if `None`.
    pub runtime: Option<String>,
    /// Who it runs as within its container, `USER:GROUP`; the image's user if `None`.
    pub user: Option<String>,
    /// When its image is pulled.
    pub pull: Pull,
    /// Programs to run within it once it answers, such as one that fetches the model.
    pub then: Vec<Vec<String>>,
    /// The path that answers 200 once it is healthy.
    pub health: String,
    /// How long it may take until it is ready.
    pub ready_within: Duration,
    /// How long it may take to end once it is asked to.
    pub stop_within: Duration,
    /// How long it is to live.
    pub lifetime: Lifetime,
}

impl Launch {
    /// A container of an image as it is: without a model, folders or GPUs, for as long as this process.
    pub fn of_image(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            engine: EngineName::Custom,
            model: String::new(),
            program: Program::Image { image: image.into(), entrypoint: None },
            args: Vec::new(),
            env: BTreeMap::new(),
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
            ready_within: Duration::from_secs(600),
            stop_within: Duration::from_secs(10),
            lifetime: Lifetime::WithUs,
        }
    }

    /// This launch of a process once its port is chosen.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        let fill = |text: &mut String| *text = text.replace("{port}", &port.to_string());
        self.args.iter_mut().chain(self.then.iter_mut().flatten()).for_each(fill);
        for variable in self.env.values_mut() {
            if let Variable::Text(text) = variable {
                fill(text);
            }
        }
        self.place = Place { inside: port, outside: Some(port) };
        self
    }
}

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A container of this image.
    Image {
        /// Such as `vllm/vllm-openai:v0.15.1`.
        image: String,
        /// In place of the image's own.
        entrypoint: Option<Vec<String>>,
    },
    /// A process of this machine: a name that is looked for in `PATH`, or a path.
    Process(PathBuf),
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// A text that may be shown.
    Text(String),
    /// A secret: whatever the variable of this name holds here, read where the server is started. One that is not set
    /// is not passed on.
    Secret(String),
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its port within its container; of a process, the same as outside.
    pub inside: u16,
    /// Its port on this machine's loopback address; a free one if `None`.
    pub outside: Option<u16>,
}

/// A folder or a file of this machine that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is here.
    pub outside: PathBuf,
    /// Where it is there.
    pub inside: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// The GPUs that a server may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gpus {
    /// None.
    None,
    /// All that there are.
    All,
    /// So many.
    Count(u32),
    /// These: numbers or UUIDs.
    Devices(Vec<String>),
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Devices(devices) => write!(f, "device={}", devices.join(",")),
        }
    }
}

/// As Docker has it: `all`, a number, `device=0,2`; and `none`.
impl FromStr for Gpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_device = |device: &str| {
            !device.is_empty() && device.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        match text {
            "none" | "0" => return Ok(Self::None),
            "all" => return Ok(Self::All),
            _ => {}
        }
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        let devices = text.strip_prefix("device=").unwrap_or_default().split(',');
        let devices: Vec<_> = devices.map(|device| device.trim().to_owned()).collect();
        match devices.iter().all(|device| is_device(device)) {
            true => Ok(Self::Devices(devices)),
            false => Err(format!("`{text}` are no GPUs: `all`, `none`, a number, or `device=0,2`")),
        }
    }
}

impl<'de> Deserialize<'de> for Gpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A limit of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `memlock`.
    pub name: String,
    /// −1 is without a limit.
    pub value: i64,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// Where it is not here.
    #[default]
    Missing,
    /// Always, so that a tag's newest version is run.
    Always,
    /// Never.
    Never,
}

/// How long a server is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody takes it down.
    Kept,
    /// As long as this process, whatever ends it: what a killed one leaves, the next takes down.
    WithUs,
}
