//! What the server tells of itself.

use std::time::Duration;

use bench_sim::Config;

use crate::client::{Client, chat, fast, metric, metrics, start};

#[test]
fn tokens_are_counted_as_they_are_sent() {
    let server = start(fast());
    assert_eq!(metric(&server, "generation_tokens_total"), "0.0");
    let mut client = Client::connect(&server);
    for (id, tokens) in [("a", 40), ("b", 100), ("c", 1)] {
        assert_eq!(client.ask(&chat(id, tokens, "")).status, 200);
    }
    assert_eq!(metric(&server, "generation_tokens_total"), "141.0");
    assert_eq!(metric(&server, "prompt_tokens_total"), "6.0");
    assert_eq!(metric(&server, "request_success_total"), "3.0");
    assert_eq!(metric(&server, "time_to_first_token_seconds_count"), "3.0");
    assert_eq!(metric(&server, "num_requests_running"), "0.0");
    assert_eq!(metric(&server, "kv_cache_usage_perc"), "0.0");
    assert_eq!(metric(&server, "prefix_cache_queries_total"), "0.0");
}

#[test]
fn running_requests_fill_the_cache() {
    let ttft = Duration::from_secs(3_600);
    let server = start(Config { ttft, kv_blocks: 100, ..fast() });
    let mut clients = [(); 3].map(|()| Client::connect(&server));
    for client in &mut clients {
        // Two tokens of a prompt and 79 of an answer are six blocks of sixteen.
        client.send(&chat("", 79, ""));
        assert_eq!(client.head().status, 200);
    }
    assert_eq!(metric(&server, "num_requests_running"), "3.0");
    assert_eq!(metric(&server, "kv_cache_usage_perc"), "0.18");
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let server = start(Config { model: "m\"\\\n1".to_owned(), ..fast() });
    let metrics = metrics(&server);
    assert!(metrics.ends_with('\n'));
    let mut named = None;
    for line in metrics.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            named = comment.split(' ').nth(1);
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap();
        let of_histogram = ["_bucket", "_count", "_sum"].map(|part| name.strip_suffix(part));
        assert!(named == Some(name) || of_histogram.contains(&named), "{name} after its type");
        let (labels, value) = rest.rsplit_once("} ").unwrap();
        assert!(labels.contains(r#"engine="0""#), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(metrics.contains(r#"model_name="m\"\\\n1""#), "{metrics}");
}

#[test]
fn the_log_tells_of_the_same_cache() {
    let server = start(Config { kv_blocks: 1_000, context_length: 8_000, ..fast() });
    let log = server.startup_log();
    let said =
        "GPU KV cache size: 16,000 tokens, Maximum concurrency for 8,000 tokens per request: 2.00x";
    assert!(log.contains(said), "{log}");
    assert!(log.ends_with(&format!("Starting vLLM server on {}\n", server.url())), "{log}");
    assert!(
        metrics(&server).contains(
            r#"kv_cache_size_tokens="16000",num_cpu_blocks="None",num_gpu_blocks="1000""#
        )
    );
}
