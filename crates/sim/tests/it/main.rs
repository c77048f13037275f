//! The server as a client sees it, over loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod api;
mod capacity;
mod client;
mod faults;
mod load;
mod metrics;
mod moods;
mod pace;
mod results;
