//! The crate as its users meet it.

mod diagnosing;
mod logs;
#[cfg(target_os = "linux")]
mod processes;
