//! What a server's log tells: how far its start is, what it measured of itself, and why it ended.

mod causes;
mod diagnosis;
mod facts;
mod milestones;
mod pattern;
mod table;
mod text;

pub use diagnosis::{diagnose, is_retrying};
pub use facts::{Fact, Facts, Value, facts};
pub use milestones::{Milestone, milestone};
