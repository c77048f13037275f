//! Errors that the driver reports of its own accord (XID errors), waited for on a thread of their own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::Scope,
    time::Duration,
};

use bench_core::{Said, reading::GPU_XID_ERRORS};
use nvml_wrapper::{
    Device, EventSet, Nvml, bitmasks::event::EventTypes, enums::event::XidError, error::NvmlError,
    struct_wrappers::event::EventData,
};

use super::{
    batch::{Batch, Value},
    gpu::Gpu,
    thread_time, xid,
};

/// How long a wait is, which the thread outlives its source by at most.
const WAIT_MS: u32 = 200;
/// How long it rests after an error, as of a GPU that was lost, which ends each wait at once.
const REST: Duration = Duration::from_secs(1);

/// GPUs that report errors, and how many they have reported.
pub(super) struct Events<'nvml> {
    /// Until the thread has it.
    set: Option<EventSet<'nvml>>,
    heard: Vec<Heard>,
    /// Those that do not report, and why; until it was told.
    deaf: Vec<(Arc<str>, String)>,
    reports: Arc<Mutex<Reports>>,
}

struct Heard {
    index: u32,
    instance: Arc<str>,
    errors: u32,
}

/// What was reported, until it is told.
#[derive(Default)]
struct Reports {
    /// Of which GPU, if that could be found out, and the error's number.
    errors: Vec<(Option<u32>, u64)>,
    cost: Duration,
}

/// Has the thread go on until it is dropped.
pub(super) struct Running {
    _until_dropped: mpsc::Sender<()>,
}

impl<'nvml> Events<'nvml> {
    /// Listens to those of `gpus` that can report.
    pub(super) fn listen(nvml: &'nvml Nvml, gpus: &[Gpu<'nvml>]) -> Self {
        let (mut able, mut deaf) = (Vec::new(), Vec::new());
        for gpu in gpus {
            let Some(device) = gpu.whole() else { continue };
            match device.supported_event_types() {
                Ok(types) if types.contains(EventTypes::CRITICAL_XID_ERROR) => {
                    able.push((gpu, device));
                }
                Ok(_) | Err(NvmlError::NotSupported) => {
                    deaf.push((Arc::clone(gpu.instance()), "not supported by this GPU".to_owned()));
                }
                Err(error) => deaf.push((Arc::clone(gpu.instance()), error.to_string())),
            }
        }
        let mut set = None;
        // A GPU that refuses takes the set along: begin anew without it.
        while !able.is_empty() && set.is_none() {
            match register(nvml, able.iter().map(|(_, device)| *device)) {
                Ok(registered) => set = Some(registered),
                Err((refused, error)) => {
                    let (gpu, _) = able.remove(refused);
                    deaf.push((Arc::clone(gpu.instance()), error.to_string()));
                }
            }
        }
        let heard = able.into_iter().map(|(gpu, _)| Heard {
            index: gpu.index,
            instance: Arc::clone(gpu.instance()),
            errors: 0,
        });
        Self { set, heard: heard.collect(), deaf, reports: Arc::default() }
    }

    /// Waits for errors on a thread of `scope`.
    pub(super) fn watch<'scope>(&mut self, scope: &'scope Scope<'scope, '_>) -> Option<Running>
    where
        'nvml: 'scope,
    {
        let set = self.set.take()?;
        let reports = Arc::clone(&self.reports);
        let (running, ended) = mpsc::channel();
        scope.spawn(move || wait(&set, &reports, &ended));
        Some(Running { _until_dropped: running })
    }

    /// Tells what was reported since the last time.
    pub(super) fn tell(&mut self, batch: &mut Batch) {
        let Reports { errors, cost } = std::mem::take(&mut *lock(&self.reports));
        batch.cost += cost;
        for (instance, why) in self.deaf.drain(..) {
            batch.notes.push((Some(instance), Said::Absent { name: GPU_XID_ERRORS.into(), why }));
        }
        for (index, error) in errors {
            let gpu = self.heard.iter_mut().find(|gpu| Some(gpu.index) == index);
            let instance = gpu.map(|gpu| {
                gpu.errors += 1;
                Arc::clone(&gpu.instance)
            });
            batch.notes.push((instance, Said::Happened { what: xid::words(error) }));
        }
        // Not of a round that read nothing: its moment would look like one of a GPU that answers.
        if !batch.values.is_empty() {
            batch.values.extend(self.heard.iter().map(|gpu| Value {
                gpu: Arc::clone(&gpu.instance),
                name: GPU_XID_ERRORS,
                after: Duration::ZERO,
                value: f64::from(gpu.errors),
            }));
        }
    }
}

fn register<'a, 'nvml: 'a>(
    nvml: &'nvml Nvml,
    gpus: impl Iterator<Item = &'a Device<'nvml>>,
) -> Result<EventSet<'nvml>, (usize, NvmlError)> {
    let mut set = nvml.create_event_set().map_err(|error| (0, error))?;
    for (i, device) in gpus.enumerate() {
        let registered = device.register_events(EventTypes::CRITICAL_XID_ERROR, set);
        set = registered.map_err(|error| (i, error.error))?;
    }
    Ok(set)
}

/// Waits for errors until `ended`.
fn wait(set: &EventSet<'_>, reports: &Mutex<Reports>, ended: &mpsc::Receiver<()>) {
    let (mut used, mut rest) = (thread_time(), Duration::ZERO);
    while ended.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
        let waited = set.wait(WAIT_MS);
        rest = match waited {
            Ok(_) | Err(NvmlError::Timeout) => Duration::ZERO,
            Err(_) => REST,
        };
        let reported = waited.ok().and_then(|event| reported(&event));
        let now = thread_time();
        let mut reports = lock(reports);
        reports.errors.extend(reported);
        reports.cost += now.saturating_sub(used);
        used = now;
    }
}

fn reported(event: &EventData<'_>) -> Option<(Option<u32>, u64)> {
    let error = match event.event_data.as_ref()? {
        XidError::Value(error) => *error,
        XidError::Unknown => xid::UNKNOWN,
    };
    // A GPU that fell off the bus may not know its number any more.
    Some((event.device.index().ok(), error))
}

fn lock(reports: &Mutex<Reports>) -> std::sync::MutexGuard<'_, Reports> {
    reports.lock().unwrap_or_else(PoisonError::into_inner)
}
