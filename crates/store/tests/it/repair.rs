//! Runs that were killed, made whole again.

use std::{fs, path::Path};

use bench_core::{MetricSink, Phase, RunEvent};
use bench_store::{
    RepairError, Repaired, RunDirectory, State, import, read_readings, read_samples, repair,
};

use crate::{
    fixture::{begun, events, power, sample},
    written::finished,
};

/// A run that was killed after six samples, in two frames, and a reading.
fn killed(root: &Path) -> RunDirectory {
    let (directory, mut log) = begun(root);
    for number in 0..6 {
        log.event(&RunEvent::Sample(sample(number))).unwrap();
        if number == 0 {
            log.event(&RunEvent::Reading(power(5, 250.0))).unwrap();
        }
        if number == 2 {
            log.event(&RunEvent::PhaseEnded { point: 0, phase: Phase::Measure }).unwrap();
        }
    }
    drop(log);
    directory
}

fn append(path: &Path, bytes: &[u8]) {
    let mut all = fs::read(path).unwrap();
    all.extend(bytes);
    fs::write(path, all).unwrap();
}

#[test]
fn torn_ends_are_cut_off_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    let whole = fs::read(directory.samples_path()).unwrap();
    append(&directory.samples_path(), &whole[..40]);
    append(&directory.readings_path(), &[0; 7]);
    append(&directory.events_path(), b"{\"at_ns\":");
    let repaired = repair(&directory).unwrap();
    let torn: Vec<_> =
        repaired.torn.iter().map(|f| (f.name.as_str(), f.torn, f.saved_as.as_str())).collect();
    assert_eq!(
        torn,
        [
            ("samples.jsonl.zst", 40, "samples.jsonl.zst.torn"),
            ("readings.jsonl.zst", 7, "readings.jsonl.zst.torn"),
            ("events.jsonl", 9, "events.jsonl.torn"),
        ]
    );
    assert_eq!(fs::read(directory.samples_path()).unwrap(), whole);
    assert_eq!(fs::read(directory.path().join("samples.jsonl.zst.torn")).unwrap(), whole[..40]);
    let mut samples = read_samples(&directory.samples_path()).unwrap();
    assert_eq!(samples.by_ref().map(Result::unwrap).count(), 6);
    assert_eq!(samples.torn(), None);
    assert_eq!(read_readings(&directory.readings_path()).unwrap().count(), 1);

    assert_eq!(repaired.points, Some(1));
    let summary = directory.read_summary().unwrap().unwrap();
    assert_eq!((summary.state, summary.points.len()), (State::Interrupted, 1));
    assert_eq!(summary.points[0].outcomes["ok"], 6);
    assert!(summary.points[0].reasons.iter().any(|reason| reason.code == "interrupted"));
    assert_eq!(repair(&directory).unwrap(), Repaired::default(), "it is whole now");

    // A second tear does not overwrite what is left of the first.
    append(&directory.samples_path(), b"more");
    assert_eq!(repair(&directory).unwrap().torn[0].saved_as, "samples.jsonl.zst.torn-2");
    assert_eq!(fs::read(directory.path().join("samples.jsonl.zst.torn")).unwrap().len(), 40);
}

/// Wherever the samples end, they read without a tear afterwards, and no byte is lost.
#[test]
fn a_file_cut_anywhere_can_be_repaired() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    let path = directory.samples_path();
    let bytes = fs::read(&path).unwrap();
    let mut rescued = 0;
    for cut in (0..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let _ = fs::remove_file(directory.summary_path());
        let before = read_samples(&path).unwrap().filter_map(Result::ok).count();
        let repaired = repair(&directory).unwrap();
        let mut after = read_samples(&path).unwrap();
        let count = after.by_ref().map(Result::unwrap).count();
        assert_eq!(after.torn(), None, "cut at {cut}");
        assert_eq!(count, before, "cut at {cut}: what could be read can still be read");
        let mut kept = fs::read(&path).unwrap();
        for torn in &repaired.torn {
            kept.truncate(usize::try_from(torn.whole).unwrap());
            let saved = directory.path().join(&torn.saved_as);
            kept.extend(fs::read(&saved).unwrap());
            rescued += torn.rescued;
            fs::remove_file(saved).unwrap();
        }
        assert_eq!(kept, bytes[..cut], "cut at {cut}");
    }
    assert!(rescued > 0, "some cuts leave lines that can be read");
}

#[test]
fn a_frame_that_ends_within_a_line_is_cut_off_too() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    let whole = fs::metadata(directory.samples_path()).unwrap().len();
    append(&directory.samples_path(), &zstd::bulk::compress(b"{\"half\":", 1).unwrap());
    assert_eq!(repair(&directory).unwrap().torn[0].whole, whole);
}

#[test]
fn what_ended_before_the_kill_stays_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    for event in events() {
        log.event(&event).unwrap();
    }
    let ended = directory.read_summary().unwrap().unwrap();
    log.event(&RunEvent::Sample(bench_core::Sample { point: 1, ..sample(0) })).unwrap();
    drop(log);
    assert_eq!(repair(&directory).unwrap().points, Some(2));
    let summary = directory.read_summary().unwrap().unwrap();
    assert_eq!(summary.points[0], ended.points[0]);
    assert_eq!(summary.points[1].outcomes["ok"], 1);
}

#[test]
fn a_run_that_had_hardly_begun_has_no_points() {
    let root = tempfile::tempdir().unwrap();
    let (directory, log) = begun(root.path());
    drop(log);
    fs::remove_file(directory.samples_path()).unwrap();
    fs::remove_file(directory.events_path()).unwrap();
    let repaired = repair(&directory).unwrap();
    assert_eq!(repaired.missing, ["events.jsonl", "samples.jsonl.zst"]);
    assert_eq!(repaired.points, Some(0));
    assert_eq!(directory.read_summary().unwrap().unwrap().state, State::Interrupted);
    assert_eq!(read_samples(&directory.samples_path()).unwrap().count(), 0);
}

#[test]
fn what_is_whole_or_running_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let directory = finished(root.path(), "AAAA", "whole");
    let before = fs::read(directory.summary_path()).unwrap();
    assert_eq!(repair(&directory).unwrap(), Repaired::default());
    assert_eq!(fs::read(directory.summary_path()).unwrap(), before);
    let (running, _log) = begun(root.path());
    assert!(matches!(repair(&running), Err(RepairError::Running { .. })));
}

#[test]
fn the_results_of_another_tool_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import/vllm/plain.json");
    let imported = import::read(Path::new(file)).unwrap();
    let directory = import::write(root.path(), &imported, 1).unwrap();
    assert_eq!(repair(&directory).unwrap(), Repaired::default());
    assert!(!directory.samples_path().exists() && !directory.events_path().exists());
}

/// What goes on with a run appends to the files that a repair cuts.
#[cfg(unix)]
#[test]
fn nobody_goes_on_with_a_run_that_is_being_repaired() {
    let root = tempfile::tempdir().unwrap();
    let directory = finished(root.path(), "AAAA", "whole");
    let samples = directory.samples_path();
    fs::remove_file(&samples).unwrap();
    nix::unistd::mkfifo(&samples, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::thread::scope(|scope| {
        let repaired = scope.spawn(|| repair(&directory));
        // It is open once the other end is, and read until this one is closed.
        let open = fs::File::options().write(true).open(&samples).unwrap();
        assert!(directory.is_being_written());
        assert!(matches!(repair(&directory), Err(RepairError::Running { .. })));
        drop(open);
        assert_eq!(repaired.join().unwrap().unwrap(), Repaired::default());
    });
    assert!(!directory.is_being_written());
}

/// A directory opens like a file and cannot be read: that is no full disk.
#[cfg(unix)]
#[test]
fn what_the_system_cannot_read_is_said_to_be_that() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    fs::remove_file(directory.samples_path()).unwrap();
    fs::create_dir(directory.samples_path()).unwrap();
    assert!(matches!(repair(&directory), Err(RepairError::Unreadable(_))));
}

#[test]
fn damage_in_the_middle_is_said_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    let bytes = zstd::bulk::compress(b"{\"no\":\"sample\"}\n", 1).unwrap();
    fs::write(directory.samples_path(), &bytes).unwrap();
    assert!(matches!(repair(&directory), Err(RepairError::Unreadable(_))));
    assert_eq!(fs::read(directory.samples_path()).unwrap(), bytes);
    assert!(directory.read_summary().unwrap().is_none());
}
