//! What is sent: the bodies, the headers, and that the same seed gives the same.

use std::{collections::BTreeSet, io::Write};

use serde_json::{Value, json};

use crate::{
    program::{Place, samples},
    server::{Server, whole},
};

fn server() -> Server {
    Server::completing(|request, to| write!(to, "{}", whole(request)))
}

/// The bodies that a run sends, in order.
fn bodies(words: &str) -> Vec<Value> {
    let server = server();
    Place::new().run(&format!("-u {} -n 12", server.url)).words(words).measures();
    server.completions().into_iter().map(|request| request.body).collect()
}

#[test]
fn the_same_seed_sends_the_same_in_the_same_order() {
    let lengths = "--isl-stddev 6 --osl-stddev 3";
    let first = bodies(&format!("--seed 7 {lengths}"));
    assert_eq!(first, bodies(&format!("--seed 7 {lengths}")));
    assert_ne!(first, bodies(&format!("--seed 8 {lengths}")));
    let distinct: BTreeSet<String> =
        first.iter().map(|body| body["messages"].to_string()).collect();
    assert_eq!((first.len(), distinct.len()), (4 + 12, 4 + 12), "no prompt comes twice");
    let asked: BTreeSet<String> = first.iter().map(|body| body["max_tokens"].to_string()).collect();
    assert!(asked.len() > 2, "{asked:?}");
}

#[test]
fn a_chat_is_asked_for_as_openai_has_it() {
    let server = server();
    let place = Place::new();
    place.run(&format!("-u {} -n 3 -H X-Mine:1", server.url)).measures();
    let requests = server.completions();
    for request in &requests {
        assert_eq!(request.what, "POST /v1/chat/completions");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("host"), server.url.strip_prefix("http://"));
        assert_eq!(request.header("x-mine"), Some("1"));
        assert_eq!(request.header("authorization"), None);
        let body = &request.body;
        assert!(body["messages"][0]["content"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(body["messages"][0]["role"], "user");
        let mut rest = body.as_object().unwrap().clone();
        rest.remove("messages");
        let expected = json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 8
        });
        assert_eq!(Value::Object(rest), expected);
    }
    let sent: Vec<_> = requests.iter().map(|r| r.header("x-request-id").unwrap()).collect();
    let samples = samples(&place.run_directory());
    let kept: Vec<_> = samples.iter().map(|sample| sample.request_id.as_str()).collect();
    assert_eq!(sent, kept);
}

#[test]
fn fields_can_be_added_changed_and_taken_away() {
    let more = r#"--extra-inputs temperature:0.5 --extra-inputs {"max_tokens":3,"stream_options":null} --force-osl"#;
    for body in bodies(more) {
        assert_eq!((&body["temperature"], &body["max_tokens"]), (&json!(0.5), &json!(3)));
        assert_eq!(body["ignore_eos"], true);
        assert!(body.get("stream_options").is_none(), "{body}");
    }
}

#[test]
fn images_are_sent_beside_the_text_and_none_comes_twice() {
    let mut seen = BTreeSet::new();
    for body in bodies("--image-count 2 --image-width 8 --image-height 4") {
        let parts = body["messages"][0]["content"].as_array().unwrap();
        assert_eq!(parts.len(), 3, "{body}");
        assert!(parts[0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        for part in &parts[1..] {
            let url = part["image_url"]["url"].as_str().unwrap();
            assert!(url.starts_with("data:image/png;base64,iVBORw0KGgo"), "{url}");
            assert!(seen.insert(url.to_owned()), "{url} comes twice");
        }
    }
    assert_eq!(seen.len(), 2 * (4 + 12));
}

#[test]
fn completions_have_a_prompt_and_a_path_of_their_own() {
    for body in bodies("--endpoint-type completions") {
        assert!(body["prompt"].is_string() && body.get("messages").is_none(), "{body}");
    }
    let server = server();
    let run = format!("-u {}/base/v1 -m m -n 3 --endpoint /chat", server.url);
    Place::new().run(&run).measures();
    assert!(server.completions().iter().all(|request| request.what == "POST /base/chat"));
}

#[test]
fn prompts_have_as_many_tokens_as_asked_for_by_the_models_tokenizer() {
    const TOKENIZER: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/workloads/tests/data/byte_level.json");
    let server = server();
    let place = Place::new();
    let run = format!("run -u {} -n 10 --isl 50 --osl 4 --tokenizer", server.url);
    place.inferbench(&run).arg(TOKENIZER).measures();
    let samples = place.measured();
    assert_eq!(samples.len(), 10);
    for sample in samples {
        assert_eq!((sample.input_tokens, sample.asked_tokens), (Some(50), Some(4)));
        assert!(sample.counted_tokens.is_some(), "an exact tokenizer counts answers too");
    }
}

#[test]
fn prompts_go_as_token_ids_where_that_is_asked_for() {
    let tokenizer =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/workloads/tests/data/byte_level.json");
    let words = format!("--endpoint-type completions --token-ids --tokenizer {tokenizer}");
    for body in bodies(&words) {
        let ids = body["prompt"].as_array().unwrap();
        assert!(ids.len() == 16 && ids.iter().all(Value::is_u64), "{body}");
    }
    let server = server();
    let place = Place::new();
    let run = format!("-u {} -n 3 --token-ids", server.url);
    let run = |words: &str| place.run(&run).words(words);
    let chat = run(&format!("--tokenizer {tokenizer}")).exits(2);
    assert!(chat.stderr.contains("`chat` of openai takes no token ids"), "{}", chat.stderr);
    let approximate = run("--endpoint-type completions").exits(2);
    assert!(approximate.stderr.contains("needs the model's tokenizer"), "{}", approximate.stderr);
}

#[test]
fn lines_of_other_tools_run_as_they_are() {
    let server = server();
    let aiperf = format!(
        "profile --model-names m --url {} --endpoint-type chat --streaming --concurrency 2 \
         --request-count 6 --synthetic-input-tokens-mean 20 --output-tokens-mean 5 \
         --request-rate 100 --request-rate-mode constant --num-warmup-requests 2 \
         --extra-inputs ignore_eos:true --random-seed 7 --ui-type none",
        server.url
    );
    let place = Place::new();
    let ended = place.inferbench(&aiperf).measures();
    assert_eq!(
        ended.stderr,
        "note: --synthetic-input-tokens-mean is AIPerf's name for --isl\n\
         note: --output-tokens-mean is AIPerf's name for --osl\n\
         note: --request-rate-mode is AIPerf's name for --arrival-pattern\n\
         note: --num-warmup-requests is AIPerf's name for --warmup-request-count\n"
    );
    assert_eq!(place.measured().len(), 6);
    let vllm = format!(
        "run --backend openai-chat --base-url {} --max-concurrency 2 --num-prompts 6 \
         --random-input-len 20 --random-output-len 5 --ignore-eos --seed 1 --num-warmups 2 --ui none",
        server.url
    );
    let place = Place::new();
    let ended = place.inferbench(&vllm).measures();
    assert_eq!(
        ended.stderr,
        "note: --backend is vLLM's name for --endpoint-type\n\
         note: --max-concurrency is vLLM's name for --concurrency\n\
         note: --num-prompts is vLLM's name for --request-count\n\
         note: --random-input-len is vLLM's name for --isl\n\
         note: --random-output-len is vLLM's name for --osl\n\
         note: --ignore-eos is vLLM's name for --force-osl\n\
         note: --num-warmups is vLLM's name for --warmup-request-count\n"
    );
    assert_eq!(place.measured().len(), 6);

    let asked = server.completions();
    assert_eq!(asked.len(), 2 * (2 + 6));
    for request in asked {
        assert_eq!(
            (&request.body["max_tokens"], &request.body["ignore_eos"]),
            (&json!(5), &json!(true))
        );
    }
}
