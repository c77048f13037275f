//! Answers, as the dialects read them.

use bench_core::{Answer, ArrivalKind, Clock, FinishReason, Moment, Outcome, Stamp, Usage};
use bench_core::{ProviderError, Request, Sample, ToolCall};

use super::however_cut;
use crate::{
    Api, Engine,
    http::{Reader, fuzzing::received},
    reader::AnswerReader,
};

/// The body of a streamed answer.
pub fn answers(bytes: &[u8]) {
    of_a_body(bytes, true);
}

/// The body of an answer that is not streamed.
pub fn whole(bytes: &[u8]) {
    of_a_body(bytes, false);
}

/// A response with all that belongs to it.
pub fn exchange(bytes: &[u8]) {
    let Some((choice, wire)) = bytes.split_first() else { return };
    // Half of them streamed.
    let streaming = choice & 0x80 == 0;
    check(wire, reader(choice & 0x7f), streaming, |pieces, reader| received(pieces, STAMP, reader));
}

fn of_a_body(bytes: &[u8], streaming: bool) {
    let Some((choice, body)) = bytes.split_first() else { return };
    check(body, reader(*choice), streaming, |pieces, reader| {
        for piece in pieces {
            // As a connection does: what follows the last event is not looked at.
            if !reader.is_complete() {
                reader.content(piece, STAMP)?;
            }
        }
        reader.end()
    });
}

/// Every API of every engine.
pub(crate) fn readers() -> impl Iterator<Item = (Engine, Api)> {
    Engine::ALL.iter().flat_map(|engine| engine.apis().iter().map(|api| (*engine, *api)))
}

fn reader(choice: u8) -> (Engine, Api) {
    let count = readers().count();
    readers().nth(usize::from(choice) % count).unwrap_or_default()
}

/// All pieces come at once: moments are what cutting does change.
const STAMP: Stamp = Stamp { at: Moment::from_nanos(1), lag: None };

/// What is made of an answer.
#[derive(Debug, PartialEq)]
struct Read {
    failure: Option<(Outcome, String)>,
    text: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    /// The kind, bytes and tokens of each.
    arrivals: Vec<(ArrivalKind, u32, u16)>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    is_done: bool,
}

fn check(
    wire: &[u8],
    (engine, api): (Engine, Api),
    streaming: bool,
    play: impl Fn(&[&[u8]], &mut AnswerReader<'_>) -> Result<(), ProviderError>,
) {
    let clock = Clock::start();
    let dialect = engine.dialect();
    let read = however_cut(wire, |pieces| {
        let mut answer = Answer::new(clock);
        answer.begin(Sample::due(Moment::default()), &Request::default());
        let (framing, events) = (dialect.framing(api), dialect.events(api));
        let mut reader = AnswerReader::new(&mut answer, streaming, framing, events);
        let failure = play(pieces, &mut reader).err();
        let sample = answer.sample();
        Read {
            failure: failure.map(|error| (error.outcome, error.said)),
            text: answer.text().to_owned(),
            reasoning: answer.reasoning().to_owned(),
            tool_calls: answer.tool_calls().to_vec(),
            arrivals: sample.arrivals.iter().map(|a| (a.kind, a.bytes, a.tokens)).collect(),
            usage: sample.usage,
            finish: sample.finish.clone(),
            is_done: sample.done.is_some(),
        }
    });
    let of_tools = |calls: &[ToolCall]| -> usize {
        calls.iter().map(|call| call.name.len() + call.arguments.len()).sum()
    };
    let taken = read.text.len() + read.reasoning.len() + of_tools(&read.tool_calls);
    assert!(taken <= wire.len(), "{taken} bytes of text");
    assert!(read.arrivals.len() <= wire.len() / 2, "{} arrivals", read.arrivals.len());
    assert!(read.failure.is_some() || read.is_done, "{engine} {api} is well, but not done");
    let said = read.failure.map_or(0, |(_, said)| said.len());
    assert!(said <= 600, "a message of {said} bytes");
}
