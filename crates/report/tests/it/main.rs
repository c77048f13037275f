//! What people and programs read.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answering;
mod comparing;
mod console;
mod export;
mod fixture;
mod gating;
mod stored;
mod sweeping;
mod watched_export;
mod watching;
