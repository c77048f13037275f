//! The crate as its users meet it.

mod diagnosing;
#[cfg(all(feature = "docker", target_os = "linux"))]
mod docker;
mod logs;
#[cfg(target_os = "linux")]
mod processes;
