//! What stands in the way of a server, and what mends it.

use std::fmt;

/// Why a server is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// Which of the known causes it is.
    pub cause: Cause,
    /// What went wrong, in a sentence.
    pub what: String,
    /// What the engine, the system or the server's log said, as it was said but for secrets. May have several lines.
    pub said: String,
    /// What to do about it.
    pub fix: String,
}

/// The causes that are told from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A recipe, or what was asked of it, that cannot be.
    Recipe,
    /// Nobody answers where Docker or Podman should be.
    BackendUnreachable,
    /// The user may not use it.
    BackendDenied,
    /// No such image, or no such version of it.
    ImageMissing,
    /// The registry wants a login, or another one.
    ImageDenied,
    /// The registry gives no more for now.
    RateLimited,
    /// The registry cannot be reached, or broke off.
    RegistryUnreachable,
    /// A program that is to be started as a process is not installed.
    ProgramMissing,
    /// The image has no such program, or one that cannot be run here.
    BadEntrypoint,
    /// No space is left on a disk.
    DiskFull,
    /// Something else has the port.
    PortTaken,
    /// Another server has the name.
    NameTaken,
    /// Docker cannot give containers GPUs.
    NoGpuRuntime,
    /// The GPU's driver is missing, too old, or not loaded, or the program was built for other GPUs.
    GpuDriver,
    /// A limit that was asked for is more than this machine lets have.
    LimitDenied,
    /// A key that the engine needs was not given, or not taken.
    KeyMissing,
    /// The model is not where it should be, or not to be had.
    ModelMissing,
    /// The engine does not run the model: its format, its architecture or its precision.
    ModelUnfit,
    /// A model is not whole: fetching it broke off, or what fetched it says more than is there.
    ModelBroken,
    /// A model's files are none that can be trusted: they lead elsewhere, or are no files.
    ModelUnsafe,
    /// It may not read or write a folder that it needs.
    FolderDenied,
    /// The GPU's memory does not suffice.
    GpuMemory,
    /// The system killed it, for memory.
    OomKilled,
    /// It ended by itself.
    Exited,
    /// It ends and starts, again and again.
    RestartLoop,
    /// It was not ready in time.
    NotReady,
    /// The user stopped waiting.
    Stopped,
    /// There is no such server of ours.
    Unknown,
    /// Anything else that the backend says.
    Backend,
}

impl Cause {
    /// Its stable name, as files have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::BackendUnreachable => "backend_unreachable",
            Self::BackendDenied => "backend_denied",
            Self::ImageMissing => "image_missing",
            Self::ImageDenied => "image_denied",
            Self::RateLimited => "rate_limited",
            Self::RegistryUnreachable => "registry_unreachable",
            Self::ProgramMissing => "program_missing",
            Self::BadEntrypoint => "bad_entrypoint",
            Self::DiskFull => "disk_full",
            Self::PortTaken => "port_taken",
            Self::NameTaken => "name_taken",
            Self::NoGpuRuntime => "no_gpu_runtime",
            Self::GpuDriver => "gpu_driver",
            Self::LimitDenied => "limit_denied",
            Self::KeyMissing => "key_missing",
            Self::ModelMissing => "model_missing",
            Self::ModelUnfit => "model_unfit",
            Self::ModelBroken => "model_broken",
            Self::ModelUnsafe => "model_unsafe",
            Self::FolderDenied => "folder_denied",
            Self::GpuMemory => "gpu_memory",
            Self::OomKilled => "oom_killed",
            Self::Exited => "exited",
            Self::RestartLoop => "restart_loop",
            Self::NotReady => "not_ready",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
            Self::Backend => "backend",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Trouble {
    /// Trouble of a cause, of which nothing else is known yet.
    pub fn new(cause: Cause, what: impl Into<String>) -> Self {
        Self { cause, what: what.into(), said: String::new(), fix: String::new() }
    }

    /// With what was said of it.
    #[must_use]
    pub fn said(mut self, said: impl Into<String>) -> Self {
        self.said = said.into();
        self
    }

    /// With what mends it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}
