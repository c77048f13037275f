//! `samples.jsonl.zst`: a line for each request, warm-up included.
//!
//! ```json
//! {"request_id":"7Q4K-0-12","point":0,"phase":"measure","number":12,"session":12,"turn":0,
//!  "due_ns":1000,"sent_ns":2000,"headers_ns":900000,
//!  "arrivals":{"at_ns":[900000,51000000,61000000],"kind":["role","content","content"],
//!              "bytes":[0,4,6],"lag_ns":[3000,2500,2800]},
//!  "done_ns":61500000,"outcome":"ok","asked_tokens":2,
//!  "usage":{"prompt":9,"completion":2},"finish":"length"}
//! ```
//!
//! What is not known is absent.

use std::time::Duration;

use bench_core::{
    Arrival, ArrivalKind, Connect, FinishReason, Grade, Moment, Sample, ServerTimes, ToolCall,
    UnknownOutcome, Usage,
};
use serde::{Deserialize, Serialize};

use super::{PhaseLine, is_default};

/// What is known of one request. Moments are nanoseconds since the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleLine {
    /// The id sent as `X-Request-Id`.
    pub request_id: String,
    /// What the workload calls the conversation, or the line of a dataset, that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which point of the plan, from 0.
    pub point: u32,
    /// Which phase of the point.
    pub phase: PhaseLine,
    /// Which request of the phase, from 0, in order of sending.
    pub number: u64,
    /// Which session of the phase, from 0.
    pub session: u64,
    /// Which turn of the session, from 0.
    pub turn: u32,
    /// Which place of a closed loop sent it, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Which attempt at the request, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempt: u32,
    /// When the request was to be sent.
    pub due_ns: u64,
    /// The set-up of its connection; absent when it found one open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectLine>,
    /// When its first byte was about to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ns: Option<u64>,
    /// Whether it was sent again, over another connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resent: bool,
    /// When the response head came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_ns: Option<u64>,
    /// Whether the answer was to come as a stream; left out where it was.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub streamed: bool,
    /// The events of the answer.
    #[serde(default, skip_serializing_if = "ArrivalLines::is_empty")]
    pub arrivals: ArrivalLines,
    /// When the first tool call was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_ns: Option<u64>,
    /// When the answer was complete or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ns: Option<u64>,
    /// How it ended: `ok`, `http_503`, `idle_timeout` and so on, as bench-core's `Outcome` names it.
    pub outcome: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Input tokens as counted when the prompt was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u32>,
    /// Of these, tokens at its beginning that the server was sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_tokens: Option<u32>,
    /// Output tokens asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_tokens: Option<u32>,
    /// Output tokens as counted by a tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_tokens: Option<u32>,
    /// Token counts that the server stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageLine>,
    /// How long the server says that it took.
    #[serde(default, skip_serializing_if = "ServerTimesLine::is_empty")]
    pub server: ServerTimesLine,
    /// Why the model stopped, in the server's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// Whether something was expected of the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expects: bool,
    /// Whether the answer is what was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
    /// How near it comes, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Whether the functions called are those that were expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_correct: Option<bool>,
    /// The generated text, where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The tool calls, where the text was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallLine>,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallLine {
    /// The function's name.
    pub name: String,
    /// Its arguments as the model wrote them, which need not be JSON.
    pub arguments: String,
}

impl From<&ToolCall> for ToolCallLine {
    fn from(call: &ToolCall) -> Self {
        Self { name: call.name.clone(), arguments: call.arguments.clone() }
    }
}

impl From<ToolCallLine> for ToolCall {
    fn from(line: ToolCallLine) -> Self {
        Self { name: line.name, arguments: line.arguments }
    }
}

/// The set-up of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectLine {
    /// When it began.
    pub began_ns: u64,
    /// When the connection could carry a request.
    pub done_ns: u64,
}

/// How long the server says that it took for the parts of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTimesLine {
    /// Loading the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_ns: Option<u64>,
    /// Waiting for a place among the requests that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ns: Option<u64>,
    /// Reading the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_ns: Option<u64>,
    /// Generating the tokens after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_ns: Option<u64>,
}

impl ServerTimesLine {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<ServerTimes> for ServerTimesLine {
    fn from(times: ServerTimes) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            load_ns: times.load.map(ns),
            queue_ns: times.queue.map(ns),
            prefill_ns: times.prefill.map(ns),
            decode_ns: times.decode.map(ns),
        }
    }
}

impl From<ServerTimesLine> for ServerTimes {
    fn from(line: ServerTimesLine) -> Self {
        Self {
            load: line.load_ns.map(Duration::from_nanos),
            queue: line.queue_ns.map(Duration::from_nanos),
            prefill: line.prefill_ns.map(Duration::from_nanos),
            decode: line.decode_ns.map(Duration::from_nanos),
        }
    }
}

/// Token counts that the server stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens generated, reasoning included.
    pub completion: u32,
    /// Of these, tokens of the reasoning channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u32>,
    /// Tokens of the prompt that the server had cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
}

/// The events of an answer: lists side by side, one place for each event. They are smaller than a list
/// of objects, and `jq` sums them as easily.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalLines {
    /// When each came.
    pub at_ns: Vec<u64>,
    /// What each carries.
    pub kind: Vec<ArrivalKindLine>,
    /// Bytes of generated text in each.
    pub bytes: Vec<u32>,
    /// How long each lay in the kernel until it was read; `null` where its moment is that of the read.
    pub lag_ns: Vec<Option<u32>>,
    /// Tokens in each, 0 where unknown; absent where unknown of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u16>,
    /// The places, from 0, of events that shared a read with another, whose own moments are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coalesced: Vec<usize>,
}

impl ArrivalLines {
    fn is_empty(&self) -> bool {
        self.at_ns.is_empty()
    }
}

/// What an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKindLine {
    /// Only the role, or an empty text.
    Role,
    /// Generated text of the reasoning channel.
    Reasoning,
    /// Generated text of the answer.
    Content,
    /// A piece of a tool call.
    ToolCall,
    /// A result that is no text: embeddings, or the scores of a ranking.
    Result,
    /// Token counts.
    Usage,
    /// Anything else.
    Other,
}

impl From<ArrivalKind> for ArrivalKindLine {
    fn from(kind: ArrivalKind) -> Self {
        match kind {
            ArrivalKind::Role => Self::Role,
            ArrivalKind::Reasoning => Self::Reasoning,
            ArrivalKind::Content => Self::Content,
            ArrivalKind::ToolCall => Self::ToolCall,
            ArrivalKind::Result => Self::Result,
            ArrivalKind::Usage => Self::Usage,
            ArrivalKind::Other => Self::Other,
        }
    }
}

impl From<ArrivalKindLine> for ArrivalKind {
    fn from(kind: ArrivalKindLine) -> Self {
        match kind {
            ArrivalKindLine::Role => Self::Role,
            ArrivalKindLine::Reasoning => Self::Reasoning,
            ArrivalKindLine::Content => Self::Content,
            ArrivalKindLine::ToolCall => Self::ToolCall,
            ArrivalKindLine::Result => Self::Result,
            ArrivalKindLine::Usage => Self::Usage,
            ArrivalKindLine::Other => Self::Other,
        }
    }
}

/// What a field that is left out means.
fn yes() -> bool {
    true
}

impl From<&Sample> for SampleLine {
    fn from(sample: &Sample) -> Self {
        Self {
            request_id: sample.request_id.clone(),
            id: sample.id.as_deref().map(str::to_owned),
            point: sample.point,
            phase: sample.phase.into(),
            number: sample.number,
            session: sample.session,
            turn: sample.turn,
            place: sample.place,
            attempt: sample.attempt,
            due_ns: sample.due.as_nanos(),
            connect: sample.connect.map(|connect| ConnectLine {
                began_ns: connect.began.as_nanos(),
                done_ns: connect.done.as_nanos(),
            }),
            sent_ns: sample.sent.map(Moment::as_nanos),
            resent: sample.resent,
            headers_ns: sample.headers.map(Moment::as_nanos),
            streamed: sample.streamed,
            arrivals: sample.arrivals.as_slice().into(),
            tool_call_ns: sample.tool_call.map(Moment::as_nanos),
            done_ns: sample.done.map(Moment::as_nanos),
            outcome: sample.outcome.to_string(),
            error: sample.error.clone(),
            input_tokens: sample.input_tokens,
            repeated_tokens: sample.repeated_tokens,
            asked_tokens: sample.asked_tokens,
            counted_tokens: sample.counted_tokens,
            usage: sample.usage.map(|usage| UsageLine {
                prompt: usage.prompt,
                completion: usage.completion,
                reasoning: usage.reasoning,
                cached: usage.cached,
            }),
            server: sample.server.into(),
            finish: sample.finish.as_ref().map(|finish| finish.as_str().to_owned()),
            expects: sample.expects,
            correct: sample.grade.map(|grade| grade.correct),
            score: sample.grade.and_then(|grade| grade.score),
            name_correct: sample.grade.and_then(|grade| grade.name_correct),
            text: sample.text.clone(),
            tool_calls: sample.tool_calls.iter().map(ToolCallLine::from).collect(),
        }
    }
}

impl From<&[Arrival]> for ArrivalLines {
    fn from(arrivals: &[Arrival]) -> Self {
        let tokens: Vec<u16> = match arrivals.iter().any(|a| a.tokens > 0) {
            true => arrivals.iter().map(|a| a.tokens).collect(),
            false => Vec::new(),
        };
        let coalesced = arrivals.iter().enumerate().filter(|(_, a)| a.coalesced);
        Self {
            at_ns: arrivals.iter().map(|a| a.at.as_nanos()).collect(),
            kind: arrivals.iter().map(|a| a.kind.into()).collect(),
            bytes: arrivals.iter().map(|a| a.bytes).collect(),
            lag_ns: arrivals.iter().map(|a| a.kernel.then_some(a.lag_ns)).collect(),
            tokens,
            coalesced: coalesced.map(|(place, _)| place).collect(),
        }
    }
}

/// A line that is no sample although each of its fields reads well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSample {
    /// Its outcome is none that is known.
    #[error(transparent)]
    Outcome(#[from] UnknownOutcome),
    /// Its lists of arrivals do not belong together.
    #[error("lists of arrivals differ in length")]
    Arrivals,
}

impl TryFrom<SampleLine> for Sample {
    type Error = MalformedSample;

    fn try_from(line: SampleLine) -> Result<Self, MalformedSample> {
        Ok(Self {
            request_id: line.request_id,
            id: line.id.map(Into::into),
            point: line.point,
            phase: line.phase.into(),
            number: line.number,
            session: line.session,
            turn: line.turn,
            place: line.place,
            attempt: line.attempt,
            due: Moment::from_nanos(line.due_ns),
            connect: line.connect.map(|connect| Connect {
                began: Moment::from_nanos(connect.began_ns),
                done: Moment::from_nanos(connect.done_ns),
            }),
            sent: line.sent_ns.map(Moment::from_nanos),
            resent: line.resent,
            headers: line.headers_ns.map(Moment::from_nanos),
            streamed: line.streamed,
            arrivals: line.arrivals.try_into()?,
            tool_call: line.tool_call_ns.map(Moment::from_nanos),
            done: line.done_ns.map(Moment::from_nanos),
            outcome: line.outcome.parse()?,
            error: line.error,
            input_tokens: line.input_tokens,
            repeated_tokens: line.repeated_tokens,
            asked_tokens: line.asked_tokens,
            counted_tokens: line.counted_tokens,
            usage: line.usage.map(|usage| Usage {
                prompt: usage.prompt,
                completion: usage.completion,
                reasoning: usage.reasoning,
                cached: usage.cached,
            }),
            server: line.server.into(),
            finish: line.finish.as_deref().map(FinishReason::from),
            expects: line.expects,
            grade: line.correct.map(|correct| Grade {
                correct,
                score: line.score,
                name_correct: line.name_correct,
            }),
            text: line.text,
            tool_calls: line.tool_calls.into_iter().map(ToolCall::from).collect(),
        })
    }
}

impl TryFrom<ArrivalLines> for Vec<Arrival> {
    type Error = MalformedSample;

    fn try_from(lines: ArrivalLines) -> Result<Self, MalformedSample> {
        let events = lines.at_ns.len();
        let even = lines.kind.len() == events
            && lines.bytes.len() == events
            && lines.lag_ns.len() == events
            && (lines.tokens.is_empty() || lines.tokens.len() == events)
            && lines.coalesced.iter().all(|place| *place < events);
        if !even {
            return Err(MalformedSample::Arrivals);
        }
        let arrival = |place: usize| Arrival {
            at: Moment::from_nanos(lines.at_ns[place]),
            lag_ns: lines.lag_ns[place].unwrap_or(0),
            bytes: lines.bytes[place],
            tokens: lines.tokens.get(place).copied().unwrap_or(0),
            kind: lines.kind[place].into(),
            coalesced: false,
            kernel: lines.lag_ns[place].is_some(),
        };
        let mut arrivals: Self = (0..events).map(arrival).collect();
        for place in lines.coalesced {
            arrivals[place].coalesced = true;
        }
        Ok(arrivals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_go_by_the_names_of_bench_core() {
        for (kind, name) in ArrivalKind::ALL {
            let line = ArrivalKindLine::from(kind);
            assert_eq!(serde_json::to_value(line).unwrap(), name);
            assert_eq!(ArrivalKind::from(line), kind);
        }
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let line = SampleLine::from(&Sample::due(Moment::default()));
        let outcome = SampleLine { outcome: "fine".into(), ..line.clone() };
        assert!(matches!(Sample::try_from(outcome), Err(MalformedSample::Outcome(_))));
        let of = |arrivals| Sample::try_from(SampleLine { arrivals, ..line.clone() });
        let uneven = ArrivalLines { at_ns: vec![1], ..ArrivalLines::default() };
        assert_eq!(of(uneven), Err(MalformedSample::Arrivals));
        let beyond = ArrivalLines { coalesced: vec![0], ..ArrivalLines::default() };
        assert_eq!(of(beyond), Err(MalformedSample::Arrivals));
    }
}
