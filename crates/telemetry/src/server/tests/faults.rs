//! Servers that are killed, restarted, slow, or send what they should not.

use bench_core::{Increase, Watched, reading as name};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// vLLM's text of `tokens`, which it has counted since `since`.
fn vllm(tokens: u32, since: u32) -> String {
    format!(
        "vllm:generation_tokens_total{{engine=\"0\"}} {tokens}\n\
         vllm:generation_tokens_created{{engine=\"0\"}} {since}\n\
         vllm:time_to_first_token_seconds_bucket{{le=\"1\"}} {tokens}\n\
         vllm:time_to_first_token_seconds_bucket{{le=\"+Inf\"}} {tokens}\n\
         vllm:time_to_first_token_seconds_sum {tokens}\n\
         vllm:time_to_first_token_seconds_count {tokens}\n"
    )
}

/// Values of `name` in the order in which they were read.
fn values(readings: &Readings, name: &str) -> Vec<f64> {
    readings.readings().iter().filter(|r| r.name == name).map(|r| r.value).collect()
}

/// What a first read of `answer` says, and whether it is tried again.
async fn failure(answer: Answer) -> (String, bool) {
    let (readings, failed) = read(&mut source([answer])).await;
    assert!(readings.readings().is_empty(), "nothing half-read counts");
    let error = failed.unwrap_err();
    (told(&error), !error.fatal)
}

#[tokio::test(start_paused = true)]
async fn it_says_why_a_server_cannot_be_read() {
    let cases = [
        (Answer::Unreachable, "/metrics: connection refused", true),
        (Answer::Status(503), "/metrics: HTTP 503", true),
        (
            Answer::Status(404),
            "/metrics: HTTP 404: Ollama has no metrics; llama.cpp has them with --metrics, SGLang with --enable-metrics",
            false,
        ),
        (
            Answer::Status(401),
            "/metrics: HTTP 401: metrics may need an API key of their own",
            false,
        ),
        (Answer::Late(LONG, vec![]), "/metrics: no answer within 2s", true),
        (
            body("<html>"),
            "/metrics: it is not Prometheus' text: line 1: it begins with neither `#` nor the name of a metric",
            true,
        ),
        (
            body("[{\"iter\": 1}]"),
            "/metrics: it is JSON, as TensorRT-LLM has there: its metrics are at /prometheus/metrics",
            true,
        ),
        (
            body("vllm:num_requests_running 1"),
            "/metrics: it is not Prometheus' text: line 1: the text is cut off: its last line does not end",
            true,
        ),
        (
            Answer::Body(vec![b'\n'; crate::prometheus::LONGEST + 1]),
            "/metrics: it is not Prometheus' text: line 1: the text is longer than 16 MiB",
            true,
        ),
        (
            body(
                "vllm:time_to_first_token_seconds_bucket 1\nvllm:time_to_first_token_seconds_sum 1\nvllm:time_to_first_token_seconds_count 1\n",
            ),
            "/metrics: it is not Prometheus' text: a bucket does not say up to where it counts",
            true,
        ),
        (
            body("up 1\n"),
            "/metrics: it has no metrics of vLLM, SGLang, TensorRT-LLM, llama.cpp, NIM or Triton",
            true,
        ),
        (
            body(""),
            "/metrics: it has no metrics of vLLM, SGLang, TensorRT-LLM, llama.cpp, NIM or Triton",
            true,
        ),
    ];
    for (answer, expected, again) in cases {
        assert_eq!(failure(answer).await, (expected.to_owned(), again));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_costs_its_time_out_and_no_more() {
    let began = tokio::time::Instant::now();
    failure(Answer::Late(LONG, vec![])).await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let late = Answer::Late(Duration::from_millis(1_500), vllm(1, 1).into_bytes());
    let (readings, ok) = read(&mut source([late])).await;
    ok.unwrap();
    assert_eq!(value(&readings, name::SERVER_OUTPUT_TOKENS, None), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_killed_and_comes_back_begins_to_count_anew() {
    let mut source = source([
        body(&vllm(100, 1)),
        Answer::Unreachable,
        Answer::Status(404),
        body(&vllm(700, 2)),
        body(&vllm(800, 2)),
    ]);
    read(&mut source).await.1.unwrap();
    for _ in 0..2 {
        let (readings, failed) = read(&mut source).await;
        assert!(!failed.unwrap_err().fatal, "it may come back");
        assert!(readings.readings().is_empty());
    }
    let (readings, ok) = read(&mut source).await;
    ok.unwrap();
    for name in [name::SERVER_OUTPUT_TOKENS, "server_ttft_s_sum", "server_ttft_s_count"] {
        assert_eq!(values(&readings, name), [0.0, 700.0], "{name}: more than before, and yet anew");
    }
    assert_eq!(values(&readings, "server_ttft_s_bucket"), [0.0, 700.0, 0.0, 700.0]);
    let what = "the server was restarted, or its counters were reset".to_owned();
    assert_eq!(said(&readings), [Said::Happened { what }]);
    let (readings, ok) = read(&mut source).await;
    ok.unwrap();
    assert_eq!(values(&readings, name::SERVER_OUTPUT_TOKENS), [800.0]);
    assert!(said(&readings).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_since_a_restart_adds_up() {
    let texts = [vllm(100, 1), vllm(700, 2), vllm(800, 2)];
    let mut source = source(texts.iter().map(|text| body(text)));
    let mut watched = Watched::default();
    let second = |n: u64| Moment::from_nanos(n * 1_000_000_000);
    for at in 1..=3 {
        let (readings, ok) = read_at(&mut source, second(at)).await;
        ok.unwrap();
        readings.readings().iter().for_each(|reading| watched.add(reading));
    }
    let telemetry = watched.telemetry(second(1), second(3));
    for name in [name::SERVER_OUTPUT_TOKENS, "server_ttft_s_sum", "server_ttft_s_count"] {
        let grew = telemetry.increase(name);
        assert_eq!(grew, Some(Increase { by: 800.0, resets: 1, whole: true }), "{name}");
    }
    let both = Increase { by: 2.0 * 800.0, resets: 2, whole: true };
    assert_eq!(telemetry.increase("server_ttft_s_bucket"), Some(both));
}

#[tokio::test(start_paused = true)]
async fn without_times_of_creation_a_counter_that_goes_back_is_left_as_it_is() {
    let text = |n: u32| body(&format!("llamacpp:tokens_predicted_total {n}\n"));
    let mut source = source([text(100), text(7)]);
    read(&mut source).await.1.unwrap();
    let (readings, ok) = read(&mut source).await;
    ok.unwrap();
    assert_eq!(values(&readings, name::SERVER_OUTPUT_TOKENS), [7.0]);
}

#[tokio::test(start_paused = true)]
async fn garbage_between_two_reads_changes_nothing() {
    let cut = &vllm(200, 1)[..60];
    let mut source = source([body(&vllm(100, 1)), body(cut), body(&vllm(300, 1))]);
    read(&mut source).await.1.unwrap();
    let (readings, failed) = read(&mut source).await;
    assert!(failed.is_err() && readings.readings().is_empty());
    let (readings, ok) = read(&mut source).await;
    ok.unwrap();
    assert_eq!(values(&readings, name::SERVER_OUTPUT_TOKENS), [300.0]);
}

#[tokio::test(start_paused = true)]
async fn buckets_are_read_at_first_and_when_they_change() {
    let text = |n: u32| body(&vllm(5, 1).replace("le=\"1\"} 5", &format!("le=\"1\"}} {n}")));
    let mut source = source([text(3), text(3), text(4)]);
    for expected in [vec![3.0, 5.0], vec![], vec![4.0]] {
        let (readings, ok) = read(&mut source).await;
        ok.unwrap();
        assert_eq!(values(&readings, "server_ttft_s_bucket"), expected);
        assert_eq!(values(&readings, "server_ttft_s_count"), [5.0], "whatever the buckets do");
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_appears_was_zero() {
    let none = "sglang:num_running_reqs 0\n";
    let some = "sglang:num_running_reqs 0\nsglang:num_aborted_requests_total 3\n";
    let mut source = source([body(none), body(some), body(some)]);
    for expected in [vec![], vec![0.0, 3.0], vec![3.0]] {
        let (readings, ok) = read(&mut source).await;
        ok.unwrap();
        assert_eq!(values(&readings, name::SERVER_REQUESTS_ABORTED), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_path_that_has_metrics_is_found_once() {
    let fetch = Arc::new(Scripted::new([body("[]"), body(&vllm(1, 1))]));
    let mut source = ServerMetrics::new(Arc::clone(&fetch) as _, ServerMetricsConfig::default());
    for _ in 0..2 {
        read(&mut source).await.1.unwrap();
    }
    assert_eq!(fetch.asked(), ["/metrics", "/prometheus/metrics", "/prometheus/metrics"]);
}

#[tokio::test(start_paused = true)]
async fn where_no_path_has_metrics_the_first_says_why() {
    let fetch = Arc::new(Scripted::new([Answer::Status(404)]));
    let mut source = ServerMetrics::new(Arc::clone(&fetch) as _, ServerMetricsConfig::default());
    let error = read(&mut source).await.1.unwrap_err();
    assert!(error.fatal && told(&error).starts_with("/metrics: HTTP 404"), "{}", told(&error));
    assert_eq!(fetch.asked(), ["/metrics", "/prometheus/metrics", "/v1/metrics"]);
}
