//! What a server's log tells: how far its start is, what it measured of itself, and why it ended.

mod diagnosis;
mod facts;
mod milestones;

pub use diagnosis::diagnose;
pub use facts::{Fact, facts};
pub use milestones::{Milestone, milestone};
