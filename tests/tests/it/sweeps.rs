//! Sweeps, searches and repeats, against servers whose capacity is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
};

use bench_core::Phase;
use bench_store::{EventKind, LoadLine, PointSummary, RunDirectory, SummaryFile};
use serde_json::Value;

use crate::{
    program::{Place, samples, statistic},
    simulator::Simulator,
};

/// A place to measure short answers in, on nothing but errands of its own.
const QUIET: &str = "--ui none --cooldown 0s --warmup-request-count 4";

fn concurrency(point: &PointSummary) -> usize {
    match point.load {
        LoadLine::Closed { concurrency, .. } => concurrency,
        LoadLine::Open { .. } => panic!("an open loop: {point:?}"),
    }
}

/// A target's name, without the word that says what it is.
fn name(target: &str) -> &str {
    target.strip_prefix("simulated ").unwrap()
}

const LOADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// A server that serves R at once, each answer of 5 tokens in S = 40 + 4·10 ms, has min(c, R)/S answers a
/// second under c at once: the knee is at R.
#[test]
fn a_sweep_finds_the_capacity_of_each_target() {
    const SERVED_S: f64 = 0.080;
    // Loads double: where R are too few by half, any share above a half would do. What this machine takes from
    // one answer to the next request is missing from throughput at R, where no other request waits.
    const KNEE: f64 = 0.8;
    let running = [("a", 4), ("b", 16)];
    let simulators = running.map(|(_, running)| {
        Simulator::start(&format!("--ttft-ms 40 --itl-ms 10 --max-running {running}"))
    });
    let place = Place::new();
    let targets = format!("--target a={} --target b={}", simulators[0].url, simulators[1].url);
    let sweep = "-c 1..64 --repeat 3 --stop-on-saturation=false -d 500ms --osl 5";
    place.run(&format!("{targets} {sweep} {QUIET}")).measures();

    let points = place.summary().points;
    let mut cells: BTreeMap<(&str, usize), BTreeMap<u32, f64>> = BTreeMap::new();
    for point in &points {
        let rps = statistic(point, "rps", "value");
        let target = name(&point.target);
        let repeats = cells.entry((target, concurrency(point))).or_default();
        assert_eq!(repeats.insert(point.repeat, rps), None, "measured twice: {point:?}");
        assert_eq!(point.outcomes.keys().collect::<Vec<_>>(), ["ok"]);
    }
    let all = running.iter().flat_map(|(target, _)| LOADS.map(|load| (*target, load)));
    assert!(all.eq(cells.keys().copied()), "{:?}", cells.keys());
    assert!(cells.values().all(|repeats| repeats.keys().eq(&[0, 1, 2])));

    for (target, running) in running {
        let at_capacity = |load: usize| load.min(running) as f64 / SERVED_S;
        // A machine that is busy makes a repeat slower, and none faster.
        let best = LOADS.map(|load| cells[&(target, load)].values().copied().fold(0.0, f64::max));
        for (load, best) in LOADS.into_iter().zip(best) {
            let most = at_capacity(load);
            assert!(best < most * 1.03, "{target} at {load}: {best} of {most} a second");
            assert!(best > most * 0.7, "{target} at {load}: {best} of {most} a second");
        }
        let most = best.into_iter().fold(0.0, f64::max);
        let knee = LOADS.into_iter().zip(best).find(|(_, best)| *best >= most * KNEE).unwrap().0;
        assert_eq!(knee, running, "{target}: {best:?}");
    }
    check_order(&place);
}

/// Repeat by repeat, load by load; who goes first takes turns.
fn check_order(place: &Place) {
    let mut expected = Vec::new();
    for repeat in 0..3 {
        let targets = if repeat % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        let loads = LOADS.into_iter();
        expected.extend(loads.flat_map(|load| targets.map(|target| (repeat, load, target))));
    }
    let events = place.run_directory().read_events().unwrap();
    let began = events.iter().filter_map(|event| match &event.kind {
        EventKind::PointBegan { planned: Some(planned), .. } => {
            let LoadLine::Closed { concurrency, .. } = planned.load else { panic!("{planned:?}") };
            Some((event.at_ns, (planned.repeat, concurrency, name(&planned.target))))
        }
        _ => None,
    });
    let (at_ns, order): (Vec<u64>, Vec<_>) = began.unzip();
    assert_eq!(order, expected);
    assert!(at_ns.is_sorted());
}

/// What `find --json` found for the only target: the highest load that meets the goal, and the lowest that
/// does not.
fn found(words: &str) -> (f64, f64) {
    let place = Place::new();
    let ended = place.inferbench("find").words(words).words(QUIET).words("--json").exits(0);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    let [found] = &result["found"].as_array().unwrap()[..] else { panic!("{}", result["found"]) };
    let again = place.inferbench("runs show @last --json").exits(0).stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["found"], result["found"], "told of what is stored");
    assert_eq!(found["unfinished"], false, "{found}");
    let load = |key: &str| found[key]["load"].as_f64().unwrap_or_else(|| panic!("{found}"));
    (load("highest"), load("lowest_missed"))
}

/// A server of R = 8 places, where each request stays for S = 100 ms and its first token comes after 20.
const OF_EIGHT: &str = "--ttft-ms 20 --itl-ms 20 --max-running 8";

/// With c = R + k at once, k < R, in each S there are R answers, and as many requests come, of which k wait for
/// S: on average k·S/R. The first R of n find nobody there, so it is k·S/R·(1 − R/n) in all. With n = 80 that
/// is 11.25·k ms, and k = 6 are the most that wait for less than 77 ms: 14 at once.
#[test]
fn the_highest_concurrency_is_the_one_that_the_queue_implies() {
    let simulator = Simulator::start(OF_EIGHT);
    let (highest, missed) =
        found(&format!("avg(ttft)<97ms -u {} -c 4..32 -n 80 --isl 16 --osl 5", simulator.url));
    assert!((13.0..=15.0).contains(&highest), "{highest}");
    assert!((missed - highest - 1.0).abs() < 1e-9, "it ends between neighbours: {missed}");
}

/// Of R = 8 places, in each of which a request stays for S = 200 ms, nobody waits as long as r ≤ R/S = 40 come in
/// a second, evenly. Above, request n waits for n·(S/R − 1/r): 100 of them on average for 50 times that, which
/// is 45 ms at 41.5 a second. Of 32·1.1ⁱ, 38.7 is the last below.
///
/// Times are long for the sake of busy machines: what is sent later than half of them is void, and meets no
/// goal.
#[test]
fn the_highest_rate_is_the_capacity() {
    let simulator = Simulator::start("--ttft-ms 200 --itl-ms 0 --max-running 8");
    let rates = "-r 32..128 --precision 10 --arrival-pattern constant";
    let (highest, missed) =
        found(&format!("avg(ttft)<245ms -u {} {rates} -n 100 --isl 16 --osl 1", simulator.url));
    let step = |i: i32| 32.0 * 1.1_f64.powi(i);
    let is_step = |load: f64, i: i32| (load - step(i)).abs() < 1e-3;
    let place = (1..=3).find(|i| is_step(highest, *i));
    assert!(place.is_some_and(|i| is_step(missed, i + 1)), "{highest}, {missed}");
}

#[test]
fn repeats_end_when_they_agree_and_go_on_when_they_do_not() {
    let repeats = |server: &str, words: &str| {
        let (place, simulator) = (Place::new(), Simulator::start(server));
        place.run(&format!("-u {} -c 2 -n 20 {words} {QUIET}", simulator.url)).measures();
        let points = place.summary().points;
        let repeats: Vec<u32> = points.iter().map(|point| point.repeat).collect();
        assert!(repeats.iter().copied().eq((0..).take(points.len())), "{repeats:?}");
        points.iter().map(|point| statistic(point, "output_tps", "value")).collect::<Vec<_>>()
    };
    let steady = repeats("--ttft-ms 30 --itl-ms 3", "--converge 10 --repeat 12");
    assert!((3..12).contains(&steady.len()), "{steady:?}");
    // Nothing is known to a millionth after six repeats.
    let uneven = "--ttft-ms 10 --itl-ms 1 --jitter 0.5";
    assert_eq!(repeats(uneven, "--converge 0.0001 --repeat 6").len(), 6);
}

/// What the only run came to, once there is a history of runs beside it.
fn summary_beside_the_history(place: &Place) -> SummaryFile {
    let entries = place.path().join("artifacts").read_dir().unwrap();
    let mut runs = entries.filter_map(|entry| RunDirectory::open(entry.unwrap().path()).ok());
    let run = runs.next().unwrap();
    assert!(runs.next().is_none(), "there are two runs");
    run.read_summary().unwrap().unwrap()
}

/// A port on which nobody listens, for now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_pass_that_cannot_be_reached_is_measured_later() {
    let (place, port) = (Place::new(), free_port());
    let first = Simulator::start("--ttft-ms 2 --itl-ms 0");
    let passes = format!(
        "--target m={} --pass quantization=none --pass quantization=nvfp4,url=http://127.0.0.1:{port}",
        first.url
    );
    let run = place.run(&format!("{passes} -c 1,2 -n 12 --cooldown 0s --warmup-request-count 4"));
    let ended = run.exits(9);
    assert!(ended.stderr.contains("is not there yet"), "{}", ended.stderr);
    let measured = |summary: &SummaryFile| {
        let points = summary.points.iter().filter(|point| point.failure.is_none());
        points.cloned().collect::<Vec<_>>()
    };
    let before = place.summary();
    let kept = measured(&before);
    assert_eq!(kept.iter().map(concurrency).collect::<Vec<_>>(), [1, 2]);
    assert!(kept.iter().all(|point| point.outcomes == [("ok".to_owned(), 12)].into()));
    let failed: Vec<_> = before.points.iter().filter(|point| point.failure.is_some()).collect();
    assert!(!failed.is_empty());
    assert!(
        failed.iter().all(|point| point.outcomes.is_empty() && !point.metrics.contains_key("rps"))
    );

    let _second = Simulator::start(&format!("--port {port} --ttft-ms 2 --itl-ms 0"));
    place.inferbench("resume --ui none").measures();
    let after = measured(&summary_beside_the_history(&place));
    assert_eq!(after.len(), 4, "{after:#?}");
    assert_eq!(after[..2], kept, "what was measured stays");
    assert_eq!(after.iter().map(concurrency).collect::<Vec<_>>(), [1, 2, 1, 2]);
    let targets: BTreeSet<&str> = after.iter().map(|point| point.target.as_str()).collect();
    assert_eq!(targets.len(), 2, "a pass has a name of its own: {targets:?}");
    assert!(place.inferbench("resume").exits(2).stderr.contains("came to its end"));
}

#[test]
fn what_is_beyond_the_context_is_left_out_and_said_to_be() {
    let place = Place::new();
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let lengths = "--isl 64,4096 --osl 8,600 --context-length 600";
    let run = format!("-u {} {lengths} -c 1,2 -n 8 --cooldown 0s", simulator.url);
    let ended = place.run(&run).measures();
    let points = place.summary().points;
    assert_eq!(points.len(), 2, "64/8 under both loads");
    assert!(points.iter().all(|point| point.workload == "synthetic ISL 64 OSL 8"), "{points:?}");
    let directory = place.run_directory();
    let skipped = &directory.read_run().unwrap().environment["skipped"];
    let skipped: Vec<&str> =
        skipped.as_array().unwrap().iter().map(|cell| cell["why"].as_str().unwrap()).collect();
    let why = |isl, osl| format!("ISL {isl} + OSL {osl} tokens are beyond the context of 600");
    assert_eq!(skipped, [why(64, 600), why(4096, 8), why(4096, 600)]);
    for why in skipped {
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }

    let nothing = format!("-u {} --isl 4096 --context-length 600", simulator.url);
    let stderr = Place::new().run(&nothing).exits(2).stderr;
    assert!(stderr.contains("nothing is left to measure"), "{stderr}");
}

#[test]
fn the_core_matrix_is_measured_pair_by_pair() {
    let place = Place::new();
    let simulator = Simulator::start("--ttft-ms 5 --itl-ms 0.2");
    let run = place.inferbench("run --matrix core --cooldown 0s --ui none");
    run.words(&format!("-u {} -c 2", simulator.url)).measures();
    let points = place.summary().points;
    let pairs = [(128, 128), (256, 256), (1024, 1024), (1024, 128), (128, 1024)];
    let workloads = pairs.map(|(isl, osl)| format!("synthetic ISL {isl} OSL {osl}"));
    assert!(points.iter().map(|point| &point.workload).eq(&workloads), "{points:?}");
    for ((_, osl), point) in pairs.into_iter().zip(&points) {
        assert_eq!(point.outcomes, [("ok".to_owned(), 3)].into());
        assert_eq!(statistic(point, "osl", "min").to_string(), osl.to_string());
    }
    let samples = samples(&place.run_directory());
    let measured = samples.iter().filter(|sample| sample.phase == Phase::Measure).count();
    assert_eq!((measured, samples.len()), (5 * 3, 5 * (3 + 2)));
    let text = fs::read_to_string(place.run_directory().run_path()).unwrap();
    assert!(text.contains("\"temperature\": 0"), "all are asked for the same answers");
}
