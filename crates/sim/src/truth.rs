//! What was really sent when.

use std::collections::{HashMap, VecDeque};

/// When the tokens of one answer were really sent.
///
/// Moments are nanoseconds of `CLOCK_MONOTONIC` (of a clock of the process where there is none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The request's `X-Request-Id`; made up, and said in the response's header, where it had none.
    pub request_id: String,
    /// When the request had been read to its last byte.
    pub received_ns: u64,
    /// The content events in the order they were sent; an answer that was not streamed is one.
    pub sends: Vec<Sent>,
}

/// One content event that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Right before the `write(2)` that took the event, or its first byte if the socket was full.
    pub at_ns: u64,
    /// Tokens in the event.
    pub tokens: u32,
}

/// The truths of past answers, the oldest forgotten beyond a limit.
#[derive(Debug)]
pub(crate) struct TruthLog {
    by_request: HashMap<String, Truth>,
    /// Each key of `by_request` once, the oldest first.
    order: VecDeque<String>,
    moments: usize,
    limit: usize,
    forgotten: u64,
}

impl TruthLog {
    /// A log of at most `limit` moments.
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_request: HashMap::new(), order: VecDeque::new(), moments: 0, limit, forgotten: 0 }
    }

    /// Adds `truth`; a request with an id seen before takes the place of the earlier one.
    pub(crate) fn insert(&mut self, truth: Truth) {
        self.moments += moments(&truth);
        let id = truth.request_id.clone();
        match self.by_request.insert(id.clone(), truth) {
            Some(earlier) => self.moments -= moments(&earlier),
            None => self.order.push_back(id),
        }
        while self.moments > self.limit {
            let Some(oldest) = self.order.pop_front().and_then(|id| self.by_request.remove(&id))
            else {
                break;
            };
            self.moments -= moments(&oldest);
            self.forgotten += 1;
        }
    }

    /// The truth of one request.
    pub(crate) fn truth(&self, request_id: &str) -> Option<&Truth> {
        self.by_request.get(request_id)
    }

    /// All the truths, which leave the log empty.
    pub(crate) fn take(&mut self) -> HashMap<String, Truth> {
        self.order.clear();
        self.moments = 0;
        std::mem::take(&mut self.by_request)
    }

    /// How many truths the limit has cost.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

fn moments(truth: &Truth) -> usize {
    1 + truth.sends.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(request_id: &str, sends: usize) -> Truth {
        let sends = vec![Sent { at_ns: 1, tokens: 1 }; sends];
        Truth { request_id: request_id.to_owned(), received_ns: 0, sends }
    }

    #[test]
    fn the_oldest_are_forgotten_and_counted() {
        let mut log = TruthLog::new(10);
        for id in ["a", "b", "c"] {
            log.insert(truth(id, 3));
        }
        assert_eq!((log.truth("a"), log.forgotten()), (None, 1));
        log.insert(truth("b", 5));
        assert_eq!(log.truth("b").map(|truth| truth.sends.len()), Some(5));
        log.insert(truth("d", 10));
        assert_eq!((log.take().len(), log.forgotten()), (0, 4), "larger than the log itself");
    }

    #[test]
    fn a_taken_log_starts_anew() {
        let mut log = TruthLog::new(5);
        log.insert(truth("a", 3));
        assert_eq!(log.take().len(), 1);
        log.insert(truth("a", 4));
        assert_eq!((log.take().len(), log.forgotten()), (1, 0));
    }
}
