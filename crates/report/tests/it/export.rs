use bench_core::{Outcome, PointOutcome};
use bench_report::{csv, genai_perf, json};
use bench_store::{MetricLine, PointSummary, State, SummaryFile};

use crate::fixture::{Measured, closed, failed, none_succeeded, open, sample, trusted};

pub(crate) const INPUT: genai_perf::Input<'_> = genai_perf::Input {
    model: "llama-3.1-8b-instruct",
    url: "http://localhost:8000",
    endpoint_type: "chat",
    seed: 42,
};

pub(crate) fn summary(measured: &Measured) -> SummaryFile {
    let outcome: PointOutcome = measured.outcome.clone();
    SummaryFile::new(&measured.plan, &[outcome], State::Finished)
}

pub(crate) fn point(measured: &Measured) -> PointSummary {
    summary(measured).points.remove(0)
}

/// The values of GenAI-Perf's own test of its CSV file, as given in the file's units.
pub(crate) fn three_requests() -> PointSummary {
    let mut point = point(&none_succeeded());
    let metrics = [
        ("ttfo_ms", [7.0, 8.0, 9.0]),
        ("ttst_ms", [1.0, 2.0, 3.0]),
        ("e2e_ms", [4.0, 5.0, 6.0]),
        ("tpot_ms", [10.0, 11.0, 12.0]),
        ("tps_user", [4.0, 5.0, 6.0]),
        ("osl", [1.0, 2.0, 3.0]),
        ("isl", [5.0, 6.0, 7.0]),
    ];
    for (id, values) in metrics {
        point.metrics.insert(id.into(), distribution(values));
    }
    for (id, value) in [("output_tps", 456.0), ("rps", 123.0), ("requests_ok", 3.0)] {
        point.metrics.insert(id.into(), MetricLine::Value { unit: String::new(), value });
    }
    point
}

pub(crate) fn distribution<const N: usize>(mut values: [f64; N]) -> MetricLine {
    let d = bench_core::stats::Distribution::of(&mut values).unwrap();
    let [p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9] = d.percentiles;
    #[rustfmt::skip]
    let line = MetricLine::Distribution {
        unit: String::new(), count: d.count, mean: d.mean, std: d.std, min: d.min, max: d.max,
        p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9, below_floor: vec![],
    };
    line
}

#[test]
fn the_csv_is_what_genai_perf_writes_to_the_byte() {
    let expected = include_str!("../data/genai-perf-0.0.16.csv").replace('\n', "\r\n");
    assert_eq!(genai_perf::csv(&three_requests()), expected);
}

#[test]
fn large_numbers_are_grouped_and_quoted_and_missing_ones_are_na() {
    let mut point = three_requests();
    point.metrics.insert("e2e_ms".into(), distribution([5_912.734, 5_919.161, 5_934.449]));
    point.metrics.remove("tpot_ms");
    point.metrics.remove("rps");
    let csv = genai_perf::csv(&point);
    let line = |label: &str| csv.lines().find(|line| line.starts_with(label)).unwrap();
    assert!(
        line("Request Latency")
            .starts_with(r#"Request Latency (ms),"5,922.11","5,912.73","5,934.45","#),
        "{csv}"
    );
    assert_eq!(line("Inter Token"), format!("Inter Token Latency (ms){}", ",N/A".repeat(12)));
    assert_eq!(line("Request Throughput"), "Request Throughput (per sec),N/A");
}

#[test]
fn the_json_has_genai_perfs_keys_in_its_order() {
    insta::assert_snapshot!("genai_perf_json", genai_perf::json(&three_requests(), &INPUT));
    let samples: Vec<_> = (0..3).map(|n| failed(n, Outcome::Reset, "")).collect();
    let nothing = genai_perf::json(&point(&Measured::new(open(10.0), &samples)), &INPUT);
    insta::assert_snapshot!("genai_perf_json_without_success", nothing);
}

#[test]
fn files_get_their_names_and_a_place_that_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let measured = trusted();
    let [csv_path, json_path] = genai_perf::write(place.path(), &point(&measured), &INPUT).unwrap();
    let own = csv::write(place.path(), &summary(&measured)).unwrap();
    for (path, name) in [
        (&csv_path, "profile_export_genai_perf.csv"),
        (&json_path, "profile_export_genai_perf.json"),
        (&own, "metrics.csv"),
    ] {
        assert_eq!(path, &place.path().join(name));
        assert!(path.exists());
    }
    let error = csv::write(&place.path().join("gone"), &summary(&measured)).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", error.path.display()));
}

#[test]
fn own_csv_has_a_row_for_each_statistic() {
    let mut measured = Measured::new(closed(1), &[sample(0)]);
    measured.plan.points[0].workload = "=cmd(), \"quoted\"".into();
    let mut summary = summary(&measured);
    summary.points[0].metrics.retain(|id, _| ["ttft_ms", "rps"].contains(&id.as_str()));
    insta::assert_snapshot!("metrics_csv", csv::render(&summary));
}

#[test]
fn own_json_is_the_summary_file() {
    let summary = summary(&trusted());
    let text = json::render(&summary);
    assert!(text.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<SummaryFile>(&text).unwrap(), summary);
    assert!(!text.contains("\"repeats\""), "nothing is repeated");
}

#[test]
fn repeats_are_told_together_in_the_summary_file() {
    let mut summary = summary(&trusted());
    let again = PointSummary { repeat: 1, ..summary.points[0].clone() };
    let other = PointSummary { cell: 1, ..summary.points[0].clone() };
    summary.points.extend([other, again]);
    let text = json::render(&summary);
    assert_eq!(serde_json::from_str::<SummaryFile>(&text).unwrap(), summary);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let [cell] = &json["repeats"].as_array().unwrap()[..] else { panic!("{text}") };
    assert_eq!((&cell["cell"], &cell["repeats"]), (&0.into(), &2.into()));
    let p95 = &cell["metrics"]["ttft_ms"]["p95"];
    assert_eq!((&p95["n"], &p95["cv"]), (&2.into(), &0.0.into()), "{p95}");
    assert_eq!(p95["mean"], json["points"][0]["metrics"]["ttft_ms"]["p95"]);
    assert_eq!(p95["ci95"], serde_json::json!([p95["mean"], p95["mean"]]));
}
