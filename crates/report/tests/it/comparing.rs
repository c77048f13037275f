use std::{path::Path, time::Duration};

use bench_core::{
    Aggregate, Clock, MetricSink, Plan, Point, PointOutcome, Quantity, RunEvent, RunInfo,
    RunOutcome, Sample, Until, Verdict,
};
use bench_report::{
    compare::{
        Align, Basis, CompareReport, Loaded, MetricChange, Options, compare, read_references,
    },
    console::{self, LEAST_WIDTH, Style},
    gate::{Limit, judge},
    json, markdown,
};
use bench_store::{
    LoadLine, PointSummary, RunDirectory, RunLog,
    import::{self, Imported},
};
use proptest::prelude::{any, prop, prop_assert, proptest};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::{
    fixture::{closed, sample},
    stored::{self, Spec, against, failed, point, stored, with_goal},
};

const PLAIN: Style = Style { color: false, ascii: false };
const ASCII: Style = Style { color: false, ascii: true };

fn of(a: Loaded, b: Loaded) -> CompareReport {
    compare(&[a, b], &Options::default()).unwrap()
}

/// The change of a metric at the first point that has it.
fn change<'a>(report: &'a CompareReport, id: &str) -> &'a MetricChange {
    let mut metrics = report.candidates[0].points.iter().flat_map(|point| &point.metrics);
    metrics.find(|metric| metric.id() == id).unwrap_or_else(|| panic!("no {id}: {report:#?}"))
}

fn word<'a>(report: &'a CompareReport, id: &str) -> &'a str {
    change(report, id).word.as_deref().unwrap_or("none")
}

fn unlike(a: &Loaded, b: &Loaded) -> Vec<String> {
    match compare(&[a.clone(), b.clone()], &Options::default()) {
        Ok(_) => Vec::new(),
        Err(unlike) => {
            let differences = unlike.differences.iter().filter(|d| d.unlike);
            differences.map(|difference| difference.what.clone()).collect()
        }
    }
}

/// A candidate that is 10 % slower, and one engine on.
fn slower() -> CompareReport {
    let mut candidate = stored("7Q4K", stored::sweep("vllm", 5, 1.1));
    candidate.run.environment["targets"][0]["version"] = json!("0.11.1");
    candidate.run.environment["targets"][0]["labels"] = json!({"quantization": "fp8"});
    of(stored("6ZM2", stored::sweep("vllm", 5, 1.0)), candidate)
}

#[test]
fn a_run_has_not_changed_from_itself() {
    let run = stored("6ZM2", stored::sweep("vllm", 5, 1.0));
    let report = of(run.clone(), run);
    let candidate = &report.candidates[0];
    assert_eq!((candidate.points.len(), candidate.differences.len()), (4, 0));
    for point in &candidate.points {
        for metric in &point.metrics {
            assert!(metric.change.unwrap().change.abs() < 1e-12, "{metric:?}");
            // Five times 100 requests without a failure are no proof that there are none.
            let is_shown = (point.at.as_str(), metric.metric.as_str()) != ("1 user", "error_ratio");
            assert_eq!(metric.word.as_deref(), is_shown.then_some("no change"), "{metric:?}");
        }
    }
}

#[test]
fn what_is_slower_by_a_tenth_has_regressed_by_a_tenth() {
    let report = slower();
    for (id, expected) in
        [("p50(ttft_ms)", 0.1), ("p50(tpot_ms)", 0.1), ("output_tps", 1.0 / 1.1 - 1.0)]
    {
        let change = change(&report, id);
        let amount = change.change.unwrap();
        assert!((amount.change - expected).abs() < 1e-9, "{change:?}");
        assert!(amount.change_low.unwrap() < expected && expected < amount.change_high.unwrap());
        assert_eq!((change.word.as_deref(), change.basis), (Some("regressed"), Basis::Repeats));
    }
    assert_eq!(word(&report, "error_ratio"), "none", "of too few requests");
    let what: Vec<&str> =
        report.candidates[0].differences.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(what, ["engine version", "label quantization"]);
}

#[test]
fn a_comparison_at_usual_narrow_and_wide_terminals() {
    let report = slower();
    insta::assert_snapshot!("compare_80", console::compare::render(&report, 80, PLAIN));
    insta::assert_snapshot!("compare_60_ascii", console::compare::render(&report, 60, ASCII));
    insta::assert_snapshot!("compare_120", console::compare::render(&report, 120, PLAIN));
    assert!(!console::compare::render(&report, 80, ASCII).contains("not shown"));
    insta::assert_snapshot!("compare_md", markdown::compare(&report));
    let json: Value = serde_json::from_str(&json::compare(&report)).unwrap();
    insta::assert_json_snapshot!(
        "compare_json",
        json["candidates"][0]["points"][0],
        {
            ".metrics[].baseline" => insta::rounded_redaction(6),
            ".metrics[].candidate" => insta::rounded_redaction(6),
            ".metrics[].change" => insta::rounded_redaction(6),
            ".metrics[].change_low" => insta::rounded_redaction(6),
            ".metrics[].change_high" => insta::rounded_redaction(6),
            ".metrics[].p_value" => insta::rounded_redaction(6),
        }
    );
}

/// It was called no change, in green.
#[test]
fn what_changed_for_neither_better_nor_worse_has_changed() {
    let longer = |factor: f64| {
        let mut points = stored::sweep("vllm", 5, 1.0);
        for (place, point) in points.iter_mut().enumerate() {
            let mut line = serde_json::to_value(&point.metrics["osl"]).unwrap();
            line["p50"] = json!(factor * (100.0 + (place % 5) as f64 / 5.0));
            point.metrics.insert("osl".into(), serde_json::from_value(line).unwrap());
        }
        stored("7Q4K", points)
    };
    let said = |metrics: &[&str], factor| {
        let metrics = metrics.iter().map(|metric| metric.parse().unwrap()).collect();
        let options = Options { metrics, ..Options::default() };
        let report = compare(&[longer(1.0), longer(factor)], &options).unwrap();
        let text = console::compare::render(&report, 120, PLAIN);
        text.lines().find(|line| line.contains("4 changed")).unwrap_or(&text).to_owned()
    };
    assert_eq!(
        said(&["p50(osl)"], 2.0),
        "CHANGED  4 changed. Changed most: p50(osl) +100.0 % at 64 users."
    );
    let both = said(&["p50(osl)", "output_tps"], 2.0);
    assert!(both.starts_with("CHANGED  4 changed, 4 no change."), "{both}");
    let same = said(&["p50(osl)"], 1.0);
    assert!(same.contains("\nNO CHANGE  4 no change."), "{same}");
}

#[test]
fn one_run_each_judges_nothing() {
    let once = |slower| stored("6ZM2", stored::sweep("vllm", 1, slower));
    let report = of(once(1.0), once(1.5));
    let output = change(&report, "output_tps");
    assert_eq!((output.word.as_deref(), output.basis), (None, Basis::Single));
    let text = console::compare::render(&report, 80, PLAIN);
    assert!(text.contains("one run each; repeat at least 3 times to judge"), "{text}");
}

/// The run of these samples, on the disk.
pub(crate) fn written(place: &Path, id: &str, samples: &[Sample]) -> Loaded {
    let directory = RunDirectory::create(place, id, "chat").unwrap();
    let point = Point {
        target: "vllm".into(),
        workload: "chat 1024/128".into(),
        ..Point::new(closed(32), Until::requests(samples.len() as u64))
    };
    let plan = Plan { id: id.into(), name: "chat".into(), ..Plan::of(point.clone()) };
    let mut aggregate = Aggregate::default();
    samples.iter().for_each(|sample| aggregate.add(sample));
    let summary = aggregate.summarize();
    let verdict = Verdict::on(&summary, false);
    let ended = PointOutcome { number: 0, point: point.clone(), failure: None, summary, verdict };
    let mut log = RunLog::new(directory.clone(), Value::Null, json!({}));
    log.begin(&RunInfo { plan, anchor: Clock::start().anchor() }).unwrap();
    log.event(&RunEvent::PointBegan { number: 0, point: point.into() }).unwrap();
    for sample in samples {
        log.event(&RunEvent::Sample(sample.clone())).unwrap();
    }
    log.event(&RunEvent::PointEnded(ended.clone().into())).unwrap();
    log.finish(&RunOutcome { points: vec![ended], interrupted: false }).unwrap();
    let (run, summary) =
        (directory.read_run().unwrap(), directory.read_summary().unwrap().unwrap());
    Loaded { run, summary, directory: Some(directory) }
}

/// Requests whose tokens all come later by so many milliseconds.
fn later(count: u64, ms: u64) -> Vec<Sample> {
    let shift = |n| {
        let mut sample = sample(n);
        for arrival in &mut sample.arrivals {
            arrival.at = arrival.at + Duration::from_millis(ms);
        }
        sample
    };
    (0..count).map(shift).collect()
}

#[test]
fn requests_judge_where_there_are_no_repeats() {
    let place = tempfile::tempdir().unwrap();
    let report = of(
        written(place.path(), "AAAA", &later(200, 0)),
        written(place.path(), "BBBB", &later(200, 25)),
    );
    let ttft = change(&report, "p50(ttft_ms)");
    let amount = ttft.change.unwrap();
    assert_eq!((ttft.word.as_deref(), ttft.basis), (Some("regressed"), Basis::Requests));
    assert!((amount.change - 25.0 / 110.0).abs() < 0.02, "{amount:?}");
    assert_eq!(change(&report, "p95(ttft_ms)").basis, Basis::Requests);
    assert_eq!(word(&report, "p50(tpot_ms)"), "within noise", "200 requests tell it to 3 %");
    assert_eq!(change(&report, "output_tps").basis, Basis::Single, "no request has a throughput");
    // The same again is the same to the last digit.
    let again = [report.clone(), report.clone()].map(|report| json::compare(&report));
    assert_eq!(again[0], again[1]);
}

#[test]
fn too_few_requests_judge_nothing() {
    let place = tempfile::tempdir().unwrap();
    let report = of(
        written(place.path(), "AAAA", &later(60, 0)),
        written(place.path(), "BBBB", &later(60, 25)),
    );
    assert_eq!(word(&report, "p50(ttft_ms)"), "regressed");
    let p95 = change(&report, "p95(ttft_ms)");
    assert_eq!((p95.basis, p95.word.as_deref()), (Basis::TooFew, None));
    assert!(p95.change.unwrap().change > 0.1, "it is shown all the same");
}

/// No number of requests was enough for them.
#[test]
fn extremes_and_deviations_are_judged_by_repeats_or_by_limits_alone() {
    let place = tempfile::tempdir().unwrap();
    let limits = ["max(ttft_ms):+10%", "min(ttft_ms):+10%", "std(ttft_ms):+10%"];
    let limits = limits.map(|limit| limit.parse::<Limit>().unwrap());
    let options =
        Options { metrics: limits.map(|limit| limit.metric).to_vec(), ..Options::default() };
    let base = written(place.path(), "AAAA", &later(200, 0));
    for (id, ms, broken) in [("BBBB", 0, 0), ("CCCC", 25, 2)] {
        let candidate = written(place.path(), id, &later(200, ms));
        let report = compare(&[base.clone(), candidate], &options).unwrap();
        let max = change(&report, "max(ttft_ms)");
        assert_eq!((max.basis, max.word.as_deref()), (Basis::Single, None));
        let gate = judge(&report, &limits, 0.02);
        // What comes later comes no more scattered.
        let outcomes = gate.checks.iter().map(|check| (check.judged, check.broken));
        let expected = [(1, broken / 2), (1, broken / 2), (1, 0)];
        assert_eq!(outcomes.collect::<Vec<_>>(), expected, "{gate:#?}");
        let text = console::gate::render(&gate, 80, PLAIN);
        assert!(text.contains("one run each where there is no interval"), "{text}");
    }
    let repeated = stored("6ZM2", stored::sweep("vllm", 5, 1.0));
    let slower = stored("7Q4K", stored::sweep("vllm", 5, 1.1));
    let report = compare(&[repeated, slower], &options).unwrap();
    assert_eq!(change(&report, "max(ttft_ms)").basis, Basis::Repeats);
    assert_eq!(word(&report, "max(ttft_ms)"), "regressed");
}

#[test]
fn samples_that_cannot_be_read_are_said_to_be() {
    let place = tempfile::tempdir().unwrap();
    let sides = ["AAAA", "BBBB"].map(|id| written(place.path(), id, &later(60, 0)));
    std::fs::remove_file(sides[1].directory.as_ref().unwrap().samples_path()).unwrap();
    let [a, b] = sides;
    let report = of(a, b);
    assert_eq!(change(&report, "p50(ttft_ms)").basis, Basis::Single);
    let notes = &report.candidates[0].run.notes;
    assert!(
        notes[0].starts_with("its requests are not compared one by one: cannot read "),
        "{notes:?}"
    );
}

/// On either side: what is left is compared, and is not all there was.
#[test]
fn samples_that_are_missing_are_said_to_be() {
    let place = tempfile::tempdir().unwrap();
    let sides = ["AAAA", "BBBB"].map(|id| written(place.path(), id, &later(60, 0)));
    let whole = sides[0].directory.as_ref().unwrap().samples_path();
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&whole, &bytes[..bytes.len() / 2]).unwrap();
    let [a, b] = sides;
    for report in [of(a.clone(), b.clone()), of(b, a)] {
        let sides = [&report.baseline, &report.candidates[0].run];
        let notes = sides.map(|side| side.notes.clone()).concat();
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(
            note.ends_with(" of 60 requests are missing from its samples: the rest is compared")
        );
        let gate = judge(&report, &Limit::defaults(), 0.02);
        assert!(markdown::gate(&gate).contains(note), "{}", markdown::gate(&gate));
        assert!(console::gate::render(&gate, 200, PLAIN).contains(note));
    }
}

#[test]
fn unlike_plans_are_refused_with_all_their_differences() {
    let base = stored("6ZM2", stored::sweep("vllm", 1, 1.0));
    let with = |path: &[&str], value: Value| {
        let mut run = base.clone();
        let mut place = &mut run.run.environment;
        for key in path {
            place = match key.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[*key],
            };
        }
        *place = value;
        unlike(&base, &run)
    };
    assert_eq!(with(&["workloads", "0", "isl"], json!(1000)), ["ISL"]);
    assert_eq!(with(&["workloads", "0", "osl"], json!(64)), ["OSL"]);
    assert_eq!(with(&["targets", "0", "model"], json!("qwen")), ["model"]);
    assert_eq!(with(&["request", "streaming"], json!(false)), ["streaming"]);
    assert_eq!(with(&["request", "path"], json!("/v1/completions")), ["API"]);
    for (path, value) in [
        (vec!["targets", "0", "engine"], json!("sglang")),
        (vec!["targets", "0", "version"], json!("0.12.0")),
        (vec!["targets", "0", "labels"], json!({"tp": 2})),
        (vec!["targets", "0", "context_length"], json!(4096)),
        (vec!["targets", "0", "image"], json!("nvcr.io/nim:1")),
        (vec!["machine", "host"], json!("bench2")),
        (vec!["request", "extra_body"], json!({"top_k": 1})),
    ] {
        assert!(with(&path, value).is_empty(), "{path:?} may be the point of the comparison");
    }
    let mut open = base.clone();
    for point in &mut open.summary.points {
        point.load = LoadLine::Open {
            schedule: "constant, 8/s".into(),
            requests_per_s: Some(8.0),
            max_in_flight: None,
        };
    }
    assert_eq!(unlike(&base, &open), ["load"]);
    let mut tokens = base.clone();
    tokens
        .summary
        .points
        .iter_mut()
        .for_each(|p| p.facts.output_token_source = Some("tokenizer".into()));
    assert_eq!(unlike(&base, &tokens), ["tokens from"]);

    let options = Options { allow_unlike: true, ..Options::default() };
    let report = compare(&[base.clone(), tokens.clone()], &options).unwrap();
    assert!(report.candidates[0].differences[0].unlike);
    let error = compare(&[base, tokens], &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "6ZM2 \"chat\" is not like the baseline: tokens from: server usage against tokenizer"
    );
}

/// vLLM has other words for what is the same, and of how requests of AIPerf arrive nothing is known.
#[test]
fn rates_are_unlike_only_where_arrivals_are_known_to_differ() {
    let open = |schedule: &str, max_in_flight| {
        let mut points = vec![point(&Spec::default())];
        points[0].load =
            LoadLine::Open { schedule: schedule.into(), requests_per_s: Some(10.0), max_in_flight };
        stored("6ZM2", points)
    };
    let ours = open("poisson, 10/s", None);
    for (other, expected) in [
        (open("poisson, 10/s", None), vec![]),
        (open("Poisson", None), vec![]),
        (open("not told", None), vec![]),
        (open("constant, 10/s", None), vec!["load"]),
        (open("gamma, shape 2", None), vec!["load"]),
        (open("Poisson", Some(8)), vec!["most in flight"]),
        (open("not told", Some(8)), vec!["most in flight"]),
    ] {
        assert_eq!(unlike(&ours, &other), expected, "{:?}", other.summary.points[0].load);
        assert_eq!(unlike(&other, &ours), expected, "{:?}", other.summary.points[0].load);
    }
    let report = of(open("not told", None), ours);
    let text = console::compare::render(&report, 80, PLAIN);
    assert!(text.contains("load: not known -> open loop, poisson"), "{text}");
}

#[test]
fn lengths_that_nobody_wrote_down_are_measured() {
    let base = stored("6ZM2", stored::sweep("vllm", 1, 1.0));
    let mut other = base.clone();
    let mut base = base;
    for run in [&mut base, &mut other] {
        run.run.environment["workloads"] = Value::Null;
    }
    assert!(unlike(&base, &other).is_empty());
    for point in &mut other.summary.points {
        let line = point.metrics["osl"].clone();
        let mut json = serde_json::to_value(line).unwrap();
        json["mean"] = json!(100.0);
        point.metrics.insert("osl".into(), serde_json::from_value(json).unwrap());
    }
    assert_eq!(unlike(&base, &other), ["OSL as measured"]);
}

#[test]
fn loads_of_one_side_alone_are_named() {
    let mut less = stored::sweep("vllm", 3, 1.0);
    less.retain(|point| point.load != LoadLine::closed(64));
    let report = of(stored("6ZM2", stored::sweep("vllm", 3, 1.0)), stored("7Q4K", less));
    assert_eq!(report.candidates[0].points.len(), 3);
    assert_eq!(
        report.candidates[0].unmatched,
        ["vllm, chat 1024/128, 64 users: only in the baseline"]
    );
}

#[test]
fn runs_without_a_load_in_common_are_told_both_lists() {
    let only = |id, load| {
        let mut points = stored::sweep("vllm", 1, 1.0);
        points.retain(|point| point.load == LoadLine::closed(load));
        stored(id, points)
    };
    let runs = [only("6ZM2", 8), only("7Q4K", 32)];
    let error = compare(&runs, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no load of 7Q4K \"chat\" is one of the baseline's; the baseline has 8 users, it has 32 users"
    );
    let known = Options { allow_unlike: true, ..Options::default() };
    let report = compare(&runs, &known).unwrap();
    assert!(report.candidates[0].differences.is_empty());
    assert_eq!(report.candidates[0].unmatched.len(), 2);
}

#[test]
fn goals_align_the_best_load_of_each_side() {
    let side = |id, slower| stored(id, with_goal(stored::sweep("vllm", 3, slower), 110.0));
    let options = Options { align: Align::Slo, ..Options::default() };
    let report = compare(&[side("6ZM2", 1.0), side("7Q4K", 1.2)], &options).unwrap();
    let point = &report.candidates[0].points[0];
    assert_eq!(point.at, "32 users against 8 users, the highest that meet every goal");
    let load = &point.metrics[0];
    assert_eq!(
        (load.metric.as_str(), load.baseline, load.candidate),
        ("load", Some(32.0), Some(8.0))
    );
    assert_eq!(word(&report, "output_tps"), "regressed");
    let without = stored("7Q4K", stored::sweep("vllm", 3, 1.0));
    let error = compare(&[side("6ZM2", 1.0), without], &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no point of 7Q4K \"chat\" can be compared: vllm, chat 1024/128 in the candidate: there are no goals; \
         the baseline has 1 user, 8 users, 32 users, 64 users, it has 1 user, 8 users, 32 users, 64 users"
    );
}

#[test]
fn equal_interactivity_compares_between_the_points() {
    // Twice the users at the same pace: twice the throughput wherever users get the same.
    let side = |id, users: i32| {
        let mut points = Vec::new();
        for (load, tpot_ms) in [(1, 10.0), (2, 20.0), (4, 40.0)] {
            for repeat in 0..3 {
                let spec =
                    Spec { load: load * users, repeat, tpot_ms, ttft_ms: 0.001, ..Spec::default() };
                points.push(point(&spec));
            }
        }
        stored(id, points)
    };
    let options = Options { align: Align::Interactivity, ..Options::default() };
    let report = compare(&[side("6ZM2", 1), side("7Q4K", 2)], &options).unwrap();
    let points = &report.candidates[0].points;
    assert_eq!(points.len(), 4);
    // From 25 to 100 tok/s each: a tenth, a quarter, half and three quarters of the way.
    let at: Vec<&str> = points.iter().map(|point| point.at.as_str()).collect();
    assert_eq!(at[0], "32.5 tok/s each user");
    for point in points {
        let output = &point.metrics[0];
        assert_eq!(
            (output.metric.as_str(), output.word.as_deref()),
            ("output_tps", Some("improved"))
        );
        assert!((output.change.unwrap().change - 1.0).abs() < 1e-6, "{output:?}");
    }
    let metrics = vec!["p50(tpot_ms)".parse().unwrap(), "error_ratio".parse().unwrap()];
    let report = compare(&[side("6ZM2", 1), side("7Q4K", 2)], &Options { metrics, ..options });
    for point in &report.unwrap().candidates[0].points {
        let [tpot, errors] = &point.metrics[..] else { panic!("{point:?}") };
        assert_eq!((tpot.id().as_str(), tpot.word.as_deref()), ("p50(tpot_ms)", Some("no change")));
        assert_eq!((errors.id().as_str(), errors.word.as_deref()), ("error_ratio", None));
    }
}

#[test]
fn targets_of_one_run_are_compared_with_each_other() {
    let mut points = stored::sweep("vllm", 3, 1.0);
    points.extend(stored::sweep("nim", 3, 0.8));
    let run = stored("6ZM2", points);
    let targets = vec!["vllm".to_owned(), "nim".to_owned()];
    let options = Options { targets, ..Options::default() };
    let report = compare(std::slice::from_ref(&run), &options).unwrap();
    assert_eq!(report.baseline.target.as_deref(), Some("vllm"));
    assert_eq!(report.candidates[0].run.target.as_deref(), Some("nim"));
    assert_eq!(report.candidates[0].points.len(), 4);
    assert_eq!(word(&report, "output_tps"), "improved");
    let text = console::compare::render(&report, 80, PLAIN);
    assert!(text.contains("1 user: nim, chat 1024/128 against vllm, chat 1024/128"), "{text}");
    // A simulator is known by its name without the word, and shown with it.
    let mut points = stored::sweep("simulated a", 3, 1.0);
    points.extend(stored::sweep("simulated b", 3, 0.8));
    let simulators = stored("6ZM2", points);
    assert!(simulators.has_target("a") && !simulators.has_target("vllm"));
    let options = Options { targets: vec!["a".into(), "b".into()], ..Options::default() };
    let named = compare(&[simulators], &options).unwrap();
    assert_eq!(named.baseline.target.as_deref(), Some("simulated a"));
    assert_eq!(named.candidates[0].points.len(), 4);
    // Whole runs match targets by name.
    let report = of(run.clone(), run);
    assert_eq!(report.candidates[0].points.len(), 8);
}

#[test]
fn void_points_are_called_void_and_not_judged() {
    let base = stored("6ZM2", stored::sweep("vllm", 3, 1.0));
    let mut points = stored::sweep("vllm", 3, 2.0);
    points[0] = against(points[0].clone(), "void", "lag", "read late");
    for point in &mut points[3..6] {
        *point = failed(point.clone(), "it went away");
    }
    let report = of(base, stored("7Q4K", points));
    let [first, second, third, _] = report.candidates[0].points.as_slice() else { panic!("four") };
    assert!(first.is_void() && second.is_void() && !third.is_void());
    for metric in first.metrics.iter().chain(&second.metrics) {
        assert_eq!((metric.word.as_deref(), metric.basis), (None, Basis::Void), "{metric:?}");
    }
    let text = console::compare::render(&report, 80, PLAIN);
    assert!(
        text.contains("\nVOID  ") && text.contains("1 user: vllm, chat 1024/128, VOID"),
        "{text}"
    );
}

/// This was a bug: six requests without a failure on both sides made the whole comparison NO CHANGE.
#[test]
fn a_few_that_are_the_same_say_nothing_of_the_others() {
    let few = |id| stored(id, vec![point(&Spec { requests: 6, ..Spec::default() })]);
    let text = console::compare::render(&of(few("6ZM2"), few("7Q4K")), 80, PLAIN);
    assert!(text.contains("NOT JUDGED  9 not judged."), "{text}");
    let many = |id| stored(id, vec![point(&Spec { requests: 1_000, ..Spec::default() })]);
    let text = console::compare::render(&of(many("6ZM2"), many("7Q4K")), 80, PLAIN);
    assert!(text.contains("NOT JUDGED  1 no change, 8 not judged."), "{text}");
}

#[test]
fn failures_are_judged_by_their_number() {
    let side = |id, failed| stored(id, vec![point(&Spec { failed, ..Spec::default() })]);
    let report = of(side("6ZM2", 0), side("7Q4K", 70));
    let errors = change(&report, "error_ratio");
    assert_eq!((errors.word.as_deref(), errors.basis), (Some("regressed"), Basis::Counts));
    assert!((errors.change.unwrap().change - 70.0 / 770.0).abs() < 1e-12);
}

/// Some tools do not tell how many requests failed, which was taken for none.
#[test]
fn failures_that_nobody_counted_are_not_known() {
    let side = |id, failed| stored(id, vec![point(&Spec { failed, ..Spec::default() })]);
    let mut untold = side("6ZM2", 0);
    untold.summary.points[0].metrics.remove("error_ratio");
    let failing = side("7Q4K", 60);
    for sides in [[untold.clone(), failing.clone()], [failing, untold]] {
        let [a, b] = sides;
        let report = of(a, b);
        let errors = change(&report, "error_ratio");
        assert_eq!((errors.word.as_deref(), errors.change), (None, None), "{errors:?}");
        assert!(errors.baseline.is_none() || errors.candidate.is_none(), "{errors:?}");
    }
}

#[test]
fn answers_are_judged_by_how_many_are_correct() {
    let side = |id, correct: u32| {
        let mut graded = point(&Spec::default());
        let values = (0..200).map(|n| f64::from(u8::from(n < correct)));
        let mut line = serde_json::to_value(&graded.metrics["osl"]).unwrap();
        let mean = values.clone().sum::<f64>() / 200.0;
        (line["unit"], line["count"], line["mean"]) = (json!("ratio"), json!(200), json!(mean));
        graded.metrics.insert("accuracy".into(), serde_json::from_value(line).unwrap());
        stored(id, vec![graded])
    };
    let options = Options { metrics: vec!["accuracy".parse().unwrap()], ..Options::default() };
    let of = |a, b| compare(&[side("6ZM2", a), side("7Q4K", b)], &options).unwrap();
    let accuracy = change(&of(180, 140), "accuracy").clone();
    assert_eq!((accuracy.word.as_deref(), accuracy.basis), (Some("regressed"), Basis::Counts));
    assert!((accuracy.change.unwrap().change + 0.2).abs() < 1e-12, "{accuracy:?}");
    assert_eq!(word(&of(180, 178), "accuracy"), "within noise");
}

#[test]
fn no_environment_breaks_it() {
    let odd =
        [Value::Null, json!(true), json!(1e300), json!("\u{0}"), json!([[]]), json!({"name": {}})];
    let keys = [
        "targets",
        "workloads",
        "skipped",
        "issues",
        "notes",
        "machine",
        "request",
        "imported",
        "target",
    ];
    let base = stored("6ZM2", stored::sweep("vllm", 1, 1.0));
    let options = Options { allow_unlike: true, ..Options::default() };
    for (key, value) in keys.iter().flat_map(|key| odd.iter().map(move |value| (key, value))) {
        for value in [
            value.clone(),
            json!([value]),
            json!([{"facts": value, "labels": value, "request": value}]),
        ] {
            let mut other = base.clone();
            other.run.environment[*key] = value;
            let report = compare(&[base.clone(), other.clone()], &options).unwrap();
            assert_eq!(report.candidates[0].points.len(), 4);
            for text in [
                console::compare::render(&report, 80, ASCII),
                markdown::sweep(&other.run, &other.summary),
                markdown::matrix(&other.run, &other.summary),
            ] {
                assert!(!text.contains('\0') && !text.is_empty());
            }
        }
    }
}

#[test]
fn imported_runs_say_what_their_numbers_mean() {
    let base = stored("6ZM2", stored::sweep("vllm", 1, 1.0));
    let mut imported = base.clone();
    imported.run.environment["imported"] =
        json!({"tool": "AIPerf", "notes": ["ttft includes connection set-up"]});
    let text = console::compare::render(&of(base, imported), 80, PLAIN);
    assert!(text.contains("ttft includes connection set-up"), "{text}");
    assert!(text.contains("measured by: inferbench -> AIPerf"), "{text}");
}

#[test]
fn points_of_others_stand_beside() {
    let table = "| Configuration | Decode tok/s | Model memory | KV cache tokens | Notes |\n|-|-|-|-|-|\n\
                 | paper, FP8 | 38.2 | 14.99 GiB | 1,234,567 | warm |";
    let references = read_references(table).unwrap();
    let options = Options { references, ..Options::default() };
    let run = stored("6ZM2", stored::sweep("vllm", 1, 1.0));
    let report = compare(&[run], &options).unwrap();
    assert!(report.candidates.is_empty() && report.measured.len() == 4);
    insta::assert_snapshot!("references_80", console::compare::render(&report, 80, PLAIN));
    insta::assert_snapshot!("references_md", markdown::compare(&report));
}

#[test]
fn metrics_are_those_that_were_asked_for() {
    let metrics: Vec<Quantity> = vec!["p90(e2e)".parse().unwrap(), "accuracy".parse().unwrap()];
    let run = stored("6ZM2", stored::sweep("vllm", 3, 1.0));
    let report = compare(&[run.clone(), run], &Options { metrics, ..Options::default() }).unwrap();
    let ids: Vec<String> =
        report.candidates[0].points[0].metrics.iter().map(MetricChange::id).collect();
    assert_eq!(ids, ["p90(e2e_ms)"], "nobody has an accuracy");
}

#[test]
fn nothing_is_compared_with_nothing() {
    assert!(compare(&[], &Options::default()).is_err());
    let empty = stored("6ZM2", vec![]);
    assert!(compare(&[empty.clone(), empty], &Options::default()).is_err());
}

/// Real results of other tools.
#[test]
fn results_of_other_tools_are_shown_and_compared() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/data/import");
    let load = |name: &str| {
        let Imported { run, summary, .. } = import::read(&data.join(name)).unwrap();
        Loaded { run, summary, directory: None }
    };
    let names = [
        "aiperf",
        "genai-bench",
        "genai-perf",
        "guidellm",
        "sglang",
        "vllm",
        "vllm-bench/result.json",
    ];
    let runs = names.map(load);
    let options = Options { allow_unlike: true, ..Options::default() };
    for (name, run) in names.iter().zip(&runs) {
        assert!(!run.summary.points.is_empty(), "{name}");
        let (card, table) =
            (markdown::sweep(&run.run, &run.summary), markdown::matrix(&run.run, &run.summary));
        assert!(card.contains("Imported: from ") && card.contains("doubtful"), "{card}");
        assert!(
            !card.contains("NaN") && !table.contains("NaN") && !table.contains("| inf "),
            "{table}"
        );
        let itself = compare(&[run.clone(), run.clone()], &options).unwrap();
        let metrics = itself.candidates[0].points.iter().flat_map(|point| &point.metrics);
        assert!(metrics.clone().count() > 0, "{name}");
        for metric in metrics {
            assert!(
                metric.change.is_none_or(|amount| amount.change.abs() < 1e-12),
                "{name}: {metric:?}"
            );
        }
    }
    let report = compare(&runs, &options).unwrap();
    let text = console::compare::render(&report, 80, ASCII);
    assert!(text.contains("imported from ") && text.contains("UNLIKE ISL as measured: "), "{text}");
    assert!(compare(&runs[..2], &Options::default()).is_err(), "other lengths");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_page_and_nothing_panics(
        width in 0_usize..150,
        ascii in any::<bool>(),
        words in any::<[String; 3]>(),
        sides in prop::array::uniform2(prop::collection::vec((-2_i32..4, 0_u32..30, 0_u32..4, 0_u32..3), 0..8)),
        align in 0_usize..3,
    ) {
        let side = |id: &str, points: &[(i32, u32, u32, u32)], target: &str| {
            let points: Vec<PointSummary> = points
                .iter()
                .map(|(load, requests, repeat, failed)| {
                    let (load, requests, repeat, failed) = (*load, *requests, *repeat, *failed);
                    let point = point(&Spec { target, load, requests, repeat, failed, ..Spec::default() });
                    if failed == 2 { against(point, "void", "x", &words[2]) } else { point }
                })
                .collect();
            let mut run = stored(id, points);
            run.run.name = words[0].clone();
            run.run.environment["issues"] = json!(words[1]);
            run.run.environment["targets"] = json!([{"name": target, "engine": target}]);
            run
        };
        let runs = [side("6ZM2", &sides[0], &words[0]), side("7Q4K", &sides[1], &words[1])];
        let align = [Align::Load, Align::Slo, Align::Interactivity][align];
        let options = Options { align, allow_unlike: true, ..Options::default() };
        let report = compare(&runs, &options).unwrap();
        let text = console::compare::render(&report, width, Style { color: false, ascii });
        for line in text.lines() {
            prop_assert!(line.width() <= width.max(LEAST_WIDTH), "{} of {width}: {line}", line.width());
        }
        prop_assert!(!ascii || text.is_ascii());
        let _ = (markdown::compare(&report), json::compare(&report));
    }
}
