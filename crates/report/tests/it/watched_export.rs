use std::fs;

use bench_core::reading;
use bench_report::{
    aiperf, genai_perf, json,
    telemetry_csv::{self, Timeline},
};
use bench_store::{
    EventKind, EventLine, GpuLine, PhaseLine, PointSummary, SeriesLine, TelemetryLine,
};
use serde_json::Value;

use crate::{
    export::{INPUT, distribution, point, summary, three_requests},
    fixture::trusted,
    stored::stored,
    watching::{everything, measured},
};

/// The first point lasts from 0 to 20 seconds, its measured phase from one second on.
fn timeline() -> Timeline {
    let mut run = stored("7Q4K", vec![point(&trusted())]).run;
    run.anchor.wall_ns = 1_767_323_045_678_000_000;
    let event = |s: u64, kind| EventLine { at_ns: s * 1_000_000_000, kind };
    let measure = PhaseLine::Measure;
    let events = [
        event(0, EventKind::PointBegan { point: 0, planned: None }),
        event(1, EventKind::PhaseBegan { point: 0, phase: measure }),
        event(20, EventKind::PhaseEnded { point: 0, phase: measure }),
        event(21, EventKind::PointBegan { point: 1, planned: None }),
    ];
    Timeline::of(&run, &events)
}

#[test]
fn telemetry_csv_has_a_row_for_each_series() {
    let summary_of_all = summary(&measured());
    let text = telemetry_csv::render(&summary_of_all);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let series = &summary_of_all.points[0].telemetry.as_ref().unwrap().series;
    assert!(rows.len() == series.len() && series.len() > 30, "{text}");
    let shown = ["gpu_power_w", "gpu_energy_j", "host_network_sent_bytes", "server_waiting"];
    let lines = text.lines();
    let shown = lines.filter(|l| l.starts_with("point") || shown.iter().any(|n| l.contains(n)));
    insta::assert_snapshot!("telemetry_csv", shown.collect::<Vec<_>>().join("\n"));
    let without = telemetry_csv::render(&summary(&trusted()));
    assert_eq!(without.lines().count(), 1, "only the header: {without}");
}

#[test]
fn readings_csv_is_on_the_samples_axis() {
    let place = tempfile::tempdir().unwrap();
    let readings = everything().readings;
    let count = readings.len();
    let path = telemetry_csv::write_readings(place.path(), &timeline(), readings).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), count + 1);
    let of_power = text.lines().filter(|line| line.contains(",gpu_power_w,0,"));
    let rows: Vec<&str> = of_power.skip(9).take(2).collect();
    assert_eq!(
        rows,
        [
            "0.900000000,1767323046.578000000,0,,nvml,gpu_power_w,0,632",
            "1.000000000,1767323046.678000000,0,measure,nvml,gpu_power_w,0,592",
        ]
    );
}

/// The readings of GenAI-Perf's own test of its table.
fn as_genai_perf_has_it() -> TelemetryLine {
    let gb = 1e9;
    let gauges = [
        (reading::GPU_POWER_W, [45.2, 46.5]),
        (reading::GPU_POWER_LIMIT_W, [250.0, 250.0]),
        (reading::GPU_UTILIZATION_RATIO, [0.75, 0.8]),
        (reading::GPU_SM_ACTIVE_RATIO, [0.6, 0.7]),
        (reading::GPU_MEMORY_UTILIZATION_RATIO, [0.55, 0.6]),
        (reading::GPU_ENCODER_UTILIZATION_RATIO, [0.2, 0.25]),
        (reading::GPU_DECODER_UTILIZATION_RATIO, [0.15, 0.18]),
        (reading::GPU_MEMORY_TOTAL_BYTES, [8.0 * gb, 8.0 * gb]),
        (reading::GPU_MEMORY_USED_BYTES, [4.0 * gb, 4.0 * gb]),
        (reading::GPU_TEMPERATURE_C, [70.0, 75.0]),
        (reading::GPU_SM_CLOCK_MHZ, [1_500.0, 1_550.0]),
        (reading::GPU_MEMORY_CLOCK_MHZ, [5_000.0, 5_100.0]),
    ];
    let series = gauges.map(|(name, values)| SeriesLine {
        source: "dcgm".into(),
        name: name.into(),
        instance: Some("gpu0".into()),
        unit: String::new(),
        time_mean: None,
        values: Some(distribution(values)),
        increase: None,
        resets: 0,
        partial: false,
    });
    TelemetryLine { series: series.into(), ..TelemetryLine::default() }
}

#[test]
fn genai_perfs_tables_of_telemetry_are_what_it_writes_to_the_byte() {
    let point = PointSummary { telemetry: Some(as_genai_perf_has_it()), ..three_requests() };
    let expected = [
        include_str!("../data/genai-perf-0.0.16.csv"),
        include_str!("../data/genai-perf-0.0.16-telemetry.csv"),
    ];
    assert_eq!(genai_perf::csv(&point), expected.concat().replace('\n', "\r\n"));
}

#[test]
fn genai_perfs_json_has_telemetry_by_metric_and_gpu() {
    let mut telemetry = as_genai_perf_has_it();
    telemetry.gpus.push(GpuLine {
        source: "dcgm".into(),
        instance: Some("gpu0".into()),
        name: None,
        energy_j: Some(500_000.0),
        power_w: 45.85,
        coverage: 1.0,
        counted_j: None,
        difference: None,
        idle_w: None,
    });
    let point = PointSummary { telemetry: Some(telemetry), ..three_requests() };
    let text = genai_perf::json(&point, &INPUT);
    let stats = text.find("\"telemetry_stats\"").unwrap();
    assert!(text.find("input_sequence_length").unwrap() < stats);
    assert!(stats < text.find("\"input_config\"").unwrap());
    let json: Value = serde_json::from_str(&text).unwrap();
    let stats = &json["telemetry_stats"];
    let constant = serde_json::json!({"unit": "W", "gpu0": {"avg": 250.0}});
    assert_eq!(stats["gpu_power_limit"], constant);
    assert_eq!(stats["energy_consumption"]["gpu0"]["avg"], 0.5);
    assert_eq!(stats["energy_consumption"]["unit"], "MJ");
    assert_eq!(stats["gpu_power_usage"]["gpu0"].as_object().unwrap().len(), 13);
    let order = ["gpu_power_usage", "gpu_power_limit", "energy_consumption", "total_gpu_memory"];
    let places = order.map(|key| text.find(&format!("\"{key}\"")).unwrap());
    assert!(places.is_sorted(), "{text}");
    let without = genai_perf::json(&point_without(), &INPUT);
    assert!(!without.contains("telemetry"), "{without}");
}

fn point_without() -> PointSummary {
    point(&trusted())
}

#[test]
fn aiperfs_sections_have_its_columns_and_keys() {
    let (point, timeline) = (point(&measured()), timeline());
    let watched = aiperf::Watched { run_id: "7Q4K", point: &point, timeline: &timeline };
    insta::assert_snapshot!("aiperf_telemetry_csv", aiperf::telemetry::csv(&watched));
    let json = aiperf::telemetry::json(&watched).map(|data| json::text(&data)).unwrap();
    insta::assert_snapshot!("aiperf_telemetry_json", json);
    let point = point_without();
    let watched = aiperf::Watched { run_id: "7Q4K", point: &point, timeline: &timeline };
    assert_eq!(aiperf::telemetry::csv(&watched), "");
    assert!(aiperf::telemetry::json(&watched).is_none());
}

#[test]
fn aiperfs_own_files_of_what_it_watches() {
    let (place, point, timeline) = (tempfile::tempdir().unwrap(), point(&measured()), timeline());
    let watched = aiperf::Watched { run_id: "7Q4K", point: &point, timeline: &timeline };
    let files = aiperf::write(place.path(), &watched, everything().readings).unwrap();
    let names = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["gpu_telemetry_export.jsonl", "server_metrics_export.csv", "server_metrics_export.json"]
    );
    let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let records: Vec<&str> = texts[0].lines().collect();
    assert_eq!(records.len(), 2 * 141, "each GPU, each read");
    insta::assert_snapshot!("aiperf_gpu_records", records[20..23].join("\n"));
    insta::assert_snapshot!("aiperf_server_metrics_csv", texts[1]);
    insta::assert_snapshot!("aiperf_server_metrics_json", texts[2]);
}

#[test]
fn readings_of_other_points_are_not_in_a_points_records() {
    let (place, timeline) = (tempfile::tempdir().unwrap(), timeline());
    let point = PointSummary { number: 1, ..point(&measured()) };
    let watched = aiperf::Watched { run_id: "7Q4K", point: &point, timeline: &timeline };
    let files = aiperf::write(place.path(), &watched, everything().readings).unwrap();
    assert_eq!(fs::read_to_string(&files[0]).unwrap(), "", "it began after the last of them");
    let point = point_without();
    let watched = aiperf::Watched { run_id: "7Q4K", point: &point, timeline: &timeline };
    assert_eq!(aiperf::write(place.path(), &watched, everything().readings).unwrap().len(), 0);
}
