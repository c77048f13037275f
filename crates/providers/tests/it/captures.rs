//! Real servers' answers, played back whole, event by event, and byte by byte.

use std::path::Path;

use bench_core::{ArrivalKind, Outcome, Provider};
use bench_providers::{Api, HttpProvider};

use crate::server::{Got, Play, Player, ask, config};

fn recorded(name: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).with_extension("http");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

async fn play(pieces: Vec<Vec<u8>>, streaming: bool) -> Got {
    let player = Player::start(vec![Play::Pieces(pieces)]);
    let mut config = config(&player.url);
    config.streaming = streaming;
    ask(&HttpProvider::new(config).unwrap()).await
}

/// A recorded stream, and what it holds.
struct Stream {
    name: &'static str,
    /// Generated events.
    generated: usize,
    /// Completion tokens that the server states.
    usage: Option<u32>,
    finish: &'static str,
}

const fn stream(
    name: &'static str,
    generated: usize,
    usage: Option<u32>,
    finish: &'static str,
) -> Stream {
    Stream { name, generated, usage, finish }
}

const STREAMS: [Stream; 27] = [
    stream("vllm-0.32.0/02-chat-stream-usage", 24, Some(24), "length"),
    stream("vllm-0.32.0/03-chat-stream-sampled", 40, Some(40), "length"),
    // Without usage; one token's text was empty, so that events are fewer than tokens.
    stream("vllm-0.32.0/04-chat-stream-no-usage", 23, None, "length"),
    stream("vllm-0.32.0/05-chat-stream-continuous-usage", 24, Some(24), "length"),
    stream("vllm-0.32.0/08-completions-stream-usage", 22, Some(24), "length"),
    stream("vllm-0.32.0/12-chat-stream-stops-at-eos", 44, Some(46), "stop"),
    stream("vllm-0.32.0/14-chat-stream-stop-string", 2, Some(2), "stop"),
    stream("vllm-0.32.0/15-chat-max-tokens-1-stream", 1, Some(1), "length"),
    stream("vllm-0.32.0/16-chat-stream-logprobs", 5, Some(6), "length"),
    // Two choices, counted in one usage event.
    stream("vllm-0.32.0/19-chat-stream-n2", 16, Some(16), "length"),
    stream("vllm-0.32.0/23-tools-named-stream", 20, Some(91), "stop"),
    stream("vllm-0.32.0/25-tools-required-stream", 11, Some(58), "tool_calls"),
    stream("vllm-0.32.0/47-chat-stream-return-token-ids", 6, Some(6), "length"),
    // Speculative decoding: several tokens in an event.
    stream("vllm-0.32.0-ngram/01-chat-stream-usage", 15, Some(24), "length"),
    stream("vllm-0.32.0-ngram/03-chat-stream-continuous-usage", 16, Some(24), "length"),
    // All in the reasoning channel, eight tokens an event.
    stream("vllm-0.32.0-pressure/11-chat-stream-usage", 4, Some(24), "length"),
    stream("vllm-0.32.0-pressure/15-completions-stream-usage", 4, Some(24), "length"),
    // With keep-alive comments between the events.
    stream("vllm-0.32.0-pressure/30-while-overloaded-chat-stream-usage", 4, Some(24), "length"),
    stream("llama.cpp-0.5.0-dev/02-chat-stream-usage", 24, Some(24), "length"),
    stream("llama.cpp-0.5.0-dev/04-chat-stream-no-usage", 24, None, "length"),
    stream("llama.cpp-0.5.0-dev/08-completions-stream-usage", 23, Some(24), "length"),
    // Two choices, each counted in a usage event of its own: 8 + 8.
    stream("llama.cpp-0.5.0-dev/19-chat-stream-n2", 16, Some(16), "length"),
    stream("llama.cpp-0.5.0-dev/38-tools-required-biased-stream", 41, Some(160), "length"),
    stream("sglang-0.5.23/02-chat-stream-usage", 23, Some(24), "length"),
    stream("sglang-0.5.23/19-chat-stream-n2", 16, Some(16), "length"),
    // No [DONE] at its end.
    stream("transformers-5.19.0/02-chat-stream-usage", 24, Some(24), "length"),
    stream("llama-cpp-python-0.3.36/02-chat-stream-usage", 24, None, "length"),
];

#[tokio::test]
async fn recorded_streams_give_what_their_servers_counted() {
    for expected in STREAMS {
        let got = play(vec![recorded(expected.name)], true).await;
        let sample = &got.sample;
        assert_eq!((sample.outcome, &sample.error), (Outcome::Ok, &None), "{}", expected.name);
        assert_eq!(sample.generated().count(), expected.generated, "{}", expected.name);
        assert_eq!(sample.usage.map(|u| u.completion), expected.usage, "{}", expected.name);
        assert_eq!(
            sample.finish.as_ref().map(|f| f.as_str()),
            Some(expected.finish),
            "{}",
            expected.name
        );
        let tools = sample.generated().any(|a| a.kind == ArrivalKind::ToolCall);
        assert_eq!(got.tool_calls > 0, tools, "{}", expected.name);
        assert_eq!(got.text.is_empty(), tools, "{}", expected.name);
    }
}

#[tokio::test]
async fn the_record_is_the_same_however_the_bytes_arrive() {
    for expected in STREAMS.iter().step_by(3) {
        let bytes = recorded(expected.name);
        let whole = play(vec![bytes.clone()], true).await;
        for size in [1_200, 97] {
            let pieces: Vec<Vec<u8>> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
            let cut = play(pieces, true).await;
            let of = |got: &Got| -> Vec<_> {
                got.sample.arrivals.iter().map(|a| (a.kind, a.bytes, a.tokens)).collect()
            };
            assert_eq!(of(&cut), of(&whole), "{} in pieces of {size}", expected.name);
            assert_eq!(cut.text, whole.text, "{}", expected.name);
        }
    }
}

#[tokio::test]
async fn running_totals_give_the_tokens_of_each_event() {
    for (name, most) in [
        ("vllm-0.32.0/05-chat-stream-continuous-usage", 1),
        ("vllm-0.32.0-ngram/03-chat-stream-continuous-usage", 5),
        ("vllm-0.32.0-pressure/11-chat-stream-usage", 8),
        ("vllm-0.32.0/47-chat-stream-return-token-ids", 1),
        ("sglang-0.5.23/05-chat-stream-continuous-usage", 1),
    ] {
        let sample = play(vec![recorded(name)], true).await.sample;
        let tokens: Vec<u32> = sample.generated().map(|a| u32::from(a.tokens)).collect();
        assert!(tokens.iter().all(|n| (1..=most).contains(n)), "{name}: {tokens:?}");
        assert_eq!(Some(tokens.iter().sum()), sample.usage.map(|u| u.completion), "{name}");
    }
}

#[tokio::test]
async fn answers_that_are_not_streamed_count_too() {
    for (name, tokens) in [
        ("vllm-0.32.0/06-chat", 24),
        ("vllm-0.32.0/09-completions", 24),
        ("vllm-0.32.0/20-chat-n2", 16),
        ("llama.cpp-0.5.0-dev/06-chat", 24),
    ] {
        let got = play(vec![recorded(name)], false).await;
        assert_eq!(got.sample.outcome, Outcome::Ok, "{name}: {:?}", got.sample.error);
        assert_eq!(got.sample.usage.map(|u| u.completion), Some(tokens), "{name}");
        assert!(!got.text.is_empty());
    }
}

#[tokio::test]
async fn refusals_keep_their_status_and_their_words() {
    for (name, outcome, words) in [
        ("vllm-0.32.0/28-error-unknown-model-stream", Outcome::Http(404), "does not exist"),
        ("vllm-0.32.0/30-error-prompt-too-long-stream", Outcome::Http(400), "4096"),
        ("vllm-0.32.0/32-error-invalid-json", Outcome::Http(400), "JSON"),
        ("vllm-0.32.0/35-error-no-such-path", Outcome::Http(404), "Not Found"),
        (
            "vllm-0.32.0-pressure/02-unauthorised-chat-stream-usage",
            Outcome::Http(401),
            "Unauthorized",
        ),
        ("llama.cpp-0.5.0-dev/28-error-prompt-too-long-stream", Outcome::Http(400), "context"),
        ("llama.cpp-0.5.0-dev/29-error-invalid-json", Outcome::Http(500), "parse"),
        // 200, and then an error in the stream.
        ("transformers-5.19.0/12-chat-stream-stops-at-eos", Outcome::InBandError, "sequence_bias"),
        // 200, and then nothing at all.
        ("llama-cpp-python-0.3.36/29-error-prompt-too-long-stream", Outcome::Truncated, "ended"),
    ] {
        let sample = play(vec![recorded(name)], true).await.sample;
        let error = sample.error.unwrap_or_default();
        assert_eq!(sample.outcome, outcome, "{name}: {error}");
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[tokio::test]
async fn an_answer_of_no_token_is_empty() {
    let sample =
        play(vec![recorded("llama.cpp-0.5.0-dev/12-chat-stream-stops-at-eos")], true).await.sample;
    assert_eq!(sample.outcome, Outcome::Empty);
}

#[tokio::test]
async fn a_server_says_what_it_is_and_what_it_has() {
    for (name, engine) in
        [("vllm-0.32.0", "vllm"), ("llama.cpp-0.5.0-dev", "llamacpp"), ("sglang-0.5.23", "sglang")]
    {
        let models = Play::Pieces(vec![recorded(&format!("{name}/01-models"))]);
        let version = match engine {
            "vllm" => Play::Pieces(vec![recorded("vllm-0.32.0/41-version")]),
            _ => Play::ThenClose(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()),
        };
        let player = Player::start(vec![models, version]);
        let mut config = config(&player.url);
        config.api = Api::Completions;
        let info = HttpProvider::new(config).unwrap().describe().await.unwrap();
        assert_eq!(info.engine.as_deref(), Some(engine));
        assert_eq!(info.models[0].id, "tiny");
        assert_eq!(info.models[0].context_length, Some(4096));
        assert_eq!(info.version.is_some(), engine == "vllm", "{:?}", info.version);
    }
}
