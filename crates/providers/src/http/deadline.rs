//! When a request has taken too long.

use bench_core::{Limits, Moment, Outcome, Sample};

/// When `sample`, as far as it has come, reaches the first of its limits, and what it then is.
///
/// Only generated events move the limit: a server that sends comments for ever does not escape it. An
/// answer that is not streamed has its head when it has everything, so the head may take as long as a
/// first token.
pub(super) fn expiry(sample: &Sample, limits: &Limits, streamed: bool) -> (Moment, Outcome) {
    let sent = sample.sent.unwrap_or(sample.due);
    let head = if streamed { limits.headers } else { limits.headers.max(limits.first_token) };
    let next = match (sample.headers, sample.last_generated()) {
        (_, Some(last)) => (last.at + limits.idle, Outcome::IdleTimeout),
        (Some(_), None) => (sent + limits.first_token, Outcome::FirstTokenTimeout),
        // Before its head there is no first token either.
        (None, None) if limits.first_token < head => {
            (sent + limits.first_token, Outcome::FirstTokenTimeout)
        }
        (None, None) => (sent + head, Outcome::HeadersTimeout),
    };
    match limits.total.map(|total| sent + total) {
        Some(total) if total <= next.0 => (total, Outcome::TotalTimeout),
        _ => next,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_core::{Answer, ArrivalKind, Clock, Request, Stamp};

    use super::*;

    fn at(s: u64) -> Moment {
        Moment::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn each_stage_has_its_limit() {
        let limits = Limits::default();
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(at(1)), &Request::default());
        answer.sent(at(2));
        let check = |answer: &Answer, streamed, seconds, outcome| {
            assert_eq!(expiry(answer.sample(), &limits, streamed), (at(seconds), outcome));
        };
        check(&answer, true, 62, Outcome::HeadersTimeout);
        check(&answer, false, 302, Outcome::HeadersTimeout);
        answer.headers(at(3));
        check(&answer, true, 302, Outcome::FirstTokenTimeout);
        answer.event(Stamp::of_read(at(4)), ArrivalKind::Role);
        check(&answer, true, 302, Outcome::FirstTokenTimeout);
        answer.generated(Stamp::of_read(at(5)), ArrivalKind::Content, "x", None);
        answer.event(Stamp::of_read(at(50)), ArrivalKind::Other);
        check(&answer, true, 125, Outcome::IdleTimeout);

        let soon = Limits { first_token: Duration::from_secs(20), ..limits };
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(at(1)), &Request::default());
        answer.sent(at(2));
        let expected = (at(22), Outcome::FirstTokenTimeout);
        assert_eq!(expiry(answer.sample(), &soon, true), expected);
        answer.generated(Stamp::of_read(at(5)), ArrivalKind::Content, "x", None);

        let limits = Limits { total: Some(Duration::from_secs(10)), ..limits };
        assert_eq!(expiry(answer.sample(), &limits, true), (at(12), Outcome::TotalTimeout));
    }
}
