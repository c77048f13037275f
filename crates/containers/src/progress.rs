//! What is told while a server is started.

use std::{fmt, sync::Arc, time::Duration};

use bench_core::Stop;

/// What happens to a server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// Its image is pulled.
    Pulling {
        /// Which.
        image: String,
        /// Bytes that are here, of those that are known of.
        done: u64,
        /// Bytes of the layers that are known of: it grows as more of them become known.
        total: u64,
        /// Layers that are in place.
        layers_done: usize,
        /// All layers.
        layers: usize,
    },
    /// A model is fetched.
    Downloading {
        /// Which.
        what: String,
        /// Bytes that are here.
        done: u64,
        /// All bytes, where that is known.
        total: Option<u64>,
    },
    /// It was started.
    Started {
        /// What it is called.
        name: String,
        /// Where it will answer.
        url: String,
    },
    /// Its log says how far it is.
    Milestone {
        /// Such as `loading weights`.
        stage: &'static str,
        /// How much of that is done, from 0 to 1, where it says so.
        share: Option<f64>,
    },
    /// It said something.
    Line(String),
    /// It does not answer yet, and why.
    Waiting(String),
    /// It is ready.
    Ready {
        /// After so long.
        took: Duration,
    },
    /// It is being stopped.
    Stopping {
        /// What it is called.
        name: String,
    },
    /// Nothing is left of it.
    Gone {
        /// What it was called.
        name: String,
    },
}

/// Who is told, and who may end the waiting.
#[derive(Clone)]
pub struct Hooks {
    /// Whoever waits for the server may stop that; what was started is then taken down.
    pub stop: Stop,
    tell: Arc<dyn Fn(&Progress) + Send + Sync>,
}

impl Hooks {
    /// Tells `tell` of everything.
    pub fn new(stop: Stop, tell: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self { stop, tell: Arc::new(tell) }
    }

    /// Tells of something.
    pub fn tell(&self, progress: &Progress) {
        (self.tell)(progress);
    }
}

impl Default for Hooks {
    fn default() -> Self {
        Self::new(Stop::new(), |_| {})
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("stop", &self.stop).finish_non_exhaustive()
    }
}
