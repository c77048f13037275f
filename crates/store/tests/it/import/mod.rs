//! Results of other tools: numbers that stand in the files, and what the notes say.

mod damage;
mod files;
mod variants;

use std::{
    fs,
    path::{Path, PathBuf},
};

use bench_store::{
    LoadLine, PointSummary, State,
    import::{self, Imported, Tool},
};

/// Every golden file.
const FILES: [&str; 11] = [
    "vllm/plain.json",
    "vllm/detailed.json",
    "vllm-bench/result.json",
    "sglang/bench.jsonl",
    "aiperf/profile_export_aiperf.json",
    "genai-perf/profile_export_genai_perf.json",
    "genai-perf/new.csv",
    "genai-perf/old.csv",
    "guidellm/concurrent.json",
    "guidellm/poisson.json",
    "genai-bench/D40_12_text-to-text_num_concurrency_1_time_1s.json",
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(name)
}

fn imported(name: &str) -> Imported {
    import::read(&data(name)).unwrap()
}

/// Metric and statistic, and what they are to be.
fn check(point: &PointSummary, rows: &[(&str, &str, f64)]) {
    for (id, statistic, expected) in rows {
        let found = point.metrics.get(*id).and_then(|line| line.statistic(statistic));
        let close = found.is_some_and(|f| (f - expected).abs() <= 1e-6 * expected.abs().max(1.0));
        assert!(close, "{id} {statistic}: {found:?}, not {expected}");
    }
}

fn lacks(point: &PointSummary, ids: &[&str]) {
    for id in ids {
        assert!(!point.metrics.contains_key(*id), "{id}: {:?}", point.metrics[*id]);
    }
}

fn closed(concurrency: usize) -> LoadLine {
    LoadLine::closed(concurrency)
}

#[test]
fn vllm_bench_serve_without_details() {
    let run = imported("vllm/plain.json");
    assert_eq!(
        (run.tool, run.created.as_str()),
        (Tool::VllmBenchServe, "2026-11-22T09:33:04.000Z")
    );
    let point = &run.summary.points[0];
    assert_eq!((point.target.as_str(), &point.load), ("tiny (vllm bench serve)", &closed(4)));
    assert_eq!(point.workload, "ISL 138 OSL 64");
    assert_eq!(point.outcomes, [("ok".to_owned(), 40)].into());
    check(
        point,
        &[
            ("ttft_ms", "mean", 89.66693057502653),
            ("ttft_ms", "std", 64.43060406346048),
            ("ttft_ms", "p50", 52.92959799999153),
            ("ttft_ms", "p99", 248.0155571200521),
            ("ttft_ms", "count", 40.0),
            ("tpot_ms", "p90", 2.4392366047669345),
            ("icl_ms", "mean", 1.3702144530760636),
            ("e2e_ms", "p90", 224.20919030064402),
            ("output_tps", "value", 1443.5301784029232),
            ("total_tps", "value", 4557.269883536103),
            ("rps", "value", 22.555159037545675),
            ("window_s", "value", 1.7734301910004433),
            ("peak_output_tps", "value", 1293.0),
            ("isl", "mean", 138.05),
            ("requests_ok", "value", 40.0),
            ("error_ratio", "value", 0.0),
        ],
    );
    assert_eq!(point.metrics["ttft_ms"].statistic("p95"), None);
    lacks(point, &["itl_ms", "ttfo_ms", "tps_user"]);
    insta::assert_json_snapshot!("import_vllm_plain_notes", run.notes);
}

#[test]
fn vllm_bench_serve_with_details_goes_through_our_formulas() {
    let run = imported("vllm/detailed.json");
    let point = &run.summary.points[0];
    let file: serde_json::Value =
        serde_json::from_slice(&fs::read(data("vllm/detailed.json")).unwrap()).unwrap();
    for (id, theirs) in [("ttft_ms", "ttft"), ("e2e_ms", "e2el")] {
        for (ours, name) in [("mean", "mean"), ("p50", "median"), ("std", "std"), ("p99", "p99")] {
            let stated = file[format!("{name}_{theirs}_ms")].as_f64().unwrap();
            check(point, &[(id, ours, stated)]);
        }
    }
    // Three of the eight answers came in one read, each chunk 2 to 60 µs after the one before it.
    check(
        point,
        &[
            ("tpot_ms", "count", 5.0),
            // Stated are 1.34 and 1.03, with answers of 0.004 ms a token among them.
            ("tpot_ms", "mean", 2.1342382953),
            ("tpot_ms", "std", 0.10524925),
        ],
    );
    for id in ["decode_tps", "tps_user"] {
        let max = point.metrics[id].statistic("max").unwrap();
        assert!(max < 500.0, "{id}: {max}");
    }
    // The second chunk of each came with the first.
    lacks(point, &["ttst_ms"]);
    let icl = point.metrics["icl_ms"].statistic("min").unwrap();
    assert!(icl > 1.0, "no gap is that of one read: {icl}");
    let coalesced = point.metrics["coalesced_ratio"].statistic("value").unwrap();
    assert!((0.8..0.85).contains(&coalesced), "{coalesced}");
    check(point, &[("osl", "mean", 64.0), ("isl", "max", 140.0), ("ttft_ms", "count", 8.0)]);
    assert!(point.metrics["ttft_ms"].statistic("p95").is_some());
    assert!(point.metrics["concurrency"].statistic("value").unwrap() > 3.0);
    insta::assert_json_snapshot!("import_vllm_detailed_notes", run.notes);
}

#[test]
fn vllm_bench_in_rust_at_a_rate() {
    let run = imported("vllm-bench/result.json");
    assert_eq!(run.tool, Tool::VllmBench);
    let point = &run.summary.points[0];
    assert_eq!(point.load.to_string(), "open loop, 10.00 requests/s");
    check(point, &[("ttft_ms", "p90", 159.94907140011492), ("rps", "value", 22.555159037545675)]);
    insta::assert_json_snapshot!("import_vllm_bench_notes", run.notes);
}

#[test]
fn sglang_has_a_point_for_each_line() {
    let run = imported("sglang/bench.jsonl");
    assert_eq!(run.tool, Tool::Sglang);
    let [plain, detailed] = &run.summary.points[..] else { panic!("two lines") };
    assert_eq!((&plain.load, plain.workload.as_str()), (&closed(2), "random-ids ISL 32 OSL 12"));
    check(
        plain,
        &[
            ("ttft_ms", "mean", 20.81867630004126),
            ("ttft_ms", "p95", 27.53164280011333),
            ("tpot_ms", "p50", 3.0079576818851903),
            ("icl_ms", "p99", 4.632829150887119),
            ("e2e_ms", "p90", 59.689337700365286),
            ("output_tps", "value", 427.7975458665941),
            ("total_tps", "value", 1568.591001510845),
            ("concurrency", "value", 1.901751676955571),
        ],
    );
    // How many failed is told by the single requests alone; a peak needs a second.
    lacks(plain, &["error_ratio", "peak_output_tps", "itl_ms"]);
    check(
        detailed,
        &[
            ("ttft_ms", "mean", 20.72352389986918),
            ("ttft_ms", "p99", 25.89951766984086),
            ("icl_ms", "mean", 3.0386899091436965),
            ("error_ratio", "value", 0.0),
            ("osl", "min", 12.0),
        ],
    );
    insta::assert_json_snapshot!("import_sglang_notes", run.notes);
}

#[test]
fn aiperf_with_its_requests() {
    let run = imported("aiperf/profile_export_aiperf.json");
    assert_eq!((run.tool, run.version.as_deref()), (Tool::Aiperf, Some("0.13.0")));
    assert_eq!(run.created, "2026-11-22T13:56:56.480Z");
    assert_eq!(run.summary.state, State::Finished);
    let point = &run.summary.points[0];
    assert_eq!((&point.load, point.workload.as_str()), (&closed(2), "synthetic ISL 64 OSL 16"));
    check(
        point,
        &[
            ("ttft_ms", "mean", 22.14253733333333),
            ("ttft_ms", "p99", 30.31858163),
            ("ttst_ms", "mean", 2.757480833333333),
            ("ttfo_ms", "p90", 25.6261231),
            ("e2e_ms", "p50", 66.930769),
            ("window_s", "value", 0.435032576),
            ("rps", "value", 12.0 / 0.435032576),
            // The server's usage, not the 30 that AIPerf's tokenizer finds in the text.
            ("osl", "mean", 16.0),
            ("isl", "mean", 33.25),
            ("output_tps", "value", 192.0 / 0.435032576),
        ],
    );
    let tpot = point.metrics["tpot_ms"].statistic("mean").unwrap();
    assert!((tpot - 45.12306391666666 / 15.0).abs() < 1e-6, "decode time over 15 tokens: {tpot}");
    assert!((point.metrics["connect_ms"].statistic("count").unwrap() - 2.0).abs() < 1e-9);
    insta::assert_json_snapshot!("import_aiperf_notes", run.notes);
}

#[test]
fn aiperf_without_its_requests() {
    let folder = tempfile::tempdir().unwrap();
    let name = "profile_export_aiperf.json";
    fs::copy(data("aiperf").join(name), folder.path().join(name)).unwrap();
    let run = import::read(folder.path()).unwrap();
    let point = &run.summary.points[0];
    check(
        point,
        &[
            ("tpot_ms", "mean", 1.5559677212643677),
            ("icl_ms", "max", 8.835628),
            ("osl", "mean", 16.0),
            ("output_tps", "value", 192.0 / 0.435032576),
            ("queue_ms", "mean", 3.2212480000000006),
            ("concurrency", "value", 1.8134043801329682),
        ],
    );
    insta::assert_json_snapshot!("import_aiperf_alone_notes", run.notes);
}

#[test]
fn aiperfs_other_files_name_the_right_one() {
    for (name, text) in
        [("a.jsonl", "{\"metadata\":{},\"metrics\":{}}"), ("a.csv", "Metric,avg,sum\n")]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let error = import::read(&file).unwrap_err();
        assert!(error.to_string().contains("name profile_export_aiperf.json"), "{error}");
    }
}

#[test]
fn genai_perf_in_json() {
    let run = imported("genai-perf/profile_export_genai_perf.json");
    assert_eq!(run.tool, Tool::GenaiPerf);
    let point = &run.summary.points[0];
    assert_eq!((point.target.as_str(), &point.load), ("tiny (genai-perf)", &closed(2)));
    check(
        point,
        &[
            ("ttfo_ms", "mean", 19.205803333333332),
            ("ttfo_ms", "std", 3.278418541466356),
            ("tpot_ms", "p99", 1.7324629500000002),
            ("e2e_ms", "p90", 68.51686559999999),
            ("tps_user", "p50", 669.8402577314519),
            ("osl", "mean", 30.0),
            ("output_tps", "value", 933.1844472110195),
            ("rps", "value", 31.106148240367315),
            ("requests_ok", "value", 12.0),
        ],
    );
    lacks(point, &["ttft_ms", "error_ratio"]);
    insta::assert_json_snapshot!("import_genai_perf_notes", &run.notes[..4]);
}

#[test]
fn genai_perfs_tables_old_and_new() {
    let new = imported("genai-perf/new.csv");
    check(
        &new.summary.points[0],
        &[
            ("ttfo_ms", "mean", 19.21),
            ("ttfo_ms", "p1", 13.35),
            ("isl", "p95", 73.35),
            ("output_tps", "value", 933.18),
            ("requests_ok", "value", 12.0),
        ],
    );
    let old = imported("genai-perf/old.csv");
    let point = &old.summary.points[0];
    check(
        point,
        &[
            ("ttfo_ms", "p99", 30.10),
            ("e2e_ms", "mean", 5919.16),
            ("e2e_ms", "p25", 5915.29),
            ("output_tps", "value", 86.48),
            ("rps", "value", 0.17),
        ],
    );
    assert_eq!(point.metrics["e2e_ms"].statistic("p10"), None);
    assert!(
        old.notes.iter().any(|note| note.starts_with("the load is not told")),
        "{:?}",
        old.notes
    );
}

#[test]
fn guidellm_with_its_requests() {
    let run = imported("guidellm/concurrent.json");
    assert_eq!((run.tool, run.version.as_deref()), (Tool::Guidellm, Some("0.8.1")));
    let [one, three] = &run.summary.points[..] else { panic!("two benchmarks") };
    assert_eq!((&one.load, &three.load), (&closed(1), &closed(3)));
    check(
        one,
        &[
            ("ttft_ms", "mean", 22.00631300608317),
            ("ttft_ms", "max", 23.566246032714844),
            ("isl", "mean", 19.5),
            ("osl", "mean", 12.0),
            ("rps", "value", 16.68571155781693),
            ("output_tps", "value", 200.2285386938032),
            ("concurrency", "value", 0.9417779563540212),
            // Each request has the same length, so that the weights by tokens are the same.
            ("tpot_ms", "mean", 3.096128955031886),
        ],
    );
    lacks(one, &["icl_ms", "itl_ms", "ttst_ms"]);
    insta::assert_json_snapshot!("import_guidellm_notes", run.notes);
}

#[test]
fn guidellm_without_its_requests() {
    let run = imported("guidellm/poisson.json");
    assert_eq!(run.version.as_deref(), Some("0.7.3"));
    let point = &run.summary.points[0];
    assert_eq!(point.load.to_string(), "open loop, 20.00 requests/s");
    assert_eq!(point.metrics["osl"].statistic("mean"), Some(12.0));
    assert_eq!(point.metrics["ttft_ms"].statistic("count"), Some(10.0));
    lacks(point, &["tpot_ms", "itl_ms", "icl_ms"]);
    insta::assert_json_snapshot!("import_guidellm_alone_notes", run.notes);
}

#[test]
fn genai_bench_has_a_point_for_each_file_of_an_experiment() {
    let run = imported("genai-bench");
    assert_eq!((run.tool, run.version.as_deref()), (Tool::GenaiBench, Some("0.0.5")));
    assert_eq!(run.run.environment["targets"][0]["engine"], "vLLM");
    let [one, two] = &run.summary.points[..] else { panic!("two files") };
    assert_eq!((&one.load, &two.load), (&closed(1), &closed(2)));
    assert_eq!(one.workload, "D(40,12)");
    check(
        one,
        &[
            ("ttft_ms", "mean", 29.939547000241064),
            ("ttft_ms", "p99", 139.25484290100917),
            ("tpot_ms", "mean", 2.9581225668337727),
            ("tps_user", "max", 377.509235252462),
            ("e2e_ms", "p90", 63.57405569997354),
            ("output_tps", "value", 186.43094991018722),
            ("rps", "value", 15.535912492515603),
            ("tpot_ms", "count", 17.0),
        ],
    );
    insta::assert_json_snapshot!("import_genai_bench_notes", &run.notes[..5]);
}
