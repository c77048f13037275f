//! What the crate promises to those who write and read runs.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod directory;
mod fixture;
#[cfg(feature = "history")]
mod history;
mod import;
mod log;
mod pack;
mod repair;
mod round_trip;
mod torn;
mod written;
