use std::{fs, path::Path, time::Duration};

use bench_core::{MetricSink, Progress, RunEvent, Summary};
use bench_store::{RunDirectory, State, SummaryFile, read_readings, read_samples, summarize};

use crate::fixture::{begun, events, failure, outcome, power, run, sample, warm_up};

fn written(root: &Path, interrupted: bool) -> RunDirectory {
    let (directory, mut log) = begun(root);
    let events = events();
    for event in &events {
        log.event(event).unwrap();
    }
    log.finish(&outcome(&events, interrupted)).unwrap();
    directory
}

fn samples(directory: &RunDirectory) -> Vec<bench_core::Sample> {
    read_samples(&directory.samples_path()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_run_reads_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let directory = written(root.path(), false);
    assert_eq!(samples(&directory), [warm_up(), sample(0), sample(1), failure(2)]);
    let readings: Vec<_> =
        read_readings(&directory.readings_path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(readings, [power(5, 250.5)], "what is no number is not written");
}

#[test]
fn the_files_are_as_documented() {
    let root = tempfile::tempdir().unwrap();
    let directory = written(root.path(), false);
    let run: serde_json::Value =
        serde_json::from_slice(&fs::read(directory.run_path()).unwrap()).unwrap();
    insta::assert_json_snapshot!("run", run, { ".inferbench" => "[version]" });
    let lines = zstd_text(&directory.samples_path());
    insta::assert_snapshot!("samples", lines);
    insta::assert_snapshot!("readings", zstd_text(&directory.readings_path()));
    let mut summary = directory.read_summary().unwrap().unwrap();
    // One of each kind; the others have the same form.
    summary.points[0].metrics.retain(|id, _| ["ttft_ms", "output_tps"].contains(&id.as_str()));
    insta::assert_json_snapshot!("summary", summary);
    let moments = without_moments(&fs::read_to_string(directory.events_path()).unwrap());
    insta::assert_snapshot!("events", moments);
}

fn zstd_text(path: &Path) -> String {
    use std::io::Read;
    // As `zstdcat` reads it: all frames as one text.
    let mut text = String::new();
    zstd::Decoder::new(fs::File::open(path).unwrap()).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The events without their moments, which are those of writing.
fn without_moments(text: &str) -> String {
    let line = |line: &str| {
        let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["at_ns"].take().as_u64().unwrap() > 0);
        format!("{event}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn the_summary_follows_from_the_samples() {
    let root = tempfile::tempdir().unwrap();
    let directory = written(root.path(), false);
    let recomputed = summarize(&directory).unwrap();
    assert_eq!(recomputed.torn, None);
    let measured: Vec<&Summary> = recomputed.points.values().collect();
    let outcome = outcome(&events(), false);
    assert_eq!(measured, [&outcome.points[0].summary]);
    let file = SummaryFile::new(&run().plan, &outcome.points, State::Finished);
    assert_eq!(directory.read_summary().unwrap(), Some(file));
}

#[test]
fn a_run_that_was_killed_or_stopped_is_known_by_its_summary() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    assert_eq!(directory.read_summary().unwrap(), None, "before a point has ended");
    events().iter().for_each(|event| log.event(event).unwrap());
    drop(log);
    let partial = directory.read_summary().unwrap().unwrap();
    assert_eq!((partial.state, partial.points.len()), (State::Unfinished, 1));

    for (interrupted, state) in [(false, State::Finished), (true, State::Interrupted)] {
        let root = tempfile::tempdir().unwrap();
        let summary = written(root.path(), interrupted).read_summary().unwrap().unwrap();
        assert_eq!(summary.state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_loses_at_most_a_second() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    let progress = RunEvent::Progress(Progress::default());
    log.event(&RunEvent::Sample(sample(0))).unwrap();
    tokio::time::advance(Duration::from_millis(900)).await;
    log.event(&progress).unwrap();
    assert_eq!(samples(&directory), []);

    tokio::time::advance(Duration::from_millis(100)).await;
    log.event(&progress).unwrap();
    assert_eq!(samples(&directory), [sample(0)]);

    log.event(&RunEvent::Sample(sample(1))).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    log.event(&RunEvent::Sample(sample(2))).unwrap();
    // What a kill leaves is what is on the disk now: nothing is written when the log goes.
    std::mem::forget(log);
    assert_eq!(samples(&directory), [sample(0), sample(1), sample(2)]);
}

#[test]
fn a_directory_that_is_gone_stops_the_run_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(root.path(), "7Q4K", "chat").unwrap();
    fs::remove_dir(directory.path()).unwrap();
    let mut log =
        bench_store::RunLog::new(directory, serde_json::Value::Null, serde_json::Value::Null);
    let error = log.begin(&run()).unwrap_err();
    assert_eq!(error.to_string(), "the log of the run cannot go on");
    assert!(error.cause.to_string().starts_with("cannot write to "), "{}", error.cause);
    log.event(&RunEvent::Sample(sample(0))).unwrap();
    log.finish(&outcome(&[], true)).unwrap();
}
