//! Talks to inference servers.
//!
//! A *provider* is a kind of server: a dialect (which paths, which JSON, which event ends an answer) over
//! one transport. The transport is HTTP, 1.1 or 2, over a socket that reads with the kernel's receive stamps, so
//! that an arrival is timed when the machine had it, not when this program got round to it. Everything
//! above the socket sees only bytes and the moment they came.
//!
//! ```text
//! HttpProvider ─► Client ─► H1 or H2 ─► StampedStream (recvmsg)       one pool of connections per thread
//!                               │
//! Dialect's events ◄─ framing ◄─ Reader ◄─ (bytes, moment)            no copy, no allocation per event
//! ```
//!
//! A dialect is a folder: `mod.rs` says what is asked and what the server says of itself, `events.rs` what the
//! events of an answer mean. What a dialect leaves out is as OpenAI's servers have it. A server of which no dialect
//! is known a [`Template`] describes.
//!
//! It does not retry (a failure is data), follow redirects, decompress, or use a proxy: each would change
//! what is measured. The one thing sent twice is a request that found its reused connection closed before
//! a byte of an answer.

mod anthropic;
mod config;
mod custom;
mod detect;
mod dialect;
mod framing;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod inquiry;
mod json;
mod llamacpp;
mod nim;
mod ollama;
mod openai;
mod parts;
#[cfg(test)]
mod played;
mod provider;
mod reader;
mod recording;
mod results;
mod said;
mod secret;
mod sglang;
mod triton;
mod trtllm;
mod vllm;

pub use config::{Api, Config, ConfigError, Engine};
pub use custom::{AnswerFile, Ends, FramingName, Template, TemplateError, TemplateFile};
pub use detect::{Found, WELL_KNOWN_PORTS, scan};
pub use framing::{Event, Ndjson, Oversize, Sse};
pub use http::{Endpoint, EndpointError, Reuse, Stamping, Transport, kernel_stamps};
pub use provider::HttpProvider;
pub use recording::Piece;
pub use secret::Secret;
