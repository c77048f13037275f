//! The judges of inferbench: a server that knows when it sent, and readers that cost little.
//!
//! Nothing here shares code with the product, so a mistake of the product cannot cancel out. The
//! programs are in `src/bin`; what they are for and how to repeat the experiment is in this
//! package's `README.md`. Linux only: epoll, timerfd, and the kernel's receive stamps.

pub mod clock;
pub mod experiment;
pub mod figures;
pub mod line_counter;
pub mod load;
pub mod sse;
pub mod stamped_stream;
pub mod stamps;
pub mod truth;
