//! HTTP/1.1: a connection for each request in flight.

mod body;
mod connection;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzzing;
mod head;
mod incoming;
mod request;

pub(super) use connection::{H1, Idle};
pub(crate) use request::RequestHead;
