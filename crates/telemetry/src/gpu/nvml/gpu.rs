//! One GPU, or one MIG instance of one.

use std::sync::Arc;

use bench_core::{
    Said,
    reading::{GPU_MEMORY_TOTAL_BYTES, GPU_MEMORY_USED_BYTES},
};
use nvml_wrapper::{Device, error::NvmlError};
use tokio::time::Instant;

use super::{
    super::{Config, host_memory},
    batch::{Batch, Trouble, Value},
    field::{Field, OF_A_GPU, OF_AN_INSTANCE, Pace},
    processes::{self, Processes},
};

/// A GPU that is watched.
pub(super) struct Gpu<'nvml> {
    device: Device<'nvml>,
    pub(super) index: u32,
    instance: Arc<str>,
    is_mig_instance: bool,
    config: &'nvml Config,
    fields: Vec<Asked>,
    processes: State,
    /// What of processes was said to be absent; the rest is told all the same.
    not_of_processes: Vec<&'static str>,
    /// Whether the host's memory stands in the place of its own, of which it says nothing.
    is_unified: bool,
    is_introduced: bool,
    is_lost: bool,
}

/// A field, and what came of asking it.
struct Asked {
    field: &'static Field,
    state: State,
}

/// What came of asking something.
#[derive(Default)]
struct State {
    /// Whether it is not asked any more.
    is_absent: bool,
    /// Whether it was said that it cannot be read at the moment.
    is_failing: bool,
    /// When it was asked last.
    asked: Option<Instant>,
}

/// What an error means for the future.
enum Means {
    /// The GPU is gone.
    Lost,
    /// It never says this.
    Never,
    /// It did not say this now.
    NotNow,
}

fn meaning(error: &NvmlError) -> Means {
    match error {
        NvmlError::GpuLost | NvmlError::ResetRequired => Means::Lost,
        NvmlError::NotSupported
        | NvmlError::NoPermission
        | NvmlError::InvalidArg
        | NvmlError::FunctionNotFound
        | NvmlError::FailedToLoadSymbol(_) => Means::Never,
        _ => Means::NotNow,
    }
}

/// Why, in one line, in the words of a reader rather than of a caller of functions.
fn why(error: &NvmlError) -> String {
    match error {
        NvmlError::NotSupported => "not supported by this GPU".to_owned(),
        NvmlError::NoPermission => "no permission".to_owned(),
        NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_) => {
            "this driver has no such function".to_owned()
        }
        error => error.to_string(),
    }
}

impl<'nvml> Gpu<'nvml> {
    /// Adds `device` to `all`, and its MIG instances.
    pub(super) fn with_instances(
        index: u32,
        device: Device<'nvml>,
        config: &'nvml Config,
        all: &mut Vec<Self>,
    ) {
        let is_mig = device.mig_mode().is_ok_and(|mode| mode.current == 1);
        let slots = if is_mig { device.mig_device_count().unwrap_or(0) } else { 0 };
        let found = |slot| Some((slot, device.mig_device_by_index(slot).ok()?));
        let instances: Vec<_> = (0..slots).filter_map(found).collect();
        all.push(Self::new(index, index.to_string(), device, OF_A_GPU, config));
        for (slot, device) in instances {
            let name = format!("{index}/{slot}");
            let instance = Self::new(index, name, device, OF_AN_INSTANCE, config);
            all.push(Self { is_mig_instance: true, ..instance });
        }
    }

    fn new(
        index: u32,
        instance: String,
        device: Device<'nvml>,
        fields: &'static [Field],
        config: &'nvml Config,
    ) -> Self {
        Self {
            device,
            index,
            instance: instance.into(),
            is_mig_instance: false,
            config,
            fields: fields.iter().map(|field| Asked { field, state: State::default() }).collect(),
            processes: State::default(),
            not_of_processes: Vec::new(),
            is_unified: false,
            is_introduced: false,
            is_lost: false,
        }
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The GPU itself, unless it is but an instance of one.
    pub(super) const fn whole(&self) -> Option<&Device<'nvml>> {
        if self.is_mig_instance { None } else { Some(&self.device) }
    }

    pub(super) const fn instance(&self) -> &Arc<str> {
        &self.instance
    }

    /// Reads all that is due but what takes long.
    pub(super) fn read(&mut self, began: Instant, batch: &mut Batch) {
        if self.is_lost {
            return;
        }
        if !std::mem::replace(&mut self.is_introduced, true) {
            self.introduce(batch);
        }
        let before = batch.values.len();
        let mut failed = Vec::new();
        for i in 0..self.fields.len() {
            let is_due = self.is_due(&self.fields[i], began);
            if is_due && let Err(error) = self.read_field(i, began, batch) {
                self.failed(Which::Field(i), &error, &mut failed, batch);
            }
        }
        if is_after(&self.processes, self.config.slow_period, began) && !self.is_lost {
            self.processes.asked = Some(began);
            match Processes::read(&self.device, self.config) {
                Ok(processes) => {
                    self.processes.is_failing = false;
                    self.tell_processes(&processes, began, batch);
                }
                Err(error) => self.failed(Which::Processes, &error, &mut failed, batch),
            }
        }
        self.tell_unified(began, batch);
        self.tell_failed(&failed, batch.values.len() > before, batch);
    }

    /// When what takes long was asked last, of that which is due; `None` is never, and what is not due is far ahead.
    pub(super) fn longest_due(&self) -> (bool, Option<Instant>) {
        match self.slowest(Instant::now()) {
            Some(i) => (false, self.fields[i].state.asked),
            None => (true, None),
        }
    }

    /// Reads the one field of those that take long that has waited longest, if one is due.
    pub(super) fn read_longest_due(&mut self, began: Instant, batch: &mut Batch) {
        let Some(i) = self.slowest(began) else { return };
        let mut failed = Vec::new();
        if let Err(error) = self.read_field(i, began, batch) {
            self.failed(Which::Field(i), &error, &mut failed, batch);
        }
        self.tell_failed(&failed, !batch.values.is_empty(), batch);
    }

    fn slowest(&self, now: Instant) -> Option<usize> {
        let is_due = |asked: &Asked| {
            asked.field.pace == Pace::OneARound
                && is_after(&asked.state, self.config.slow_period, now)
        };
        let due = self.fields.iter().enumerate().filter(|(_, asked)| is_due(asked));
        due.min_by_key(|(_, asked)| asked.state.asked).map(|(i, _)| i).filter(|_| !self.is_lost)
    }

    fn is_due(&self, asked: &Asked, now: Instant) -> bool {
        !self.is_lost
            && match asked.field.pace {
                Pace::Each => !asked.state.is_absent,
                Pace::Slow => is_after(&asked.state, self.config.slow_period, now),
                Pace::OneARound => false,
            }
    }

    fn read_field(&mut self, i: usize, began: Instant, batch: &mut Batch) -> Result<(), NvmlError> {
        let Asked { field, state } = &mut self.fields[i];
        state.asked = Some(Instant::now());
        let values = (field.read)(&self.device)?;
        state.is_failing = false;
        let after = began.elapsed();
        for (&name, value) in field.names.iter().zip(values) {
            batch.values.push(Value { gpu: Arc::clone(&self.instance), name, after, value });
        }
        Ok(())
    }

    /// Says what it is.
    fn introduce(&self, batch: &mut Batch) {
        let bus = self.whole().and_then(|device| device.pci_info().ok());
        let facts = [
            ("gpu_name", self.device.name().ok()),
            ("gpu_uuid", self.device.uuid().ok()),
            ("gpu_pci_bus", bus.map(|bus| bus.bus_id)),
        ];
        for (what, text) in facts {
            if let Some(text) = text {
                self.note(Said::Is { what: what.into(), text }, batch);
            }
        }
    }

    /// Draws the conclusions from an error. What may pass is only put on `failed`.
    fn failed(
        &mut self,
        which: Which,
        error: &NvmlError,
        failed: &mut Vec<(Which, String)>,
        batch: &mut Batch,
    ) {
        match meaning(error) {
            Means::Lost if self.is_lost => {}
            Means::Lost => {
                self.is_lost = true;
                self.note(Said::Lost { why: why(error) }, batch);
            }
            Means::Never => {
                self.state(which).is_absent = true;
                if self.is_its_memory_unified(which, error) {
                    self.is_unified = true;
                    let what = "gpu_memory_kind".into();
                    self.note(Said::Is { what, text: "unified".to_owned() }, batch);
                    return;
                }
                for &name in self.names(which) {
                    self.note(Said::Absent { name: name.into(), why: why(error) }, batch);
                }
            }
            Means::NotNow => failed.push((which, why(error))),
        }
    }

    /// Whether `error` is how a GPU says that its memory is the host's. One that has its own, as Grace Hopper has,
    /// tells it; an instance of one has its own.
    fn is_its_memory_unified(&self, which: Which, error: &NvmlError) -> bool {
        !self.is_mig_instance
            && matches!(error, NvmlError::NotSupported)
            && self.names(which).contains(&GPU_MEMORY_TOTAL_BYTES)
            && host_memory(&self.config.root).is_some()
    }

    fn tell_unified(&self, began: Instant, batch: &mut Batch) {
        if !self.is_unified || self.is_lost {
            return;
        }
        let Some(used_and_total) = host_memory(&self.config.root) else { return };
        let after = began.elapsed();
        let names = [GPU_MEMORY_USED_BYTES, GPU_MEMORY_TOTAL_BYTES];
        for (name, bytes) in names.into_iter().zip(used_and_total) {
            let (gpu, value) = (Arc::clone(&self.instance), bytes as f64);
            batch.values.push(Value { gpu, name, after, value });
        }
    }

    fn tell_processes(&mut self, processes: &Processes, began: Instant, batch: &mut Batch) {
        let after = began.elapsed();
        for (name, value) in processes.values() {
            match value {
                Ok(value) => {
                    let gpu = Arc::clone(&self.instance);
                    batch.values.push(Value { gpu, name, after, value });
                }
                Err(why) if !self.not_of_processes.contains(&name) => {
                    self.not_of_processes.push(name);
                    self.note(Said::Absent { name: name.into(), why: why.to_owned() }, batch);
                }
                Err(_) => {}
            }
        }
    }

    /// Says once of each field that it cannot be read for the moment, unless nothing can: then it is the read that
    /// failed.
    fn tell_failed(&mut self, failed: &[(Which, String)], is_any_read: bool, batch: &mut Batch) {
        for (which, why) in failed {
            if !is_any_read {
                let trouble = Trouble { why: why.clone(), is_fatal: false };
                batch.trouble.get_or_insert(trouble);
                continue;
            }
            if std::mem::replace(&mut self.state(*which).is_failing, true) {
                continue;
            }
            let what = format!("{} cannot be read for now: {why}", self.names(*which).join(", "));
            self.note(Said::Happened { what }, batch);
        }
    }

    fn note(&self, said: Said, batch: &mut Batch) {
        batch.notes.push((Some(Arc::clone(&self.instance)), said));
    }

    fn state(&mut self, which: Which) -> &mut State {
        match which {
            Which::Field(i) => &mut self.fields[i].state,
            Which::Processes => &mut self.processes,
        }
    }

    fn names(&self, which: Which) -> &'static [&'static str] {
        match which {
            Which::Field(i) => self.fields[i].field.names,
            Which::Processes => &processes::NAMES,
        }
    }
}

/// Something that is asked of a GPU.
#[derive(Clone, Copy)]
enum Which {
    Field(usize),
    Processes,
}

/// Whether something is asked again, a `period` after the last time.
fn is_after(state: &State, period: std::time::Duration, now: Instant) -> bool {
    !state.is_absent && state.asked.is_none_or(|asked| now.duration_since(asked) >= period)
}
