//! What real servers counted, against what the load generator did. See `tests/data/README.md`.

#![expect(clippy::float_cmp, reason = "counts are whole, and sums are of the same digits")]

use std::collections::BTreeMap;

use bench_core::reading as name;

use super::*;

macro_rules! capture {
    ($name:literal) => {
        Answer::Body(include_bytes!(concat!("../../../tests/data/", $name, ".txt")).to_vec())
    };
}

/// How much each counter grew from one read to the next, and the gauges of the second.
struct Between {
    grew: BTreeMap<(String, Option<String>), f64>,
}

impl Between {
    async fn new(before: Answer, after: Answer) -> Self {
        let mut source = source([before, after]);
        let (first, ok) = read(&mut source).await;
        ok.unwrap();
        let (second, ok) = read(&mut source).await;
        ok.unwrap();
        let mut last = BTreeMap::<_, f64>::new();
        let mut grew = BTreeMap::<_, f64>::new();
        for reading in first.readings().iter().chain(second.readings()) {
            let key =
                (reading.name.to_string(), reading.instance.as_ref().map(ToString::to_string));
            let before = last.insert(key.clone(), reading.value);
            let by = before.map_or(0.0, |before| reading.value - before);
            *grew.entry(key).or_default() += by;
        }
        Self { grew }
    }

    fn of(&self, name: &str) -> f64 {
        self.grew[&(name.to_owned(), None)]
    }

    fn is_there(&self, name: &str) -> bool {
        self.grew.contains_key(&(name.to_owned(), None))
    }

    /// Sum and count of a time.
    fn time(&self, time: ServerTime) -> (f64, f64) {
        let [sum, count, _] = time.names();
        (self.of(sum), self.of(count))
    }

    /// What the bucket up to `le` grew by.
    fn bucket(&self, time: ServerTime, le: &str) -> f64 {
        self.grew[&(time.names()[2].to_owned(), Some(le.to_owned()))]
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, f64)]) {
        for &(name, value) in expected {
            assert_eq!(self.of(name).to_bits(), value.to_bits(), "{name}: {}", self.of(name));
        }
    }
}

#[tokio::test]
async fn vllm_counts_what_the_load_generator_did() {
    let load =
        Between::new(capture!("vllm-0.32.0-load-before"), capture!("vllm-0.32.0-load-after")).await;
    load.check(&[
        (name::SERVER_REQUESTS, 448.0),
        (name::SERVER_REQUESTS_ABORTED, 0.0),
        (name::SERVER_PROMPT_TOKENS, 75_608.0),
        (name::SERVER_CACHED_TOKENS, 6_144.0),
        (name::SERVER_PREFIX_QUERIED_TOKENS, 75_606.0),
        (name::SERVER_PREFIX_HIT_TOKENS, 6_144.0),
        (name::SERVER_OUTPUT_TOKENS, 85_359.0),
        (name::SERVER_PREEMPTIONS, 0.0),
        (name::SERVER_STEPS, 11_041.0),
    ]);
    assert_eq!(load.time(ServerTime::Ttft), (122.774_432_420_730_59, 473.0));
    assert_eq!(load.time(ServerTime::Itl), (308.709_805_425_980_45, 84_886.0));
    assert_eq!(load.time(ServerTime::Tpot), (1.587_793_629_508_764_2, 448.0));
    assert_eq!(load.time(ServerTime::E2e), (415.714_717_864_990_23, 448.0));
    assert_eq!(load.time(ServerTime::Queue), (92.545_128_896_992_54, 448.0));
    assert_eq!(load.time(ServerTime::Prefill), (11.655_602_646_012_994, 448.0));
    assert_eq!(load.time(ServerTime::Decode), (302.080_808_125_981_1, 448.0));
    assert_eq!(load.bucket(ServerTime::Ttft, "+Inf"), 473.0);

    let (completed, single, hung_up) = (415.0, 33.0, 25.0);
    assert_eq!(load.of(name::SERVER_REQUESTS), completed + single);
    // It does not call one a client hung up on aborted, but its first token came.
    assert_eq!(load.time(ServerTime::Ttft).1, completed + single + hung_up);
    assert!(load.of(name::SERVER_PROMPT_TOKENS) >= 4_010.0 + 62_870.0 + 2_478.0);
    assert!(load.of(name::SERVER_OUTPUT_TOKENS) >= 4_800.0 + 75_000.0 + 3_200.0);
}

#[tokio::test]
async fn a_run_of_vllm_bench_serve_is_what_was_counted_between() {
    let run = Between::new(
        capture!("vllm-0.32.0-bench-serve-after-plain"),
        capture!("vllm-0.32.0-bench-serve-after-high"),
    )
    .await;
    run.check(&[
        (name::SERVER_REQUESTS, 40.0),
        (name::SERVER_PROMPT_TOKENS, 5_522.0),
        (name::SERVER_OUTPUT_TOKENS, 2_560.0),
        (name::SERVER_CACHED_TOKENS, 5_120.0),
    ]);
    let (sum, count) = run.time(ServerTime::Ttft);
    assert_eq!((sum, count), (1.486_291_885_375_976_6 - 0.966_537_475_585_937_5, 40.0));
    assert_eq!((sum / count * 1_000.0).round(), 13.0, "ms, while its client saw 163");
    assert_eq!(run.time(ServerTime::Itl).1, 2_560.0 - 40.0);
}

#[tokio::test]
async fn llamacpp_counts_what_the_load_generator_did() {
    let load = Between::new(
        capture!("llama.cpp-0.5.0-dev-load-before"),
        capture!("llama.cpp-0.5.0-dev-load-after"),
    )
    .await;
    load.check(&[
        (name::SERVER_PROMPT_TOKENS, 2_760.0 + 5_195.0),
        (name::SERVER_CACHED_TOKENS, 5_195.0),
        (name::SERVER_OUTPUT_TOKENS, 25_287.0),
        (name::SERVER_STEPS, 6_624.0),
        (name::SERVER_PREFILL_S, 0.561_891),
        (name::SERVER_DECODE_S, 59.901_9),
    ]);
    assert!(!load.is_there(name::SERVER_REQUESTS), "it counts none");
    // 42 prompts of 6960 tokens were answered in full; six more were hung up on after some tokens each.
    let (of_hung_up, began) = (load.of(name::SERVER_PROMPT_TOKENS) - 6_960.0, 6.0);
    assert_eq!((of_hung_up / began).round(), (6_960.0_f64 / 42.0).round());
    assert_eq!(load.of(name::SERVER_OUTPUT_TOKENS) - 25_200.0, 87.0);
}

#[tokio::test]
async fn sglang_counts_what_the_load_generator_did() {
    let load =
        Between::new(capture!("sglang-0.5.23-load-before"), capture!("sglang-0.5.23-load-after"))
            .await;
    load.check(&[
        (name::SERVER_REQUESTS, 106.0),
        (name::SERVER_REQUESTS_ABORTED, 7.0),
        (name::SERVER_PROMPT_TOKENS, 12_845.0),
        (name::SERVER_OUTPUT_TOKENS, 7_309.0),
        (name::SERVER_CACHED_TOKENS, 9_503.0),
    ]);
    let (sum, count) = load.time(ServerTime::Ttft);
    let before = 0.036_649_578_451_033_45;
    assert_eq!((sum, count), (0.238_578_447_017_062 + 32.898_189_975_999_23 - before, 106.0));
    assert_eq!(load.time(ServerTime::Queue).1, 107.0, "its health check waits too");
    assert!(
        load.is_there(ServerTime::Itl.names()[0]) && load.is_there(ServerTime::Prefill.names()[0])
    );
    // Those that were hung up on are the aborted ones, and are counted as processed as well.
    let (completed, hung_up) = (53.0 + 8.0, 7.0);
    assert_eq!(load.of(name::SERVER_REQUESTS_ABORTED), hung_up);
    assert!(load.of(name::SERVER_REQUESTS) >= completed + hung_up);
    assert!(load.of(name::SERVER_PROMPT_TOKENS) >= 8_587.0 + 1_132.0);
    assert!(load.of(name::SERVER_OUTPUT_TOKENS) >= 5_300.0 + 800.0);
}

#[tokio::test]
async fn preemptions_and_waiting_show_under_pressure() {
    let during = capture!("vllm-0.32.0-pressure-during");
    let mut source = source([during.clone()]);
    let (readings, ok) = read(&mut source).await;
    ok.unwrap();
    let now = |name| value(&readings, name, None).unwrap();
    assert_eq!((now(name::SERVER_RUNNING), now(name::SERVER_WAITING)), (5.0, 25.0));
    assert!(now(name::SERVER_KV_CACHE_RATIO) > 0.5, "{}", now(name::SERVER_KV_CACHE_RATIO));
    let rest = Between::new(during, capture!("vllm-0.32.0-pressure-after")).await;
    rest.check(&[
        (name::SERVER_PREEMPTIONS, 97.0 - 51.0),
        (name::SERVER_REQUESTS, 70.0 - 38.0),
        (name::SERVER_OUTPUT_TOKENS, 42_406.0 - 23_922.0),
    ]);
}

#[tokio::test]
async fn speculation_is_counted_alike_in_vllm_and_llamacpp() {
    for (capture, drafts, tokens, accepted) in [
        (capture!("vllm-0.32.0-ngram-after"), 19_414.0, 64_955.0, 31_571.0),
        (capture!("llama.cpp-0.5.0-dev-ngram-after"), 688.0, 4_465.0, 891.0),
    ] {
        let (readings, ok) = read(&mut source([capture])).await;
        ok.unwrap();
        let now = |name| value(&readings, name, None);
        assert_eq!(now(name::SERVER_DRAFTS), Some(drafts));
        assert_eq!(now(name::SERVER_DRAFT_TOKENS), Some(tokens));
        assert_eq!(now(name::SERVER_ACCEPTED_TOKENS), Some(accepted));
    }
}

/// Every bucket adds up with its count, and none of a real server is above the next.
#[tokio::test]
async fn buckets_are_cumulative_and_end_in_the_count() {
    for capture in [capture!("vllm-0.32.0-load-after"), capture!("sglang-0.5.23-load-after")] {
        let (readings, ok) = read(&mut source([capture])).await;
        ok.unwrap();
        let mut seen = 0;
        for time in ServerTime::ALL {
            let [_, count, bucket] = time.names();
            let Some(count) = value(&readings, count, None) else { continue };
            let of_bucket = readings.readings().iter().filter(|r| r.name == bucket);
            let counts: Vec<_> = of_bucket.map(|r| r.value).collect();
            assert!(counts.is_sorted(), "{time:?}: {counts:?}");
            assert_eq!(counts.last(), Some(&count), "{time:?}");
            assert_eq!(value(&readings, bucket, Some("+Inf")), Some(count), "{time:?}");
            seen += 1;
        }
        assert!(seen >= 5, "{seen}");
    }
}
