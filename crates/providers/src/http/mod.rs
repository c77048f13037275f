//! HTTP, as far as measuring needs it, over a socket that tells when bytes came.
//!
//! Its versions are two siblings, [`h1`] and [`h2`]: each has connections, puts requests on them, and feeds the
//! [`Reader`] of an answer. What they share is in [`exchange`].

mod client;
mod connect;
mod deadline;
mod endpoint;
mod exchange;
mod h1;
mod h2;
mod head;
mod io;
mod stamp;
mod stream;
mod transport;

pub(crate) use client::{Client, Method, Post, is_header};
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use exchange::Reader;
#[cfg(any(test, feature = "testing"))]
pub(crate) use h1::fuzzing;
pub(crate) use head::Head;
pub use stamp::Stamping;
pub use stream::kernel_stamps;
pub use transport::{Reuse, Transport};
