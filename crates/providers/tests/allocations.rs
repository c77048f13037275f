//! Reading an event allocates nothing: answers of any length take the same number of allocations.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use bench_core::{Answer, Clock, Moment, Prompt, Provider, Sample};
use bench_providers::{Api, Config, Endpoint, Engine, HttpProvider, Template};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// An answer of `tokens` events, as vLLM frames them.
fn answer_of(tokens: usize) -> Vec<u8> {
    let mut wire =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let mut event = |data: &str| {
        let event = format!("data: {data}\n\n");
        wire.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    };
    for _ in 0..tokens {
        event(
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null,"token_ids":null}]}"#,
        );
    }
    event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#);
    event(&format!(
        r#"{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":{tokens}}}}}"#
    ));
    event("[DONE]");
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn read_request(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut read = 0;
    while !buffer[..read].ends_with(b"}") {
        read += stream.read(&mut buffer[read..]).expect("a request");
    }
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
    let file = serde_json::from_value(file).expect("a template's file");
    Engine::Custom(Template::new(file).expect("a template"))
}

#[test]
fn an_event_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    check(Engine::OpenAi, Api::Chat);
    check(template(), Api::Generate);
}

fn check(engine: Engine, api: Api) {
    const LENGTHS: [usize; 3] = [2_000, 500, 2_000];
    let answers = LENGTHS.map(answer_of);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut buffer = vec![0; 4_096];
        for answer in &answers {
            read_request(&mut stream, &mut buffer);
            // In pieces that end anywhere, but not in too many: a line that is cut is put together.
            answer.chunks(60_000).for_each(|piece| stream.write_all(piece).expect("a reader"));
        }
        stream
    });

    let config = Config::new(Endpoint::parse(&url).expect("a URL"), "m");
    let provider = HttpProvider::new(Config { engine, api, ..config }).expect("a provider");
    let prompt = Prompt::user("hi").with_output_tokens(2_000);
    let request = provider.encode(&prompt).expect("a body");
    let mut answer = Answer::new(Clock::start());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let allocated = LENGTHS.map(|tokens| {
        answer.begin(Sample::due(Moment::default()), &request);
        let before = dhat::HeapStats::get().total_blocks;
        runtime.block_on(provider.send(&request, &mut answer)).expect("an answer");
        let after = dhat::HeapStats::get().total_blocks;
        assert_eq!(answer.sample().generated().count(), tokens);
        after - before
    });
    drop(server.join().expect("the server"));
    // The first answer also connects. Each read that ends within a line costs an allocation or two, and
    // 1500 more events are at most a few dozen reads more.
    let [_, short, long] = allocated;
    assert!(long < short + 100, "{short} allocations for 500 events, {long} for 2000");
}
