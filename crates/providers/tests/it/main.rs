//! The provider over real sockets: real servers' recorded answers, and servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod conformance;
mod detection;
mod faults;
mod http2;
mod replay;
mod server;
mod templates;
mod transport;
