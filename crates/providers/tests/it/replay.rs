//! Every recorded answer of a real server, played back: what was made of it lies in a snapshot for each
//! server, and must be what a plain reading of the whole recording finds.

use std::{fs, path::PathBuf};

use bench_core::{Outcome, Sample};
use bench_providers::{Api, Engine, HttpProvider};
use serde_json::Value;

use crate::server::{Got, Play, Player, ask, config};

/// A recorded exchange.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) api: Api,
    status: u64,
    pub(crate) streaming: bool,
    wire: Vec<u8>,
}

fn folder(server: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(server)
}

/// The recorded requests for answers of `server`.
pub(crate) fn cases(server: &str) -> Vec<Case> {
    let folder = folder(server);
    let index: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let case = |case: &Value| {
        let name = case["case"].as_str()?.to_owned();
        let api = match case["path"].as_str()? {
            "/v1/chat/completions" => Api::Chat,
            "/v1/completions" => Api::Completions,
            "/v1/responses" => Api::Responses,
            "/v1/messages" => Api::Messages,
            "/generate" | "/completion" => Api::Generate,
            _ => return None,
        };
        // What was asked in a way that no benchmark does says nothing of how it was asked.
        let request = fs::read(folder.join(format!("{name}.request.json"))).ok()?;
        let request: Value = serde_json::from_slice(&request).unwrap_or_default();
        Some(Case {
            wire: fs::read(folder.join(format!("{name}.http"))).unwrap(),
            api,
            status: case["status"].as_u64().unwrap(),
            streaming: request["stream"] == true,
            name,
        })
    };
    index.iter().filter_map(case).collect()
}

pub(crate) async fn play(engine: Engine, case: &Case) -> Got {
    play_in(engine, case, case.wire.len()).await
}

/// The same with its bytes in pieces of this size, each read on its own.
async fn play_in(engine: Engine, case: &Case, size: usize) -> Got {
    let pieces = case.wire.chunks(size).map(<[u8]>::to_vec).collect();
    let player = Player::start(vec![Play::PiecesThenClose(pieces)]);
    let mut config = config(&player.url);
    // A template is an API of its own.
    let api = if engine.apis().contains(&case.api) { case.api } else { engine.apis()[0] };
    (config.engine, config.api, config.streaming) = (engine, api, case.streaming);
    ask(&HttpProvider::new(config).unwrap()).await
}

/// One line of a snapshot.
fn line(case: &Case, Got { sample, text, tool_calls }: &Got) -> String {
    let mut line = format!("{} {} {}", case.name, case.api, sample.outcome);
    let mut say = |text: String| line += &format!(" {text}");
    if !case.streaming {
        say("whole".to_owned());
    }
    let generated = sample.generated().count();
    say(format!("events {generated}/{}", sample.arrivals.len()));
    if let Some(usage) = sample.usage {
        say(format!("usage {}+{}", usage.prompt, usage.completion));
        for (what, count) in [("reasoning", usage.reasoning), ("cached", usage.cached)] {
            if let Some(count) = count {
                say(format!("{what} {count}"));
            }
        }
    }
    if case.streaming && sample.generated().all(|arrival| arrival.tokens > 0) && generated > 0 {
        let tokens: Vec<u16> = sample.generated().map(|arrival| arrival.tokens).collect();
        say(match tokens.iter().all(|tokens| *tokens == 1) {
            true => "tokens 1 each".to_owned(),
            false => format!("tokens {tokens:?}"),
        });
    }
    let times = sample.server;
    for (what, time) in [
        ("load", times.load),
        ("queue", times.queue),
        ("prefill", times.prefill),
        ("decode", times.decode),
    ] {
        if let Some(time) = time {
            say(format!("{what} {:.3} ms", time.as_secs_f64() * 1e3));
        }
    }
    if let Some(finish) = &sample.finish {
        say(format!("finish {}", finish.as_str()));
    }
    if *tool_calls > 0 {
        say(format!("tool calls {tool_calls}"));
    }
    say(format!("text {} bytes", text.len()));
    if let Some(error) = &sample.error {
        say(format!("error {error:?}"));
    }
    line
}

/// The body, its chunks joined.
fn body(wire: &[u8]) -> Vec<u8> {
    let end = wire.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&wire[..end]).to_ascii_lowercase();
    let mut rest = &wire[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_vec();
    }
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
    body
}

/// All text and all tool arguments at the places where the dialects have them, from the whole recording at
/// once.
fn plain_reading(case: &Case) -> (String, Option<u64>) {
    let body = String::from_utf8(body(&case.wire)).unwrap();
    let events: Vec<Value> = match case.streaming {
        true => {
            let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
            data.filter_map(|data| serde_json::from_str(data).ok()).collect()
        }
        false => vec![serde_json::from_str(&body).unwrap()],
    };
    const TEXTS: [&str; 12] = [
        "/choices/I/delta/reasoning",
        "/choices/I/delta/reasoning_content",
        "/choices/I/delta/content",
        "/choices/I/message/reasoning",
        "/choices/I/message/reasoning_content",
        "/choices/I/message/content",
        "/choices/I/text",
        "/output/0/content/I/text",
        "/content/I/text",
        "/content",
        "/delta/text",
        "/text",
    ];
    const COUNTS: [&str; 5] = [
        "/usage/completion_tokens",
        "/usage/output_tokens",
        "/response/usage/output_tokens",
        "/meta_info/completion_tokens",
        "/tokens_predicted",
    ];
    let (mut text, mut count, mut of_choices) = (String::new(), None, 0);
    for event in &events {
        let kind = event["type"].as_str().unwrap_or_default();
        if kind.starts_with("response.") && kind.ends_with("_text.delta") {
            text += event["delta"].as_str().unwrap();
        }
        // Its other events repeat what the deltas said.
        let places = if kind.starts_with("response.") { &[] } else { TEXTS.as_slice() };
        for place in places {
            for i in 0..4 {
                let found = event.pointer(&place.replace('I', &i.to_string()));
                text += found.and_then(Value::as_str).unwrap_or_default();
                if !place.contains('I') {
                    break;
                }
            }
        }
        // SGLang's own API repeats what came before.
        if event.get("meta_info").is_some() {
            text = event["text"].as_str().unwrap().to_owned();
        }
        let found = COUNTS.iter().find_map(|place| event.pointer(place)?.as_u64());
        // llama.cpp counts each choice in an event of its own.
        let no_choices = event["choices"].as_array().is_some_and(Vec::is_empty);
        if let Some(found) = found.filter(|_| no_choices) {
            of_choices += found;
            count = Some(of_choices);
        } else {
            count = found.or(count);
        }
    }
    (text, count)
}

fn check(case: &Case, got: &Got) {
    let Sample { outcome, usage, .. } = &got.sample;
    if case.status != 200 {
        let expected = u16::try_from(case.status).unwrap();
        assert_eq!(*outcome, Outcome::Http(expected), "{}", case.name);
        return;
    }
    if *outcome != Outcome::Ok {
        return;
    }
    let (text, count) = plain_reading(case);
    assert_eq!(got.text, text, "{}", case.name);
    let usage = usage.map(|usage| u64::from(usage.completion));
    assert_eq!(usage, count, "{}", case.name);
}

async fn replay(server: &str, engine: Engine) {
    let mut lines = Vec::new();
    for case in cases(server) {
        let got = play(engine.clone(), &case).await;
        check(&case, &got);
        lines.push(line(&case, &got));
    }
    assert!(lines.len() > 5, "{lines:?}");
    insta::assert_snapshot!(server, lines.join("\n"));
}

#[tokio::test]
async fn vllm() {
    replay("vllm-0.32.0", Engine::Vllm).await;
    replay("vllm-0.32.0-ngram", Engine::Vllm).await;
    replay("vllm-0.32.0-pressure", Engine::Vllm).await;
}

#[tokio::test]
async fn sglang() {
    replay("sglang-0.5.23", Engine::Sglang).await;
}

#[tokio::test]
async fn llamacpp() {
    replay("llama.cpp-0.5.0-dev", Engine::LlamaCpp).await;
    replay("llama.cpp-0.5.0-dev-ngram", Engine::LlamaCpp).await;
}

#[tokio::test]
async fn others() {
    replay("llama-cpp-python-0.3.36", Engine::OpenAi).await;
    replay("transformers-5.19.0", Engine::OpenAi).await;
}

#[tokio::test]
async fn the_record_is_the_same_however_the_bytes_arrive() {
    for (server, engine) in [
        ("vllm-0.32.0", Engine::Vllm),
        ("sglang-0.5.23", Engine::Sglang),
        ("llama.cpp-0.5.0-dev", Engine::LlamaCpp),
    ] {
        for case in cases(server).iter().filter(|case| case.streaming).step_by(3) {
            let whole = line(case, &play(engine.clone(), case).await);
            for size in [1_200, 97] {
                let cut = line(case, &play_in(engine.clone(), case, size).await);
                assert_eq!(cut, whole, "in pieces of {size}");
            }
        }
    }
}
