//! Sessions that wait between two turns, and leave their place to others.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::slot::Talk;
use crate::{Moment, Pick};

/// The waiting sessions of one load thread. Locked between requests only, by that thread alone.
pub(super) struct Parking(Mutex<Lot>);

struct Lot {
    waiting: BinaryHeap<Parked>,
    /// Those whose wait is over, where any of them may be next.
    over: Vec<Talk>,
    random: ChaCha8Rng,
}

impl Parking {
    /// Nobody waits yet; picks at random follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self(Mutex::new(Lot { waiting: BinaryHeap::new(), over: Vec::new(), random }))
    }

    pub(super) fn park(&self, talk: Talk) {
        self.lock().waiting.push(Parked(talk));
    }

    /// A session whose wait is over at `now`.
    pub(super) fn take_due(&self, now: Moment, pick: Pick) -> Option<Talk> {
        let mut lot = self.lock();
        match pick {
            Pick::RoundRobin => lot.longest_over(now),
            Pick::Random => {
                while let Some(talk) = lot.longest_over(now) {
                    lot.over.push(talk);
                }
                let count = lot.over.len();
                let place = (count > 0).then(|| lot.random.random_range(0..count))?;
                Some(lot.over.swap_remove(place))
            }
        }
    }

    /// When the next wait is over.
    pub(super) fn earliest(&self) -> Option<Moment> {
        let lot = self.lock();
        let over = lot.over.iter().map(|talk| talk.due);
        over.chain(lot.waiting.peek().map(|first| first.0.due)).min()
    }

    fn lock(&self) -> MutexGuard<'_, Lot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lot {
    /// The session that has waited longest of those whose wait is over.
    fn longest_over(&mut self, now: Moment) -> Option<Talk> {
        self.waiting.peek().filter(|first| first.0.due <= now)?;
        self.waiting.pop().map(|first| first.0)
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
