//! Each exit code once, and which one it is where several apply: 70, 130 or 143, 8, 5, 9, 6, 3, 99, 98.
//!
//! More about those of wrong words (2) is in `bad_input` and `plans`, of servers that are not there (5) in
//! `finding_the_server`, of failures (6) in `faults`, of machines that have too little (8) in `capacity`, of
//! what is void (3) in `output`, of what was stopped (130, 143) in `interrupts` and `simulator`, of regressions
//! (98) in `comparing`. Servers that inferbench starts itself (7) are none yet.

use std::{fs, io::Write};

#[cfg(unix)]
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    program::{Place, name},
    server::{Server, refusal, whole},
    simulator::Simulator,
};

/// An address at which nobody is.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A goal that no server meets which takes 20 ms.
const UNMET: &str = "--slo p50(ttft)<1ms";

/// Checks how `run` against a simulator with `flags` ends; `URL` stands for its address.
#[track_caller]
fn check(code: i32, flags: &str, words: &str) -> Place {
    let simulator = Simulator::start(&format!("--ttft-ms 20 {flags}"));
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    let words = words.replace("URL", &simulator.url).replace("NOWHERE", NOWHERE);
    place.run("--osl 1 --ui none --cooldown 0s --warmup-request-count 0").words(&words).exits(code);
    place
}

/// Nobody can be served at this rate, which makes what is measured void.
const TOO_FAST: &str = "-u URL -n 50 -r 1000 --max-in-flight 1";

#[test]
fn each_has_its_own() {
    for (code, flags, words) in [
        (0, "", "-u URL -n 5"),
        (0, "", "-u URL -n 5 --slo p50(ttft)<100s"),
        (0, "", "-u URL --dry-run"),
        (2, "", "-u URL --concurency 4"),
        (2, "", "-u URL nowhere.yaml"),
        (3, "", TOO_FAST),
        (5, "", "-u NOWHERE"),
        (6, "--fail-ratio 0.5", "-u URL -n 40"),
        (6, "--status 500", "-u URL -n 5"),
        (8, "", "-u URL -n 5 --artifact-dir file/below"),
        (9, "", "--target a=URL --target b=NOWHERE -n 5"),
        (99, "", &format!("-u URL -n 5 {UNMET}")),
    ] {
        check(code, flags, words);
    }
}

#[test]
fn a_panic_is_a_bug_and_says_so() {
    let stderr = Place::new().inferbench("panic").exits(70).stderr;
    assert!(stderr.contains("as asked for"), "{stderr}");
}

#[test]
fn a_run_is_judged_by_its_baseline_when_it_ends() {
    let place = check(0, "", "-u URL -n 40 -c 2");
    // The baseline is the run that was the last one when this one began, and its server has gone.
    let slower = Simulator::start("--ttft-ms 60");
    let run = format!("-u {} -n 40 -c 2 --osl 1 --ui none --baseline @last", slower.url);
    let run = place.run(&run).words("--warmup-request-count 0 --fail-if output_tps=-20%");
    let judged = run.exits(98).stdout;
    assert!(judged.contains("output_tps"), "{judged}");
    let nothing = place.run(&format!("-u {} -n 40 --baseline tag:none", slower.url)).exits(2);
    assert!(nothing.stderr.contains("IB104"), "{}", nothing.stderr);
}

/// These were bugs: with --json nobody heard of the gate, and a missed goal went before one that says nothing.
#[test]
fn a_gate_is_heard_beside_all_else() {
    let place = check(0, "", "-u URL -n 40 -c 2");
    let baseline = name(&place.run_directory());
    let slower = Simulator::start("--ttft-ms 60");
    let gated = |code, words: &str| {
        let run = format!("-u {} -n 40 -c 2 --osl 1 --ui none --json", slower.url);
        let run = place.run(&run).words("--warmup-request-count 0").words(words);
        let ended = run.arg("--baseline").arg(&baseline).exits(code);
        let result: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(result["points"][0]["outcomes"]["ok"], 40, "{result:#}");
        (result["gate"]["verdict"].clone(), ended.stderr)
    };
    for (code, words, verdict, said) in [
        (98, "--fail-if output_tps=-20%", "regressed", "gate: REGRESSED  simulated: 1 of 1 "),
        (99, &format!("--fail-if output_tps=-20% {UNMET}"), "regressed", "gate: REGRESSED  "),
        (3, &format!("--fail-if accuracy=-1% {UNMET}"), "void", "gate: VOID  "),
        (0, "--fail-if output_tps=-90%", "passed", "gate: PASS  "),
    ] {
        let (found, stderr) = gated(code, words);
        assert_eq!(found, verdict, "{words}");
        let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("gate")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with(said), "{words}: {stderr}");
    }
}

#[test]
fn a_search_has_them_too() {
    let simulator = Simulator::start("--ttft-ms 20");
    let failing = Simulator::start("--status 500");
    let find = |code: i32, url: &str, goal: &str| {
        let words = "-c 1..2 --probes 1 -n 12 --isl 16 --osl 1 --ui none --cooldown 0s";
        let place = Place::new();
        place.inferbench("find").arg(goal).arg("-u").arg(url).words(words).exits(code)
    };
    find(0, &simulator.url, "p50(ttft)<100s");
    find(99, &simulator.url, "p50(ttft)<1ms");
    find(6, &failing.url, "p50(ttft)<100s");
    find(5, NOWHERE, "p50(ttft)<100s");
    find(2, &simulator.url, "p50(nothing)<1");
}

/// A prompt that is refused says nothing about the next.
#[test]
fn a_target_that_refuses_a_prompt_is_not_lost() {
    let server = Server::completing(|request, to| {
        let is_long = request.body.to_string().len() > 1_000;
        let answer = if is_long { refusal(400, "too long") } else { whole(request) };
        write!(to, "{answer}")
    });
    let place = Place::new();
    let words = format!("-u {} --isl 16,1024,32 -n 12 --warmup-request-count 0", server.url);
    place.run(&words).words("--cooldown 0s --ui none").exits(6);
    let points = place.summary().points;
    let succeeded = points.iter().map(|point| point.outcomes.get("ok").copied());
    assert_eq!(succeeded.collect::<Vec<_>>(), [Some(12), None, Some(12)]);
}

/// The worse one is told by the exit code, and each of them by the summary.
#[test]
fn the_worst_is_told() {
    let both = |code, flags: &str, words: &str, reason: &str| {
        let place = check(code, flags, &format!("{words} {UNMET}"));
        let points = place.summary().points;
        let reasons = || points.iter().flat_map(|point| &point.reasons);
        assert!(reasons().any(|told| told.code == reason), "{reason}: {points:?}");
        assert!(points[0].goals.iter().any(|goal| !goal.met), "{points:?}");
    };
    both(3, "", TOO_FAST, "late_sends");
    both(6, "--fail-ratio 0.5", "-u URL -n 40", "errors");
    both(6, "--fail-ratio 0.5", TOO_FAST, "late_sends");
    both(9, "--fail-ratio 0.5", "--target a=URL --target b=NOWHERE -n 40", "not_measured");
    both(5, "--status 500", "--target a=URL --target b=NOWHERE -n 40", "not_measured");
    check(2, "", "-u NOWHERE --concurency 4");
    check(8, "", "-u URL -n 5 --artifact-dir file/below --slo p50(ttft)<1ms");
}

/// What was stopped has failed as well, and missed its goal: it was stopped.
#[cfg(unix)]
#[test]
fn being_stopped_is_told_before_all_that_was_measured() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let gate = crate::server::Gate::default();
        let held = gate.clone();
        let server = Server::completing(move |request, to| {
            if request.number >= 5 {
                held.wait();
            }
            write!(to, "{}", refusal(500, "out of memory"))
        });
        let place = Place::new();
        let words = format!("-u {} -n 1000 --warmup-request-count 0 {UNMET}", server.url);
        let run = place.run(&words).start();
        server.wait_for(6);
        run.signal(signal);
        run.stderr.wait_for("stopping");
        gate.open();
        run.exits(code);
        let point = place.point();
        for reason in ["no_success", "interrupted"] {
            assert!(point.reasons.iter().any(|told| told.code == reason), "{reason}: {point:?}");
        }
    }
}

/// Each connection serves one request. While the one answer is held back, no file is left for the others.
#[cfg(target_os = "linux")]
#[test]
fn what_this_machine_could_not_send_is_not_the_servers_failure() {
    use std::{process::Command, thread, time::Duration};

    use crate::verdicts::Judged;

    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: there is no prlimit");
        return;
    }
    let place = Place::new();
    let process = place.path().join("process");
    let server = Server::completing(move |request, to| {
        if request.number == 40 {
            let process = fs::read_to_string(&process)?;
            let limit = |files: &str| {
                let files = format!("--nofile={files}:");
                Command::new("prlimit").args(["--pid", process.trim(), &files]).status()
            };
            limit("3")?;
            thread::park_timeout(Duration::from_millis(500));
            limit("1024")?;
        }
        write!(to, "{}", whole(request).replacen("\r\n", "\r\nconnection: close\r\n", 1))
    });
    let words = format!("-u {} -n 100 -c 2 --isl 16 --osl 1", server.url);
    let run = place.limited("echo $$ > process").words("run --warmup-request-count 0 --ui none");
    let ended = run.words(&words).words(UNMET).exits(8);
    let run = Judged::new(place, &ended);
    let reason = run.has("local_limits", "void");
    assert!(reason.text.starts_with("this machine could not send "), "{reason:?}");
    let point = run.place.point();
    let (ok, unsent) = (point.outcomes["ok"], point.outcomes["client"]);
    assert_eq!((ok + unsent, ok >= 40, unsent > 1), (100, true, true), "{point:?}");
    assert!(point.errors[0].message.contains("ulimit -n"), "{:?}", point.errors);
}

/// These were bugs.
#[cfg(unix)]
#[test]
fn words_that_are_no_text_are_refused_or_shown() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let word = OsStr::from_bytes(b"a\xff");
    let place = Place::new();
    assert!(place.inferbench("").arg(word).exits(2).stderr.contains("a\u{fffd}"));
    let stderr = place.run("--simulate --name").arg(word).exits(2).stderr;
    assert!(!stderr.contains("panicked"), "{stderr}");
}
