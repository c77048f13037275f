//! What was read last, numbered.

use std::collections::VecDeque;

use bench_core::{Batch, Said, SourceNote};

use super::wire::{Note, Value};

/// Readings and notes that are kept: those of a minute and more of eight GPUs.
const KEPT: usize = 1 << 16;
/// How many are told at once: under 2 MiB.
const AT_ONCE: usize = 1 << 13;

/// What was read last. Each reading and each note has the next number, and so has what got lost.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<(u64, Entry)>,
    next: u64,
    /// What still holds, for whoever was not there when it was said.
    standing: Vec<SourceNote>,
}

#[derive(Debug)]
enum Entry {
    Reading(Value),
    Note(Note),
}

/// Some of it.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) readings: Vec<Value>,
    pub(super) notes: Vec<Note>,
    /// The number to ask for next.
    pub(super) next: u64,
    /// How many of those asked for are gone.
    pub(super) missed: u64,
    pub(super) more: bool,
}

impl Ring {
    /// Sources that are read anew say anew what holds.
    pub(super) fn begin(&mut self) {
        self.standing.clear();
    }

    pub(super) fn add(&mut self, batch: Batch) {
        let readings = batch.readings.iter().filter_map(Value::of).map(Entry::Reading);
        let notes = batch.notes.iter().filter_map(Note::of).map(Entry::Note);
        for entry in notes.chain(readings) {
            if self.entries.len() == KEPT {
                self.entries.pop_front();
            }
            self.entries.push_back((self.next, entry));
            self.next += 1;
        }
        for note in batch.notes {
            self.keep(note);
        }
    }

    /// So many were dropped before they came here.
    pub(super) fn miss(&mut self, count: u64) {
        self.next += count;
    }

    fn keep(&mut self, note: SourceNote) {
        match &note.said {
            Said::Is { .. } | Said::Absent { .. } | Said::Lost { .. } | Said::Failed { .. } => {
                self.standing.push(note);
            }
            Said::Recovered { .. } => self.standing.retain(|kept| {
                kept.source != note.source || !matches!(kept.said, Said::Failed { .. })
            }),
            _ => {}
        }
    }

    /// For who has asked for nothing before: what holds, and from where on to ask.
    pub(super) fn standing(&self) -> Part {
        let notes = self.standing.iter().filter_map(Note::of).collect();
        Part { notes, next: self.next, ..Part::default() }
    }

    /// What has a number of `since` or more, as far as it is told at once.
    pub(super) fn since(&self, since: u64) -> Part {
        let first = self.entries.partition_point(|(number, _)| *number < since);
        let told = self.entries.range(first..).take(AT_ONCE);
        let mut part = Part { more: self.entries.len() - first > AT_ONCE, ..Part::default() };
        part.next = self.next;
        for (number, entry) in told {
            match entry {
                Entry::Reading(reading) => part.readings.push(reading.clone()),
                Entry::Note(note) => part.notes.push(note.clone()),
            }
            if part.more {
                part.next = number + 1;
            }
        }
        let told = (part.readings.len() + part.notes.len()) as u64;
        // A number that was never given is somebody's mistake, and misses nothing.
        part.missed = part.next.saturating_sub(since).saturating_sub(told);
        part
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_core::{Moment, Reading, reading};

    use super::*;
    use crate::agent::wire::Saying;

    fn batch(values: std::ops::Range<u32>) -> Batch {
        let reading = |value| Reading {
            source: "s".into(),
            name: reading::GPU_POWER_W.into(),
            instance: None,
            at: Moment::default(),
            value: f64::from(value),
        };
        Batch { readings: values.map(reading).collect(), notes: vec![] }
    }

    fn note(source: &str, said: Said) -> Batch {
        let at = Moment::default();
        let note = SourceNote { source: source.into(), instance: None, at, said };
        Batch { readings: vec![], notes: vec![note] }
    }

    fn values(part: &Part) -> Vec<f64> {
        part.readings.iter().map(|reading| reading.value).collect()
    }

    #[test]
    fn each_asker_gets_what_came_since() {
        let mut ring = Ring::default();
        ring.add(batch(0..3));
        let part = ring.since(0);
        assert_eq!((values(&part), part.next, part.missed), (vec![0.0, 1.0, 2.0], 3, 0));
        assert_eq!((values(&ring.since(2)), values(&ring.since(3))), (vec![2.0], vec![]));
        ring.add(batch(3..4));
        assert_eq!(values(&ring.since(3)), [3.0]);
        let ahead = ring.since(1_000);
        assert_eq!((values(&ahead), ahead.next, ahead.missed), (vec![], 4, 0));
    }

    #[test]
    fn what_is_gone_is_counted_and_much_comes_in_parts() {
        let mut ring = Ring::default();
        let all = u32::try_from(KEPT).unwrap() + 10;
        ring.add(batch(0..all));
        ring.miss(5);
        ring.add(batch(all..all + 1));
        let (mut since, mut told, mut missed, mut parts) = (0, 0, 0, 0);
        loop {
            let part = ring.since(since);
            (since, told) = (part.next, told + part.readings.len());
            missed += part.missed;
            parts += 1;
            if !part.more {
                break;
            }
        }
        assert_eq!((told, missed, parts), (KEPT, 16, KEPT / AT_ONCE));
        assert_eq!(since, u64::from(all) + 6);
    }

    #[test]
    fn what_is_no_number_is_not_told() {
        let mut ring = Ring::default();
        let mut odd = batch(0..2);
        odd.readings[0].value = f64::NAN;
        ring.add(odd);
        assert_eq!(values(&ring.since(0)), [1.0]);
    }

    #[test]
    fn who_comes_late_is_told_what_still_holds() {
        let mut ring = Ring::default();
        let is = || Said::Is { what: "gpu_name".into(), text: "H200".into() };
        ring.add(note("nvml", is()));
        ring.add(note("nvml", Said::Happened { what: "XID 31".into() }));
        let failed = || Said::Failed { why: "no".into(), fatal: false };
        ring.add(note("host", failed()));
        ring.add(note("nvml", failed()));
        ring.add(note("host", Said::Recovered { failed_for: Duration::from_secs(1) }));
        let standing = ring.standing();
        let sources: Vec<_> = standing.notes.iter().map(|note| note.source.as_str()).collect();
        assert_eq!(sources, ["nvml", "nvml"]);
        assert!(matches!(&standing.notes[0].said, Saying::Is { what, .. } if what == "gpu_name"));
        assert_eq!(standing.next, 5, "it was told what holds, and not again what was said");
        ring.begin();
        assert!(ring.standing().notes.is_empty());
    }
}
