//! Sends every answer of one thread when it is due.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

use bench_core::timer::Timer;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    answer::{Answer, Progress},
    clock::{instant_at, monotonic_ns},
};

/// Batches sent before the thread looks at its sockets and the timer again: some 0.5 ms.
const MAX_SENDS_IN_A_ROW: usize = 64;

/// Sends every answer of one thread when it is due.
#[derive(Debug)]
pub(crate) struct Pacer {
    new: UnboundedReceiver<Box<Answer>>,
    timer: Timer,
    answers: BinaryHeap<Due>,
}

impl Pacer {
    /// A pacer of the answers that come through `new`. To be made in the runtime it runs in.
    pub(crate) fn new(new: UnboundedReceiver<Box<Answer>>) -> Self {
        Self { new, timer: Timer::fine(), answers: BinaryHeap::new() }
    }

    /// Runs until no answer is left and none can come.
    pub(crate) async fn run(mut self) {
        loop {
            while let Ok(answer) = self.new.try_recv() {
                self.answers.push(Due::first(answer));
            }
            self.send_due();
            let Some(next) = self.answers.peek() else {
                let Some(answer) = self.new.recv().await else { return };
                self.answers.push(Due::first(answer));
                continue;
            };
            if next.at_ns <= monotonic_ns() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.timer.sleep_until(instant_at(next.at_ns)) => {}
                Some(answer) = self.new.recv() => self.answers.push(Due::first(answer)),
            }
        }
    }

    fn send_due(&mut self) {
        for _ in 0..MAX_SENDS_IN_A_ROW {
            let Some(mut next) = self.answers.peek_mut() else { return };
            if next.at_ns > monotonic_ns() {
                return;
            }
            match next.answer.send() {
                Progress::DueAt(at_ns) => next.at_ns = at_ns,
                Progress::Ended => PeekMut::pop(next).answer.end(),
                Progress::Abandoned => drop(PeekMut::pop(next)),
            }
        }
    }
}

/// An answer by the moment at which more of it is due; the earliest is the greatest.
#[derive(Debug)]
struct Due {
    at_ns: u64,
    answer: Box<Answer>,
}

impl Due {
    fn first(answer: Box<Answer>) -> Self {
        Self { at_ns: answer.due_ns(), answer }
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at_ns.cmp(&self.at_ns)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at_ns == other.at_ns
    }
}

impl Eq for Due {}
