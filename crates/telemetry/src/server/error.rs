//! Why a server's metrics could not be read.

use std::time::Duration;

use crate::{FetchError, prometheus::ParseError};

/// Metrics that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}")]
pub(super) struct ServerMetricsError {
    /// Where they should be.
    pub(super) path: String,
    #[source]
    pub(super) why: Why,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error("{0}{hint}", hint = hint(.0.status))]
    Fetch(FetchError),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("it is not Prometheus' text")]
    Text(#[source] ParseError),
    #[error("it is JSON, as TensorRT-LLM has there: its metrics are at /prometheus/metrics")]
    Json,
    #[error("it is not Prometheus' text: {0}")]
    Bucket(&'static str),
    #[error("it has no metrics of vLLM, SGLang, TensorRT-LLM, llama.cpp, NIM or Triton")]
    Unknown,
    #[error("no path was given")]
    NoPath,
}

impl ServerMetricsError {
    pub(super) fn no_path() -> Self {
        Self { path: String::new(), why: Why::NoPath }
    }

    /// Whether another try will not be answered otherwise.
    pub(super) fn is_for_good(&self) -> bool {
        match &self.why {
            Why::Fetch(error) => matches!(error.status, Some(401 | 403 | 404 | 405 | 501)),
            Why::NoPath => true,
            _ => false,
        }
    }
}

impl Why {
    pub(super) fn of_text(body: &[u8], error: ParseError) -> Self {
        match body.trim_ascii_start().first() {
            Some(b'[' | b'{') => Self::Json,
            _ => Self::Text(error),
        }
    }
}

/// What may help with a status.
fn hint(status: Option<u16>) -> &'static str {
    match status {
        Some(401 | 403) => ": metrics may need an API key of their own",
        Some(404 | 501) => {
            ": Ollama has no metrics; llama.cpp has them with --metrics, SGLang with --enable-metrics"
        }
        _ => "",
    }
}
