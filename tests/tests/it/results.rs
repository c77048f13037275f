//! Answers that are no text, embeddings and rankings: they have latency and throughput, and nothing of tokens.

use std::io::Write;

use bench_core::Sample;
use serde_json::{Value, json};

use crate::{
    program::{Place, samples, statistic},
    server::{Request, Server, document, refusal},
    simulator::Simulator,
};

/// What only generated tokens have.
const OF_TOKENS: [&str; 16] = [
    "ttft_ms",
    "ttfo_ms",
    "ttst_ms",
    "tpot_ms",
    "itl_ms",
    "icl_ms",
    "ttft_due_ms",
    "tps_user",
    "e2e_tps_user",
    "prefill_tps",
    "decode_tps",
    "osl",
    "output_tps",
    "total_tps",
    "peak_output_tps",
    "steady_output_tps",
];

#[test]
fn they_have_latency_and_throughput_and_no_tokens() {
    let simulator = Simulator::start("--ttft-ms 20");
    for (api, more, texts) in
        [("embeddings", "", 1), ("embeddings", "-b 8", 8), ("rerank", "--documents 5", 5)]
    {
        let place = Place::new();
        let words =
            format!("-u {} -n 140 -c 4 --isl 50 --endpoint-type {api} {more}", simulator.url);
        let ended = place.run(&words).measures();
        let point = place.point();
        assert_eq!(point.outcomes, [("ok".to_owned(), 140)].into(), "{api}");
        for metric in OF_TOKENS {
            assert!(!point.metrics.contains_key(metric), "{api}: {metric}");
        }
        assert!(statistic(&point, "e2e_ms", "min") >= 20.0);
        let window = statistic(&point, "window_s", "value");
        let rate = |metric| statistic(&point, metric, "value") * window;
        assert!((rate("rps") - 140.0).abs() < 1e-6);
        let measured = place.measured();
        let tokens: f64 = measured.iter().map(|s| f64::from(s.usage.unwrap().prompt)).sum();
        assert!((rate("input_tps") - tokens).abs() < 1e-6 * tokens);
        for Sample { input_tokens, asked_tokens, streamed, .. } in &measured {
            assert_eq!((*asked_tokens, *streamed), (None, false));
            let query = if api == "rerank" { 32 } else { 0 };
            assert_eq!(*input_tokens, Some(texts * 50 + query), "{api} {more}");
        }
        // A machine that is busy is another matter.
        let of_tokens = ["osl", "osl_long", "tokens_estimated", "usage_conflict", "unsent"];
        let of_tokens = |code: &str| of_tokens.contains(&code);
        assert!(!point.reasons.iter().any(|reason| of_tokens(&reason.code)), "{:?}", point.reasons);
        for word in ["token in", "tok/s", "output", "TTFT", "OSL", "Tokens from"] {
            assert!(!ended.stdout.contains(word), "{word}: {}", ended.stdout);
        }
        assert!(ended.stdout.contains("4 users get an answer in "), "{}", ended.stdout);
        assert!(ended.stdout.contains("from first request to last answer"), "{}", ended.stdout);
    }
}

/// A server with an API that answers with `answer`.
fn answering(answer: &'static str) -> Server {
    Server::completing(move |_, to| {
        let length = answer.len();
        write!(
            to,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        )
    })
}

#[test]
fn what_is_no_result_is_no_success() {
    for (api, answer, outcome) in [
        ("embeddings", r#"{"data":[]}"#, "empty"),
        ("embeddings", r#"{"data":[{"embedding":[]}]}"#, "empty"),
        ("embeddings", r#"{"data":[{"embedding":[0.5]}"#, "malformed"),
        ("embeddings", r#"{"choices":[]}"#, "malformed"),
        ("embeddings", r#"{"error":{"message":"no embeddings here"}}"#, "in_band_error"),
        ("rerank", r#"{"results":[]}"#, "empty"),
        ("rerank", r#"{"results":[{"index":0}]}"#, "empty"),
        ("rerank", "nonsense", "malformed"),
        ("rerank", r#"{"error":"no ranking here"}"#, "in_band_error"),
    ] {
        let server = answering(answer);
        let place = Place::new();
        let words = format!("-u {} -n 5 --isl 8 --endpoint-type {api}", server.url);
        place.run(&words).exits(6);
        let outcomes = place.point().outcomes;
        assert_eq!(outcomes.keys().collect::<Vec<_>>(), [outcome], "{api}: {answer}");
    }
}

/// An answer to what was asked, as a server of that engine gives it.
fn ranked(request: &Request) -> String {
    let scored = |index| json!({"index": index, "logit": -1.5, "score": 0.5});
    let ranked = |name: &str| -> Vec<Value> {
        (0..request.body[name].as_array().unwrap().len()).map(scored).collect()
    };
    match request.what.as_str() {
        "POST /v1/ranking" => document(200, &json!({"rankings": ranked("passages")})),
        "POST /v1/rerank" => document(200, &Value::Array(ranked("documents"))),
        _ => refusal(404, "no such path"),
    }
}

#[test]
fn each_engine_ranks_in_its_own_words() {
    for (engine, path, query) in
        [("nim", "POST /v1/ranking", "/query/text"), ("sglang", "POST /v1/rerank", "/query")]
    {
        let server = Server::completing(|request, to| write!(to, "{}", ranked(request)));
        let place = Place::new();
        let words = format!("-u {} -n 5 --isl 8 --endpoint-type rerank", server.url);
        place.run(&format!("{words} --engine {engine} --query-tokens 4")).measures();
        assert_eq!(place.point().outcomes["ok"], 5);
        for request in server.completions() {
            assert_eq!(request.what, path);
            let words = request.body.pointer(query).unwrap().as_str().unwrap();
            assert!(!words.is_empty());
            for field in ["stream", "max_tokens", "ignore_eos", "min_tokens", "stream_options"] {
                assert_eq!(request.body.get(field), None, "{field}");
            }
        }
        // Nobody counted but this program.
        let measured = samples(&place.run_directory());
        assert!(measured.iter().all(|s| s.usage.is_none() && s.input_tokens == Some(84)));
        assert!(statistic(&place.point(), "input_tps", "value") > 0.0);
    }
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    for (words, said) in [
        ("--endpoint-type embeddings --osl 8", "--osl: means nothing for embeddings and rerank"),
        ("--endpoint-type rerank --streaming", "--streaming: means nothing for embeddings"),
        ("--endpoint-type rerank -b 8", "without a target that is asked for embeddings"),
        (
            "--endpoint-type embeddings --slo p95(ttft)<500ms",
            "--slo: p95(ttft_ms) does not exist for embeddings and rerank",
        ),
        ("--documents 8", "without a target that is asked to rerank"),
    ] {
        let ended = Place::new().run(&format!("--simulate {words}")).exits(2);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let ended = Place::new().inferbench("chat hello --simulate --endpoint-type rerank").exits(2);
    assert!(ended.stderr.contains("`rerank` says nothing"), "{}", ended.stderr);
}

#[test]
fn a_plan_says_what_is_sent_and_no_more() {
    let place = Place::new();
    let plan = "targets: [{simulate: true, endpoint_type: rerank}]\nload: {converge: 5%}\n";
    std::fs::write(place.path().join("plan.yaml"), plan).unwrap();
    let said = place.inferbench("plan expand plan.yaml").exits(0).stdout;
    for line in ["streaming: false", "documents: 10", "query_tokens: 32", "converge_on: rps"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("osl") && !said.contains("batch_size"), "{said}");
}

#[test]
fn two_runs_are_compared_by_what_they_have() {
    let simulator = Simulator::start("--ttft-ms 10");
    let place = Place::new();
    let words = format!("-u {} -n 140 --isl 20 --endpoint-type embeddings", simulator.url);
    place.run(&words).measures();
    place.run(&words).measures();
    let compared = place.inferbench("compare @prev @last --output json").exits(0).stdout;
    let compared: Value = serde_json::from_str(&compared).unwrap();
    let metrics = compared["candidates"][0]["points"][0]["metrics"].as_array().unwrap();
    let ids: Vec<&str> = metrics.iter().map(|m| m["metric"].as_str().unwrap()).collect();
    assert!(ids.contains(&"e2e_ms") && ids.contains(&"rps"), "{ids:?}");
    assert!(!ids.iter().any(|id| OF_TOKENS.contains(id)), "{ids:?}");
}
