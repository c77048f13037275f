use std::collections::BTreeMap;

use super::*;
use crate::{
    EarlyEnd, Outcome, Telemetry, TokenSource,
    metrics::{Facts, Figure, metric},
    stats::{Distribution, Drift},
};

fn of(values: &[f64]) -> Figure {
    Figure::Distribution(Distribution::of(&mut values.to_vec()).unwrap())
}

/// 1000 good requests with TTFT 50 ms, gaps of 10 ms and no lag to speak of.
fn good() -> Summary {
    Summary {
        outcomes: BTreeMap::from([(Outcome::Ok, 1_000)]),
        errors: BTreeMap::new(),
        facts: Facts { kernel_stamped_ratio: Some(1.0), ..Facts::default() },
        figures: vec![
            (metric("ttft_ms").unwrap(), of(&[50.0])),
            (metric("icl_ms").unwrap(), of(&[10.0])),
            (metric("client_lag_ms").unwrap(), of(&[0.01])),
            (metric("error_ratio").unwrap(), Figure::Value(0.0)),
        ],
        turns: Vec::new(),
        telemetry: Telemetry::default(),
    }
}

fn set(summary: &mut Summary, id: &str, figure: Figure) {
    summary.figures.retain(|(m, _)| m.id != id);
    summary.figures.push((metric(id).unwrap(), figure));
}

const SLOWER: Drift = Drift { first: 50.0, second: 60.0, ratio: 0.2, p_value: 1e-9 };

#[test]
fn a_point_that_could_not_be_measured_is_void() {
    let verdict = Verdict::not_measured();
    assert_eq!((verdict.trust, verdict.reasons[0].code()), (Trust::Void, "not_measured"));
    assert!(REASONS.iter().any(|(known, _)| *known == "not_measured"));
}

#[test]
fn nothing_against_it_is_trusted() {
    assert_eq!(Verdict::on(&good(), false), Verdict { trust: Trust::Trusted, reasons: vec![] });
}

#[test]
fn each_reason_can_be_provoked() {
    type Spoil = fn(&mut Summary);
    let cases: [(&str, Trust, Spoil); 37] = [
        ("no_success", Trust::Void, |s| s.outcomes = BTreeMap::from([(Outcome::Reset, 5)])),
        ("errors", Trust::Doubtful, |s| set(s, "error_ratio", Figure::Value(0.02))),
        ("n_small", Trust::Doubtful, |s| s.outcomes = BTreeMap::from([(Outcome::Ok, 63)])),
        ("late_sends", Trust::Doubtful, |s| {
            (s.facts.open_loop, s.facts.late_ms_p99) = (true, Some(1.5));
        }),
        ("late_sends", Trust::Void, |s| {
            (s.facts.open_loop, s.facts.late_ms_p99) = (true, Some(30.0));
        }),
        ("unsent", Trust::Doubtful, |s| s.facts.unsent = 11),
        ("unsent", Trust::Void, |s| s.facts.unsent = 112),
        ("cut_off", Trust::Doubtful, |s| {
            s.outcomes.insert(Outcome::Cancelled, 11);
            s.facts.cut_off = 11;
        }),
        ("lag", Trust::Doubtful, |s| set(s, "client_lag_ms", of(&[5.5]))),
        ("coalesced", Trust::Doubtful, |s| set(s, "coalesced_ratio", Figure::Value(0.06))),
        // A server that sends in bursts is no reason to call its numbers void.
        ("coalesced", Trust::Doubtful, |s| set(s, "coalesced_ratio", Figure::Value(0.95))),
        ("coalesced", Trust::Void, |s| {
            set(s, "coalesced_ratio", Figure::Value(0.95));
            s.figures.retain(|(m, _)| m.id != "client_lag_ms");
        }),
        ("unstamped", Trust::Doubtful, |s| s.facts.kernel_stamped_ratio = Some(0.9)),
        ("client_cpu", Trust::Doubtful, |s| {
            (s.facts.client_cpu_cores, s.facts.cores) = (Some(1.9), Some(2.0));
        }),
        ("osl", Trust::Doubtful, |s| s.facts.delivered_output_ratio = Some(0.9)),
        ("osl_long", Trust::Doubtful, |s| s.facts.delivered_output_ratio = Some(1.03)),
        ("usage_conflict", Trust::Doubtful, |s| s.facts.disagreeing_ratio = Some(0.5)),
        ("tokens_estimated", Trust::Doubtful, |s| {
            s.facts.output_token_source = Some(TokenSource::Chunks);
        }),
        ("tokens_estimated", Trust::Doubtful, |s| {
            s.facts.output_token_source = Some(TokenSource::Approximate);
        }),
        ("delayed_samples", Trust::Doubtful, |s| s.facts.delayed_samples = 1),
        ("starved", Trust::Doubtful, |s| s.facts.starved = 1),
        ("local_limits", Trust::Doubtful, |s| {
            s.outcomes.insert(Outcome::Client, 5);
        }),
        ("local_limits", Trust::Void, |s| {
            s.outcomes.insert(Outcome::Client, 50);
        }),
        ("cached", Trust::Doubtful, |s| s.facts.cached_ratio = Some(0.3)),
        ("drift", Trust::Doubtful, |s| s.facts.drift = Some(SLOWER)),
        ("cold_start", Trust::Doubtful, |s| {
            // A cold start is a drift, too.
            (s.facts.cold_start, s.facts.drift) = (Some(SLOWER), Some(SLOWER));
        }),
        ("clock", Trust::Doubtful, |s| s.facts.clock_step_ms = Some(-3_600_000.0)),
        ("gpu_throttled", Trust::Doubtful, |s| s.facts.gpu_throttled_ratio = Some(0.02)),
        ("gpu_shared", Trust::Doubtful, |s| s.facts.gpu_other_processes = Some(1)),
        ("energy", Trust::Doubtful, |s| s.facts.energy_difference = Some(0.06)),
        ("gpu_lost", Trust::Doubtful, |s| s.facts.gpus_lost = 1),
        ("server_restarted", Trust::Doubtful, |s| s.facts.server_restarts = 1),
        ("server_disagrees", Trust::Doubtful, |s| {
            s.facts.server_requests_difference = Some(-0.03);
        }),
        ("server_disagrees", Trust::Doubtful, |s| s.facts.server_output_difference = Some(0.03)),
        ("ended_early", Trust::Doubtful, |s| s.facts.early_end = Some(EarlyEnd::Saturated)),
        ("target_lost", Trust::Doubtful, |s| s.facts.early_end = Some(EarlyEnd::TargetLost)),
        ("target_lost", Trust::Doubtful, |s| s.facts.early_end = Some(EarlyEnd::KeyRefused)),
    ];
    for (code, trust, spoil) in cases {
        let mut summary = good();
        spoil(&mut summary);
        let verdict = Verdict::on(&summary, false);
        let codes: Vec<_> = verdict.reasons.iter().map(Reason::code).collect();
        assert_eq!((codes.as_slice(), verdict.trust), ([code].as_slice(), trust), "{verdict:?}");
        assert!(REASONS.iter().any(|(known, _)| *known == code), "{code} is explained");
        assert!(
            !verdict.reasons[0].to_string().is_empty() && !verdict.reasons[0].remedy().is_empty()
        );
    }
    assert_eq!(Verdict::on(&good(), true).reasons, [Reason::Interrupted]);
}

#[test]
fn late_sends_are_seen_without_streams_too() {
    let mut summary = good();
    summary.figures.retain(|(metric, _)| metric.id != "ttft_ms");
    set(&mut summary, "e2e_ms", of(&[50.0]));
    (summary.facts.open_loop, summary.facts.late_ms_p99) = (true, Some(5_000.0));
    assert_eq!(Verdict::on(&summary, false).trust, Trust::Void);
}

#[test]
fn a_closed_loop_is_never_late_and_a_platform_without_stamps_is_no_doubt() {
    let mut summary = good();
    summary.facts.late_ms_p99 = Some(40.0);
    summary.facts.kernel_stamped_ratio = Some(0.0);
    assert_eq!(Verdict::on(&summary, false).trust, Trust::Trusted);
}

#[test]
fn a_gpu_of_its_own_that_keeps_its_clocks_is_no_doubt() {
    let mut summary = good();
    summary.facts.gpu_throttled_ratio = Some(0.01);
    summary.facts.gpu_other_processes = Some(0);
    assert_eq!(Verdict::on(&summary, false).trust, Trust::Trusted);
}

#[test]
fn doubts_tell_figure_and_limit() {
    let cases = [
        (Reason::Errors { ratio: 0.0234 }, "2.3 % of requests failed (limit 1 %)"),
        (
            Reason::LateSends { p99_ms: 5.0, answered_ms: 200.0 },
            "requests were sent 5.00 ms late (p99; limit 2.00 ms); the median answer began after 200.0 ms",
        ),
        (
            Reason::CutOff { requests: 8, ratio: 0.08 },
            "8 requests (8.0 %) were cut off, the slowest ones (limit 1 %)",
        ),
        (
            Reason::Unsent { requests: 8, ratio: 0.5 },
            "8 requests (50.0 %) were due and never sent (limit 1 %)",
        ),
        (
            Reason::ShortOutput { ratio: 0.5 },
            "answers hold 50.0 % of the tokens asked for (at least 98 %)",
        ),
        (
            Reason::GpuThrottled { ratio: 0.123 },
            "the GPU was throttled for 12.3 % of the time (limit 1 %)",
        ),
        (Reason::GpuShared { processes: 1 }, "1 other process used the GPU (limit 0)"),
        (Reason::GpuShared { processes: 3 }, "3 other processes used the GPU (limit 0)"),
    ];
    for (reason, text) in cases {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn the_worst_reason_comes_first_and_decides() {
    let mut summary = good();
    set(&mut summary, "client_lag_ms", of(&[9.0]));
    set(&mut summary, "coalesced_ratio", Figure::Value(0.95));
    let verdict = Verdict::on(&summary, true);
    assert_eq!((verdict.trust, verdict.reasons[0].code()), (Trust::Void, "coalesced"));
    assert_eq!(verdict.reasons.len(), 3);
}
