//! The experiments: the product's binary against the truth server, judged by the files of both.

mod fidelity;
mod programs;
mod samples;
mod schedule;
mod watching;

pub use fidelity::{Conditions, FidelityRow, fidelity};
pub use programs::{Product, Programs, Server};
pub use samples::{ProductSample, Run};
pub use schedule::{Asked, ScheduleRow, schedule};
pub use watching::{Watched, WatchingRow, watching};
