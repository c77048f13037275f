//! The thread that makes the calls.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
    thread,
};

use bench_core::Said;
use nvml_wrapper::Nvml;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{
    super::{Config, OpenError},
    batch::{Batch, Trouble},
    events::Events,
    gpu::{self, Gpu, Means},
    library, thread_time,
};

/// Opens NVML, says so, and makes a round over the GPUs for each batch that is `asked` for, until nobody asks.
pub(super) fn work(
    config: &Config,
    opened: &SyncSender<Result<(), OpenError>>,
    asked: &Receiver<Batch>,
    answers: &UnboundedSender<Batch>,
) {
    // Whoever opens may have given up: then nobody asks either.
    let tell = |result| drop(opened.send(result));
    let nvml = match library::load(config) {
        Ok(nvml) => nvml,
        Err(error) => return tell(Err(error)),
    };
    let mut round = match Round::new(&nvml, config) {
        Ok(round) => round,
        Err(error) => return tell(Err(error)),
    };
    let mut events = Events::listen(&nvml, &round.gpus);
    tell(Ok(()));
    thread::scope(|scope| {
        let _running = events.watch(scope);
        while let Ok(mut batch) = asked.recv() {
            let before = thread_time();
            round.go(&mut batch);
            events.tell(&mut batch);
            batch.cost += thread_time().saturating_sub(before);
            if answers.send(batch).is_err() {
                break;
            }
        }
    });
}

/// A round over all GPUs, again and again.
struct Round<'a> {
    nvml: &'a Nvml,
    gpus: Vec<Gpu<'a>>,
    /// Of GPUs that could not be had from the start.
    notes: Vec<(Option<Arc<str>>, Said)>,
    is_first: bool,
}

impl<'a> Round<'a> {
    fn new(nvml: &'a Nvml, config: &'a Config) -> Result<Self, OpenError> {
        let (mut gpus, mut notes, mut refused) = (Vec::new(), Vec::new(), None);
        for (index, device) in library::chosen(nvml, config)? {
            match device {
                Ok(device) => Gpu::with_instances(index, device, config, &mut gpus),
                Err(error) => {
                    let why = gpu::why(&error);
                    let said = match gpu::meaning(&error) {
                        Means::Lost => Said::Lost { why },
                        // The driver counts GPUs that this user or container may not use.
                        Means::Never | Means::NotNow => {
                            refused.get_or_insert_with(|| why.clone());
                            Said::Happened { what: format!("it is not watched: {why}") }
                        }
                    };
                    notes.push((Some(index.to_string().into()), said));
                }
            }
        }
        if let (true, Some(why)) = (gpus.is_empty(), refused) {
            return Err(OpenError::NotHere(format!("NVML gives no GPU: {why}")));
        }
        Ok(Self { nvml, gpus, notes, is_first: true })
    }

    fn go(&mut self, batch: &mut Batch) {
        if std::mem::take(&mut self.is_first) {
            batch.notes.append(&mut self.notes);
            let (driver, cuda) = library::versions(self.nvml);
            for (what, text) in [("gpu_driver", driver), ("gpu_cuda", cuda)] {
                let is = text.map(|text| (None, Said::Is { what: what.into(), text }));
                batch.notes.extend(is);
            }
        }
        let began = Instant::now();
        for gpu in &mut self.gpus {
            gpu.read(began, batch);
        }
        // Last, because it takes long: what comes after it would be late.
        if let Some(gpu) = self.gpus.iter_mut().min_by_key(|gpu| gpu.longest_due()) {
            gpu.read_longest_due(began, batch);
        }
        self.sum_up(batch);
    }

    /// What it means that nothing could be read, if that is so.
    fn sum_up(&self, batch: &mut Batch) {
        if self.gpus.iter().all(Gpu::is_lost) {
            let why = "no GPU is left: all are lost".to_owned();
            batch.trouble = Some(Trouble { why, is_fatal: true });
        } else if !batch.values.is_empty() {
            batch.trouble = None;
        }
    }
}
