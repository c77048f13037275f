//! Why a server ended, or never was ready.

use crate::{Cause, Launch, State, Trouble};

/// What is to be said of a server that is in `state` instead of ready, and whose log ends in `lines`.
pub fn diagnose(launch: &Launch, state: &State, lines: &[&str]) -> Trouble {
    let what = match state.exit_code {
        Some(code) => format!("{} ended with exit code {code}", launch.name),
        None => format!("{} is not ready", launch.name),
    };
    Trouble::new(Cause::Exited, what).said(lines.join("\n"))
}
