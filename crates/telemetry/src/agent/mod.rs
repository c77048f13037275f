//! Another host's sources, over HTTP.
//!
//! ```text
//! that host                                             this one
//! sources ─► Polling ─► ring ─► Server ── GET, JSON ──► Fetch ─► Remote, a source like any other
//! ```
//!
//! The agent reads its sources only while somebody asks, and by the rules of a run. It keeps what was read last, numbered,
//! so that who asks late is told how much is gone. Its moments are of its own clock: a [`Remote`] asks for that
//! again and again, takes the answer that came quickest, and puts them on the run's clock.
//!
//! Nothing can be done through it but read: the one method is GET, and no path takes more than a number.

#[cfg(feature = "agent")]
mod guard;
#[cfg(feature = "agent")]
mod keeper;
mod offset;
mod remote;
#[cfg(feature = "agent")]
mod ring;
#[cfg(feature = "agent")]
mod server;
mod wire;

pub use self::remote::Remote;
#[cfg(feature = "agent")]
pub use self::{
    guard::{Token, WeakToken},
    keeper::SourcesOf,
    server::{Config, Server, StartError, Tls},
};

/// The port that an agent listens on, unless it is told another.
pub const PORT: u16 = 9467;
