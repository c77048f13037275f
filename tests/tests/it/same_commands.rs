//! Commands that do again what was done: by a run of ours, or by another tool.

use serde_json::Value;

use crate::program::{Place, name, samples};

const RUN: &str =
    "run --simulate=ttft=2ms,itl=1ms -n 20 -c 2 --isl uniform(8,64) --osl 4 --random-seed 7";

#[test]
fn a_run_is_measured_again_and_compared() {
    let place = Place::new();
    place.inferbench(RUN).measures();
    let first = place.run_directory();
    let ended = place.inferbench("rerun").measures();
    let mut runs = place.run_directories().into_iter();
    let second = runs.find(|run| name(run) != name(&first)).unwrap();
    let lengths = |run| {
        let lengths = samples(run).into_iter().map(|sample| sample.usage.map(|usage| usage.prompt));
        let mut lengths: Vec<_> = lengths.collect();
        lengths.sort_unstable();
        lengths
    };
    assert_eq!(lengths(&first), lengths(&second));
    // First the result, then what changed.
    let result = ended.stdout.find("Trust");
    assert!(result < ended.stdout.find("baseline") && result.is_some(), "{}", ended.stdout);
}

#[test]
fn a_flag_goes_before_the_plan_of_the_run() {
    let place = Place::new();
    place.inferbench(RUN).measures();
    let first = place.run_directory();
    let again = format!("rerun {} -c 3 --json", name(&first));
    let json = place.inferbench(&again).measures();
    assert!(json.stderr.contains("inferbench compare"), "{}", json.stderr);
    let summary: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(summary.to_string().contains("\"concurrency\":3"), "{summary}");
}

#[test]
fn a_run_that_is_not_there_is_not_repeated() {
    let ended = Place::new().inferbench("rerun nowhere").exits(2);
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);
}

#[test]
fn another_tools_command_is_said_in_ours() {
    let words = "translate -- aiperf profile -m m -u localhost:8000 --streaming --concurrency 4 \
                 --isl 100 --osl 8 --api-key canary-1 --frobnicate 3";
    let ended = Place::new().inferbench(words).exits(0);
    let expected = "inferbench run --url localhost:8000 --model m --endpoint-type chat \
                    --concurrency 4 --isl 100 --osl 8\n";
    assert_eq!(ended.stdout.replace("\\\n    ", ""), expected);
    for said in ["--frobnicate: not known here", "API key", "warm up"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    assert!(!(ended.stdout + &ended.stderr).contains("canary"));
    let quoted = Place::new().inferbench("translate").arg("vllm bench serve --model m").exits(0);
    assert!(quoted.stdout.starts_with("inferbench run"), "{}", quoted.stdout);
}

#[test]
fn a_command_of_nobody_is_refused() {
    let ended = Place::new().inferbench("translate -- wrk -t 2 http://localhost").exits(2);
    assert!(ended.stderr.contains("guidellm run"), "{}", ended.stderr);
    let open = Place::new().inferbench("translate").arg("aiperf profile -m 'm").exits(2);
    assert!(open.stderr.contains("not closed"), "{}", open.stderr);
}

#[test]
fn manual_and_completions_are_printed() {
    let place = Place::new();
    assert!(place.inferbench("completions bash").exits(0).stdout.contains("_inferbench"));
    assert!(place.inferbench("man").exits(0).stdout.contains(".TH inferbench"));
    let files = place.inferbench("man --out pages").exits(0).stdout;
    assert!(files.lines().count() > 20);
    assert!(place.path().join("pages/inferbench-run.1").is_file());
    place.inferbench("completions tcsh").exits(2);
}
