//! The crate as its users meet it.

mod diagnosing;
mod logs;
