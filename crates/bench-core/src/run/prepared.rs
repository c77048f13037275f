//! What a point is measured with, and why it might not be.

use std::{sync::Arc, time::Duration};

use super::Watch;
use crate::{Grader, Point, Provider, SinkError, TelemetrySource, TokenCounter, Workload};

/// What a point needs to be measured.
#[expect(missing_debug_implementations, reason = "it holds the user's own trait objects")]
pub struct Prepared {
    /// The server.
    pub provider: Arc<dyn Provider>,
    /// What to send. Warm-up takes the first sessions, unless it has its own, the measured phase the next ones.
    pub workload: Box<dyn Workload>,
    /// What the warm-up sends, where it is not to take from the same.
    pub warm_up: Option<Box<dyn Workload>>,
    /// Counts output tokens: of every answer if it is exact, else where the server does not.
    pub counter: Option<Arc<dyn TokenCounter>>,
    /// Judges answers of requests that expect something.
    pub grader: Option<Arc<dyn Grader>>,
    /// Whether samples keep the generated text.
    pub keep_text: bool,
    /// Looks on, and may end the point early.
    pub watch: Option<Box<dyn Watch>>,
    /// What else to watch during both phases, on a thread of its own. None, no thread.
    pub sources: Vec<Box<dyn TelemetrySource>>,
    /// How long to watch before anything is sent, for what GPUs draw while nothing is asked of the server. Done
    /// once for each target, and not where there are no sources.
    pub idle: Duration,
}

impl Prepared {
    /// A provider and a workload, nothing else.
    pub fn new(provider: Arc<dyn Provider>, workload: Box<dyn Workload>) -> Self {
        Self {
            provider,
            workload,
            warm_up: None,
            counter: None,
            grader: None,
            keep_text: false,
            watch: None,
            sources: Vec::new(),
            idle: Duration::ZERO,
        }
    }
}

/// Builds what a point needs; called right before the point is measured. Where it fails, the point has a
/// [failure](crate::PointOutcome::failure), and the run goes on.
pub type Prepare<'a> =
    dyn FnMut(&Point) -> Result<Prepared, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// A measurement that could not be done. A request that fails is no such error: it is a sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A sink gave up. What it had taken before is its own.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The system gave no thread or no runtime.
    #[error("cannot start a thread")]
    Threads(#[source] std::io::Error),
    /// A provider, workload or grader panicked.
    #[error("a {role} panicked: {message}")]
    Panicked {
        /// Which part.
        role: &'static str,
        /// What it said.
        message: String,
    },
}
