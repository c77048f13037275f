use std::collections::BTreeMap;

use bench_report::{
    compare::Loaded,
    console::{LEAST_WIDTH, Style, SweepReport, matrix, sweep},
    csv, json, markdown,
};
use bench_store::{ErrorLine, GoalLine, LoadLine, MetricLine, PointSummary, State};
use proptest::prelude::{any, prop, prop_assert, proptest};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::stored::{self, Spec, against, failed, point, stored, with_goal};

const PLAIN: Style = Style { color: false, ascii: false };
const ASCII: Style = Style { color: false, ascii: true };
const COLOR: Style = Style { color: true, ascii: false };

fn show(
    of: fn(&SweepReport<'_>, usize, Style) -> String,
    run: &Loaded,
    width: usize,
    style: Style,
) -> String {
    let report = SweepReport {
        version: "0.1.0",
        run: &run.run,
        summary: &run.summary,
        saved: &["artifacts/7Q4K-chat".into(), "json jsonl".into()],
        next: &["inferbench compare @prev @last".into()],
    };
    of(&report, width, style)
}

/// One target, four loads, three repeats, a goal that the highest load misses.
fn with_repeats() -> Loaded {
    stored("7Q4K", with_goal(stored::sweep("vllm", 3, 1.0), 200.0))
}

/// Two targets; all that can go wrong goes wrong.
fn troubled() -> Loaded {
    let mut points = stored::sweep("vllm", 1, 1.0);
    points[1] =
        against(points[1].clone(), "doubtful", "n_small", "100 requests: too few to quote p95");
    points[2] =
        against(points[2].clone(), "doubtful", "n_small", "90 requests: too few to quote p95");
    points[3] =
        against(points[3].clone(), "void", "client_lag", "this machine read 9.00 ms late (p99)");
    let mut other = stored::sweep("nim", 1, 1.3);
    other[3] = failed(other[3].clone(), "the server went away: connection refused");
    points.extend(other);
    let mut run = stored("6ZM2", points);
    run.run.environment["targets"][1]["simulated"] = json!(true);
    run.run.environment["targets"][1]["url"] = json!("http://user:s3cret@localhost:8001/v1");
    run.run.environment["skipped"] = json!([
        {"target": "nim", "workload": "long", "load": "64 users", "why": "longer than the context of 8192"},
    ]);
    run.run.environment["issues"] = json!([{"target": "nim", "what": "it lists no version"}]);
    run.run.environment["notes"] = json!(["the model is the only one that vllm offers"]);
    run.summary.state = State::Interrupted;
    run
}

fn lengths() -> Loaded {
    let mut points = Vec::new();
    let pairs = [(128, 128, "balanced"), (1024, 1024, "balanced"), (1024, 128, "prefill-heavy")];
    for target in ["nim (fp8)", "nim (nvfp4)"] {
        for (isl, osl, _) in pairs {
            for repeat in 0..3 {
                let tpot_ms = 25.0 + f64::from(repeat) / 10.0 + f64::from(isl) / 512.0;
                let workload = &format!("{isl}/{osl}");
                let spec = Spec {
                    target,
                    workload,
                    load: 1,
                    repeat,
                    requests: 3,
                    tpot_ms,
                    ..Spec::default()
                };
                points.push(point(&spec));
            }
        }
    }
    let mut run = stored("7R1D", points);
    let workload = |(isl, osl, category): (u32, u32, &str)| {
        let name = format!("{isl}/{osl}");
        json!({"name": name, "label": name, "category": category, "isl": isl, "osl": osl})
    };
    let facts = json!({"model_memory_gib": 8.49, "kv_cache_gib": [61.2, 61.4], "kv_cache_tokens": 1_003_232});
    let unknown = json!({"unknown": {
        "model_memory_gib": "its log does not say", "kv_cache_gib": "its log does not say",
        "kv_cache_tokens": "its log does not say",
    }});
    let environment = &mut run.run.environment;
    environment["workloads"] = pairs.map(workload).to_vec().into();
    environment["targets"] = json!([
        {"name": "nim", "pass": "fp8", "engine": "nim", "version": "1.13", "facts": facts, "model": "m"},
        {"name": "nim", "pass": "nvfp4", "engine": "nim", "version": "1.13", "facts": unknown, "model": "m"},
    ]);
    environment["skipped"] = json!([
        {"target": "nim (fp8)", "workload": "65536/256", "why": "longer than the context of 8192"},
    ]);
    run
}

#[test]
fn energy_has_its_columns_where_it_is_known() {
    let points = stored::with_energy(stored::sweep("vllm", 3, 1.0));
    let run = stored("7Q4K", with_goal(points, 200.0));
    let text = show(sweep::render, &run, 120, PLAIN);
    let table = text.split("\n\n").find(|section| section.starts_with("Loads")).unwrap();
    insta::assert_snapshot!("sweep_energy_120", table);
    let narrow = show(sweep::render, &run, 70, PLAIN);
    assert!(narrow.contains("not shown:") && narrow.contains("GPU W"), "{narrow}");
    assert!(markdown::sweep(&run.run, &run.summary).contains("J per token"));
}

#[test]
fn a_sweep_at_usual_narrow_and_wide_terminals() {
    let run = with_repeats();
    insta::assert_snapshot!("sweep_80", show(sweep::render, &run, 80, PLAIN));
    insta::assert_snapshot!("sweep_60", show(sweep::render, &run, 60, PLAIN));
    insta::assert_snapshot!("sweep_120", show(sweep::render, &run, 120, PLAIN));
    insta::assert_snapshot!("sweep_80_ascii", show(sweep::render, &run, 80, ASCII));
}

#[test]
fn nothing_is_left_out_at_80_columns_without_goodput() {
    for run in [with_repeats(), troubled()] {
        let text = show(sweep::render, &run, 80, ASCII);
        assert!(!text.contains("not shown"), "{text}");
    }
}

#[test]
fn what_went_wrong_is_said_in_words() {
    let run = troubled();
    let text = show(sweep::render, &run, 80, PLAIN);
    assert!(!text.contains("s3cret"));
    insta::assert_snapshot!("sweep_troubled_80", text);
    let colored = show(sweep::render, &run, 80, COLOR);
    assert!(colored.contains("\u{1b}[1;31mVOID"), "{colored}");
    let mut bare = colored;
    for paint in ["0", "1", "2", "1;32", "1;33", "1;31"] {
        bare = bare.replace(&format!("\u{1b}[{paint}m"), "");
    }
    assert_eq!(bare, text, "colour tells nothing by itself");
}

#[test]
fn goals_decide_which_load_is_the_best() {
    let first = |limit: f64| {
        let run = stored("7Q4K", with_goal(stored::sweep("vllm", 1, 1.0), limit));
        let text = show(sweep::render, &run, 80, PLAIN);
        text.lines()
            .skip(4)
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(first(1e9).starts_with("PASS  64 users get the first token in "), "{}", first(1e9));
    assert!(first(60.0).starts_with("PASS  8 users get the first token in "), "{}", first(60.0));
    assert!(first(60.0).contains("At 32 users p95(ttft_ms)<60ms is missed: 104."));
    assert!(
        first(1.0).starts_with("MISSED  no load meets every goal. At 1 user"),
        "{}",
        first(1.0)
    );
}

/// A target that is there no more: requests are refused, and the run goes on to its end.
#[test]
fn a_run_whose_server_died_is_partial_and_says_what_failed() {
    let mut points = stored::sweep("vllm", 1, 1.0);
    points.truncate(3);
    let last = &mut points[2];
    last.outcomes = BTreeMap::from([("refused".into(), 10)]);
    last.errors = vec![ErrorLine {
        outcome: "refused".into(),
        message: "connection refused".into(),
        count: 10,
    }];
    last.metrics.clear();
    let text = show(sweep::render, &stored("7Q4K", points), 80, PLAIN);
    for part in [
        "\"chat\"   partial ",
        "Loads, partial",
        "Errors       10 x refused: connection refused",
        "The run was cut short by the",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_sweep_of_ramps_says_so_and_has_its_steady_throughput() {
    let mut points = stored::sweep("vllm", 1, 1.0);
    for point in &mut points {
        let LoadLine::Closed { ramp, .. } = &mut point.load else { panic!("{:?}", point.load) };
        *ramp = Some("linear over 5 s".into());
        let steady = MetricLine::Value { unit: "tokens/s".into(), value: 543.0 };
        point.metrics.insert("steady_output_tps".into(), steady);
    }
    let text = show(sweep::render, &stored("7Q4K", points), 120, PLAIN);
    assert!(text.contains(" changes meanwhile: ramp linear over 5 s."), "{text}");
    assert!(text.contains("steady") && text.contains(" 543 "), "{text}");
    assert!(text.contains("Load         ramp linear over 5 s: all but steady"), "{text}");
}

#[test]
fn only_marks_that_are_shown_are_explained() {
    let run = with_repeats();
    for width in 32..140 {
        let text = show(sweep::render, &run, width, PLAIN);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("yes <"), "goals are never left out: {text}");
        assert!(words.contains("< best load that meets every goal"), "{text}");
        let is_marked = words.contains(" ~3") || words.contains(" ~9");
        assert_eq!(words.contains("~ too few requests"), is_marked, "{text}");
    }
    let narrow = show(sweep::render, &run, 76, PLAIN);
    assert!(narrow.contains("not shown: E2E ms p95; all takes 77 columns"), "{narrow}");
    // Of 200 requests p95 can be relied on; p99 is not shown.
    let points = [1, 8].map(|load| point(&Spec { load, requests: 200, ..Spec::default() }));
    let text = show(sweep::render, &stored("7Q4K", points.to_vec()), 80, PLAIN);
    assert!(!text.contains('~'), "{text}");
}

/// What the search says of the same points.
#[test]
fn most_repeats_decide_and_errors_miss_every_goal() {
    let mut points = with_goal(stored::sweep("vllm", 3, 1.0), 200.0);
    // Of 8 users one repeat misses; of 32 two do, one of them by its errors.
    points[4].goals[0] = GoalLine { value: Some(300.0), met: false, ..points[4].goals[0].clone() };
    points[6].goals[0] = GoalLine { value: Some(400.0), met: false, ..points[6].goals[0].clone() };
    let failing = point(&Spec { load: 32, repeat: 1, failed: 14, ..Spec::default() });
    points[7] = with_goal(vec![failing], 200.0).remove(0);
    let text = show(sweep::render, &stored("7Q4K", points), 120, PLAIN);
    assert!(text.contains("PASS  8 users get"), "{text}");
    assert!(text.contains("yes 2/3 <") && text.contains("no 1/3"), "{text}");
    let one = "8 users: p95(ttft_ms)<200ms: 300 (in 1 of 3 repeats)";
    let errors = "32 users: error_ratio <= 0.01: 0.0196 (in 1 of 3 repeats)";
    assert!(text.contains(one) && text.contains(errors), "{text}");
}

#[test]
fn a_void_repeat_misses_and_does_not_outvote_the_others() {
    let mut points = with_goal(stored::sweep("vllm", 3, 1.0), 200.0);
    for place in [6, 9, 10, 11] {
        points[place] = against(points[place].clone(), "void", "lag", "read late");
    }
    let text = show(sweep::render, &stored("7Q4K", points), 120, PLAIN);
    assert!(text.contains("PASS, PARTLY VOID  32 users get"), "{text}");
}

#[test]
fn a_repeat_that_stands_apart_is_named() {
    let mut points: Vec<PointSummary> = (0..9)
        .map(|repeat| {
            let ttft_ms = if repeat == 4 { 80.0 } else { 40.0 + f64::from(repeat % 3) / 10.0 };
            point(&Spec { repeat, ttft_ms, ..Spec::default() })
        })
        .collect();
    points.rotate_left(2);
    let text = show(sweep::render, &stored("7Q4K", points), 80, PLAIN);
    assert!(text.contains("8 users, repeat 5: TTFT p50 ms 80.0, unlike the others"), "{text}");
    assert_eq!(text.matches("unlike the others").count(), 2, "by both of its numbers: {text}");
}

#[test]
fn of_three_repeats_none_stands_apart_by_chance() {
    let text = |last: f64| {
        let ttft = [40.0, 40.01, last];
        let repeat = |(repeat, ttft_ms)| point(&Spec { repeat, ttft_ms, ..Spec::default() });
        let points = (0..).zip(ttft).map(repeat).collect();
        show(sweep::render, &stored("7Q4K", points), 80, PLAIN)
    };
    assert!(!text(41.0).contains("Stands apart"), "{}", text(41.0));
    assert!(text(80.0).contains("8 users, repeat 3: TTFT p50 ms 80.0"), "{}", text(80.0));
}

#[test]
fn means_and_their_intervals_are_those_of_the_repeats() {
    // 10, 11 and 12 ms: a mean of 11 and t(0.975, 2) · 1 / √3 = 2.484.
    let repeat = |repeat: u32| {
        let ttft_ms = 10.0 + f64::from(repeat);
        point(&Spec { repeat, ttft_ms, ..Spec::default() })
    };
    let text = show(sweep::render, &stored("7Q4K", (0..3).map(repeat).collect()), 120, PLAIN);
    assert!(text.contains(" 11.0 ± 2.5 "), "{text}");
    // s / mean = 1 / 11, at p95 as at p50.
    assert!(text.contains("of TTFT p95 over repeats: 9.09 % at 8 users"), "{text}");
}

#[test]
fn nothing_measured_is_said_to_be_nothing() {
    let text = show(sweep::render, &stored("7Q4K", vec![]), 80, PLAIN);
    assert!(text.contains("VOID  nothing was measured."), "{text}");
    let void = |n| against(point(&Spec { load: n, ..Spec::default() }), "void", "lag", "read late");
    let text = show(sweep::render, &stored("7Q4K", vec![void(1), void(8)]), 80, PLAIN);
    assert!(text.contains("VOID  read late. No number here describes the server."), "{text}");
    assert!(text.contains("Loads, VOID"), "{text}");
}

#[test]
fn a_matrix_of_lengths() {
    let run = lengths();
    assert!(matrix::applies(&run.run) && !matrix::applies(&with_repeats().run));
    insta::assert_snapshot!("matrix_80", show(matrix::render, &run, 80, PLAIN));
    insta::assert_snapshot!("matrix_60_ascii", show(matrix::render, &run, 60, ASCII));
    insta::assert_snapshot!("matrix_120", show(matrix::render, &run, 120, PLAIN));
}

#[test]
fn cards_are_the_same_tables() {
    insta::assert_snapshot!("sweep_md", markdown::sweep(&troubled().run, &troubled().summary));
    insta::assert_snapshot!("matrix_md", markdown::matrix(&lengths().run, &lengths().summary));
}

#[test]
fn runs_of_an_older_program_are_shown_as_well() {
    let mut run = stored("7Q4K", stored::sweep("local", 1, 1.0));
    run.run.environment = json!({
        "target": {"url": "http://localhost:8000", "model": "m", "engine": "vllm", "simulated": true},
    });
    let text = show(sweep::render, &run, 80, PLAIN);
    assert!(text.contains("simulated   vllm @ localhost:8000\nmodel m   chat"), "{text}");
    assert!(text.contains("TRUSTED  simulated: 64 users get"), "{text}");
    for environment in [Value::Null, json!([]), json!({"targets": 3, "machine": "x"})] {
        run.run.environment = environment;
        assert!(show(sweep::render, &run, 80, PLAIN).contains("64 users get"));
        assert!(
            show(matrix::render, &run, 80, PLAIN)
                .contains("local decodes 122 tok/s at chat 1024/128.")
        );
    }
}

#[test]
fn what_a_server_says_writes_on_no_page() {
    let evil = "\u{1b}[2J\u{202e}a|b\r\n<script>@all\u{7}\u{7f}\u{9b}2J";
    let points =
        vec![against(point(&Spec { target: evil, ..Spec::default() }), "doubtful", "x", evil)];
    let mut run = stored("7Q4K", points);
    run.run.name = evil.into();
    run.run.environment["issues"] = json!([{"target": evil, "what": evil}]);
    let text = show(sweep::render, &run, 80, PLAIN);
    let (csv, json) = (csv::render(&run.summary), json::render(&run.summary));
    for text in [text, csv.replace("\r\n", "\n"), json] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{text}");
    }
    let card = markdown::sweep(&run.run, &run.summary);
    assert!(
        !card.contains("<script>") && !card.contains("a|b") && !card.contains("@all"),
        "{card}"
    );
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_page(
        width in 0_usize..150,
        ascii in any::<bool>(),
        words in any::<[String; 4]>(),
        loads in prop::collection::vec((-3_i32..2_000_000, 1_u32..40, 0_u32..3), 0..6),
        missing in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let mut points: Vec<PointSummary> = loads
            .iter()
            .map(|(load, requests, repeat)| {
                let (target, workload) = (words[0].as_str(), words[1].as_str());
                point(&Spec { target, workload, load: *load, requests: *requests, repeat: *repeat, ..Spec::default() })
            })
            .collect();
        for index in missing {
            if let Some(point) = points.first_mut() {
                let names: Vec<String> = point.metrics.keys().cloned().collect();
                if !names.is_empty() {
                    point.metrics.remove(index.get(&names));
                }
            }
        }
        if let Some(last) = points.last_mut() {
            *last = against(last.clone(), "void", &words[2], &words[3]);
        }
        let mut run = stored("7Q4K", points);
        run.run.name = words[2].repeat(5);
        run.run.environment["workloads"] =
            json!([{"name": words[1], "category": words[2], "label": words[3], "isl": "x", "osl": -1}]);
        let style = Style { color: false, ascii };
        for text in [show(sweep::render, &run, width, style), show(matrix::render, &run, width, style)] {
            for line in text.lines() {
                prop_assert!(line.width() <= width.max(LEAST_WIDTH), "{} of {width}: {line}", line.width());
            }
            prop_assert!(!ascii || text.is_ascii());
        }
        for card in [markdown::sweep(&run.run, &run.summary), markdown::matrix(&run.run, &run.summary)] {
            let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            let mut rows = card.lines().filter(|line| line.starts_with('|')).map(cells);
            let first = rows.next();
            prop_assert!(rows.all(|n| Some(n) == first), "{card}");
        }
    }
}
