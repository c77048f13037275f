//! The server that knows the truth: when each event was due, and when it was written.
//!
//! One thread, one epoll, non-blocking sockets. It speaks enough HTTP/1.1 for clients of
//! OpenAI-like servers, and writes every content event with a `write(2)` of its own, so that a
//! client's arrivals can be laid beside the log of the same machine's monotonic clock.

mod answer;
mod connection;
mod log;
mod request;
mod server;

pub use answer::{Carrying, Pace};
pub use log::RequestTruth;
pub use server::{Config, Server};
