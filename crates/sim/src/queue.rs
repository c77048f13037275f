//! Which requests are served, and which wait to be.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;

use crate::clock::monotonic_ns;

/// The requests of all threads: those that are served, and those that wait, first come first served.
#[derive(Debug)]
pub(crate) struct Queue {
    max_running: Option<u32>,
    /// Where there is a limit, changed only while `waiting` is locked.
    running: AtomicU32,
    blocks: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    by_number: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    blocks: u32,
    slot: oneshot::Sender<Slot>,
}

/// How a request is received.
#[derive(Debug)]
pub(crate) enum Entry {
    Admitted(Slot),
    Waits(Ticket),
}

/// A place among the requests that are served, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Slot {
    queue: Arc<Queue>,
    since_ns: u64,
    blocks: u32,
    is_free: AtomicBool,
}

/// A place in the line; dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    number: u64,
    slot: oneshot::Receiver<Slot>,
}

impl Queue {
    pub(crate) fn new(max_running: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            max_running,
            running: AtomicU32::new(0),
            blocks: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// Admits a request that will hold `blocks` of the KV cache, or lets it wait.
    pub(crate) fn enter(self: &Arc<Self>, blocks: u32, now_ns: u64) -> Entry {
        let Some(max_running) = self.max_running else {
            self.running.fetch_add(1, Ordering::Relaxed);
            return Entry::Admitted(Slot::new(self, blocks, now_ns));
        };
        let mut waiting = self.waiting();
        // While one waits, no slot is free.
        if self.running() < max_running {
            self.running.fetch_add(1, Ordering::Relaxed);
            drop(waiting);
            return Entry::Admitted(Slot::new(self, blocks, now_ns));
        }
        let number = waiting.next;
        waiting.next += 1;
        let (sender, slot) = oneshot::channel();
        waiting.by_number.insert(number, Waiter { blocks, slot: sender });
        Entry::Waits(Ticket { queue: Arc::clone(self), number, slot })
    }

    /// How many requests are served.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// How many requests wait.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting().by_number.len()
    }

    /// Blocks of the KV cache that the requests served hold.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Passes a slot on to the request that has waited longest, if one does.
    fn leave(self: &Arc<Self>, now_ns: u64) {
        if self.max_running.is_none() {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let mut waiting = self.waiting();
        let Some((_, first)) = waiting.by_number.pop_first() else {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        drop(waiting);
        // Whoever left the line at this moment drops the slot, which passes it on.
        let _ = first.slot.send(Slot::new(self, first.blocks, now_ns));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the line.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn new(queue: &Arc<Queue>, blocks: u32, since_ns: u64) -> Self {
        queue.blocks.fetch_add(blocks.into(), Ordering::Relaxed);
        Self { queue: Arc::clone(queue), since_ns, blocks, is_free: AtomicBool::new(false) }
    }

    /// Since when it has been free for its request.
    pub(crate) fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Gives the slot back as of `at_ns`; only the first time counts.
    pub(crate) fn free(&self, at_ns: u64) {
        if !self.is_free.swap(true, Ordering::Relaxed) {
            self.queue.blocks.fetch_sub(self.blocks.into(), Ordering::Relaxed);
            self.queue.leave(at_ns);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free(monotonic_ns());
    }
}

impl Ticket {
    /// Waits for a slot; `None` if none can come any more.
    pub(crate) async fn slot(mut self) -> Option<Slot> {
        (&mut self.slot).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.waiting().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(entry: Entry) -> Slot {
        match entry {
            Entry::Admitted(slot) => slot,
            Entry::Waits(_) => panic!("it waits"),
        }
    }

    fn waits(entry: Entry) -> Ticket {
        match entry {
            Entry::Waits(ticket) => ticket,
            Entry::Admitted(_) => panic!("it is admitted"),
        }
    }

    fn counts(queue: &Queue) -> (u32, usize, u64) {
        (queue.running(), queue.waiting_count(), queue.blocks())
    }

    #[tokio::test]
    async fn the_first_to_come_is_the_first_to_be_served() {
        let queue = Queue::new(Some(2));
        let first = admitted(queue.enter(1, 10));
        let second = admitted(queue.enter(10, 20));
        let third = waits(queue.enter(100, 30));
        let fourth = waits(queue.enter(1_000, 40));
        assert_eq!(counts(&queue), (2, 2, 11));

        second.free(50);
        second.free(51);
        assert_eq!(counts(&queue), (2, 1, 101), "freed once");
        let third = third.slot().await.unwrap();
        assert_eq!(third.since_ns(), 50);
        drop(second);
        first.free(60);
        assert_eq!(fourth.slot().await.unwrap().since_ns(), 60);
        drop(third);
        assert_eq!(counts(&queue), (0, 0, 0));
        assert_eq!(admitted(queue.enter(1, 70)).since_ns(), 70);
    }

    #[tokio::test]
    async fn who_leaves_the_line_is_passed_over() {
        let queue = Queue::new(Some(1));
        let first = admitted(queue.enter(1, 0));
        let second = waits(queue.enter(1, 0));
        let third = waits(queue.enter(1, 0));
        drop(second);
        assert_eq!(counts(&queue), (1, 1, 1));
        first.free(5);
        // Its slot has come, and it leaves without having looked.
        let fourth = waits(queue.enter(1, 0));
        drop(third);
        assert_eq!(counts(&queue), (1, 0, 1));
        drop(fourth.slot().await.unwrap());
        assert_eq!(counts(&queue), (0, 0, 0));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let queue = Queue::new(None);
        let slots: Vec<Slot> = (0..1_000).map(|n| admitted(queue.enter(2, n))).collect();
        assert_eq!(counts(&queue), (1_000, 0, 2_000));
        drop(slots);
        assert_eq!(counts(&queue), (0, 0, 0));
    }
}
