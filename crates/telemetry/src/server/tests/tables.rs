//! The dialects of which there is no capture, and how several engines, models and ranks become one value.

use bench_core::reading as name;

use super::*;

/// What `text` tells, of `model` if it is given.
async fn told_of(text: &str, model: Option<&str>) -> Readings {
    let (readings, ok) = read(&mut of_model([body(text)], model)).await;
    ok.unwrap();
    readings
}

#[track_caller]
fn check(readings: &Readings, expected: &[(&str, Option<f64>)]) {
    for &(name, expected) in expected {
        assert_eq!(value(readings, name, None), expected, "{name}");
    }
}

fn engine(readings: &Readings) -> String {
    let found = said(readings).into_iter().find_map(|said| match said {
        Said::Is { what, text } if what == "server_engine" => Some(text),
        _ => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn trtllm_nim_and_triton_are_known_by_their_names() {
    let trtllm = told_of(include_str!("../../../tests/data/trtllm.txt"), None).await;
    assert_eq!(engine(&trtllm), "trtllm");
    check(
        &trtllm,
        &[
            (name::SERVER_RUNNING, Some(4.0)),
            (name::SERVER_WAITING, Some(1.0)),
            (name::SERVER_REQUESTS, Some(10.0)),
            (name::SERVER_REQUESTS_ABORTED, Some(2.0)),
            (name::SERVER_PROMPT_TOKENS, Some(1_200.0)),
            (name::SERVER_CACHED_TOKENS, Some(300.0)),
            (name::SERVER_OUTPUT_TOKENS, Some(640.0)),
            (name::SERVER_KV_CACHE_RATIO, Some(0.25)),
            (name::SERVER_ACCEPTANCE_LENGTH, None),
            ("server_ttft_s_sum", Some(1.5)),
            ("server_tpot_s_count", Some(10.0)),
            ("server_itl_s_count", None),
        ],
    );
    let nim = told_of(include_str!("../../../tests/data/nim.txt"), None).await;
    assert_eq!(engine(&nim), "nim");
    check(
        &nim,
        &[
            (name::SERVER_RUNNING, Some(5.0)),
            (name::SERVER_REQUESTS, Some(20.0)),
            (name::SERVER_REQUESTS_ABORTED, Some(1.0)),
            (name::SERVER_PROMPT_TOKENS, Some(4_000.0)),
            (name::SERVER_OUTPUT_TOKENS, Some(2_000.0)),
            ("server_ttft_s_sum", Some(3.0)),
        ],
    );
    let triton = told_of(include_str!("../../../tests/data/triton.txt"), None).await;
    assert_eq!(engine(&triton), "triton");
    check(
        &triton,
        &[
            (name::SERVER_RUNNING, Some(8.0)),
            (name::SERVER_WAITING, Some(3.0)),
            (name::SERVER_KV_CACHE_RATIO, Some(0.75)),
            (name::SERVER_REQUESTS, Some(20.0)),
            (name::SERVER_REQUESTS_ABORTED, Some(1.0)),
            (name::SERVER_OUTPUT_TOKENS, None),
        ],
    );
}

#[tokio::test]
async fn a_nim_that_speaks_vllm_is_vllm() {
    let text = "num_requests_running 1\nvllm:num_requests_running 2\n";
    let readings = told_of(text, None).await;
    assert_eq!(engine(&readings), "vllm");
    check(&readings, &[(name::SERVER_RUNNING, Some(2.0))]);
}

#[tokio::test]
async fn former_names_are_read_where_there_are_no_new_ones() {
    let old = "vllm:gpu_cache_usage_perc 0.5\nvllm:time_per_output_token_seconds_sum 3\nvllm:time_per_output_token_seconds_count 2\n";
    check(
        &told_of(old, None).await,
        &[(name::SERVER_KV_CACHE_RATIO, Some(0.5)), ("server_itl_s_sum", Some(3.0))],
    );
    let both = "vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.25\n";
    check(&told_of(both, None).await, &[(name::SERVER_KV_CACHE_RATIO, Some(0.25))]);
}

const ENGINES: &str = "\
vllm:num_requests_running{engine=\"0\",model_name=\"a\"} 1
vllm:num_requests_running{engine=\"1\",model_name=\"a\"} 2
vllm:num_requests_running{engine=\"0\",model_name=\"b\"} 4
vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"a\"} 0.25
vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"a\"} 0.75
vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"b\"} 1
vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.5\",model_name=\"a\"} 1
vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"+Inf\",model_name=\"a\"} 3
vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"0.50\",model_name=\"a\"} 1
vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"+Inf\",model_name=\"a\"} 1
vllm:time_to_first_token_seconds_sum{engine=\"0\",model_name=\"a\"} 2.5
vllm:time_to_first_token_seconds_sum{engine=\"1\",model_name=\"a\"} 0.25
vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"a\"} 3
vllm:time_to_first_token_seconds_count{engine=\"1\",model_name=\"a\"} 1
";

#[tokio::test]
async fn engines_add_up_and_of_ratios_the_highest_counts() {
    let readings = told_of(ENGINES, Some("a")).await;
    check(
        &readings,
        &[
            (name::SERVER_RUNNING, Some(3.0)),
            (name::SERVER_KV_CACHE_RATIO, Some(0.75)),
            ("server_ttft_s_sum", Some(2.75)),
            ("server_ttft_s_count", Some(4.0)),
        ],
    );
    assert_eq!(value(&readings, "server_ttft_s_bucket", Some("0.5")), Some(2.0));
    assert_eq!(value(&readings, "server_ttft_s_bucket", Some("+Inf")), Some(4.0));
}

#[tokio::test]
async fn models_are_told_apart_where_the_one_under_test_is_known() {
    check(&told_of(ENGINES, Some("b")).await, &[(name::SERVER_RUNNING, Some(4.0))]);
    check(&told_of(ENGINES, None).await, &[(name::SERVER_RUNNING, Some(7.0))]);
    let other = told_of(ENGINES, Some("c")).await;
    check(&other, &[(name::SERVER_RUNNING, Some(7.0)), (name::SERVER_KV_CACHE_RATIO, Some(1.0))]);
    let text = "a, b".to_owned();
    assert!(said(&other).contains(&Said::Is { what: "server_models_together".into(), text }));
}

#[tokio::test]
async fn ranks_of_one_replica_are_not_added_up_and_replicas_are() {
    let ranks = "\
sglang:num_running_reqs{dp_rank=\"0\",model_name=\"a\",tp_rank=\"0\"} 3
sglang:num_running_reqs{dp_rank=\"0\",model_name=\"a\",tp_rank=\"1\"} 3
sglang:num_running_reqs{dp_rank=\"1\",model_name=\"a\",tp_rank=\"2\"} 5
sglang:spec_accept_length{dp_rank=\"0\",model_name=\"a\",tp_rank=\"0\"} 0
";
    check(
        &told_of(ranks, None).await,
        &[(name::SERVER_RUNNING, Some(8.0)), (name::SERVER_ACCEPTANCE_LENGTH, None)],
    );
}

#[tokio::test]
async fn a_value_of_two_metrics_needs_both() {
    let old = "llamacpp:prompt_tokens_total 5\nllamacpp:tokens_predicted_total 9\n";
    let readings = told_of(old, None).await;
    check(
        &readings,
        &[(name::SERVER_PROMPT_TOKENS, None), (name::SERVER_OUTPUT_TOKENS, Some(9.0))],
    );
    let absent = |name: &'static str| Said::Absent {
        name: name.into(),
        why: "llamacpp does not count it".to_owned(),
    };
    let said = said(&readings);
    assert!(said.contains(&absent(name::SERVER_REQUESTS)), "{said:?}");
    assert!(said.contains(&absent(name::SERVER_PROMPT_TOKENS)), "{said:?}");
}

#[tokio::test]
async fn what_is_no_number_is_absent() {
    let text = "vllm:num_requests_running NaN\nvllm:num_requests_waiting 1\n";
    check(
        &told_of(text, None).await,
        &[(name::SERVER_RUNNING, None), (name::SERVER_WAITING, Some(1.0))],
    );
}
