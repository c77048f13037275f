use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use super::{Comparison, Goal, GoalResult, Quantity, statistic::Statistic};
use crate::{
    Figure, Source, Summary, metric, registry,
    stats::{Distribution, PERCENTILES},
};

fn goal(text: &str) -> Goal {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn goals_are_read_and_shown_in_one_form() {
    for (text, expected) in [
        ("p95(ttft)<500ms", "p95(ttft_ms) < 500"),
        ("p95(ttft_ms)<500", "p95(ttft_ms) < 500"),
        ("avg(tpot) <= 20ms", "avg(tpot_ms) <= 20"),
        ("mean(inter_token_latency) <= 20", "avg(tpot_ms) <= 20"),
        ("p99(e2e)<2s", "p99(e2e_ms) < 2000"),
        ("p99.9(e2el)<1.5s", "p99.9(e2e_ms) < 1500"),
        ("median(itl)<500us", "p50(itl_ms) < 0.5"),
        ("p50(inter_chunk_latency) < 250µs", "p50(icl_ms) < 0.25"),
        ("max(request_latency) < 1e3 ms", "max(e2e_ms) < 1000"),
        ("min(tps_user)>30", "min(tps_user) > 30"),
        ("std(time_to_first_token) < 9", "std(ttft_ms) < 9"),
        ("error_rate<1%", "error_ratio < 0.01"),
        ("error_ratio <= 0.05", "error_ratio <= 0.05"),
        ("avg(accuracy) >= 95 %", "avg(accuracy) >= 0.95"),
        ("output_tps>1000", "output_tps > 1000"),
        ("output_token_throughput>1000 tokens/s", "output_tps > 1000"),
        ("request_throughput>=2.5", "rps >= 2.5"),
        ("benchmark_duration < 1500ms", "window_s < 1.5"),
        ("  P95 ( TTFT )  <  500 MS ", "p95(ttft_ms) < 500"),
    ] {
        assert_eq!(goal(text).to_string(), expected, "{text}");
        assert_eq!(goal(expected), goal(text), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_goal_is_said() {
    const FORM: &str =
        "is no goal: write it as `p95(ttft)<500ms`, `avg(tpot)<=20ms` or `error_rate<1%`";
    const STATISTICS: &str = "is no statistic: take one of avg, min, max, std, median, p1, p5, \
                              p10, p25, p50, p75, p90, p95, p97, p99, p99.9";
    for (text, expected) in [
        ("", format!("`` {FORM}")),
        ("ttft", format!("`ttft` {FORM}")),
        ("p95(ttft)=5", format!("`p95(ttft)=5` {FORM}")),
        ("p95(ttft<5", format!("`p95(ttft<5` {FORM}")),
        ("p95()<5", format!("`p95()<5` {FORM}")),
        ("p95(ttft)<", format!("`p95(ttft)<` {FORM}")),
        ("<5", format!("`<5` {FORM}")),
        ("p42(ttft)<5", format!("`p42` {STATISTICS}")),
        ("(ttft)<5", format!("`` {STATISTICS}")),
        ("pnan(ttft)<5", format!("`pnan` {STATISTICS}")),
        ("ttft<5", "`ttft_ms` has many values: say which one counts, as in `p95(ttft_ms)`".into()),
        ("p95(rps)>5", "`rps` is one value for all requests: leave out `p95`".into()),
        ("p95(tftt)<5", "`tftt` names no metric; near it are `ttft`, `ttfo` and `ttst`".into()),
        (
            "p95(ttft)<fast",
            "`fast` is no limit for `ttft_ms`: give a number, with us, ms or s if not in ms".into(),
        ),
        (
            "p95(ttft)<<5",
            "`<5` is no limit for `ttft_ms`: give a number, with us, ms or s if not in ms".into(),
        ),
        (
            "p95(ttft)<5%",
            "`5%` is no limit for `ttft_ms`: give a number, with us, ms or s if not in ms".into(),
        ),
        ("rps>inf", "`inf` is no limit for `rps`: give a number in requests/s".into()),
        ("rps>5ms", "`5ms` is no limit for `rps`: give a number in requests/s".into()),
        (
            "error_rate<5",
            "`5` is no limit for `error_ratio`: give a number from 0 to 1, or from 0% to 100%"
                .into(),
        ),
    ] {
        assert_eq!(text.parse::<Goal>().unwrap_err().to_string(), expected, "{text}");
    }
}

fn summary() -> Summary {
    let mut ttft: Vec<_> = (1..=101).map(f64::from).collect();
    let figures = vec![
        (metric("ttft_ms").unwrap(), Figure::Distribution(Distribution::of(&mut ttft).unwrap())),
        (metric("error_ratio").unwrap(), Figure::Value(0.01)),
    ];
    let (outcomes, errors) = (BTreeMap::new(), BTreeMap::new());
    Summary { outcomes, errors, figures, ..Summary::default() }
}

#[test]
fn a_goal_is_met_or_missed_or_says_nothing() {
    let summary = summary();
    for (text, value, met) in [
        ("p95(ttft)<96ms", 96.0, false),
        ("p95(ttft)<=96ms", 96.0, true),
        ("p95(ttft)>96ms", 96.0, false),
        ("p95(ttft)>=96ms", 96.0, true),
        ("avg(ttft)<0.1s", 51.0, true),
        ("median(ttft)>50", 51.0, true),
        ("min(ttft)<1", 1.0, false),
        ("max(ttft)<=101", 101.0, true),
        ("error_rate<1%", 0.01, false),
        ("error_rate<=1%", 0.01, true),
    ] {
        let goal = goal(text);
        let found = goal.check(&summary).unwrap();
        assert_eq!(found, GoalResult { value, limit: goal.limit, met }, "{text}");
    }
    let std = goal("std(ttft)<29.2").check(&summary).unwrap();
    assert!(std.met && (std.value - 29.154_759).abs() < 1e-6);
    assert_eq!(goal("rps>1").check(&summary), None);
    assert_eq!(goal("p95(e2e)<1s").quantity().metric().id, "e2e_ms");
}

fn any_goal() -> impl Strategy<Value = Goal> {
    use Comparison::{Above, AtLeast, AtMost, Below};
    let fixed = select(vec![Statistic::Mean, Statistic::Min, Statistic::Max, Statistic::Std]);
    let percentile = select(PERCENTILES.to_vec()).prop_map(Statistic::Percentile);
    let comparison = select(vec![Below, AtMost, Above, AtLeast]);
    let metric = select(registry().iter().collect::<Vec<_>>());
    let all = (metric, prop_oneof![fixed, percentile], comparison, any::<f64>());
    all.prop_map(|(metric, statistic, comparison, limit)| {
        let limit = if metric.unit == "ratio" { limit.abs() % 1.0 } else { limit };
        let single = matches!(metric.source, Source::Phase(_));
        let statistic = (!single).then_some(statistic);
        Goal { quantity: Quantity { metric, statistic }, comparison, limit }
    })
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(goal in any_goal()) {
        prop_assert_eq!(goal.to_string().parse(), Ok(goal));
    }

    #[test]
    fn no_text_panics(text: String, left in "[a-z0-9(). ]{0,12}", right in "[0-9a-zµ%.+-]{0,8}") {
        let _ = text.parse::<Goal>();
        let _ = format!("{left}<{right}").parse::<Goal>();
        let _ = format!("p95(ttft)<{text}").parse::<Goal>();
    }
}

#[test]
fn quantities_go_by_the_names_of_files() {
    let quantity = |text: &str| text.parse::<Quantity>().unwrap_or_else(|e| panic!("{text}: {e}"));
    for (text, shown, statistic, percentile) in [
        ("output_tps", "output_tps", None, None),
        (" P99.9( e2e ) ", "p99.9(e2e_ms)", Some("p99_9"), Some(99.9)),
        ("avg(tpot)", "avg(tpot_ms)", Some("mean"), None),
        ("median(itl)", "p50(itl_ms)", Some("p50"), Some(50.0)),
        ("accuracy", "avg(accuracy)", Some("mean"), None),
        ("error_rate", "error_ratio", None, None),
    ] {
        let found = quantity(text);
        assert_eq!((found.to_string().as_str(), found.statistic()), (shown, statistic), "{text}");
        assert_eq!(found.percentile(), percentile, "{text}");
        assert_eq!(quantity(shown), found);
    }
    for bad in ["", "p95(output_tps)", "p42(ttft)", "p95(ttft", "ttft", "nonsense"] {
        assert!(bad.parse::<Quantity>().is_err(), "{bad}");
    }
}
