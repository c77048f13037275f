//! HTTP/1.1, as far as measuring needs it, over a socket that tells when bytes came.

mod body;
mod client;
mod connect;
mod connection;
mod deadline;
mod endpoint;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzzing;
mod head;
mod stamp;
mod stream;
mod transport;

pub(crate) use client::{Client, Method, Post, is_header};
pub(crate) use connection::Reader;
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use head::Head;
pub use stamp::Stamping;
pub use transport::{Reuse, Transport};
