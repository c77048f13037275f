//! Answers, as the dialects read them.

use std::sync::LazyLock;

use bench_core::{Answer, ArrivalKind, Clock, FinishReason, Moment, Outcome, Stamp, Usage};
use bench_core::{Prompt, Provider, ProviderError, Request, Sample, ToolCall};

use super::however_cut;
use crate::{
    Api, Config, Endpoint, Engine, HttpProvider, Template, TemplateFile,
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
    read_body(body, reader(*choice), streaming);
}

fn read_body(body: &[u8], reader: (Engine, Api), streaming: bool) {
    check(body, reader, streaming, |pieces, reader| {
        for piece in pieces {
            // As a connection does: what follows the last event is not looked at.
            if !reader.is_complete() {
                reader.content(piece, STAMP)?;
            }
        }
        reader.end()
    });
}

/// A template as JSON, a line end, and the body of an answer that it is to read: streamed and whole.
pub fn template(bytes: &[u8]) {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return };
    let (file, body) = (&bytes[..end], &bytes[end + 1..]);
    let Ok(file) = serde_json::from_slice::<TemplateFile>(file) else { return };
    let template = match Template::new(file) {
        Ok(template) => template,
        Err(errors) => return assert!(!errors.is_empty(), "refused for nothing"),
    };
    let engine = Engine::Custom(template);
    fill(&engine);
    for streaming in [true, false] {
        read_body(body, (engine.clone(), Api::Generate), streaming);
    }
}

/// A template that was taken can be filled in, and asks something.
fn fill(engine: &Engine) {
    let endpoint = Endpoint::parse(":1").expect("it is an address");
    let config =
        Config { engine: engine.clone(), api: Api::Generate, ..Config::new(endpoint, "m") };
    let prompt = Prompt::user("\"}]").with_output_tokens(3);
    if let Ok(provider) = HttpProvider::new(config) {
        let request = provider.encode(&prompt).expect("there is a value for each placeholder");
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        assert!(body.is_object() && request.body.len() > 2, "nothing is asked");
    }
}

/// Every API of every engine, and of servers that templates describe.
pub(crate) fn readers() -> impl Iterator<Item = (Engine, Api)> {
    let engines = Engine::ALL.iter().chain(&*TEMPLATES);
    engines.flat_map(|engine| engine.apis().iter().map(|api| (engine.clone(), *api)))
}

/// Templates of each framing, and of each way to end.
pub(crate) const FILES: [&str; 5] = [
    r#"{"path":"/v1/chat/completions","request":{"messages":"{{messages}}"},"answer":{"framing":"sse","text":"/choices/0/delta/content","reasoning":"/choices/0/delta/reasoning","finish":"/choices/0/finish_reason","error":"/error","prompt_tokens":"/usage/prompt_tokens","output_tokens":"/usage/completion_tokens","marker":"[DONE]"}}"#,
    r#"{"path":"/generate","request":{"text":"{{prompt}}"},"answer":{"framing":"sse","cumulative":true,"text":"/text","finish":"/meta_info/finish_reason/type","error":"/error","prompt_tokens":"/meta_info/prompt_tokens","output_tokens":"/meta_info/completion_tokens","marker":"[DONE]"}}"#,
    r#"{"path":"/api/generate","request":{"prompt":"{{prompt}}","n":"{{max_tokens}}"},"answer":{"framing":"ndjson","text":"/response","finish":"/done","error":"/error","output_tokens":"/eval_count"}}"#,
    r#"{"path":"/","request":{"prompt":["> {{prompt}}"]},"answer":{"framing":"sse","text":"","ends":"close"}}"#,
    r#"{"path":"/{{model}}","request":{"inputs":"{{prompt}}"},"answer":{"framing":"json","text":"/0/generated_text","error":"/error"}}"#,
];

static TEMPLATES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    let engine = |file: &&str| {
        let file = serde_json::from_str(file).expect("it is JSON");
        Engine::Custom(Template::new(file).expect("it is a template"))
    };
    FILES.iter().map(engine).collect()
});

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
    // The least event is a line of one digit, whose end may be that of the body.
    assert!(read.arrivals.len() <= wire.len().div_ceil(2), "{} arrivals", read.arrivals.len());
    assert!(read.failure.is_some() || read.is_done, "{engine} {api} is well, but not done");
    let said = read.failure.map_or(0, |(_, said)| said.len());
    assert!(said <= 600, "a message of {said} bytes");
}
