use bench_report::{
    compare::{Loaded, Options, compare},
    console::{self, LEAST_WIDTH, Style},
    gate::{CheckOutcome, GateReport, GateVerdict, Limit, judge},
    json, markdown,
};
use bench_store::LoadLine;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::stored::{self, Spec, against, failed, point, stored};

const PLAIN: Style = Style { color: false, ascii: false };
const ASCII: Style = Style { color: false, ascii: true };

fn of(a: Loaded, b: Loaded, limits: &[Limit]) -> GateReport {
    let metrics = limits.iter().map(|limit| limit.metric).collect();
    let report = compare(&[a, b], &Options { metrics, ..Options::default() }).unwrap();
    judge(&report, limits, 0.02)
}

fn side(id: &str, slower: f64) -> Loaded {
    stored(id, stored::sweep("vllm", 5, slower))
}

/// `side`, had its answers no tokens.
fn of_results(id: &str, slower: f64) -> Loaded {
    let mut points = stored::sweep("vllm", 5, slower);
    for point in &mut points {
        point.metrics.retain(|id, _| ["rps", "e2e_ms", "error_ratio"].contains(&id.as_str()));
    }
    stored(id, points)
}

#[test]
fn energy_is_compared_and_gated_as_any_metric() {
    let side = |id: &str, slower| stored(id, stored::with_energy(stored::sweep("vllm", 5, slower)));
    let limits = ["j_per_output_token:+5%", "tps_per_w:-5%"].map(|text| text.parse().unwrap());
    let report = of(side("6ZM2", 1.0), side("7Q4K", 1.1), &limits);
    assert_eq!(report.verdict, GateVerdict::Regressed, "{report:#?}");
    let worst = report.checks[0].worst.as_ref().unwrap();
    assert!((worst.change.unwrap().change - 0.1).abs() < 0.01, "{worst:?}");
    assert_eq!(of(side("6ZM2", 1.0), side("7Q4K", 1.0), &limits).verdict, GateVerdict::Passed);
    let report = compare(&[side("6ZM2", 1.0), side("7Q4K", 1.1)], &Options::default()).unwrap();
    let metrics = &report.candidates[0].points[0].metrics;
    let energy = metrics.iter().find(|change| change.metric == "j_per_output_token").unwrap();
    assert_eq!(energy.word.as_deref(), Some("regressed"), "nobody has to ask for it");
}

#[test]
fn results_are_judged_by_requests_and_by_the_whole_of_each() {
    let baseline = of_results("6ZM2", 1.0);
    let limits = Limit::defaults_for(&baseline.summary);
    let words: Vec<String> = limits.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["rps -5 %", "p95(e2e_ms) +10 %", "error_ratio +1 pt"]);
    assert_eq!(Limit::defaults_for(&side("6ZM2", 1.0).summary), Limit::defaults());
    let mut mixed = side("6ZM2", 1.0);
    mixed.summary.points.extend(baseline.summary.points.clone());
    let words =
        Limit::defaults_for(&mixed.summary).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words[4..], ["rps -5 %", "p95(e2e_ms) +10 %"], "neither kind goes unjudged");
    let report = of(baseline.clone(), of_results("7Q4K", 1.3), &limits);
    assert_eq!(report.verdict, GateVerdict::Regressed, "{report:#?}");
    let report = of(baseline.clone(), baseline, &limits);
    assert_eq!(report.verdict, GateVerdict::Passed, "{report:#?}");
}

#[test]
fn what_is_the_same_or_better_passes() {
    for slower in [1.0, 0.8, 1.03] {
        let report = of(side("6ZM2", 1.0), side("7Q4K", slower), &Limit::defaults());
        assert_eq!(report.verdict, GateVerdict::Passed, "{slower}: {report:#?}");
        assert!(report.checks.iter().all(|check| check.judged == 4));
    }
}

#[test]
fn what_is_worse_beyond_noise_and_limit_does_not() {
    let report = of(side("6ZM2", 1.0), side("7Q4K", 1.2), &Limit::defaults());
    assert_eq!(report.verdict, GateVerdict::Regressed);
    let broken: Vec<(&str, usize)> = report
        .checks
        .iter()
        .filter(|c| c.broken > 0)
        .map(|c| (c.limit.as_str(), c.broken))
        .collect();
    // The p95 of the least load rests on too few requests in each repeat, and is judged by repeats all the same.
    assert_eq!(
        broken,
        [("output_tps -5 %", 4), ("p95(ttft_ms) +10 %", 4), ("p50(tpot_ms) +5 %", 4)]
    );
    insta::assert_snapshot!("gate_80", console::gate::render(&report, 80, PLAIN));
    insta::assert_snapshot!("gate_60_ascii", console::gate::render(&report, 60, ASCII));
    insta::assert_snapshot!("gate_md", markdown::gate(&report));
    let json: Value = serde_json::from_str(&json::gate(&report)).unwrap();
    insta::assert_json_snapshot!(
        "gate_json",
        json["checks"][0],
        {
            ".worst.baseline" => insta::rounded_redaction(6),
            ".worst.candidate" => insta::rounded_redaction(6),
            ".worst.change" => insta::rounded_redaction(6),
            ".worst.change_low" => insta::rounded_redaction(6),
            ".worst.change_high" => insta::rounded_redaction(6),
            ".worst.p_value" => insta::rounded_redaction(6),
        }
    );
    assert_eq!(json["verdict"], "regressed");
}

#[test]
fn the_worst_point_is_shown() {
    let mut points = stored::sweep("vllm", 5, 1.0);
    for (repeat, place) in (10..15).enumerate() {
        let repeat = u32::try_from(repeat).unwrap();
        let spec = Spec { load: 32, repeat, ttft_ms: 176.0, tpot_ms: 13.2, ..Spec::default() };
        points[place] = point(&spec);
    }
    let report = of(side("6ZM2", 1.0), stored("7Q4K", points), &Limit::defaults());
    let ttft = &report.checks[1];
    assert_eq!((ttft.at.as_deref(), ttft.broken, ttft.judged), (Some("32 users"), 1, 4));
    assert_eq!(ttft.outcome, CheckOutcome::Broken);
}

#[test]
fn void_points_and_points_that_failed_judge_nothing() {
    let mut lagged = stored::sweep("vllm", 5, 1.0);
    lagged[0] = against(lagged[0].clone(), "void", "lag", "read late");
    let mut gone = stored::sweep("vllm", 5, 1.0);
    gone[15..20].iter_mut().for_each(|point| *point = failed(point.clone(), "it went away"));
    for (points, at) in [(lagged, "1 user"), (gone, "64 users")] {
        let report = of(side("6ZM2", 1.0), stored("7Q4K", points), &Limit::defaults());
        assert_eq!((report.verdict, report.void), (GateVerdict::Void, vec![at.to_owned()]));
    }
    let limits = ["accuracy:1%".parse().unwrap()];
    let report = of(side("6ZM2", 1.0), side("7Q4K", 1.0), &limits);
    assert_eq!(report.verdict, GateVerdict::Void, "nothing was judged");
    assert_eq!(report.checks[0].outcome, CheckOutcome::NotJudged);
}

/// A load that the server did not get as far as is no reason to pass.
#[test]
fn what_was_not_measured_again_is_not_passed() {
    let mut less = stored::sweep("vllm", 5, 1.0);
    less.retain(|point| point.load != LoadLine::closed(64));
    let less = stored("7Q4K", less);
    let report = of(side("6ZM2", 1.0), less.clone(), &Limit::defaults());
    assert_eq!(report.verdict, GateVerdict::Void);
    assert_eq!(
        console::gate::line(&report),
        "VOID  the baseline measured what was not measured now: vllm, chat 1024/128, 64 users."
    );
    let more = of(less, side("6ZM2", 1.0), &Limit::defaults());
    assert_eq!(more.verdict, GateVerdict::Passed, "it is more than the baseline has");
    assert_eq!(more.unmatched, ["vllm, chat 1024/128, 64 users: only in the candidate"]);

    let mut two = stored::sweep("vllm", 5, 1.0);
    two.extend(stored::sweep("nim", 5, 1.0));
    let report = of(stored("6ZM2", two), side("7Q4K", 1.0), &Limit::defaults());
    assert_eq!(
        (report.verdict, &*report.missing),
        (GateVerdict::Void, &["nim, chat 1024/128".to_owned()][..])
    );
}

#[test]
fn what_the_limit_alone_judges_is_said_to_be() {
    let single = |id, slower| stored(id, stored::sweep("vllm", 1, slower));
    let report = of(single("6ZM2", 1.0), single("7Q4K", 1.2), &Limit::defaults());
    assert_eq!(
        console::gate::line(&report),
        "REGRESSED  3 of 4 limits broken beyond the noise, judged by the limit alone."
    );
    let comment = markdown::gate(&report);
    assert!(comment.contains("the limit alone judges; repeat at least 3 times"), "{comment}");
}

#[test]
fn failures_beyond_a_point_are_a_regression() {
    let side = |id, failed| stored(id, vec![point(&Spec { failed, ..Spec::default() })]);
    let verdict = |failed| of(side("6ZM2", 0), side("7Q4K", failed), &Limit::defaults()).verdict;
    assert_eq!(
        [verdict(0), verdict(2), verdict(70)],
        [GateVerdict::Passed, GateVerdict::Passed, GateVerdict::Regressed]
    );
}

#[test]
fn a_comment_takes_twelve_lines_at_most() {
    let limits: Vec<Limit> =
        (1..=30).map(|n| format!("output_tps:-{n}%").parse().unwrap()).collect();
    let report = of(side("6ZM2", 1.0), side("7Q4K", 1.2), &limits);
    let comment = markdown::gate(&report);
    assert!(comment.lines().count() <= 12, "{comment}");
    assert!(comment.contains("23 more limits"), "{comment}");
    assert!(
        comment
            .lines()
            .filter(|line| line.starts_with('|'))
            .skip(2)
            .all(|line| line.contains("REGRESSED"))
    );
}

#[test]
fn no_line_is_wider_than_the_page() {
    let report = of(side("6ZM2", 1.0), side("7Q4K", 1.2), &Limit::defaults());
    for width in 0..130 {
        for line in console::gate::render(&report, width, ASCII).lines() {
            assert!(line.width() <= width.max(LEAST_WIDTH), "{width}: {line}");
        }
    }
}
