//! HTTP/2: a connection for many requests at once, each on a stream of its own.
//!
//! Frames, header compression, windows and the states of streams are the `h2` crate's. Ours is what ties a frame to
//! the read that it came with, [`reads`]; which stream goes over which connection, [`open`]; and what an answer that
//! failed is, [`failure`].

mod arriving;
mod connection;
mod failure;
mod link;
mod open;
mod reads;
mod request;

pub(super) use connection::H2;
pub(super) use open::Open;
pub(crate) use request::RequestHead;
