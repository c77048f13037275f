//! The binary as its users meet it: what it is given, what it says, what it leaves on the disk, how it
//! ends.
//!
//! Nothing here depends on how fast a machine is: servers answer when a test lets them, and what is
//! waited for is waited for up to [`program::LIMIT`].

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod llama_server;
mod program;
mod server;
mod simulator;
mod tiny_model;

mod answers;
mod bad_input;
mod capacity;
mod comparing;
mod conforming;
#[cfg(target_os = "linux")]
mod containers;
mod conversations;
mod doctor;
mod engines;
mod estimates;
mod exit_codes;
mod faults;
mod finding_the_server;
mod help;
mod history;
mod http2;
#[cfg(unix)]
mod interrupts;
#[cfg(unix)]
mod killed;
mod llamacpp;
#[cfg(unix)]
mod models;
mod numbers;
mod output;
mod plans;
mod probing;
mod requests;
mod results;
#[cfg(unix)]
mod resuming;
mod run_directory;
mod same_again;
mod same_commands;
mod schedules;
#[cfg(target_os = "linux")]
mod starting;
mod sweeps;
mod telemetry;
mod templates;
mod tls;
mod verdicts;
mod watching;
#[cfg(unix)]
mod wire;
mod workloads;
