//! The part of a phase in which the load was what was asked for.

/// When the load was steady: without the start, while it builds up, and the end, while it runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyWindow {
    /// Its start, in nanoseconds of the clock that the pairs are of.
    pub from_ns: u64,
    /// Its end, later than its start.
    pub to_ns: u64,
}

impl SteadyWindow {
    /// That of a closed loop: from the first moment that `concurrency` requests were in flight until the
    /// last.
    ///
    /// `pairs` are when each request was sent and when it ended, in any order; it is in flight from the one
    /// up to the other, which no longer counts. Between the two moments fewer may be in flight: a place is
    /// free from the end of a request until the next is sent, and that is no end.
    ///
    /// `None` if there never were so many, or none are asked for. A pair that ends before it starts is left
    /// out.
    pub fn of_closed(pairs: &[(u64, u64)], concurrency: usize) -> Option<Self> {
        let in_flight = pairs.iter().filter(|(sent, done)| sent < done);
        let mut events: Vec<(u64, Event)> = in_flight
            .flat_map(|(sent, done)| [(*sent, Event::Sent), (*done, Event::Done)])
            .collect();
        // Of one moment's events the ends come first.
        events.sort_unstable();
        let (mut in_flight, mut first, mut last) = (0, None, None);
        for (at, event) in events {
            match event {
                Event::Sent => {
                    in_flight += 1;
                    if in_flight == concurrency {
                        first.get_or_insert(at);
                    }
                }
                Event::Done => {
                    if in_flight == concurrency {
                        last = Some(at);
                    }
                    in_flight -= 1;
                }
            }
        }
        Self::between(first?, last?)
    }

    /// That of an open loop: from the first moment that a request ended until the last that one was sent.
    ///
    /// `None` if that is no time at all. A pair that ends before it starts is left out.
    pub fn of_open(pairs: &[(u64, u64)]) -> Option<Self> {
        let requests = || pairs.iter().filter(|(sent, done)| sent <= done);
        let first_done = requests().map(|(_, done)| *done).min()?;
        let last_sent = requests().map(|(sent, _)| *sent).max()?;
        Self::between(first_done, last_sent)
    }

    fn between(from_ns: u64, to_ns: u64) -> Option<Self> {
        (from_ns < to_ns).then_some(Self { from_ns, to_ns })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done,
    Sent,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    type Pairs = &'static [(u64, u64)];

    fn window(from_ns: u64, to_ns: u64) -> Option<SteadyWindow> {
        Some(SteadyWindow { from_ns, to_ns })
    }

    #[test]
    fn a_closed_loop_is_steady_while_it_is_full() {
        let cases: [(&str, Pairs, usize, Option<SteadyWindow>); 9] = [
            ("nothing", &[], 1, None),
            ("one request", &[(3, 9)], 1, window(3, 9)),
            ("nobody asked for", &[(3, 9)], 0, None),
            ("never full", &[(0, 5), (5, 9)], 2, None),
            ("ramp up and run out", &[(0, 10), (2, 12), (11, 20)], 2, window(2, 12)),
            ("a gap between two requests is no end", &[(0, 10), (0, 4), (6, 9)], 2, window(0, 9)),
            ("more than asked for", &[(0, 10), (1, 9), (2, 8)], 2, window(1, 9)),
            ("in any order", &[(11, 20), (2, 12), (0, 10)], 2, window(2, 12)),
            ("backwards or in no time", &[(0, 9), (8, 1), (4, 4)], 2, None),
        ];
        for (what, pairs, concurrency, expected) in cases {
            assert_eq!(SteadyWindow::of_closed(pairs, concurrency), expected, "{what}");
        }
    }

    #[test]
    fn an_open_loop_is_steady_from_the_first_end_to_the_last_start() {
        let cases: [(&str, Pairs, Option<SteadyWindow>); 6] = [
            ("nothing", &[], None),
            ("one request", &[(3, 9)], None),
            ("no end before the last start", &[(0, 9), (5, 12)], None),
            ("the first end is no start", &[(0, 5), (5, 12)], None),
            ("some", &[(0, 5), (2, 30), (4, 9), (20, 31)], window(5, 20)),
            ("backwards", &[(50, 1), (0, 5), (20, 31)], window(5, 20)),
        ];
        for (what, pairs, expected) in cases {
            assert_eq!(SteadyWindow::of_open(pairs), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn a_closed_loops_window_is_that_of_counting_at_each_moment(
            pairs in prop::collection::vec((0_u64..60, 0_u64..60), 0..40), concurrency in 0_usize..8,
        ) {
            let in_flight = |t: u64| pairs.iter().filter(|(sent, done)| *sent <= t && t < *done).count();
            let full = |t: &u64| concurrency > 0 && in_flight(*t) >= concurrency;
            let expected = (0..60).find(full).zip((0..60).rev().find(full));
            let expected = expected.and_then(|(first, last)| window(first, last + 1));
            prop_assert_eq!(SteadyWindow::of_closed(&pairs, concurrency), expected);
        }

        #[test]
        fn an_open_loops_window_holds_no_request_of_the_ends(
            pairs in prop::collection::vec((0_u64..60, 0_u64..20), 0..20),
        ) {
            let pairs: Vec<(u64, u64)> = pairs.into_iter().map(|(sent, took)| (sent, sent + took)).collect();
            let ended = |t: &u64| pairs.iter().any(|(_, done)| done <= t);
            let to_be_sent = |t: &u64| pairs.iter().any(|(sent, _)| sent > t);
            let steady: Vec<u64> = (0..80).filter(|t| ended(t) && to_be_sent(t)).collect();
            let expected = steady.first().and_then(|first| window(*first, steady[steady.len() - 1] + 1));
            prop_assert_eq!(SteadyWindow::of_open(&pairs), expected);
        }
    }
}
