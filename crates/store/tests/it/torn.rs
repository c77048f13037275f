use std::{fs, path::Path};

use bench_core::{MetricSink, Phase, RunEvent, Sample};
use bench_store::{ReadError, TornTail, read_samples, summarize};
use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

use crate::fixture::{begun, sample};

const SAMPLES: u64 = 12;

/// A file of four frames with three samples each, and where each frame ends.
fn file(place: &Path) -> (std::path::PathBuf, Vec<u64>) {
    let (directory, mut log) = begun(place);
    let path = directory.samples_path();
    let mut ends = vec![0];
    for number in 0..SAMPLES {
        log.event(&RunEvent::Sample(sample(number))).unwrap();
        if number % 3 == 2 {
            // The end of a phase ends a frame.
            log.event(&RunEvent::PhaseEnded { point: 0, phase: Phase::Measure }).unwrap();
            ends.push(fs::metadata(&path).unwrap().len());
        }
    }
    (path, ends)
}

fn read(path: &Path) -> (Vec<Sample>, Option<TornTail>) {
    let mut samples = read_samples(path).unwrap();
    let read = samples.by_ref().map(Result::unwrap).collect();
    assert!(samples.next().is_none(), "the end stays the end");
    (read, samples.torn())
}

/// However long the file is, what it holds of whole frames is read, and the rest is accounted for.
#[test]
fn a_file_cut_anywhere_reads_up_to_the_cut() {
    let root = tempfile::tempdir().unwrap();
    let (path, ends) = file(root.path());
    let all: Vec<Sample> = (0..SAMPLES).map(sample).collect();
    let bytes = fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (samples, torn) = read(&path);
        let whole = ends.iter().rposition(|end| *end <= cut as u64).unwrap();
        assert!(samples.len() >= whole * 3, "cut at {cut}: {} samples", samples.len());
        assert_eq!(samples, all[..samples.len()], "cut at {cut}");
        match torn {
            None => assert_eq!(ends[whole], cut as u64, "cut at {cut}"),
            Some(torn) => {
                assert_eq!(torn.compressed_bytes, cut as u64 - ends[whole], "cut at {cut}");
                assert_eq!(torn.lines, samples.len() as u64);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_never_panics_and_is_noticed(at in 0_usize..10_000, flip in 1_u8..=255, extra in prop::collection::vec(0_u8..=255, 0..40)) {
        let root = tempfile::tempdir().unwrap();
        let (path, _) = file(root.path());
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        bytes.extend(&extra);
        fs::write(&path, &bytes).unwrap();
        let mut samples = read_samples(&path).unwrap();
        let read = samples.by_ref().filter_map(Result::ok).count() as u64;
        prop_assert!(read <= SAMPLES);
        // The checksums find it; only a frame's own header has bits without a meaning.
        prop_assert!(samples.torn().is_some() || read == SAMPLES);
    }

    #[test]
    fn zeros_that_a_crash_left_behind_are_a_torn_end(zeros in 1_usize..5_000) {
        let root = tempfile::tempdir().unwrap();
        let (path, _) = file(root.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes.resize(bytes.len() + zeros, 0);
        fs::write(&path, &bytes).unwrap();
        let (samples, torn) = read(&path);
        prop_assert_eq!(samples.len() as u64, SAMPLES);
        let compressed_bytes = zeros as u64;
        prop_assert_eq!(torn, Some(TornTail { lines: SAMPLES, compressed_bytes, half_line_bytes: 0 }));
    }
}

#[test]
fn half_a_line_is_a_torn_end_and_a_wrong_line_is_an_error_on_the_way() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("samples.jsonl.zst");
    let line = serde_json::to_string(&bench_store::SampleLine::from(&sample(0))).unwrap();
    let text = format!("{line}\n{{\"no\":\"sample\"}}\n{line}\n{}", &line[..20]);
    fs::write(&path, zstd::bulk::compress(text.as_bytes(), 1).unwrap()).unwrap();
    let mut samples = read_samples(&path).unwrap();
    assert_eq!(samples.next().unwrap().unwrap(), sample(0));
    assert!(matches!(samples.next(), Some(Err(ReadError::Malformed { line: 2, .. }))));
    assert_eq!(samples.next().unwrap().unwrap(), sample(0));
    assert!(samples.next().is_none());
    let expected = TornTail { lines: 3, compressed_bytes: 0, half_line_bytes: 20 };
    assert_eq!(samples.torn(), Some(expected));
}

/// A directory opens like a file and cannot be read, however often one asks.
#[cfg(unix)]
#[test]
fn what_the_system_cannot_read_is_said_once() {
    let root = tempfile::tempdir().unwrap();
    let samples = read_samples(root.path()).unwrap();
    let read: Vec<_> = samples.take(3).collect();
    assert!(matches!(&read[..], [Err(ReadError::Unreadable { .. })]), "{read:?}");
}

#[test]
fn a_torn_run_can_still_be_summarized() {
    let root = tempfile::tempdir().unwrap();
    let (path, ends) = file(root.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..usize::try_from(ends[2]).unwrap() + 5]).unwrap();
    let directory = bench_store::RunDirectory::open(path.parent().unwrap()).unwrap();
    let recomputed = summarize(&directory).unwrap();
    assert_eq!(recomputed.points[&0].succeeded(), 6);
    assert_eq!(recomputed.torn.map(|torn| torn.compressed_bytes), Some(5));
}
