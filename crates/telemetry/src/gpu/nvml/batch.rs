//! What the thread hands over.

use std::{sync::Arc, time::Duration};

use bench_core::{Readings, Said};

/// What one round over all GPUs gave.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) values: Vec<Value>,
    pub(super) notes: Vec<(Option<Arc<str>>, Said)>,
    /// Processor time that it took.
    pub(super) cost: Duration,
    /// Why nothing could be read.
    pub(super) trouble: Option<Trouble>,
}

#[derive(Debug)]
pub(super) struct Value {
    pub(super) gpu: Arc<str>,
    pub(super) name: &'static str,
    /// How long after the round began it was read.
    pub(super) after: Duration,
    pub(super) value: f64,
}

#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) is_fatal: bool,
}

impl Batch {
    /// Tells all of it, of a round that began at `into`'s moment; gives itself back, empty.
    pub(super) fn tell(mut self, into: &mut Readings) -> Self {
        for Value { gpu, name, after, value } in self.values.drain(..) {
            into.push_at(into.at() + after, Some(&gpu), name.into(), value);
        }
        self.tell_notes(into)
    }

    /// Tells only what is no number and has happened whenever it did.
    pub(super) fn tell_notes(mut self, into: &mut Readings) -> Self {
        self.values.clear();
        for (gpu, said) in self.notes.drain(..) {
            into.note(gpu.as_ref(), said);
        }
        into.cost(std::mem::take(&mut self.cost));
        self.trouble = None;
        self
    }
}
