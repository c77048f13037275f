//! What the library is to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The codes that functions return.
pub mod code {
    /// All is well.
    pub const SUCCESS: u32 = 0;
    /// An argument is wrong, such as the number of a GPU that is not there.
    pub const INVALID_ARGUMENT: u32 = 2;
    /// The GPU cannot say this.
    pub const NOT_SUPPORTED: u32 = 3;
    /// The user may not ask this.
    pub const NO_PERMISSION: u32 = 4;
    /// What was looked for is not there.
    pub const NOT_FOUND: u32 = 6;
    /// A buffer is too short.
    pub const INSUFFICIENT_SIZE: u32 = 7;
    /// The driver is not loaded.
    pub const DRIVER_NOT_LOADED: u32 = 9;
    /// Nothing happened in time.
    pub const TIMEOUT: u32 = 10;
    /// A library that NVML needs is missing.
    pub const LIBRARY_NOT_FOUND: u32 = 12;
    /// The GPU fell off the bus.
    pub const GPU_IS_LOST: u32 = 15;
    /// The library and the driver are of different versions.
    pub const LIB_RM_VERSION_MISMATCH: u32 = 18;
    /// A struct is of another version than the library's.
    pub const ARGUMENT_VERSION_MISMATCH: u32 = 25;
    /// Something else.
    pub const UNKNOWN: u32 = 999;
}

/// What a library says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    /// What `nvmlInit_v2` returns.
    #[serde(default)]
    pub init: u32,
    /// For how long `nvmlInit_v2` hangs.
    #[serde(default)]
    pub init_hangs_ms: u64,
    /// The driver's version.
    pub driver: String,
    /// CUDA's version as NVML writes it: 13000 is 13.0.
    pub cuda: i32,
    /// The GPUs.
    pub devices: Vec<Device>,
    /// Whether the script is read anew before each call; otherwise once, when the library is loaded.
    #[serde(default)]
    pub live: bool,
}

/// A GPU, or a MIG instance of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Device {
    /// What each function says of it, by its name; with `:` and the number behind it where a function takes a selector,
    /// as `nvmlDeviceGetClockInfo:1`. Of several answers the last one counts whose time has come. What is
    /// not here is not supported.
    pub answers: BTreeMap<String, Vec<Answer>>,
    /// How its energy counter runs, which adds up `nvmlDeviceGetPowerUsage`; otherwise `answers` tells.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// From when on everything says that it is lost.
    #[serde(default)]
    pub lost_at_ms: Option<u64>,
    /// How long a function hangs at each call, or until a live script does not name it any more.
    #[serde(default)]
    pub hangs_ms: BTreeMap<String, u64>,
    /// Who computes on it.
    #[serde(default)]
    pub processes: Vec<Process>,
    /// Its MIG instances, by number; `None` is a number that is not taken. With any, MIG mode is on.
    #[serde(default)]
    pub mig: Vec<Option<Self>>,
    /// XID errors that it reports one after the other, each from its time in milliseconds on.
    #[serde(default)]
    pub xids: Vec<(u64, u64)>,
}

/// What a function says from a moment on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Milliseconds since the library was loaded.
    #[serde(default)]
    pub from_ms: u64,
    /// What it says.
    pub value: Value,
}

/// What a function says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Its out parameters, in their order.
    Numbers(Vec<u64>),
    /// A text.
    Text(String),
    /// That it failed.
    Code(u32),
}

/// How an energy counter runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Energy {
    /// What it stands at when the library is loaded, in millijoules.
    pub start_mj: u64,
    /// At what it begins at 0 again.
    pub wraps_at_mj: Option<u64>,
}

/// A process on a GPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it holds; `None` is what NVML says where the operating system manages memory.
    pub memory_bytes: Option<u64>,
}
