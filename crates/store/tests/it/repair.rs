//! Runs that were killed, made whole again.

use std::{fs, path::Path};

use bench_core::{MetricSink, Phase, Point, PointOutcome, RunEvent, Sample, Verdict};
use bench_store::{
    RepairError, Repaired, RunDirectory, State, SummaryFile, import, read_readings, read_samples,
    repair,
};

use crate::{
    fixture::{begun, events, outcome, power, run, sample},
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

/// How many points the summary has that was written.
fn points(repaired: &Repaired) -> Option<usize> {
    repaired.summary.as_ref().map(|summary| summary.points)
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

    assert_eq!(points(&repaired), Some(1));
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

/// Of three frames with two samples each, whichever is damaged wherever, the others are kept.
#[test]
fn a_damaged_frame_is_cut_out_and_those_behind_it_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    let path = directory.samples_path();
    let mut ends = vec![0];
    for number in 0..6 {
        log.event(&RunEvent::Sample(sample(number))).unwrap();
        if number % 2 == 1 {
            log.event(&RunEvent::PhaseEnded { point: 0, phase: Phase::Measure }).unwrap();
            ends.push(usize::try_from(fs::metadata(&path).unwrap().len()).unwrap());
        }
    }
    drop(log);
    let bytes = fs::read(&path).unwrap();
    for place in (0..bytes.len()).step_by(3) {
        let damaged = ends.iter().rposition(|end| *end <= place).unwrap();
        let mut wrong = bytes.clone();
        wrong[place] ^= 0x10;
        fs::write(&path, &wrong).unwrap();
        let _ = fs::remove_file(directory.summary_path());
        let repaired = repair(&directory).unwrap();
        let numbers: Vec<u64> =
            read_samples(&path).unwrap().map(|sample| sample.unwrap().number).collect();
        if repaired.torn.is_empty() {
            // A bit of the header that no decoder looks at.
            assert_eq!(numbers.len(), 6, "{place}");
            continue;
        }
        let mut expected: Vec<u64> = (0..6).collect();
        expected.drain(2 * damaged..2 * damaged + 2);
        assert_eq!(numbers, expected, "{place}");
        let [torn] = &repaired.torn[..] else { panic!("{repaired:?}") };
        let saved = directory.path().join(&torn.saved_as);
        assert_eq!(fs::read(&saved).unwrap(), wrong[ends[damaged]..], "{place}");
        let lost = ends[damaged + 1] - ends[damaged];
        assert_eq!((torn.lost, torn.rescued), (lost as u64, 4 - 2 * damaged as u64), "{place}");
        fs::remove_file(saved).unwrap();
    }
}

#[test]
fn a_frame_that_ends_within_a_line_is_cut_off_too() {
    let root = tempfile::tempdir().unwrap();
    let directory = killed(root.path());
    let whole = fs::metadata(directory.samples_path()).unwrap().len();
    append(&directory.samples_path(), &zstd::bulk::compress(b"{\"half\":", 1).unwrap());
    assert_eq!(repair(&directory).unwrap().torn[0].whole, whole);
}

/// A run that came to its end, and what its summary says.
fn whole(root: &Path) -> (RunDirectory, SummaryFile) {
    let (directory, mut log) = begun(root);
    let events = events();
    events.iter().for_each(|event| log.event(event).unwrap());
    log.finish(&outcome(&events, false)).unwrap();
    let summary = directory.read_summary().unwrap().unwrap();
    (directory, summary)
}

#[test]
fn a_summary_that_was_lost_is_made_again_from_samples_and_events() {
    let root = tempfile::tempdir().unwrap();
    let (directory, before) = whole(root.path());
    assert_eq!(before.state, State::Finished);
    for (damaged, saved_as) in [(None, None), (Some("{"), Some("summary.json.torn"))] {
        match damaged {
            None => fs::remove_file(directory.summary_path()).unwrap(),
            Some(text) => fs::write(directory.summary_path(), text).unwrap(),
        }
        let repaired = repair(&directory).unwrap().summary.unwrap();
        assert_eq!((repaired.points, repaired.state), (1, State::Finished));
        assert_eq!(repaired.saved_as.as_deref(), saved_as);
        assert_eq!(directory.read_summary().unwrap().unwrap(), before);
    }
    // Of a newer program, nobody knows whether it is damaged.
    let newer = "{\"format_version\": 9999}";
    fs::write(directory.summary_path(), newer).unwrap();
    assert!(matches!(repair(&directory), Err(RepairError::Unreadable(_))));
    assert_eq!(fs::read_to_string(directory.summary_path()).unwrap(), newer);
}

/// What was said of samples that are lost says nothing of those that are left.
#[test]
fn a_run_that_lost_samples_is_not_called_finished() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = whole(root.path());
    append(&directory.samples_path(), &[0x28, 0xb5]);
    fs::remove_file(directory.summary_path()).unwrap();
    assert_eq!(repair(&directory).unwrap().summary.unwrap().state, State::Interrupted);
    let summary = directory.read_summary().unwrap().unwrap();
    assert!(summary.points[0].reasons.iter().any(|reason| reason.code == "interrupted"));
}

#[test]
fn a_point_that_was_measured_again_counts_once_and_a_failed_one_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    let point = run().plan.points.remove(0);
    let began = |number, repeat| RunEvent::PointBegan {
        number,
        point: Box::new(Point { repeat, ..point.clone() }),
    };
    let of = |point, number| RunEvent::Sample(Sample { point, ..sample(number) });
    let failed = RunEvent::PointEnded(Box::new(PointOutcome {
        number: 2,
        point: Point { repeat: 1, ..point.clone() },
        failure: Some("nobody was there".into()),
        summary: bench_core::Aggregate::default().summarize(),
        verdict: Verdict::not_measured(),
    }));
    for event in [began(0, 0), of(0, 0), began(1, 0), of(1, 0), of(1, 1), began(2, 1), failed] {
        log.event(&event).unwrap();
    }
    drop(log);
    let _ = fs::remove_file(directory.summary_path());
    repair(&directory).unwrap();
    let points = directory.read_summary().unwrap().unwrap().points;
    assert_eq!(points.iter().map(|point| point.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(points[0].outcomes["ok"], 2);
    assert_eq!(points[1].failure.as_deref(), Some("nobody was there"));
}

#[test]
fn what_ended_before_the_kill_stays_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut log) = begun(root.path());
    for event in events() {
        log.event(&event).unwrap();
    }
    let ended = directory.read_summary().unwrap().unwrap();
    log.event(&RunEvent::Sample(Sample { point: 1, ..sample(0) })).unwrap();
    drop(log);
    assert_eq!(points(&repair(&directory).unwrap()), Some(2));
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
    assert_eq!(points(&repaired), Some(0));
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
