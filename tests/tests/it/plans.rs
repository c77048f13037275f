//! Plan files, as a user has them: checked, completed, turned into flags and back, and measured.

use std::{collections::BTreeSet, fs};

use insta::assert_snapshot;

use crate::program::Place;

/// A folder with the plan file `name` in it.
fn place(name: &str, plan: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join(name), plan).unwrap();
    place
}

const PLAN: &str = "\
version: 1
name: nightly
targets:
  - {name: quick, simulate: {ttft: 1ms, itl: 100us}, labels: {gpu: none}}
  - name: slow
    simulate: {ttft: 3ms, itl: 100us}
    headers: {Authorization: \"Bearer ${TOKEN}\"}
workload: {isl: 16, osl: 8}
load: {concurrency: [1, 2], requests: 60, warmup: 2, cooldown: 0s}
";

#[test]
fn a_plan_that_is_right_is_counted() {
    let place = place("plan.yaml", PLAN);
    let validate = place.inferbench("plan validate plan.yaml").env("TOKEN", "s3cret");
    let expected = "plan.yaml: ok, 2 targets x 1 workload x 2 loads x 1 repeat: 4 points\n";
    assert_eq!(validate.exits(0).stdout, expected);
    assert!(place.run_directories().is_empty());
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_nothing_is_measured() {
    let plan = "\
targets:
  - {name: a, modle: m, url: 'ftp://x'}
load:
  concurency: 8
  request_rate: 5
  requests: many
  arrival_pattern: posson
";
    let place = place("plan.yaml", plan);
    for command in ["plan validate plan.yaml", "run plan.yaml", "run -f plan.yaml --dry-run"] {
        let ended = place.inferbench(command).exits(2);
        assert_eq!(ended.stdout, "");
        assert_snapshot!("mistakes", ended.stderr);
    }
    assert!(place.run_directories().is_empty());
}

/// Mistakes that no key has by itself, and that are found before a server is asked.
#[test]
fn what_cannot_be_measured_is_said_without_measuring() {
    for (plan, said) in [
        ("find: {}\n", "error[IB103] nothing says what the highest load is to meet\n"),
        (
            "targets: [{name: t, headers: {'x y': z}}]\n",
            "error[IB101] header `x y` has a name or a value that cannot be sent\n",
        ),
        ("targets: [{name: t, endpoint: v1}]\n", "error[IB101] `v1` is no path on a server\n"),
        (
            "targets: [{name: t, simulate: {jitter: 5}}]\n",
            "error[IB101] the simulator cannot be such\n  said     jitter must lie in 0..=1\n",
        ),
        (
            "targets: [{name: t, context_length: 100}]\nworkload: {isl: 99, osl: 2}\n",
            "error[IB101] nothing is left to measure\n  said     ISL 99 + OSL 2 tokens are beyond",
        ),
        ("workload: {tokenizer: none.json}\n", "error[IB301] the tokenizer none.json cannot be"),
    ] {
        let place = place("plan.yaml", plan);
        for command in ["plan validate plan.yaml", "run plan.yaml", "run -f plan.yaml --dry-run"] {
            let ended = place.inferbench(command).exits(2);
            assert!(ended.stderr.starts_with(said), "{command}: {}", ended.stderr);
            assert_eq!(ended.stdout, "");
        }
        assert!(place.run_directories().is_empty());
    }
}

#[test]
fn mistakes_of_flags_and_of_the_file_are_said_together() {
    let place = place("plan.toml", "[load]\nconcurrency = 4\ngraze = 1\n");
    let stderr = place.inferbench("run plan.toml --slo p95(nothing)<1 --simulate").exits(2).stderr;
    assert!(
        stderr.starts_with("error[IB103] 2 problems\n  --slo: `nothing` names no metric"),
        "{stderr}"
    );
    assert!(
        stderr.contains("\n  plan.toml:3: load.graze: unknown key; did you mean grace?\n"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_read_is_no_plan() {
    let place = place("plan.yaml", "load: [");
    for (command, said) in [
        ("run nowhere.yaml", "error[IB103] nowhere.yaml: cannot be read: "),
        ("run plan.yaml", "error[IB103] plan.yaml:1: "),
        ("plan validate .", "error[IB103] .: cannot be read: "),
    ] {
        let stderr = place.inferbench(command).exits(2).stderr;
        assert!(stderr.starts_with(said), "{command}: {stderr}");
    }
    fs::write(place.path().join("big.yaml"), "#".repeat(1 << 20 | 1)).unwrap();
    let stderr = place.inferbench("run big.yaml").exits(2).stderr;
    assert!(stderr.contains("is larger than 1 MiB"), "{stderr}");
}

#[test]
fn a_variable_that_is_not_set_is_a_mistake_and_its_value_is_never_written() {
    let place = place("plan.yaml", PLAN);
    let stderr = place.inferbench("plan validate plan.yaml").exits(2).stderr;
    let said = "plan.yaml:7: targets[1].headers.Authorization: the variable TOKEN is not set";
    assert!(stderr.contains(said), "{stderr}");
    for command in ["plan expand plan.yaml", "plan flags plan.yaml", "run plan.yaml --dry-run"] {
        let ended = place.inferbench(command).env("TOKEN", "s3cret").exits(0);
        assert!(ended.stdout.contains("${TOKEN}"), "{command}: {}", ended.stdout);
        assert!(!ended.stdout.contains("s3cret") && !ended.stderr.contains("s3cret"), "{command}");
    }
    let run = place.inferbench("run plan.yaml --ui none --save-plan kept.yaml");
    run.env("TOKEN", "s3cret").measures();
    let directory = place.run_directory();
    let mut files = vec![place.path().join("kept.yaml")];
    files.extend(fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()));
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let has = bytes.windows(6).any(|window| window == b"s3cret");
        assert!(!has, "{}", file.display());
    }
}

#[test]
fn a_plan_is_measured_and_a_flag_goes_before_it() {
    let place = place("plan.yaml", PLAN);
    let run = place.inferbench("run plan.yaml -n 50 --ui none --json").env("TOKEN", "x");
    run.measures();
    let points = place.summary().points;
    assert_eq!(points.len(), 4);
    assert!(points.iter().all(|point| point.metrics.contains_key("ttft_ms")));
    assert_eq!(place.measured().len(), 4 * 50);
}

#[test]
fn lengths_are_drawn_as_the_plan_says_and_cells_go_by_their_names() {
    let place = Place::new();
    let run = place.inferbench("run --simulate=ttft=0ms,itl=0ms -n 60 --warmup-request-count 1");
    let run = run.arg("--cooldown=0").arg("--ui=none").arg("--traffic-scenario");
    run.arg("D(16,4),U(20,40)/(2,6)").measures();
    let fixed = "synthetic D(16,4), ISL 16 OSL 4";
    let drawn = "synthetic U(20,40)/(2,6), ISL uniform(20,40) OSL uniform(2,6)";
    let points = place.summary().points;
    let found: Vec<&str> = points.iter().map(|point| point.workload.as_str()).collect();
    assert_eq!(found, [fixed, drawn]);
    let samples = place.measured();
    let of = |point: u32| samples.iter().filter(move |sample| sample.point == point);
    assert!(of(0).all(|sample| sample.input_tokens == Some(16)));
    let lengths: BTreeSet<u32> = of(1).filter_map(|sample| sample.input_tokens).collect();
    assert!(lengths.iter().all(|tokens| (20..=40).contains(tokens)), "{lengths:?}");
    assert!(lengths.len() > 10, "{lengths:?}");
    let answers: BTreeSet<u32> =
        of(1).filter_map(|sample| sample.output_tokens()).map(|(tokens, _)| tokens).collect();
    assert_eq!(answers, BTreeSet::from([2, 3, 4, 5, 6]));
}

#[test]
fn what_holds_is_shown_with_where_it_is_from() {
    let place = place("plan.toml", "name = \"x\"\n[load]\nconcurrency = 4\n");
    let dry = place.inferbench("run plan.toml --simulate --dry-run -n 10 -H x-a:s3cret");
    let ended = dry.env("INFERBENCH_API_KEY", "k3y").exits(0);
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains("s3cret") && !ended.stdout.contains("k3y"));
    assert_snapshot!(ended.stdout);
    assert!(place.run_directories().is_empty());
}

#[test]
fn a_plan_is_completed_in_each_form() {
    let place = place("plan.yaml", "load: {request_rate: 5}\n");
    let says = |words: &str| place.inferbench(words).exits(0).stdout;
    let yaml = says("plan expand plan.yaml --model m");
    assert_snapshot!(yaml);
    // What is complete stays as it is, in each form.
    fs::write(place.path().join("full.yaml"), &yaml).unwrap();
    fs::write(place.path().join("full.toml"), says("plan expand full.yaml --toml")).unwrap();
    fs::write(place.path().join("full.json"), says("plan expand full.toml --json")).unwrap();
    assert_eq!(says("plan expand full.json"), yaml);
}

#[test]
fn flags_become_a_plan_and_a_plan_becomes_flags() {
    let place = Place::new();
    let line =
        "inferbench run --url :8000 --header 'X-A: b c' --concurrency 1,8 --request-count 40";
    let plan = place.inferbench("plan from-flags --");
    let plan = ["run", "-u", ":8000", "-H", "X-A: b c", "-c", "1,8", "--num-prompts", "40"]
        .into_iter()
        .fold(plan, |plan, word| plan.arg(word))
        .exits(0);
    assert_eq!(plan.stderr, "note: --num-prompts is vLLM's name for --request-count\n");
    assert_snapshot!(plan.stdout);
    fs::write(place.path().join("plan.yaml"), plan.stdout).unwrap();
    let flags = place.inferbench("plan flags plan.yaml").exits(0).stdout;
    assert_eq!(flags, format!("{line}\n"));
    let word = place.inferbench("plan from-flags nonsense").exits(2).stderr;
    assert!(word.contains("`nonsense` is a plan already, or no flag"), "{word}");
    let secret =
        place.inferbench("plan from-flags").arg("-H").arg("Authorization: s3cret").exits(2);
    assert!(
        secret.stderr.contains("name the variable that holds it, ${NAME}"),
        "{}",
        secret.stderr
    );
    assert!(!secret.stderr.contains("s3cret"));
}

#[test]
fn the_schema_is_one_of_draft_2020_12() {
    let text = Place::new().inferbench("plan schema").exits(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    let concurrency = &schema["$defs"]["LoadFile"]["properties"]["concurrency"];
    let description = concurrency["description"].as_str().unwrap();
    assert!(description.starts_with("So many in flight, always."), "{concurrency}");
}
