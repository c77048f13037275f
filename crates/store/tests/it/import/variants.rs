//! What the golden files do not show: other loads, other dialects, failures, earlier releases.

use std::fs;

use bench_store::import::{self, Imported};

use super::{check, closed, lacks};

fn of(name: &str, text: &str) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    import::read(&path).unwrap()
}

/// A run of SGLang with these entries.
fn sglang(entries: &str) -> Imported {
    let text = format!(
        r#"{{"duration":2.0,"completed":2,"request_throughput":1.0,"total_throughput":9.5,{entries}}}"#
    );
    of("a.jsonl", &text)
}

#[test]
fn loads_are_what_was_asked_for() {
    for (entries, expected) in [
        (r#""request_rate":Infinity,"max_concurrency":8"#, "closed loop, 8 users"),
        (r#""request_rate":Infinity,"max_concurrency":null"#, "open loop, all at once"),
        (r#""request_rate":"inf","max_concurrency":1"#, "closed loop, 1 user"),
        (r#""request_rate":2.5,"max_concurrency":8"#, "open loop, 2.50 requests/s"),
        (r#""request_rate":"trace""#, "open loop, the times of a trace"),
    ] {
        assert_eq!(sglang(entries).summary.points[0].load.to_string(), expected, "{entries}");
    }
}

#[test]
fn sglangs_own_protocol_tells_tokens() {
    let gaps = r#""mean_itl_ms":20.0,"ttfts":[0.5,0.5],"itls":[[0.01,0.01],[0.03,0.03]],
        "output_lens":[3,3],"input_lens":[7,7],"errors":["",""]"#;
    let native = sglang(&format!(r#""backend":"sglang",{gaps}"#));
    check(&native.summary.points[0], &[("itl_ms", "mean", 20.0), ("e2e_ms", "max", 560.0)]);
    lacks(&native.summary.points[0], &["icl_ms"]);
    let openai = sglang(&format!(r#""backend":"sglang-oai",{gaps}"#));
    check(&openai.summary.points[0], &[("icl_ms", "mean", 20.0)]);
    lacks(&openai.summary.points[0], &["itl_ms"]);
    let speculates = r#""backend":"sglang-oai","accept_length":2.5,"mean_itl_ms":4.0"#;
    check(&sglang(speculates).summary.points[0], &[("itl_ms", "mean", 4.0)]);
}

#[test]
fn sglangs_server_tells_model_and_version() {
    let server =
        r#""server_info":{"model_path":"/m/llama","served_model_name":"llama","version":"0.5.23"}"#;
    let run = sglang(server);
    assert_eq!(run.summary.points[0].target, "llama (SGLang bench_serving)");
    assert_eq!(run.run.environment["targets"][0]["engine"], "sglang");
    assert_eq!(run.run.environment["targets"][0]["version"], "0.5.23");
}

#[test]
fn what_was_not_measured_is_no_zero() {
    let zeros =
        r#""mean_ttft_ms":0.0,"median_ttft_ms":0.0,"p99_ttft_ms":0.0,"mean_e2e_latency_ms":NaN"#;
    lacks(&sglang(zeros).summary.points[0], &["ttft_ms", "e2e_ms"]);
}

#[test]
fn what_counts_alone_tell_speaks_against_a_point() {
    for (completed, failed, trust, codes) in [
        (600, 0, "doubtful", &["imported"][..]),
        (600, 6, "doubtful", &["imported"]),
        (600, 60, "doubtful", &["imported", "errors"]),
        (2, 0, "doubtful", &["imported", "n_small"]),
        (2, 1, "doubtful", &["imported", "errors", "n_small"]),
        (0, 5, "void", &["no_success", "imported"]),
    ] {
        let text = format!(
            r#"{{"duration":2.0,"completed":{completed},"failed":{failed},"num_prompts":{},
            "request_throughput":1.0,"model_id":"m","request_rate":1}}"#,
            completed + failed
        );
        let point = of("a.json", &text).summary.points.remove(0);
        let found: Vec<&str> = point.reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!((point.trust.as_str(), &*found), (trust, codes), "{completed} {failed}");
    }
}

#[test]
fn results_appended_to_a_file_are_points_of_one_run() {
    let one = |rate: &str| {
        format!(
            r#"{{"duration":1,"completed":4,"request_throughput":4,"model_id":"m","request_rate":{rate}}}"#
        )
    };
    let run = of("a.json", &format!("{}\n{}", one("1"), one("2")));
    let loads: Vec<String> = run.summary.points.iter().map(|p| p.load.to_string()).collect();
    assert_eq!(loads, ["open loop, 1.00 requests/s", "open loop, 2.00 requests/s"]);
}

#[test]
fn earlier_aiperfs_and_their_failures() {
    let run = of(
        "a.json",
        r#"{"request_latency":{"unit":"ms","avg":20.0,"p99":30.0,"std":1.5},
            "request_count":{"unit":"requests","avg":3.0},
            "error_request_count":{"unit":"requests","avg":1.0},
            "request_throughput":{"unit":"requests/sec","avg":1.5},
            "adj_request_latency":{"unit":"ms","avg":Infinity},
            "input_config":{"endpoint":{"model_names":["m"],"url":"h:1"},"loadgen":{"concurrency":5}},
            "was_cancelled":true,"start_time":"2025-10-10T10:00:00",
            "error_summary":[{"error_details":{"code":500,"message":"boom"},"count":1}]}"#,
    );
    assert_eq!(run.summary.state, bench_store::State::Interrupted);
    let point = &run.summary.points[0];
    assert_eq!((&point.load, point.target.as_str()), (&closed(5), "m (AIPerf)"));
    check(
        point,
        &[
            ("e2e_ms", "mean", 20.0),
            ("e2e_ms", "std", 1.5),
            ("rps", "value", 1.5),
            ("error_ratio", "value", 0.25),
        ],
    );
    assert_eq!((point.errors[0].message.as_str(), point.errors[0].count), ("boom", 1));
}

#[test]
fn keys_in_an_address_are_not_kept() {
    let url = "http://bob:s3cret@h:1/v1?key=s3cret";
    let guidellm = r#"{"metadata":{},"benchmarks":[{"metrics":{},
        "config":{"backend":{"target":"URL","model":"m"}}}]}"#;
    let aiperf = r#"{"request_latency":{"unit":"ms","avg":20.0},"aiperf_version":"1",
        "input_config":{"endpoint":{"urls":["URL"]}}}"#;
    let genai_perf = r#"{"request_latency":{"unit":"ms","avg":20.0},
        "input_config":{"endpoint":{"url":"URL"}}}"#;
    for text in [guidellm, aiperf, genai_perf] {
        let run = of("a.json", &text.replace("URL", url));
        assert_eq!(run.run.environment["targets"][0]["url"], "http://h:1/v1", "{text}");
        assert!(!format!("{run:?}").contains("s3cret"), "{run:?}");
    }
}

#[test]
fn genai_perf_without_a_stream_has_no_first_token() {
    let run = of(
        "a.json",
        r#"{"request_latency":{"unit":"ms","avg":20.0},"time_to_first_token":{"unit":"ms","avg":20.0},
            "request_throughput":{"unit":"requests/sec","avg":1.5},
            "input_config":{"model_names":["m"],"endpoint":{"streaming":false},
            "perf_analyzer":{"stimulus":{"request_rate":1.5}}}}"#,
    );
    let point = &run.summary.points[0];
    assert_eq!(point.load.to_string(), "open loop, 1.50 requests/s");
    check(point, &[("e2e_ms", "mean", 20.0), ("rps", "value", 1.5)]);
    lacks(point, &["ttfo_ms", "requests_ok"]);
}

#[test]
fn genai_benchs_milliseconds_and_trimmed_statistics() {
    let run = |unit: &str, sum: u32| {
        of(
            "a.json",
            &format!(
                r#"{{"aggregated_metrics":{{"num_concurrency":4,"num_completed_requests":2,
                "num_error_requests":0,"stats":{{"ttft":{{"mean":12.0,"p99":13.0,"stddev":1.0}},
                "total_tokens":{{"mean":50.0,"sum":{sum}}}}}}},
                "individual_request_metrics":[
                {{"ttft":10.0,"tpot":2.0,"e2e_latency":28.0,"num_output_tokens":10,"num_input_tokens":40}},
                {{"ttft":20.0,"tpot":null,"e2e_latency":20.5,"num_output_tokens":10,"num_input_tokens":40}}],
                "_time_unit":"{unit}"}}"#
            ),
        )
    };
    let whole = run("ms", 100);
    check(
        &whole.summary.points[0],
        &[("ttft_ms", "mean", 15.0), ("tpot_ms", "mean", 2.0), ("e2e_ms", "max", 28.0)],
    );
    let trimmed = run("s", 50);
    check(
        &trimmed.summary.points[0],
        &[("ttft_ms", "mean", 12_000.0), ("ttft_ms", "std", 1_000.0)],
    );
    lacks(&trimmed.summary.points[0], &["e2e_ms", "tpot_ms"]);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let table = "\u{feff}Metric,avg\r\nTime To First Token (ms),\"1,012.50\"\r\n";
    check(&of("a.csv", table).summary.points[0], &[("ttfo_ms", "mean", 1012.5)]);
}

#[test]
fn failed_requests_are_counted_and_their_words_kept() {
    let text = r#"{"duration":2.0,"completed":1,"failed":2,"request_throughput":0.5,"model_id":"m",
        "request_rate":"inf","ttfts":[0.5,0.0,0.0],"itls":[[0.1],[],[]],"output_lens":[2,0,0],
        "errors":["","boom","boom"]}"#;
    let run = of("a.json", text);
    let point = &run.summary.points[0];
    check(point, &[("error_ratio", "value", 2.0 / 3.0), ("ttft_ms", "count", 1.0)]);
    assert_eq!(point.outcomes, [("failed".to_owned(), 2), ("ok".to_owned(), 1)].into());
    assert_eq!((point.errors[0].message.as_str(), point.errors[0].count), ("boom", 2));
}
