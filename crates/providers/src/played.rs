//! Answers played to the reader of a dialect, without a network.

use std::time::Duration;

use bench_core::{Answer, Clock, Moment, Outcome, ProviderError, Request, Sample, Stamp};

use crate::{Api, Engine, http::Reader, reader::AnswerReader};

/// What came of an answer.
pub(crate) struct Played {
    pub(crate) result: Result<(), ProviderError>,
    pub(crate) sample: Sample,
    /// Reasoning and answer.
    pub(crate) text: String,
}

/// What comes of a stream's body that arrives in `pieces`, a millisecond apart.
pub(crate) fn played<'a>(
    engine: &Engine,
    api: Api,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Played {
    play(engine, api, true, pieces)
}

/// The same of an answer that comes whole.
pub(crate) fn played_whole(engine: &Engine, api: Api, document: &str) -> Played {
    play(engine, api, false, [document.as_bytes()])
}

fn play<'a>(
    engine: &Engine,
    api: Api,
    streaming: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Played {
    let dialect = engine.dialect();
    let mut answer = Answer::new(Clock::start());
    answer.begin(Sample::due(Moment::default()), &Request::default());
    let (framing, events) = (dialect.framing(api), dialect.events(api));
    let mut reader = AnswerReader::new(&mut answer, streaming, framing, events);
    let mut result = Ok(());
    for (ms, piece) in (1..).zip(pieces) {
        let stamp = Stamp { at: Moment::from_nanos(ms * 1_000_000), lag: Some(Duration::ZERO) };
        result = result.and_then(|()| reader.content(piece, stamp));
    }
    let result = result.and_then(|()| reader.end());
    let text = [answer.reasoning(), answer.text()].concat();
    let outcome = result.as_ref().map_or_else(|e| e.outcome, |()| Outcome::Ok);
    Played { result, sample: answer.take_sample(outcome, None), text }
}
