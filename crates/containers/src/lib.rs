//! From a recipe to a ready server, and back to nothing.
//!
//! ```text
//! Recipe + Asked ─► Launch ─► Backend::start ─► Running ─► up: until it is ready ─► Up ─► down ─► nothing
//!                     │         docker, process              │ Probe: health, model, one token
//!                     └─ the equivalent `docker run`         └ log: milestones, facts, what went wrong
//! ```
//!
//! A [`Recipe`] is data: how an engine is started, each part of which a user may replace. A [`Launch`] is one
//! server, in full. A [`Backend`] starts it: Docker Engine or Podman, or as a process of this machine. [`up()`] waits
//! until it answers, and says what stands in the way where it does not: a [`Trouble`], with what mends it.
//!
//! Nothing here speaks HTTP with a server: who calls brings a [`Probe`] that does. Secrets go by the names of
//! variables; their values are read where a server is started, and shown nowhere.

#![cfg_attr(
    not(any(feature = "docker", target_os = "linux")),
    expect(dead_code, reason = "what backends share, of which there is none then")
)]

mod backend;
mod command;
#[cfg(feature = "docker")]
mod docker;
mod environment;
mod folders;
mod launch;
mod lines;
pub mod log;
pub mod memory;
pub mod models;
pub mod nim;
mod owner;
mod port;
#[cfg(target_os = "linux")]
mod process;
#[cfg(not(target_os = "linux"))]
#[path = "process_elsewhere.rs"]
mod process;
mod progress;
mod recipe;
mod trouble;
mod up;

pub use backend::{Backend, Held, LogLine, Origin, Output, Running, State};
#[cfg(feature = "docker")]
pub use docker::Docker;
pub use environment::Environment;
pub use folders::prepare_folders;
pub use launch::{Gpus, Launch, Lifetime, Mount, Place, Program, Pull, Ulimit, Variable};
pub use process::{Process, hold};
pub use progress::{Hooks, Progress};
pub use recipe::{Asked, EngineName, HostFacts, LocalModel, Recipe, With};
pub use trouble::{Cause, Trouble};
pub use up::{Answer, Probe, Up, up};
