//! Runs that were broken off, and go on: where they were, with what they had, to the same end.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bench_core::{Clock, Phase};
use bench_store::{
    EventKind, LoadLine, PointSummary, RunDirectory, State, SummaryFile, read_samples,
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    history::listed,
    program::{Call, Ended, Place, Started, until},
    server::{Gate, Server, models, refusal, whole},
    simulator::Simulator,
};

const REQUESTS: u64 = 40;

/// Three loads, twice each: some two seconds.
const PLAN: &str = "\
name: broken
targets: [{name: t, simulate: {ttft: 4ms, itl: 1ms}}]
workload: {isl: 16, osl: 8}
load: {concurrency: [1, 2, 3], repeat: 2, requests: 40, warmup: 3, cooldown: 0s}
goals: {stop_on_saturation: false}
";

/// A place with the plan in it.
fn place() -> Place {
    let place = Place::new();
    fs::write(place.path().join("plan.yaml"), PLAN).unwrap();
    place
}

/// The points of the plan in their order: the load, and which repeat of it.
fn planned() -> Vec<(u32, u32)> {
    (0..2).flat_map(|repeat| (0..3).map(move |cell| (cell, repeat))).collect()
}

/// The directory of the only run, once there is one: beside it lies the history.
fn directory(place: &Place) -> Option<RunDirectory> {
    let entries = place.path().join("artifacts").read_dir().ok()?;
    let mut runs = entries.filter_map(|entry| RunDirectory::open(entry.unwrap().path()).ok());
    let run = runs.next();
    assert!(runs.next().is_none(), "there are two runs");
    run
}

fn summary(place: &Place) -> SummaryFile {
    directory(place).unwrap().read_summary().unwrap().unwrap()
}

fn kill(mut run: Started) {
    run.signal(Signal::SIGKILL);
    assert!(run.wait().code().is_none(), "it could not help it");
}

/// The points that came to their end: those of a run may be none.
fn ended(directory: &RunDirectory) -> Vec<PointSummary> {
    let points = directory.read_summary().unwrap().map_or(Vec::new(), |summary| summary.points);
    let is_whole = |point: &PointSummary| {
        point.failure.is_none() && point.reasons.iter().all(|reason| reason.code != "interrupted")
    };
    points.into_iter().filter(is_whole).collect()
}

fn place_of(point: &PointSummary) -> (u32, u32) {
    (point.cell, point.repeat)
}

/// Has a run that was broken off go on to its end, and checks everything about that.
fn check_resume(place: &Place, what: &str) {
    let directory = directory(place).unwrap();
    let kept = ended(&directory);
    place.inferbench("resume --ui none").measures();

    let SummaryFile { state, points, .. } = summary(place);
    assert_eq!(state, State::Finished, "{what}");
    assert_eq!(points.iter().map(place_of).collect::<Vec<_>>(), planned(), "{what}: each once");
    assert_eq!(points[..kept.len()], kept, "{what}: what was measured stays as it was");
    let numbers: BTreeSet<u32> = points.iter().map(|point| point.number).collect();
    assert_eq!(numbers.len(), planned().len(), "{what}: {numbers:?}");

    let mut records = read_samples(&directory.samples_path()).unwrap();
    let samples: Vec<_> = records.by_ref().map(Result::unwrap).collect();
    assert!(records.torn().is_none(), "{what}");
    for point in &points {
        assert_eq!(point.outcomes, [("ok".to_owned(), REQUESTS)].into(), "{what}: {point:?}");
        let of_point = samples.iter().filter(|s| s.point == point.number);
        let measured = of_point.filter(|s| s.phase == Phase::Measure);
        let sessions: BTreeSet<u64> = measured.map(|sample| sample.session).collect();
        assert_eq!(sessions, (0..REQUESTS).collect(), "{what}: point {}", point.number);
    }
    check_events(&directory, kept.len(), what);
}

/// After it was resumed, a run begins with the first point that had not ended, and with none twice.
fn check_events(directory: &RunDirectory, kept: usize, what: &str) {
    let events = directory.read_events().unwrap();
    assert!(events.is_sorted_by_key(|event| event.at_ns), "{what}: one clock");
    let is_resumed = |kind: &EventKind| matches!(kind, EventKind::RunResumed { .. });
    let resumed = events.iter().rposition(|event| is_resumed(&event.kind)).unwrap();
    let began = events[resumed..].iter().filter_map(|event| match &event.kind {
        EventKind::PointBegan { planned: Some(planned), .. } => {
            Some((planned.cell, planned.repeat))
        }
        _ => None,
    });
    assert_eq!(began.collect::<Vec<_>>(), planned()[kept..], "{what}");
}

const MOMENTS: usize = 12;
const AT_ONCE: usize = 3;
const LATEST_NS: u64 = 3_000_000_000;

/// When a run is killed, in nanoseconds after its start: the same in every test.
fn moment(number: usize) -> u64 {
    // One in each of as many spans as there are moments, somewhere in it.
    let span = LATEST_NS / MOMENTS as u64;
    let scattered = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    number as u64 * span + scattered % span
}

/// What was left by a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Unfinished,
    Finished,
}

#[test]
fn a_killed_run_goes_on_at_the_first_point_that_had_not_ended() {
    let next = AtomicUsize::new(0);
    let left: Vec<Left> = thread::scope(|scope| {
        let some = || {
            let numbers = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < MOMENTS);
            std::iter::from_fn(numbers).map(|number| kill_and_resume(moment(number))).collect()
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        threads.into_iter().flat_map(|thread| -> Vec<Left> { thread.join().unwrap() }).collect()
    });
    let unfinished = left.iter().filter(|left| **left == Left::Unfinished).count();
    println!("{unfinished} of {MOMENTS} were resumed: {left:?}");
    assert!(unfinished >= MOMENTS / 3, "{left:?}");
}

fn kill_and_resume(ns: u64) -> Left {
    let place = place();
    let clock = Clock::start();
    let run = place.inferbench("run plan.yaml --ui none").start();
    while let Some(left) = ns.checked_sub(clock.now().as_nanos()).filter(|left| *left > 0) {
        thread::park_timeout(Duration::from_nanos(left));
    }
    let what = format!("killed after {} ms", ns / 1_000_000);
    run.signal(Signal::SIGKILL);
    let mut run = run;
    run.wait();

    let Some(directory) = directory(&place) else {
        place.inferbench("resume").exits(2);
        return Left::Nothing;
    };
    let summary = directory.read_summary().unwrap();
    if summary.is_some_and(|summary| summary.state == State::Finished) {
        says_finished(&place);
        return Left::Finished;
    }
    check_resume(&place, &what);
    says_finished(&place);
    Left::Unfinished
}

fn says_finished(place: &Place) {
    let before = summary(place);
    let stderr = place.inferbench("resume").exits(2).stderr;
    assert!(stderr.contains("came to its end: nothing is left to measure"), "{stderr}");
    assert_eq!(summary(place), before);
}

/// Waits until so many points have ended.
fn until_ended(place: &Place, points: usize) {
    until("points end", || {
        let count = || Some(directory(place)?.read_summary().ok()??.points.len());
        count().is_some_and(|count| count >= points)
    });
}

#[test]
fn an_interrupted_run_goes_on_as_a_killed_one_does() {
    let place = place();
    let run = place.inferbench("run plan.yaml --ui none").start();
    until_ended(&place, 2);
    run.signal(Signal::SIGINT);
    run.exits(130);
    assert_eq!(summary(&place).state, State::Interrupted);
    let kept = ended(&directory(&place).unwrap()).len();
    assert!((2..6).contains(&kept), "{kept}");
    check_resume(&place, "interrupted");
    says_finished(&place);
}

#[test]
fn a_run_can_be_broken_off_again_and_again() {
    let place = place();
    kill_after(&place, "run plan.yaml", 1);
    kill_after(&place, "resume", 3);
    kill_after(&place, "resume", 4);
    check_resume(&place, "killed three times");
}

/// Kills the program once so many points have ended.
fn kill_after(place: &Place, words: &str, points: usize) {
    let run = place.inferbench(words).words("--ui none").start();
    until_ended(place, points);
    kill(run);
}

/// Elsewhere `@last` is the newest run with a result, which is here the one before.
#[test]
fn the_last_run_is_gone_on_with_though_it_has_no_result_yet() {
    let place = Place::new();
    place.run("--simulate -n 5 --ui none --name before").measures();
    let run = place.run("--simulate -n 60 --ui none --name after").start();
    let newest = || listed(&place, "").swap_remove(0);
    until("it begins", || newest()["name"] == "after");
    kill(run);
    assert_eq!(newest()["points_ended"], 0);
    place.inferbench("resume --ui none").measures();
    let newest = newest();
    assert_eq!((&newest["name"], &newest["state"]), (&"after".into(), &"finished".into()));
    let path = place.path().join(newest["path"].as_str().unwrap());
    let points = RunDirectory::open(path).unwrap().read_summary().unwrap().unwrap().points;
    assert_eq!(points[0].outcomes, [("ok".to_owned(), 60)].into());
}

/// A run whose server died came to an end, and to nothing behind the point at which it died.
#[test]
fn a_run_whose_server_died_goes_on_when_it_is_there_again() {
    let simulator = Simulator::start("--ttft-ms 10 --itl-ms 1");
    let port = simulator.url.rsplit(':').next().unwrap().to_owned();
    let place = Place::new();
    let words = format!("-u {} -c 1,2,3 -n 40 --warmup-request-count 0", simulator.url);
    let run = place.run(&words).words("--cooldown 500ms --ui none").start();
    until_ended(&place, 1);
    kill(simulator.process);
    run.exits(9);
    assert!(summary(&place).points.len() < 3, "what is behind is left out");

    let _again = Simulator::start(&format!("--ttft-ms 10 --itl-ms 1 --port {port}"));
    place.inferbench("resume --ui none").measures();
    let SummaryFile { state, points, .. } = summary(&place);
    assert_eq!(state, State::Finished);
    assert_eq!(points.iter().map(place_of).collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 0)]);
    assert!(points.iter().all(|point| point.outcomes == [("ok".to_owned(), 40)].into()));
}

#[test]
fn a_run_goes_on_as_it_began() {
    let place = place();
    kill_after(&place, "run plan.yaml", 1);
    let before = summary(&place);
    let ended = place.inferbench("resume -n 10").exits(2);
    assert!(ended.stderr.contains("a run goes on as it began"), "{}", ended.stderr);
    assert_eq!(summary(&place), before, "nothing was changed");
    check_resume(&place, "after a refusal");
}

/// This was a bug: points of two servers became one result.
#[test]
fn a_run_does_not_go_on_with_another_server() {
    let simulator = Simulator::start("--ttft-ms 10 --itl-ms 1 --model one");
    let place = Place::new();
    let points = "-c 1,2 -n 60 --warmup-request-count 0 --cooldown 0s --ui none";
    let run = place.run(&format!("--target t={} {points}", simulator.url)).start();
    until_ended(&place, 1);
    kill(run);
    let before = summary(&place);
    let other = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let stderr = place.inferbench(&format!("resume -u {}", other.url)).exits(2).stderr;
    let said = "is another server than the run began with: model m";
    assert!(stderr.contains("error[IB101]") && stderr.contains(said), "{stderr}");
    assert!(stderr.contains("it has   one, at http"), "{stderr}");
    assert_eq!((summary(&place), other.completions().len()), (before, 0));

    let moved = Simulator::start("--ttft-ms 10 --itl-ms 1 --model one");
    let ended = place.inferbench(&format!("resume -u {}", moved.url)).measures();
    let note = format!("is at {}; before the run went on it was at {}", moved.url, simulator.url);
    assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    let environment = directory(&place).unwrap().read_run().unwrap().environment;
    assert!(environment["notes"].to_string().contains(&note), "{environment}");
}

/// This was a bug: `@last` is the run itself once a point of it has ended, and nothing is worse than itself.
#[test]
fn a_run_that_goes_on_keeps_the_baseline_that_it_began_with() {
    let [fast, slow] = ["--ttft-ms 4", "--ttft-ms 60"].map(Simulator::start);
    let place = Place::new();
    let run = |server: &Simulator, words: &str| {
        let points = "-c 1,2 -n 40 --isl 16 --osl 1 --warmup-request-count 0 --cooldown 0s";
        let words = format!("--stop-on-saturation=false --ui none {words}");
        place.inferbench(&format!("run -u {} {points} {words}", server.url))
    };
    let newest = || listed(&place, "").swap_remove(0);
    run(&fast, "").measures();
    let before = newest();
    let judged = run(&slow, "--baseline @last --fail-if output_tps=-20% --name slow").start();
    until("a point ends", || newest()["name"] == "slow" && newest()["points_ended"] == 1);
    kill(judged);

    let directory = RunDirectory::open(place.path().join(newest()["path"].as_str().unwrap()));
    let kept = &directory.unwrap().read_run().unwrap().plan["gate"]["baseline"];
    assert!(before["path"].as_str().unwrap().ends_with(kept.as_str().unwrap()), "{kept}");
    let itself = place.inferbench("resume --ui none --baseline @last").exits(2).stderr;
    assert!(itself.contains("the baseline is the run itself"), "{itself}");
    assert_eq!(newest()["points_ended"], 1, "nothing was measured");
    // The baseline is found beside the run, from wherever it is gone on with.
    let path = place.path().join(newest()["path"].as_str().unwrap());
    let elsewhere = Place::new();
    let ended = elsewhere.inferbench("resume --ui none").arg(path).exits(98);
    assert!(ended.stdout.contains("REGRESSED"), "{}", ended.stdout);
}

/// This was a bug: the path was made a text, and looked up once more.
#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_path_is_no_text_is_judged_by_its_baseline() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use crate::program::name;

    let (before, place) = (place(), Place::called(OsStr::from_bytes(b"a\xff")));
    before.inferbench("run plan.yaml --ui none").measures();
    fs::write(place.path().join("plan.yaml"), PLAN).unwrap();
    let baseline = directory(&before).unwrap();
    let baseline = baseline.path().display();
    kill_after(
        &place,
        &format!("run plan.yaml --baseline {baseline} --fail-if output_tps=-99%"),
        1,
    );
    let resume = format!("resume artifacts/{} --ui none", name(&directory(&place).unwrap()));
    place.inferbench(&resume).measures();
}

#[test]
fn two_cannot_go_on_with_one_run() {
    let gate = Gate::default();
    let held = gate.clone();
    // Both points of the run that is killed, and of no other, are answered at once.
    let server = Server::completing(move |request, to| {
        if request.number >= 20 {
            held.wait();
        }
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = format!("-u {} -c 1,2,3 -n 20 --warmup-request-count 0 --cooldown 0s", server.url);
    // The gate slows a point down, which is no saturation.
    let run = format!("{run} --stop-on-saturation=false");
    let run = place.run(&run).start();
    server.wait_for(21);
    until_ended(&place, 1);
    let stderr = place.inferbench("resume").exits(2).stderr;
    assert!(stderr.contains("is being measured by another process"), "{stderr}");
    kill(run);

    let asked = server.completions().len();
    let first = place.inferbench("resume --ui none").start();
    server.wait_for(asked + 1);
    let events = fs::read(directory(&place).unwrap().events_path()).unwrap();
    let second = place.inferbench("resume --ui none").exits(2);
    assert!(second.stderr.contains("error[IB105]"), "{}", second.stderr);
    assert_eq!(fs::read(directory(&place).unwrap().events_path()).unwrap(), events, "untouched");
    gate.open();
    first.measures();
    let points = summary(&place).points;
    assert_eq!(points.iter().map(place_of).collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 0)]);
    assert!(points.iter().all(|point| point.outcomes == [("ok".to_owned(), 20)].into()));
}

#[test]
fn a_header_that_was_typed_is_typed_again() {
    let server = Server::answering(|request, to| {
        let answer = match (request.header("x-pass"), &*request.what) {
            (Some("s3cret"), "GET /v1/models") => models(&["m"]),
            (Some("s3cret"), what) if what.starts_with("POST") => whole(request),
            (Some("s3cret"), _) => refusal(404, "no such path"),
            _ => refusal(401, "who are you?"),
        };
        write!(to, "{answer}")
    });
    let place = Place::new();
    let header = |call: Call| call.arg("-H").arg("X-Pass: s3cret");
    let run = format!("-u {} -c 1,2 -n 200 -d 10m --ui none --cooldown 0s", server.url);
    let run = header(place.run(&run)).start();
    until_ended(&place, 1);
    kill(run);

    let refused = |ended: Ended| {
        assert!(ended.stderr.contains("error[IB"), "{}", ended.stderr);
        ended.stderr
    };
    let stderr = refused(place.inferbench("resume --ui none").exits(2));
    assert!(stderr.contains("X-Pass"), "it says which one: {stderr}");
    header(place.inferbench("resume --ui none")).measures();
    assert_eq!(summary(&place).points.len(), 2);
    assert!(summary(&place).points.iter().all(|point| point.outcomes["ok"] == 200));
}

#[test]
fn a_damaged_run_is_said_to_be_that_and_can_be_repaired() {
    let place = place();
    kill_after(&place, "run plan.yaml", 1);
    let path = directory(&place).unwrap().summary_path();
    fs::write(&path, "{").unwrap();
    let stderr = place.inferbench("resume * --ui none").exits(2).stderr;
    assert!(stderr.contains("error[IB105]") && stderr.contains("malformed"), "{stderr}");
    let said = place.inferbench("runs repair *").exits(0).stdout;
    assert!(said.contains("interrupted; the damaged one is summary.json.torn"), "{said}");
    assert_eq!(fs::read_to_string(path.with_extension("json.torn")).unwrap(), "{");
    check_resume(&place, "after a repair");
}

/// Whoever packed it chose the server, and which variables go there.
#[test]
fn a_run_of_another_place_does_not_go_on_here() {
    let server = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let place = Place::new();
    let plan = format!(
        "targets: [{{name: t, url: {}, headers: {{X-Steal: '${{HOME_SECRET}}'}}}}]\n\
         workload: {{isl: 16, osl: 8}}\nload: {{concurrency: [1], requests: 5}}\n",
        server.url
    );
    fs::write(place.path().join("plan.yaml"), plan).unwrap();
    place.inferbench("run plan.yaml --ui none").env("HOME_SECRET", "theirs").measures();
    let packed = place.inferbench("runs pack @last").exits(0).stdout;
    let asked = server.asked().len();

    let here = Place::new();
    here.inferbench("runs import").arg(place.path().join(packed.trim())).exits(0);
    for words in ["resume", "resume --dry-run"] {
        let stderr = here.inferbench(words).env("HOME_SECRET", "s3cret").exits(2).stderr;
        assert!(stderr.contains("error[IB105]") && stderr.contains("was imported"), "{stderr}");
        assert!(stderr.contains("fix ") && !stderr.contains("s3cret"), "{stderr}");
    }
    assert_eq!(server.asked().len(), asked, "nobody heard of it");
    place.inferbench("resume --dry-run").env("HOME_SECRET", "theirs").exits(0);
}

/// What a search printed that it found.
fn found(ended: &Ended) -> Value {
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    result["found"].clone()
}

/// Of eight places, in each of which a request stays for 160 ms: at eight at once nobody waits, at sixteen all
/// but the first eight of 24 do.
#[test]
fn a_killed_search_comes_to_the_same_answer() {
    let simulator = Simulator::start("--ttft-ms 40 --itl-ms 40 --max-running 8");
    let words = "-c 2..64 --precision 100 --probes 2 -n 24 --isl 16 --osl 4 --cooldown 0s";
    let search = format!("find avg(ttft)<95ms -u {} {words}", simulator.url);
    let place = Place::new();
    kill_after(&place, &search, 2);
    kill_after(&place, "resume", 4);
    let kept = ended(&directory(&place).unwrap());
    let resumed = found(&place.inferbench("resume --json --ui none").exits(0));
    assert_eq!(
        resumed,
        found(&Place::new().inferbench(&search).words("--json --ui none").exits(0))
    );
    let load = |key: &str| resumed[0][key]["load"].as_f64();
    assert_eq!((load("highest"), load("lowest_missed")), (Some(8.0), Some(16.0)), "{resumed}");
    let summary = summary(&place);
    assert_eq!(summary.state, State::Finished);
    assert_eq!(summary.points[..kept.len()], kept);
    let loads = summary.points.iter().map(|point| match point.load {
        LoadLine::Closed { concurrency, .. } => concurrency,
        LoadLine::Open { .. } => panic!("{point:?}"),
    });
    assert_eq!(loads.collect::<Vec<_>>(), [2, 4, 8, 16, 8, 16], "no probe is lost or repeated");
}
