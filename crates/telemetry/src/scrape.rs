//! Asking for the text of an exporter, and why there is none.

use std::time::Duration;

use tokio::time::timeout;

use crate::{Fetch, FetchError, prometheus::ParseError};

/// Metrics that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", if path.is_empty() { "its metrics" } else { path })]
pub(crate) struct ScrapeError {
    /// Where they should be; empty where the address says so.
    pub(crate) path: String,
    #[source]
    pub(crate) why: Why,
}

/// Why metrics could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Why {
    #[error("{0}")]
    Fetch(FetchError),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("it is not Prometheus' text")]
    Text(#[from] ParseError),
    #[error("it is JSON, as TensorRT-LLM has there: its metrics are at /prometheus/metrics")]
    Json,
    #[error("it is not Prometheus' text: {0}")]
    Garbled(&'static str),
    #[error("it has no metrics of {0}")]
    Nothing(&'static str),
    #[error("no path was given")]
    NoPath,
}

/// What `path` answers with, within `time_out`.
pub(crate) async fn scrape(
    fetch: &dyn Fetch,
    path: &str,
    time_out: Duration,
) -> Result<Vec<u8>, Why> {
    let answer = timeout(time_out, fetch.get(path)).await.map_err(|_| Why::Slow(time_out))?;
    answer.map_err(Why::Fetch)
}

impl ScrapeError {
    /// Whether another try will not be answered otherwise.
    pub(crate) fn is_for_good(&self) -> bool {
        match &self.why {
            Why::Fetch(error) => matches!(error.status, Some(401 | 403 | 404 | 405 | 501)),
            Why::NoPath => true,
            _ => false,
        }
    }
}
