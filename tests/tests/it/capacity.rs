//! Many requests at once, and machines that let there be fewer.

#[cfg(unix)]
use bench_store::State;

#[cfg(unix)]
use crate::program::name;
use crate::{
    program::{Place, samples, statistic},
    simulator::Simulator,
};

#[test]
fn two_hundred_streams_at_once() {
    let simulator = Simulator::start("--ttft-ms 100 --itl-ms 10");
    let place = Place::new();
    let ended = place.run(&format!("-u {} -c 200 -n 400", simulator.url)).measures();
    assert!(ended.stdout.contains("Requests     400 ok   0 failed"), "{}", ended.stdout);
    let point = place.point();
    assert_eq!(statistic(&point, "osl", "min").to_string(), "8");
    let samples = samples(&place.run_directory());
    let connections = samples.iter().filter(|sample| sample.connect.is_some()).count();
    assert_eq!(samples.len(), 600);
    assert!(connections <= 200, "{connections}: those of the warm-up are used again");
}

/// A process whose hard limit is lower than its need cannot help itself.
#[cfg(unix)]
#[test]
fn too_few_files_are_told_with_the_number_that_would_do() {
    let place = Place::new();
    let run = place.limited("ulimit -n 64").words("run --simulate -c 200 -n 400");
    insta::assert_snapshot!(run.exits(8).stderr, @r"
    error[IB401] 400 connections need 464 open files; this process may have 64
      fix      ulimit -n 464, as a user who may
      more     inferbench explain IB401
    ");
    assert!(place.run_directories().is_empty());
}

/// A soft limit is raised as far as need be.
#[cfg(unix)]
#[test]
fn a_limit_that_can_be_raised_is() {
    let place = Place::new();
    let run = place.limited("ulimit -S -n 64").words("run --simulate --isl 16 --osl 8");
    run.words("-c 100 -n 100").measures();
    assert_eq!(place.point().outcomes["ok"], 100);
}

/// A file that may not grow stands for a full disk.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_ends_the_run_and_keeps_what_is_on_it() {
    let place = Place::new();
    let run =
        place.limited("trap '' XFSZ; ulimit -f 128").words("run --simulate --isl 16 --osl 20");
    let ended = run.words("-c 50 -d 10m").exits(8);
    let said = "error[IB402] the results cannot be written\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(ended.stderr.contains("samples.jsonl.zst"), "{}", ended.stderr);
    let directory = place.run_directory();
    let kept = format!("what was measured before is kept in artifacts/{}", name(&directory));
    assert!(ended.stderr.contains(&kept), "{}", ended.stderr);
    assert!(samples(&directory).len() >= 50, "those of the warm-up were on it");
    assert_eq!(place.summary().state, State::Interrupted);
}
