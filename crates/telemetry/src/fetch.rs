//! How sources get at what a server answers.

use std::fmt::Debug;

use bench_core::async_trait;

/// Asks an HTTP server for something.
///
/// Whoever puts the parts together implements it: headers, certificates, proxies and secrets of a target are
/// then the same for what is measured and for what is watched.
#[async_trait]
pub trait Fetch: Debug + Send + Sync {
    /// The body that `path` answers with, such as `/metrics`. Dropping the future abandons the request.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one of another status than 200.
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError>;
}

/// A server that did not answer as it should.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct FetchError {
    /// The status it answered with, if it answered.
    pub status: Option<u16>,
    /// What it or the system said, without secrets.
    pub said: String,
}
