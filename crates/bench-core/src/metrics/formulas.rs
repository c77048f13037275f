//! Formulas of one request. Each gives `None` where the metric does not exist for it.

use std::time::Duration;

use crate::{Arrival, ArrivalKind, Moment, Sample};

fn from_sent(sample: &Sample, arrival: Option<&Arrival>) -> Option<f64> {
    Some(arrival?.at.ms_since(sample.sent?))
}

fn from_due(sample: &Sample, arrival: Option<&Arrival>) -> Option<f64> {
    Some(arrival?.at.ms_since(sample.due))
}

/// The first generated arrival, where the answer was streamed: else it is the last one, too.
fn first(sample: &Sample) -> Option<&Arrival> {
    sample.first_generated().filter(|_| sample.streamed)
}

/// First generated arrival − sent − loading the model.
pub(super) fn ttft_ms(sample: &Sample) -> Option<f64> {
    Some(from_sent(sample, first(sample))? - loading_ms(sample))
}

/// First generated arrival outside the reasoning channel − sent − loading the model.
pub(super) fn ttfo_ms(sample: &Sample) -> Option<f64> {
    let output = sample.generated().find(|a| a.kind != ArrivalKind::Reasoning);
    Some(from_sent(sample, output.filter(|_| sample.streamed))? - loading_ms(sample))
}

/// What the server says it took to load the model, which is no part of answering; no more than the time
/// until the answer began.
fn loading_ms(sample: &Sample) -> f64 {
    let began = from_sent(sample, sample.first_generated()).unwrap_or(0.0);
    model_load_ms(sample).unwrap_or(0.0).min(began.max(0.0))
}

/// Loading the model, as the server says.
pub(super) fn model_load_ms(sample: &Sample) -> Option<f64> {
    sample.server.load.map(ms)
}

/// Waiting in the server's queue, as it says.
pub(super) fn server_queue_ms(sample: &Sample) -> Option<f64> {
    sample.server.queue.map(ms)
}

/// Reading the prompt, as the server says.
pub(super) fn server_prefill_ms(sample: &Sample) -> Option<f64> {
    sample.server.prefill.map(ms)
}

/// Generating what follows the first token, as the server says.
pub(super) fn server_decode_ms(sample: &Sample) -> Option<f64> {
    sample.server.decode.map(ms)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Second generated arrival − first, unless they came in one read.
pub(super) fn ttst_ms(sample: &Sample) -> Option<f64> {
    let mut generated = sample.generated();
    let first = generated.next()?;
    let second = generated.next().filter(|second| !second.coalesced)?;
    Some(second.at.ms_since(first.at))
}

/// Last generated arrival − sent.
pub(super) fn e2e_ms(sample: &Sample) -> Option<f64> {
    from_sent(sample, sample.last_generated())
}

/// First generated arrival − due.
pub(super) fn ttft_due_ms(sample: &Sample) -> Option<f64> {
    from_due(sample, first(sample))
}

/// Last generated arrival − due.
pub(super) fn e2e_due_ms(sample: &Sample) -> Option<f64> {
    from_due(sample, sample.last_generated())
}

/// sent − due.
pub(super) fn queue_ms(sample: &Sample) -> Option<f64> {
    Some(sample.sent?.ms_since(sample.due))
}

/// The part of [`queue_ms`] that is the client's own: without the set-up of a connection. An attempt that
/// follows a failure is late on purpose.
pub(crate) fn lateness_ms(sample: &Sample) -> Option<f64> {
    (sample.attempt == 0).then_some(())?;
    Some(queue_ms(sample)? - connect_ms(sample).unwrap_or(0.0))
}

/// Connection set-up, for requests that needed one.
pub(super) fn connect_ms(sample: &Sample) -> Option<f64> {
    sample.connect.map(|c| c.done.ms_since(c.began))
}

/// (last − first generated arrival) / (OSL − tokens of the first arrival). An answer that came in one read
/// has none: its events are not apart by nothing, but by an unknown time.
pub(super) fn tpot_ms(sample: &Sample) -> Option<f64> {
    let (first, last) = (sample.first_generated()?, sample.last_generated()?);
    let (osl, _) = sample.output_tokens()?;
    // Where the first event's tokens are not known it is taken for one, as AIPerf and vLLM do.
    let later = osl.checked_sub(first.known_tokens().unwrap_or(1)).filter(|n| *n > 0)?;
    let ms = last.at.ms_since(first.at);
    (ms > 0.0).then(|| ms / f64::from(later))
}

/// Output tokens.
pub(super) fn osl(sample: &Sample) -> Option<f64> {
    sample.output_tokens().map(|(n, _)| f64::from(n))
}

/// Input tokens.
pub(super) fn isl(sample: &Sample) -> Option<f64> {
    sample.prompt_tokens().map(f64::from)
}

/// Tokens of the reasoning channel, where the server counts them.
pub(super) fn reasoning_tokens(sample: &Sample) -> Option<f64> {
    sample.usage?.reasoning.map(f64::from)
}

/// 1000 / TPOT.
pub(super) fn tps_user(sample: &Sample) -> Option<f64> {
    tpot_ms(sample).filter(|ms| *ms > 0.0).map(|ms| 1e3 / ms)
}

/// OSL / E2E.
pub(super) fn e2e_tps_user(sample: &Sample) -> Option<f64> {
    Some(osl(sample)? / e2e_ms(sample).filter(|ms| *ms > 0.0)? * 1e3)
}

/// ISL / TTFT.
pub(super) fn prefill_tps(sample: &Sample) -> Option<f64> {
    Some(isl(sample)? / ttft_ms(sample).filter(|ms| *ms > 0.0)? * 1e3)
}

/// OSL / (last − first generated arrival).
pub(super) fn decode_tps(sample: &Sample) -> Option<f64> {
    let (first, last) = (sample.first_generated()?, sample.last_generated()?);
    let ms = last.at.ms_since(first.at);
    (ms > 0.0).then_some(osl(sample)? / ms * 1e3)
}

/// First complete tool call − sent − loading the model.
pub(super) fn tool_call_ms(sample: &Sample) -> Option<f64> {
    let complete = sample.tool_call.filter(|_| sample.streamed)?;
    Some(complete.ms_since(sample.sent?) - loading_ms(sample))
}

/// 1 where a text was graded correct, 0 where not.
pub(super) fn text_correct(sample: &Sample) -> Option<f64> {
    sample.grade.filter(|grade| grade.name_correct.is_none()).map(|grade| share(grade.correct))
}

/// 1 where the tool calls were those expected, 0 where not.
pub(super) fn calls_correct(sample: &Sample) -> Option<f64> {
    sample.grade.filter(|grade| grade.name_correct.is_some()).map(|grade| share(grade.correct))
}

/// 1 where the functions called were those expected, 0 where not.
pub(super) fn names_correct(sample: &Sample) -> Option<f64> {
    sample.grade?.name_correct.map(share)
}

/// How near a text came to what was expected.
pub(super) fn score(sample: &Sample) -> Option<f64> {
    sample.grade?.score.map(f64::from)
}

fn share(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// A gap between two neighbouring generated arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Its length in nanoseconds.
    pub(super) ns: u64,
    /// Tokens of the arrival that ends it, where known.
    pub(super) tokens: Option<u32>,
}

/// The gaps whose end is known: those that end in a coalesced arrival are left out, and their number is
/// returned beside.
pub(super) fn gaps(sample: &Sample) -> (Vec<Gap>, u64) {
    let one_each = sample.is_token_per_chunk();
    let mut coalesced = 0;
    let mut gaps = Vec::with_capacity(sample.arrivals.len());
    let mut before: Option<Moment> = None;
    for arrival in sample.generated() {
        if let Some(before) = before {
            if arrival.coalesced {
                coalesced += 1;
            } else {
                let ns = arrival.at.as_nanos().saturating_sub(before.as_nanos());
                let tokens = arrival.known_tokens().or(one_each.then_some(1));
                gaps.push(Gap { ns, tokens });
            }
        }
        before = Some(arrival.at);
    }
    (gaps, coalesced)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Answer, Clock, Connect, Outcome, Request, Stamp, Usage};

    const ROLE: ArrivalKind = ArrivalKind::Role;
    const CONTENT: ArrivalKind = ArrivalKind::Content;
    const REASONING: ArrivalKind = ArrivalKind::Reasoning;

    /// An answer sent at 10 ms and due at 4 ms, with events at (ms, kind, tokens).
    fn sample(events: &[(u64, ArrivalKind, Option<u32>)], completion: Option<u32>) -> Sample {
        let ms = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(ms(4)), &Request::default());
        answer.connected(Connect { began: ms(4), done: ms(9) });
        answer.sent(ms(10));
        for (at, kind, tokens) in events {
            let stamp = Stamp { at: ms(*at), lag: Some(Duration::ZERO) };
            match kind.is_generated() {
                true => answer.generated(stamp, *kind, "x", *tokens),
                false => answer.event(stamp, *kind),
            }
        }
        if let Some(completion) = completion {
            answer.usage(Usage { prompt: 30, completion, ..Usage::default() });
        }
        answer.take_sample(Outcome::Ok, None)
    }

    #[test]
    fn a_prompt_of_no_tokens_was_not_counted() {
        let mut sample = sample(&[(60, CONTENT, None)], Some(1));
        sample.input_tokens = Some(7);
        check(&sample, &[("isl", isl, Some(30.0))]);
        sample.usage = Some(Usage { prompt: 0, completion: 1, ..Usage::default() });
        check(&sample, &[("isl", isl, Some(7.0))]);
    }

    #[test]
    fn loading_the_model_is_no_part_of_answering() {
        let mut sample = sample(&[(60, CONTENT, None), (70, CONTENT, None)], None);
        let load = |ms| Some(Duration::from_millis(ms));
        sample.server.load = load(20);
        check(
            &sample,
            &[
                ("ttft", ttft_ms, Some(30.0)),
                ("ttfo", ttfo_ms, Some(30.0)),
                ("e2e", e2e_ms, Some(60.0)),
                ("load", model_load_ms, Some(20.0)),
            ],
        );
        // A server that says more than there was.
        sample.server.load = load(90);
        check(&sample, &[("ttft", ttft_ms, Some(0.0))]);
    }

    type Row = (&'static str, fn(&Sample) -> Option<f64>, Option<f64>);

    fn check(sample: &Sample, rows: &[Row]) {
        for (name, formula, expected) in rows {
            let found = formula(sample);
            let equal = match (found, *expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(equal, "{name}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn a_function_can_be_called_once_its_call_is_complete() {
        let mut sample = sample(&[(60, CONTENT, None)], None);
        check(&sample, &[("none", tool_call_ms, None)]);
        sample.tool_call = Some(Moment::from_nanos(75_000_000));
        check(&sample, &[("streamed", tool_call_ms, Some(65.0))]);
        sample.streamed = false;
        check(&sample, &[("as a whole", tool_call_ms, None)]);
    }

    #[test]
    fn a_role_event_starts_no_clock_and_usage_ends_none() {
        // Role at 11, content at 60, 70, 80, usage at 500.
        let events = [
            (11, ROLE, None),
            (60, CONTENT, None),
            (70, CONTENT, None),
            (80, CONTENT, None),
            (500, ArrivalKind::Usage, None),
        ];
        check(
            &sample(&events, Some(3)),
            &[
                ("ttft", ttft_ms, Some(50.0)),
                ("ttfo", ttfo_ms, Some(50.0)),
                ("ttst", ttst_ms, Some(10.0)),
                ("e2e", e2e_ms, Some(70.0)),
                ("tpot", tpot_ms, Some(10.0)),
                ("tps_user", tps_user, Some(100.0)),
                ("e2e_tps_user", e2e_tps_user, Some(3.0 / 0.070)),
                ("prefill_tps", prefill_tps, Some(30.0 / 0.050)),
                ("decode_tps", decode_tps, Some(3.0 / 0.020)),
                ("osl", osl, Some(3.0)),
                ("isl", isl, Some(30.0)),
                ("ttft_due", ttft_due_ms, Some(56.0)),
                ("e2e_due", e2e_due_ms, Some(76.0)),
                ("queue", queue_ms, Some(6.0)),
                ("lateness", lateness_ms, Some(1.0)),
                ("connect", connect_ms, Some(5.0)),
            ],
        );
    }

    #[test]
    fn an_answer_of_one_token_has_no_time_per_output_token() {
        check(
            &sample(&[(60, CONTENT, None)], Some(1)),
            &[
                ("ttft", ttft_ms, Some(50.0)),
                ("e2e", e2e_ms, Some(50.0)),
                ("ttst", ttst_ms, None),
                ("tpot", tpot_ms, None),
                ("tps_user", tps_user, None),
                ("decode_tps", decode_tps, None),
            ],
        );
    }

    #[test]
    fn reasoning_is_a_first_token_but_no_first_output() {
        let events = [(60, REASONING, None), (70, REASONING, None), (110, CONTENT, None)];
        check(
            &sample(&events, Some(3)),
            &[
                ("ttft", ttft_ms, Some(50.0)),
                ("ttfo", ttfo_ms, Some(100.0)),
                ("tpot", tpot_ms, Some(25.0)),
            ],
        );
        let only = [(60, REASONING, None), (70, REASONING, None)];
        check(&sample(&only, Some(2)), &[("ttft", ttft_ms, Some(50.0)), ("ttfo", ttfo_ms, None)]);
    }

    #[test]
    fn an_empty_answer_has_no_latency() {
        check(
            &sample(&[(11, ROLE, None)], Some(0)),
            &[
                ("ttft", ttft_ms, None),
                ("e2e", e2e_ms, None),
                ("tpot", tpot_ms, None),
                ("prefill_tps", prefill_tps, None),
                ("osl", osl, Some(0.0)),
            ],
        );
    }

    #[test]
    fn an_answer_that_was_not_streamed_has_its_end_alone() {
        let mut sample = sample(&[(60, CONTENT, Some(8))], Some(8));
        sample.streamed = false;
        check(
            &sample,
            &[
                ("ttft", ttft_ms, None),
                ("ttfo", ttfo_ms, None),
                ("ttft_due", ttft_due_ms, None),
                ("prefill_tps", prefill_tps, None),
                ("tpot", tpot_ms, None),
                ("e2e", e2e_ms, Some(50.0)),
                ("e2e_tps_user", e2e_tps_user, Some(160.0)),
            ],
        );
    }

    #[test]
    fn several_tokens_per_chunk_are_divided_by_what_came_after_the_first() {
        // 4 tokens at 60, 3 at 90, 3 at 120: six later tokens in 60 ms.
        let events = [(60, CONTENT, Some(4)), (90, CONTENT, Some(3)), (120, CONTENT, Some(3))];
        let sample = sample(&events, Some(10));
        check(&sample, &[("tpot", tpot_ms, Some(10.0))]);
        let gap = |ms: u64| Gap { ns: ms * 1_000_000, tokens: Some(3) };
        assert_eq!(gaps(&sample), (vec![gap(30), gap(30)], 0));
    }

    #[test]
    fn all_tokens_in_the_first_chunk_leave_nothing_to_divide() {
        check(&sample(&[(60, CONTENT, Some(8))], Some(8)), &[("tpot", tpot_ms, None)]);
    }

    #[test]
    fn coalesced_chunks_make_no_gap_of_zero() {
        let events = [
            (60, CONTENT, None),
            (70, CONTENT, None),
            (90, CONTENT, None),
            (90, CONTENT, None),
            (100, CONTENT, None),
        ];
        let sample = sample(&events, Some(5));
        let gap = |ms: u64| Gap { ns: ms * 1_000_000, tokens: Some(1) };
        assert_eq!(gaps(&sample), (vec![gap(10), gap(10)], 2));
        check(&sample, &[("tpot", tpot_ms, Some(10.0))]);
    }

    #[test]
    fn an_answer_that_came_in_one_read_has_no_time_per_token() {
        let sample =
            sample(&[(60, CONTENT, None), (60, CONTENT, None), (60, CONTENT, None)], Some(3));
        check(
            &sample,
            &[
                ("tpot", tpot_ms, None),
                ("tps_user", tps_user, None),
                ("decode_tps", decode_tps, None),
            ],
        );
        assert_eq!(gaps(&sample), (vec![], 2));
    }

    #[test]
    fn tokens_per_chunk_stay_unknown_where_the_counts_disagree() {
        let sample = sample(&[(60, CONTENT, None), (70, CONTENT, None)], Some(5));
        assert_eq!(gaps(&sample), (vec![Gap { ns: 10_000_000, tokens: None }], 0));
    }

    #[test]
    fn output_tokens_come_from_the_best_source_there_is() {
        use crate::TokenSource::{Chunks, Tokenizer, Usage};
        let mut sample = sample(&[(60, CONTENT, None), (70, CONTENT, None)], Some(5));
        sample.counted_tokens = Some(4);
        assert_eq!(sample.output_tokens(), Some((5, Usage)));
        sample.usage = None;
        assert_eq!(sample.output_tokens(), Some((4, Tokenizer)));
        sample.counted_tokens = None;
        assert_eq!(sample.output_tokens(), Some((2, Chunks)));
    }

    #[test]
    fn a_request_that_was_never_sent_has_no_latency() {
        let sample = Sample::due(Moment::default());
        check(&sample, &[("ttft", ttft_ms, None), ("queue", queue_ms, None), ("osl", osl, None)]);
    }
}
