//! The record of an answer while it arrives.

use crate::{
    Arrival, ArrivalKind, Clock, Connect, FinishReason, Moment, Outcome, Request, Sample,
    ServerTimes, Stamp, Usage,
};

/// A tool call, put together from its pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, as JSON text.
    pub arguments: String,
}

/// The record of one answer: a provider writes it while the answer arrives, the run loop makes a
/// [`Sample`] of it.
///
/// Moments are given by the provider, so that they can be the kernel's; [`clock`](Self::clock) tells the
/// present one. The run loop owns the record and reuses it: writing an arrival allocates nothing once the
/// buffers have grown.
#[derive(Debug)]
pub struct Answer {
    clock: Clock,
    sample: Sample,
    text: String,
    reasoning: String,
    /// Those of this answer come first; behind them lie the buffers of earlier ones.
    tool_calls: Vec<ToolCall>,
    /// Of each call of this answer, in the order that they began in.
    pieces: Vec<Pieces>,
    /// How it ended, and the output tokens it had, once it has.
    ended: Option<(Outcome, Option<u32>)>,
}

/// The pieces of a tool call.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    /// The number that the server gives it.
    index: usize,
    /// When the last of them came.
    last: Moment,
}

/// Calls that are kept of an answer.
const MOST_CALLS: usize = 256;

impl Answer {
    /// An empty record on `clock`.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            sample: Sample::due(clock.now()),
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            pieces: Vec::new(),
            ended: None,
        }
    }

    /// Forgets everything and begins the record of `request`, which goes by `sample`'s id and numbers.
    pub fn begin(&mut self, sample: Sample, request: &Request) {
        self.sample = sample;
        self.sample.id.clone_from(&request.id);
        self.sample.input_tokens = request.input_tokens;
        self.sample.repeated_tokens = request.repeated_tokens;
        self.sample.asked_tokens = request.output_tokens;
        self.sample.expects = request.expected.is_some();
        // Role, usage and finish events come on top of the tokens asked for.
        let events = request.output_tokens.map_or(0, |n| n.min(MAX_RESERVED) as usize + 4);
        self.sample.arrivals.reserve_exact(events);
        self.text.clear();
        self.reasoning.clear();
        self.pieces.clear();
        self.ended = None;
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The id to send as `X-Request-Id`.
    pub fn request_id(&self) -> &str {
        &self.sample.request_id
    }

    /// The answer's text so far, without reasoning.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of the reasoning channel so far.
    pub fn reasoning(&self) -> &str {
        &self.reasoning
    }

    /// The tool calls so far, in the order that they began in.
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls[..self.pieces.len()]
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended.map(|(outcome, _)| outcome)
    }

    /// The output tokens that it had, if it has ended: as the server counts them, else its generated events.
    pub fn output_tokens(&self) -> Option<u32> {
        self.ended.and_then(|(_, tokens)| tokens)
    }

    /// All that is known of the request while it is in flight.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// A connection was set up for this request.
    pub fn connected(&mut self, connect: Connect) {
        self.sample.connect = Some(connect);
    }

    /// The first byte of the request is about to be written. A provider that sends again on another
    /// connection, because the first one turned out to be closed, says so again.
    pub fn sent(&mut self, at: Moment) {
        self.sample.resent |= self.sample.sent.is_some();
        self.sample.sent = Some(at);
    }

    /// The response head came.
    pub fn headers(&mut self, at: Moment) {
        self.sample.headers = Some(at);
    }

    /// The answer comes as a whole: when its first token was there is not to be known.
    pub fn whole(&mut self) {
        self.sample.streamed = false;
    }

    /// Generated text came, in the channel that `kind` names. `tokens` says how many, where known. An
    /// empty `text` without tokens is no token: it counts as [`ArrivalKind::Role`].
    pub fn generated(&mut self, stamp: Stamp, kind: ArrivalKind, text: &str, tokens: Option<u32>) {
        if text.is_empty() && tokens.unwrap_or(0) == 0 {
            return self.event(stamp, ArrivalKind::Role);
        }
        match kind {
            ArrivalKind::Reasoning => self.reasoning.push_str(text),
            ArrivalKind::Content => self.text.push_str(text),
            _ => {}
        }
        self.arrive(stamp, kind, text.len(), tokens);
    }

    /// A piece of a tool call came: the function's name, more of its arguments, or both. `index` is the number that
    /// the server gives the call, which need not begin at 0.
    pub fn tool_call(&mut self, stamp: Stamp, index: usize, name: &str, arguments: &str) {
        if let Some(place) = self.place_of_call(index) {
            self.pieces[place].last = stamp.at;
            let call = &mut self.tool_calls[place];
            call.name.push_str(name);
            call.arguments.push_str(arguments);
        }
        self.arrive(stamp, ArrivalKind::ToolCall, name.len() + arguments.len(), None);
    }

    /// The place of call `index`, which begins if it has none; `None` if there are too many.
    fn place_of_call(&mut self, index: usize) -> Option<usize> {
        // Mostly it is the last one.
        if let Some(place) = self.pieces.iter().rposition(|pieces| pieces.index == index) {
            return Some(place);
        }
        let place = self.pieces.len();
        if place == MOST_CALLS {
            return None;
        }
        self.pieces.push(Pieces { index, last: Moment::default() });
        match self.tool_calls.get_mut(place) {
            Some(call) => {
                call.name.clear();
                call.arguments.clear();
            }
            None => self.tool_calls.push(ToolCall::default()),
        }
        Some(place)
    }

    /// When the first complete call was there: that whose last piece came first. An answer that was cut off at its
    /// length completes the last one not.
    fn first_complete_call(&self) -> Option<Moment> {
        let is_cut_off = self.sample.finish == Some(FinishReason::Length);
        let complete = self.pieces.len() - usize::from(is_cut_off).min(self.pieces.len());
        self.pieces[..complete].iter().map(|pieces| pieces.last).min()
    }

    /// A result came that is no text, such as embeddings.
    pub fn result(&mut self, stamp: Stamp) {
        self.arrive(stamp, ArrivalKind::Result, 0, None);
    }

    /// An event came that carries nothing generated.
    pub fn event(&mut self, stamp: Stamp, kind: ArrivalKind) {
        debug_assert!(!kind.is_generated(), "generated events carry text");
        self.arrive(stamp, kind, 0, None);
    }

    /// The server stated token counts; later ones replace earlier ones.
    pub fn usage(&mut self, usage: Usage) {
        self.sample.usage = Some(usage);
    }

    /// The server stated how long it took; later statements replace earlier ones.
    pub fn server_times(&mut self, times: ServerTimes) {
        self.sample.server = times;
    }

    /// The server said why the model stopped.
    pub fn finish(&mut self, reason: FinishReason) {
        self.sample.finish = Some(reason);
    }

    /// The answer is complete.
    pub fn done(&mut self, at: Moment) {
        self.sample.done = Some(at);
    }

    fn arrive(&mut self, stamp: Stamp, kind: ArrivalKind, bytes: usize, tokens: Option<u32>) {
        let mut coalesced = false;
        if kind.is_generated()
            && let Some(before) = self.sample.arrivals.iter_mut().rfind(|a| a.kind.is_generated())
            && before.at == stamp.at
        {
            before.coalesced = true;
            coalesced = true;
        }
        self.sample.arrivals.push(Arrival {
            at: stamp.at,
            lag_ns: stamp.lag.map_or(0, |lag| u32::try_from(lag.as_nanos()).unwrap_or(u32::MAX)),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            tokens: tokens.map_or(0, |n| u16::try_from(n).unwrap_or(u16::MAX)),
            kind,
            coalesced,
            kernel: stamp.lag.is_some(),
        });
    }

    /// The finished sample, with `outcome`; what was generated stays here until the next request begins.
    ///
    /// An answer that is complete but holds nothing generated is [`Outcome::Empty`], whatever the
    /// provider thought of it.
    pub fn take_sample(&mut self, outcome: Outcome, error: Option<String>) -> Sample {
        if outcome.is_ok() {
            self.sample.tool_call = self.first_complete_call();
        }
        let mut sample = std::mem::replace(&mut self.sample, Sample::due(Moment::default()));
        (sample.outcome, sample.error) = match outcome {
            Outcome::Ok if sample.first_generated().is_none() => {
                (Outcome::Empty, Some("a complete answer without a token".to_owned()))
            }
            other => (other, error),
        };
        sample.done.get_or_insert_with(|| self.clock.now());
        self.ended = Some((sample.outcome, sample.output_tokens().map(|(tokens, _)| tokens)));
        sample
    }
}

/// Events reserved ahead: a plan may ask for millions of tokens, a server need not send them.
const MAX_RESERVED: u32 = 16_384;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Stamp {
        let lag = Some(Duration::from_micros(3));
        Stamp { at: Moment::from_nanos(ms * 1_000_000), lag }
    }

    fn answer() -> Answer {
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(Moment::default()), &Request::default());
        answer
    }

    #[test]
    fn both_events_of_one_read_are_coalesced_and_their_neighbours_are_not() {
        let mut answer = answer();
        answer.event(at(1), ArrivalKind::Role);
        for (ms, text) in [(1, "a"), (2, "b"), (2, "c"), (3, "d")] {
            answer.generated(at(ms), ArrivalKind::Content, text, None);
        }
        let sample = answer.take_sample(Outcome::Ok, None);
        let flags: Vec<bool> = sample.generated().map(|a| a.coalesced).collect();
        assert_eq!(flags, [false, true, true, false]);
    }

    #[test]
    fn a_complete_answer_without_a_token_is_empty() {
        let mut answer = answer();
        answer.generated(at(1), ArrivalKind::Content, "", None);
        assert_eq!(answer.take_sample(Outcome::Ok, None).outcome, Outcome::Empty);
    }

    #[test]
    fn a_result_is_well_without_a_token() {
        let mut answer = answer();
        answer.result(at(1));
        answer.usage(Usage { prompt: 7, ..Usage::default() });
        let sample = answer.take_sample(Outcome::Ok, None);
        assert_eq!((sample.outcome, sample.output_tokens()), (Outcome::Ok, None));
        assert_eq!(sample.prompt_tokens(), Some(7));
    }

    #[test]
    fn a_token_without_text_is_a_token() {
        let mut answer = answer();
        answer.generated(at(1), ArrivalKind::Content, "", Some(1));
        assert_eq!(answer.take_sample(Outcome::Ok, None).outcome, Outcome::Ok);
    }

    #[test]
    fn tool_calls_grow_from_pieces_whatever_their_numbers() {
        let mut answer = answer();
        for round in ["Oslo", "Rome"] {
            answer.begin(Sample::due(Moment::default()), &Request::default());
            answer.tool_call(at(1), 7, "weather", "");
            answer.tool_call(at(2), 7, "", "{\"city\":");
            answer.tool_call(at(3), 7, "", &format!("\"{round}\"}}"));
            answer.tool_call(at(4), usize::MAX, "time", "{}");
            let call = |name: &str, text: String| ToolCall { name: name.into(), arguments: text };
            let weather = call("weather", format!("{{\"city\":\"{round}\"}}"));
            assert_eq!(answer.tool_calls(), [weather, call("time", "{}".into())]);
            assert_eq!(answer.sample().generated().count(), 4);
        }
        answer.begin(Sample::due(Moment::default()), &Request::default());
        assert_eq!(answer.tool_calls(), []);
    }

    #[test]
    fn more_calls_than_are_kept_are_timed() {
        let mut answer = answer();
        (0..=MOST_CALLS).for_each(|index| answer.tool_call(at(1), index, "f", "{}"));
        assert_eq!(answer.tool_calls().len(), MOST_CALLS);
        assert_eq!(answer.sample().generated().count(), MOST_CALLS + 1);
    }

    #[test]
    fn the_first_complete_call_is_that_whose_last_piece_came_first() {
        /// Pieces as (ms, number), the finish, and when the first call was complete.
        type Case = (&'static [(u64, usize)], Option<FinishReason>, Option<u64>);
        let cases: [Case; 7] = [
            (&[(1, 0), (2, 0), (3, 1), (4, 1)], None, Some(2)),
            (&[(1, 0), (2, 1), (3, 1), (4, 0)], None, Some(3)),
            (&[(1, 0), (2, 0)], Some(FinishReason::ToolCalls), Some(2)),
            (&[(1, 0), (2, 0)], Some(FinishReason::Length), None),
            (&[(1, 0), (2, 1)], Some(FinishReason::Length), Some(1)),
            (&[], None, None),
            (&[], Some(FinishReason::Length), None),
        ];
        for (pieces, finish, expected) in cases {
            let mut answer = answer();
            pieces.iter().for_each(|(ms, index)| answer.tool_call(at(*ms), *index, "f", "{}"));
            answer.generated(at(9), ArrivalKind::Content, "x", None);
            finish.into_iter().for_each(|reason| answer.finish(reason));
            let sample = answer.take_sample(Outcome::Ok, None);
            assert_eq!(sample.tool_call, expected.map(|ms| at(ms).at), "{pieces:?}");
        }
        let mut answer = answer();
        answer.tool_call(at(1), 0, "f", "{}");
        assert_eq!(answer.take_sample(Outcome::Truncated, None).tool_call, None);
    }
}
