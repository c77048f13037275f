//! Sessions that wait between two turns, and leave their place to others.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
};

use super::slot::Talk;
use crate::Moment;

/// The waiting sessions of one load thread. Locked between requests only, by that thread alone.
#[derive(Default)]
pub(super) struct Parking(Mutex<BinaryHeap<Parked>>);

impl Parking {
    pub(super) fn park(&self, talk: Talk) {
        self.lock().push(Parked(talk));
    }

    /// A session whose wait is over at `now`, the one that waited longest first.
    pub(super) fn take_due(&self, now: Moment) -> Option<Talk> {
        let mut parked = self.lock();
        parked.peek().filter(|first| first.0.due <= now)?;
        parked.pop().map(|first| first.0)
    }

    /// When the next wait is over.
    pub(super) fn earliest(&self) -> Option<Moment> {
        self.lock().peek().map(|first| first.0.due)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BinaryHeap<Parked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session by the end of its wait; the earliest is the greatest.
struct Parked(Talk);

impl Parked {
    fn key(&self) -> (Moment, u64) {
        (self.0.due, self.0.number)
    }
}

impl Ord for Parked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Parked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Parked {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Parked {}
