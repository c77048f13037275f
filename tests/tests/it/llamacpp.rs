//! A real server, llama.cpp's: it is found out, measured by each of its APIs, and counts what we count.

use bench_core::{Arrival, Sample};
use serde_json::{Value, json};

use crate::{
    llama_server::LlamaServer,
    program::{Place, samples, until},
    tiny_model,
};

/// What `--endpoint-type` calls each of its APIs.
const APIS: [&str; 5] = ["chat", "completions", "messages", "responses", "generate"];

/// It takes no notice of `ignore_eos` in a request for messages.
fn keeps_length(api: &str) -> bool {
    api != "messages"
}

#[test]
fn it_is_found_out() {
    let Some(server) = LlamaServer::start() else { return };
    for api in APIS {
        let words = format!("probe {} --json --endpoint-type {api}", server.url);
        let json: Value =
            serde_json::from_str(&Place::new().inferbench(&words).exits(0).stdout).unwrap();
        assert_eq!((&json["engine"], &json["outcome"]), (&json!("llamacpp"), &json!("ok")));
        let version = json["version"].as_str().unwrap_or_default();
        assert!(version.contains(|c: char| c.is_ascii_digit()), "{json}");
        let model = json!([{"id": "tiny", "context_length": tiny_model::CONTEXT}]);
        assert_eq!(json["models"], model);
        for yes in ["ready", "metrics", "tokenizes"] {
            assert_eq!(json[yes], json!(true), "{api}: {yes}: {json}");
        }
        assert_eq!(json["keeps_length"], json!(keeps_length(api)), "{api}: {json}");
    }
}

#[test]
fn each_of_its_apis_is_measured_and_counts_what_we_count() {
    let Some(server) = LlamaServer::start() else { return };
    let counted = || -> [u64; 2] {
        ["prompt_tokens_total", "tokens_predicted_total"].map(|name| server.counts(name))
    };
    for api in APIS {
        for how in ["", "--no-streaming"] {
            let what = format!("{api} {how}");
            let place = Place::new();
            let words = format!("-u {} -n 24 -c 4 --osl 40 --endpoint-type {what}", server.url);
            let before = counted();
            let ended = place.run(&words).measures();
            let after = counted();

            let said = format!("llamacpp ends answers of `{api}` where the model does");
            assert_eq!(ended.stderr.contains(&said), !keeps_length(api), "{}", ended.stderr);
            assert_eq!(place.point().outcomes, [("ok".to_owned(), 24)].into(), "{what}");
            // Those of the warm-up too: nothing is sent that is not in the file, and nothing is there twice.
            let mut ours = [0, 0];
            for sample in samples(&place.run_directory()) {
                let usage = sample.usage.unwrap_or_else(|| panic!("{what}: {sample:?}"));
                ours[0] += u64::from(usage.prompt);
                ours[1] += u64::from(usage.completion);
                if keeps_length(api) {
                    assert_eq!(usage.completion, 40, "{what}: {sample:?}");
                }
                if api == "generate" && sample.streamed {
                    let of_events: u32 = sample.generated().filter_map(Arrival::known_tokens).sum();
                    assert_eq!(of_events, usage.completion, "{what}: {sample:?}");
                }
            }
            assert_eq!([after[0] - before[0], after[1] - before[1]], ours, "{what}");
        }
    }
}

/// How far its figures and ours may be apart.
const AGREE: f64 = 0.05;

/// What there is in our time to the first token, and not in its time for the prompt: the request is read,
/// taken apart and turned into some 5 000 tokens, and the first one is written. On an idle machine 1.4 ms.
const BESIDE_THE_PROMPT_MS: f64 = 3.0;

/// Other tests burn the cores meanwhile, and who is woken late to write a token does not count that.
const TRIES: usize = 4;

/// Milliseconds of all requests: up to the first tokens, and from there to the last ones.
struct Times {
    first: f64,
    decode: f64,
}

impl Times {
    fn ours(samples: &[Sample]) -> Self {
        let mut ours = Self { first: 0.0, decode: 0.0 };
        for sample in samples {
            let (first, last) = (sample.generated().next(), sample.generated().next_back());
            let (first, last) = (first.unwrap().at, last.unwrap().at);
            ours.first += first.since(sample.sent.unwrap()).as_secs_f64() * 1e3;
            ours.decode += last.since(first).as_secs_f64() * 1e3;
        }
        ours
    }

    /// What the `timings` of all answers so far add up to.
    fn its(server: &LlamaServer) -> Self {
        let [first, decode]: [f64; 2] =
            ["prompt_seconds_total", "tokens_predicted_seconds_total"].map(|n| server.counts(n));
        Self { first: first * 1e3, decode: decode * 1e3 }
    }
}

#[test]
fn its_own_clock_agrees() {
    let Some(server) = LlamaServer::start() else { return };
    for api in ["chat", "generate"] {
        let mut said = Vec::new();
        let agreed = (0..TRIES).any(|_| {
            let place = Place::new();
            // Half of the time of an answer is that of its prompt.
            let words = format!("-u {} -n 12 -c 1 --isl 1024 --osl 256", server.url);
            let before = Times::its(&server);
            place.run(&words).arg("--endpoint-type").arg(api).measures();
            let after = Times::its(&server);
            let all = samples(&place.run_directory());
            let (ours, n) = (Times::ours(&all), all.len() as f64);
            let (first, decode) = (after.first - before.first, after.decode - before.decode);
            said.push(format!(
                "{api}: first token {:.2} ms, its prompt {:.2} ms; decode {:.2} ms, by its clock {:.2} ms; {:?}",
                ours.first / n,
                first / n,
                ours.decode / n,
                decode / n,
                place.point().reasons,
            ));
            (ours.first - first).abs() <= AGREE * first + BESIDE_THE_PROMPT_MS * n
                && (ours.decode - decode).abs() <= AGREE * decode
        });
        println!("{}", said.join("\n"));
        assert!(agreed, "in none of {TRIES} runs; each says why it may be:\n{}", said.join("\n"));
    }
}

/// Each of the two is there where it was started for that.
#[test]
fn its_embeddings_and_rankings_are_measured_and_count_what_it_counts() {
    for (api, started, more) in [
        ("embeddings", "--embeddings --pooling mean", "-b 3"),
        ("rerank", "--reranking", "--documents 3 --query-tokens 8"),
    ] {
        let Some(server) = LlamaServer::start_with(started) else { return };
        let place = Place::new();
        let probe = format!("probe {} --json --endpoint-type {api}", server.url);
        let json: Value = serde_json::from_str(&place.inferbench(&probe).exits(0).stdout).unwrap();
        assert_eq!((&json["outcome"], &json["keeps_length"]), (&json!("ok"), &Value::Null));
        assert_eq!(json["results"][api], json!("ok"), "{json}");
        let before: u32 = server.counts("prompt_tokens_total");
        let words = format!("-u {} -n 24 -c 4 --isl 30 {more} --endpoint-type {api}", server.url);
        place.run(&words).measures();
        assert_eq!(place.point().outcomes, [("ok".to_owned(), 24)].into(), "{api}");
        let all = samples(&place.run_directory());
        let ours: u32 = all.iter().map(|sample| sample.usage.unwrap().prompt).sum();
        assert_eq!(server.counts::<u32>("prompt_tokens_total") - before, ours, "{api}");
        assert!(all.iter().all(|sample| sample.is_result() && sample.output_tokens().is_none()));
    }
}

#[test]
fn what_was_measured_before_it_died_is_kept() {
    let Some(mut server) = LlamaServer::start() else { return };
    let place = Place::new();
    let run = place.run(&format!("-u {} -n 1m -c 4 --osl 40", server.url)).start();
    let counted = || server.counts::<u32>("tokens_predicted_total");
    until("some were answered", || counted() > 4_000);
    let counted = counted();
    server.process.kill();
    let ended = run.exits(9);
    assert!(ended.stdout.contains("the server was lost: nothing succeeded"), "{}", ended.stdout);
    let usages = samples(&place.run_directory()).into_iter().filter_map(|sample| sample.usage);
    let answered: u32 = usages.map(|usage| usage.completion).sum();
    // It may have counted what it could no longer say.
    assert!(answered + 4 * 40 >= counted, "{answered} of {counted}");
}

/// What it counts before is what it counts in each request: of the text alone, to which it adds the same each time.
#[test]
fn prompts_are_as_long_as_it_says_and_conversations_go_on_with_its_answers() {
    let Some(server) = LlamaServer::start() else { return };
    let place = Place::new();
    let words =
        "run --tokenizer server --endpoint-type completions --isl 30 --osl 4 -n 12 --turns 2";
    place.inferbench(&format!("{words} -u {}", server.url)).measures();
    let all = samples(&place.run_directory());
    let first: Vec<_> = all.iter().filter(|sample| sample.turn == 0).collect();
    assert!(first.iter().all(|s| s.input_tokens == Some(30)), "{first:?}");
    let added = |s: &Sample| s.usage.map(|usage| usage.prompt - 30);
    assert!(first.iter().all(|s| added(s) == added(first[0])), "{first:?}");
    let later: Vec<_> = all.iter().filter(|sample| sample.turn == 1).collect();
    assert!(later.iter().all(|s| s.outcome.is_ok() && s.repeated_tokens == Some(34)), "{later:?}");
}
