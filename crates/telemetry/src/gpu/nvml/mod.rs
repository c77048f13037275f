//! Through NVML, NVIDIA's own library.
//!
//! A call of it may hang for seconds, as while a driver recovers a GPU. So all of them are made on a thread of the
//! source's own (`worker`), except waiting for XID errors, which has another one (`events`). A read asks the thread and
//! waits as long as its patience lasts; what comes later than that is of an unknown moment and is dropped, and the next
//! read asks anew.

mod batch;
mod events;
mod family;
mod field;
mod gpu;
mod library;
mod processes;
mod worker;
mod xid;

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use bench_core::{Readings, SourceError, TelemetrySource, async_trait};
use nix::time::{ClockId, clock_gettime};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use self::batch::Batch;
pub(super) use self::library::{inventory, once};
use super::{Config, OpenError};

const NAME: &str = "nvml";

/// GPUs, watched through NVML.
#[derive(Debug)]
pub(super) struct NvmlSource {
    period: Duration,
    patience: Duration,
    asks: mpsc::Sender<Batch>,
    answers: UnboundedReceiver<Batch>,
    /// Whether an answer is still to come that a read gave up waiting for.
    is_late: bool,
    /// What the next answer is written into.
    spare: Batch,
}

impl NvmlSource {
    /// Loads NVML and finds the GPUs.
    pub(super) fn open(config: &Config) -> Result<Self, OpenError> {
        let (asks, asked) = mpsc::channel();
        let (answer, answers) = tokio::sync::mpsc::unbounded_channel();
        let (opened, is_open) = mpsc::sync_channel(1);
        let for_worker = config.clone();
        thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || worker::work(&for_worker, &opened, &asked, &answer))
            .map_err(|error| OpenError::NotHere(format!("no thread for NVML: {error}")))?;
        is_open.recv_timeout(config.opening).unwrap_or_else(|gone| Err(not_open(gone, config)))?;
        Ok(Self {
            period: config.period,
            patience: config.patience,
            asks,
            answers,
            is_late: false,
            spare: Batch::default(),
        })
    }

    /// The answer to what was asked last.
    async fn answer(&mut self) -> Result<Batch, SourceError> {
        match timeout(self.patience, self.answers.recv()).await {
            Ok(Some(batch)) => {
                self.is_late = false;
                Ok(batch)
            }
            Ok(None) => Err(error("the thread that asks NVML is gone".to_owned(), true)),
            Err(_) => {
                Err(error(format!("the driver has not answered for {:?}", self.patience), false))
            }
        }
    }
}

#[async_trait]
impl TelemetrySource for NvmlSource {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        if self.is_late {
            let late = self.answer().await?;
            self.spare = late.tell_notes(into);
        }
        self.is_late = self.asks.send(std::mem::take(&mut self.spare)).is_ok();
        let mut batch = self.answer().await?;
        let trouble = batch.trouble.take();
        self.spare = batch.tell(into);
        match trouble {
            Some(trouble) => Err(error(trouble.why, trouble.is_fatal)),
            None => Ok(()),
        }
    }
}

fn error(why: String, fatal: bool) -> SourceError {
    SourceError { source_name: NAME.to_owned(), fatal, cause: why.into() }
}

fn not_open(gone: RecvTimeoutError, config: &Config) -> OpenError {
    OpenError::NotHere(match gone {
        RecvTimeoutError::Timeout => format!("NVML did not start within {:?}", config.opening),
        RecvTimeoutError::Disconnected => "NVML could not be started".to_owned(),
    })
}

/// Processor time that this thread has used.
fn thread_time() -> Duration {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    used.map_or(Duration::ZERO, Duration::from)
}
