//! Runs that were killed: what is left of them, and that it can be repaired.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bench_core::{Clock, Phase, Sample};
use bench_store::{EventLine, Records, RunDirectory, SampleLine, State, read_samples};
use nix::sys::signal::Signal;

use crate::{
    history::{listed, says},
    program::{Place, name},
};

const MOMENTS: usize = 52;
const AT_ONCE: usize = 4;
const STREAMS: u64 = 4;
const LATEST_NS: u64 = 2_500_000_000;
/// What is in memory is lost: that of the last second, and what it takes to write it down.
const LOST_NS: u64 = 1_200_000_000;
/// What a request takes, on a machine with other work to do.
const REQUEST_NS: u64 = 150_000_000;

/// When a run is killed, in nanoseconds after its start: the same in every test.
fn moment(number: usize) -> u64 {
    // One in each of as many spans as there are moments, somewhere in it.
    let span = LATEST_NS / MOMENTS as u64;
    let scattered = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    number as u64 * span + scattered % span
}

/// What was left.
#[derive(Debug)]
enum Left {
    Nothing,
    /// The newest sample ended so long before the kill.
    Unfinished {
        late_ns: u64,
    },
    Finished,
}

#[test]
fn a_killed_run_loses_the_last_second_at_most() {
    let next = AtomicUsize::new(0);
    let left: Vec<Left> = thread::scope(|scope| {
        let kill_some = || {
            let mut left = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= MOMENTS {
                    return left;
                }
                left.push(kill_at(moment(number)));
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(kill_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let late_ns = left.iter().filter_map(|left| match left {
        Left::Unfinished { late_ns } => Some(*late_ns),
        _ => None,
    });
    let late_ns: Vec<u64> = late_ns.collect();
    let worst = late_ns.iter().max().map_or(0, |ns| ns / 1_000_000);
    println!("{} of {MOMENTS} left an unfinished run, {worst} ms short at most", late_ns.len());
    assert!(late_ns.len() >= MOMENTS / 4, "{left:?}");
}

fn kill_at(ns: u64) -> Left {
    let place = Place::new();
    let words = format!("--simulate -n 600 -c {STREAMS} --ui none --threads 1");
    let clock = Clock::start();
    let mut run = place.run(&words).start();
    while let Some(left) = ns.checked_sub(clock.now().as_nanos()).filter(|left| *left > 0) {
        thread::park_timeout(Duration::from_nanos(left));
    }
    let killed_ns = Clock::start().anchor().wall_ns;
    run.signal(Signal::SIGKILL);
    run.wait();

    let runs = listed(&place, "");
    let Some(shown) = runs.first() else {
        assert!(place.inferbench("runs repair @last").exits(2).stderr.contains("IB104"));
        return Left::Nothing;
    };
    let what = format!("killed after {} ms", ns / 1_000_000);
    let directory = RunDirectory::open(place.path().join(shown["path"].as_str().unwrap())).unwrap();
    let late_ns = check_files(&directory, killed_ns, &what);
    if ns % 2 == 1 && directory.samples_path().exists() {
        // A kill seldom falls into a write; a machine that stops does.
        let samples = fs::read(directory.samples_path()).unwrap();
        let torn = usize::try_from(ns % 97).unwrap();
        fs::write(directory.samples_path(), &samples[..samples.len().saturating_sub(torn)])
            .unwrap();
    }
    check_repair(&place, &directory, &what);
    match shown["state"].as_str().unwrap() {
        "unfinished" => Left::Unfinished { late_ns },
        "finished" => Left::Finished,
        other => panic!("{what}: {other}"),
    }
}

/// Everything that is there can be read; says how long before the kill the newest sample ended.
fn check_files(directory: &RunDirectory, killed_ns: u64, what: &str) -> u64 {
    let run = directory.read_run().unwrap();
    let finished =
        directory.read_summary().unwrap().is_some_and(|summary| summary.state == State::Finished);
    if directory.events_path().exists() {
        let events = fs::read_to_string(directory.events_path()).unwrap();
        for line in events.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            serde_json::from_str::<EventLine>(line).unwrap();
        }
    }
    let samples = read(directory).0;
    let ran_ns = killed_ns.saturating_sub(run.anchor.wall_ns);
    let newest = samples.iter().filter_map(|sample| sample.done).max();
    let newest_ns = newest.map_or(0, bench_core::Moment::as_nanos);
    let late_ns = ran_ns.saturating_sub(newest_ns);
    // Requests end one after the other, all the time: what is lost is seen by what is newest.
    assert!(
        finished || late_ns <= LOST_NS + REQUEST_NS,
        "{what}: the newest of {} samples ended {late_ns} ns before",
        samples.len()
    );
    let measured: Vec<u64> = samples
        .iter()
        .filter(|sample| sample.phase == Phase::Measure)
        .map(|sample| sample.number)
        .collect();
    let sent = measured.iter().max().map_or(0, |newest| newest + 1);
    let missing = sent - measured.len() as u64;
    assert!(missing < STREAMS, "{what}: {missing} of {sent} are missing before the newest");
    late_ns
}

/// The samples, and whether the file is torn.
fn read(directory: &RunDirectory) -> (Vec<Sample>, bool) {
    if !directory.samples_path().exists() {
        return (Vec::new(), false);
    }
    let mut samples: Records<SampleLine, Sample> = read_samples(&directory.samples_path()).unwrap();
    let read = samples.by_ref().map(Result::unwrap).collect();
    (read, samples.torn().is_some())
}

fn check_repair(place: &Place, directory: &RunDirectory, what: &str) {
    let run = name(directory);
    let readable = read(directory).0.len();
    let shown = says(place, &format!("show {run}"));
    assert!(shown.contains("simulated"), "{what}: {shown}");
    says(place, &format!("repair {run}"));
    let (samples, torn) = read(directory);
    assert!(!torn && samples.len() == readable, "{what}: {torn}, {} of {readable}", samples.len());
    let summary = directory.read_summary().unwrap().unwrap();
    assert_ne!(summary.state, State::Unfinished, "{what}");
    let measured = samples.iter().filter(|sample| sample.phase == Phase::Measure).count();
    let counted: u64 = summary.points.iter().flat_map(|point| point.outcomes.values()).sum();
    assert_eq!(counted, measured as u64, "{what}");
    let again = says(place, &format!("repair {run}"));
    assert!(again.contains("is whole"), "{what}: {again}");
    let shown = says(place, &format!("show {run}"));
    assert!(!shown.contains("unfinished"), "{what}: {shown}");
}
