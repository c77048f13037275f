//! Reading an event allocates nothing: answers of any length take the same number of allocations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread,
};

use bench_core::{Answer, Clock, Moment, Prompt, Provider, Sample};
use bench_providers::{Api, Config, Endpoint, Engine, HttpProvider, Template, Transport};

#[expect(dead_code, reason = "it has more for other tests")]
#[path = "it/http2/wire.rs"]
mod wire;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Allocations are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const LENGTHS: [usize; 3] = [2_000, 500, 2_000];

/// What an event of an answer says.
const WORD: &str = r#""content":" word""#;

/// The events of an answer with so many tokens.
fn events(tokens: usize, delta: &str) -> Vec<String> {
    let token = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":null,"token_ids":null}}]}}"#
    );
    let usage =
        format!(r#"{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":{tokens}}}}}"#);
    let end = [
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
        usage.as_str(),
        "[DONE]",
    ];
    let all = std::iter::repeat_n(token.as_str(), tokens).chain(end);
    all.map(|data| format!("data: {data}\n\n")).collect()
}

/// An answer of `tokens` events, as vLLM frames them.
fn answer_of(tokens: usize, delta: &str) -> Vec<u8> {
    let mut wire =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for event in events(tokens, delta) {
        wire.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn read_request(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut read = 0;
    while !buffer[..read].ends_with(b"}") {
        read += stream.read(&mut buffer[read..]).expect("a request");
    }
}

fn config(url: &str) -> Config {
    Config::new(Endpoint::parse(url).unwrap(), "m")
}

/// The same answers as a template reads them.
fn template() -> Engine {
    let file = serde_json::json!({
        "path": "/v1/chat/completions",
        "request": {"messages": "{{messages}}"},
        "answer": {
            "framing": "sse",
            "text": "/choices/0/delta/content",
            "finish": "/choices/0/finish_reason",
            "error": "/error",
            "output_tokens": "/usage/completion_tokens",
            "marker": "[DONE]",
        },
    });
    Engine::Custom(Template::new(serde_json::from_value(file).unwrap()).unwrap())
}

/// The allocations that answers of these [`LENGTHS`] take.
fn allocated(config: Config) -> [u64; 3] {
    let provider = HttpProvider::new(config).unwrap();
    let prompt = Prompt::user("hi").with_output_tokens(2_000);
    let request = provider.encode(&prompt).unwrap();
    let mut answer = Answer::new(Clock::start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _profiler = dhat::Profiler::builder().testing().build();
    LENGTHS.map(|tokens| {
        answer.begin(Sample::due(Moment::default()), &request);
        let before = dhat::HeapStats::get().total_blocks;
        runtime.block_on(provider.send(&request, &mut answer)).unwrap();
        let after = dhat::HeapStats::get().total_blocks;
        assert_eq!(answer.sample().generated().count(), tokens);
        after - before
    })
}

/// The first answer also connects. Each read that ends within a line costs an allocation or two, and 1500 more
/// events are at most a few dozen reads more.
fn check([_, short, long]: [u64; 3]) {
    assert!(long < short + 100, "{short} allocations for 500 events, {long} for 2000");
}

#[test]
fn an_event_allocates_nothing() {
    let _alone = ALONE.lock();
    let piece = r#""tool_calls":[{"index":0,"function":{"arguments":"12345678"}}]"#;
    for (engine, api, delta) in [
        (Engine::OpenAi, Api::Chat, WORD),
        (Engine::OpenAi, Api::Chat, piece),
        (template(), Api::Generate, WORD),
    ] {
        let answers = LENGTHS.map(|tokens| answer_of(tokens, delta));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = vec![0; 4_096];
            for answer in &answers {
                read_request(&mut stream, &mut buffer);
                // In pieces that end anywhere, but not in too many: a line that is cut is put together.
                answer.chunks(60_000).for_each(|piece| stream.write_all(piece).unwrap());
            }
            stream
        });
        check(allocated(Config { engine, api, ..config(&url) }));
        drop(server.join().unwrap());
    }
}

#[test]
fn an_event_in_a_frame_of_its_own_allocates_nothing() {
    let _alone = ALONE.lock();
    let answers = [(1, LENGTHS[0]), (3, LENGTHS[1]), (5, LENGTHS[2])].map(|(stream, tokens)| {
        let frames = events(tokens, WORD).into_iter().map(|event| wire::data(stream, &event));
        let all = std::iter::once(wire::stream_head(stream)).chain(frames);
        all.chain([wire::last(stream, "")]).flatten().collect::<Vec<u8>>()
    });
    let server = wire::Server::start(move |_, wire| {
        wire.begin(&[])?;
        for answer in &answers {
            wire.request()?;
            wire.send(answer)?;
        }
        wire.request().map(|_| ())
    });
    let transport = Transport { http2: true, ..Transport::default() };
    check(allocated(Config { transport, ..config(&server.url) }));
}
