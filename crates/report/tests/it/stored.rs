//! Runs as they are stored, with numbers that are known.

use std::{collections::BTreeMap, num::NonZeroUsize};

use bench_core::{
    Facts, Figure, Outcome, Point, PointOutcome, Summary, TokenSource, Trust, Until, Verdict,
    metric, stats::Distribution,
};
use bench_report::compare::Loaded;
use bench_store::{
    AnchorLine, FORMAT_VERSION, GoalLine, MetricLine, PointSummary, ReasonLine, RunFile, State,
    SummaryFile,
};
use serde_json::{Value, json};

use crate::fixture::{closed, open};

/// What a point came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec<'a> {
    pub(crate) target: &'a str,
    pub(crate) workload: &'a str,
    /// Users; below 0, minus the requests per second.
    pub(crate) load: i32,
    pub(crate) repeat: u32,
    pub(crate) requests: u32,
    pub(crate) failed: u32,
    pub(crate) ttft_ms: f64,
    pub(crate) tpot_ms: f64,
}

impl Default for Spec<'_> {
    fn default() -> Self {
        Self {
            target: "vllm",
            workload: "chat 1024/128",
            load: 8,
            repeat: 0,
            requests: 700,
            failed: 0,
            ttft_ms: 40.0,
            tpot_ms: 10.0,
        }
    }
}

/// `count` values from 0.8 to 1.2 times `middle`, whose median it is.
pub(crate) fn values(middle: f64, count: u32) -> Vec<f64> {
    let place = |n: u32| f64::from(n) / f64::from(count.max(2) - 1);
    (0..count).map(|n| middle * (0.8 + 0.4 * place(n))).collect()
}

pub(crate) fn point(spec: &Spec<'_>) -> PointSummary {
    let load = match u32::try_from(spec.load) {
        Ok(users) => closed(users.max(1) as usize),
        Err(_) => open(f64::from(-spec.load)),
    };
    let users = f64::from(spec.load.max(1));
    let (ttft, tpot) = (values(spec.ttft_ms, spec.requests), values(spec.tpot_ms, spec.requests));
    let e2e: Vec<f64> = ttft.iter().zip(&tpot).map(|(ttft, tpot)| ttft + 127.0 * tpot).collect();
    let decode: Vec<f64> = tpot.iter().map(|tpot| 128_000.0 / 127.0 / tpot).collect();
    let pace: Vec<f64> = tpot.iter().map(|tpot| 1_000.0 / tpot).collect();
    let many = [("ttft_ms", ttft), ("tpot_ms", tpot.clone()), ("itl_ms", tpot), ("e2e_ms", e2e)];
    let more =
        [("tps_user", pace), ("decode_tps", decode), ("osl", vec![128.0; spec.requests as usize])];
    let distribution = |(id, mut values): (&str, Vec<f64>)| {
        Some((metric(id).unwrap(), Figure::Distribution(Distribution::of(&mut values)?)))
    };
    let mut figures: Vec<_> = many.into_iter().chain(more).filter_map(distribution).collect();
    let all = f64::from(spec.requests + spec.failed);
    let output_tps = users * 128_000.0 / (spec.ttft_ms + 127.0 * spec.tpot_ms);
    let singles = [
        ("output_tps", output_tps),
        ("rps", output_tps / 128.0),
        ("error_ratio", f64::from(spec.failed) / all.max(1.0)),
    ];
    figures.extend(singles.map(|(id, value)| (metric(id).unwrap(), Figure::Value(value))));
    let counts = [(Outcome::Ok, spec.requests), (Outcome::Http(503), spec.failed)];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let facts = Facts { output_token_source: Some(TokenSource::Usage), ..Facts::default() };
    let summary = Summary {
        outcomes: counts.map(|(outcome, count)| (outcome, u64::from(count))).collect(),
        errors: BTreeMap::new(),
        facts,
        figures,
        turns: Vec::new(),
        telemetry: bench_core::Telemetry::default(),
    };
    let point = Point {
        target: spec.target.into(),
        workload: spec.workload.into(),
        repeat: spec.repeat,
        ..Point::new(load, Until::requests(u64::from(spec.requests)))
    };
    let verdict = Verdict { trust: Trust::Trusted, reasons: vec![] };
    let outcome = PointOutcome { number: 0, point, failure: None, summary, verdict };
    PointSummary::new(&outcome, &[])
}

/// A run of these points, numbered; points of one target, workload and load share a cell.
pub(crate) fn stored(id: &str, mut points: Vec<PointSummary>) -> Loaded {
    let mut cells: Vec<String> = Vec::new();
    for (number, point) in points.iter_mut().enumerate() {
        let cell = format!("{} {} {}", point.target, point.workload, point.load);
        let place = cells.iter().position(|known| *known == cell).unwrap_or_else(|| {
            cells.push(cell);
            cells.len() - 1
        });
        point.number = u32::try_from(number).unwrap();
        point.cell = u32::try_from(place).unwrap();
    }
    let mut targets: Vec<&str> = points.iter().map(|point| point.target.as_str()).collect();
    targets.dedup();
    let targets: Vec<Value> = targets.iter().map(|name| target(name)).collect();
    let run = RunFile {
        format_version: FORMAT_VERSION,
        id: id.into(),
        name: "chat".into(),
        created: "2026-01-02T03:04:05.678Z".into(),
        anchor: AnchorLine { wall_ns: 0, monotonic_ns: None },
        inferbench: "0.1.0".into(),
        seed: 42,
        threads: NonZeroUsize::MIN.get(),
        points: vec![],
        goals: vec![],
        plan: Value::Null,
        environment: json!({
            "command": ["inferbench", "run"],
            "targets": targets,
            "workloads": [{"name": "chat 1024/128", "isl": 1024, "osl": 128}],
            "request": {"path": "/v1/chat/completions", "streaming": true, "extra_body": {}},
            "machine": {"host": "bench1", "cpu": "EPYC", "cores": 64},
        }),
    };
    let summary = SummaryFile {
        format_version: FORMAT_VERSION,
        id: id.into(),
        name: "chat".into(),
        state: State::Finished,
        points,
    };
    Loaded { run, summary, directory: None }
}

pub(crate) fn target(name: &str) -> Value {
    json!({
        "name": name,
        "url": "http://localhost:8000",
        "model": "llama-3.1-8b-instruct",
        "engine": "vllm",
        "version": "0.11.0",
        "context_length": 8192,
    })
}

/// 1, 8, 32 and 64 users: the more, the slower.
pub(crate) fn sweep(target: &str, repeats: u32, slower: f64) -> Vec<PointSummary> {
    let loads = [(1, 31.0, 8.3), (8, 44.0, 9.1), (32, 88.0, 13.2), (64, 390.0, 21.0)];
    let mut points = Vec::new();
    for (load, ttft_ms, tpot_ms) in loads {
        for repeat in 0..repeats {
            // No two repeats are the same, by up to 1 %.
            let noise = 1.0 + f64::from((repeat * 7 + 3) % 5) / 500.0;
            let factor = slower * noise;
            let (ttft_ms, tpot_ms) = (ttft_ms * factor, tpot_ms * factor);
            let requests = if load == 1 { 100 } else { 700 };
            points.push(point(&Spec {
                target,
                load,
                repeat,
                requests,
                ttft_ms,
                tpot_ms,
                ..Spec::default()
            }));
        }
    }
    points
}

/// The goal of a p95 of the time to first token, checked.
pub(crate) fn with_goal(mut points: Vec<PointSummary>, limit: f64) -> Vec<PointSummary> {
    for point in &mut points {
        let value = point.number_of("ttft_ms", Some("p95"));
        let met = value.is_some_and(|value| value < limit);
        point.goals = vec![GoalLine { goal: format!("p95(ttft_ms)<{limit}ms"), value, met }];
    }
    points
}

/// The same points, had GPUs of 700 W been watched.
pub(crate) fn with_energy(mut points: Vec<PointSummary>) -> Vec<PointSummary> {
    for point in &mut points {
        let output_tps = point.number_of("output_tps", None).unwrap();
        let energy = [
            ("gpu_power_w", "W", 700.0),
            ("j_per_output_token", "J/token", 700.0 / output_tps),
            ("tps_per_w", "tokens/s/W", output_tps / 700.0),
        ];
        for (id, unit, value) in energy {
            point.metrics.insert(id.into(), MetricLine::Value { unit: unit.into(), value });
        }
    }
    points
}

/// The same point with something against it.
pub(crate) fn against(
    mut point: PointSummary,
    trust: &str,
    code: &str,
    text: &str,
) -> PointSummary {
    point.trust = trust.into();
    point.reasons.push(ReasonLine {
        code: code.into(),
        trust: trust.into(),
        text: text.into(),
        remedy: "do something about it".into(),
    });
    point
}

/// The same point, never measured.
pub(crate) fn failed(point: PointSummary, why: &str) -> PointSummary {
    let mut point = against(point, "void", "not_measured", why);
    point.failure = Some(why.into());
    (point.metrics, point.outcomes) = (BTreeMap::new(), BTreeMap::new());
    point
}
