//! bench-core
pub mod timer;
mod clock;
pub use clock::{Anchor, Clock, Moment};
