//! Docker against the real thing: what `.ci/docker` starts, or stands in for it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod broken_engine;
mod images;
mod pulling;
mod registry;
mod rig;
mod running;
mod starting;
mod stopping;
mod tcp;
