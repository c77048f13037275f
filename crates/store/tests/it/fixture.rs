//! A small run: one point, three samples, the last of them a failure.

use std::{num::NonZeroUsize, time::Duration};

use bench_core::{
    Aggregate, Anchor, Arrival, ArrivalKind, Connect, FinishReason, Load, MetricSink, Moment,
    Outcome, Phase, Plan, Point, PointOutcome, Reading, RunEvent, RunInfo, RunOutcome, Sample,
    Until, Usage, Verdict, WarmUp,
};
use bench_store::{RunDirectory, RunLog};

pub(crate) fn run() -> RunInfo {
    let closed = |n| Load::closed(NonZeroUsize::new(n).unwrap());
    let until = Until { requests: Some(3), duration: Some(Duration::from_millis(2_500)) };
    let point = Point {
        target: "local".into(),
        workload: "chat 1024/3".into(),
        warm_up: Some(WarmUp { load: closed(1), until: Until::requests(1) }),
        ..Point::new(closed(2), until)
    };
    let points = vec![point.clone(), Point { repeat: 1, ..point.clone() }];
    let plan = Plan { id: "7Q4K".into(), name: "chat".into(), points, ..Plan::of(point) };
    let anchor = Anchor { wall_ns: 1_700_000_000_000_000_000, monotonic_ns: Some(5_000) };
    RunInfo { plan, anchor }
}

fn ms(ms: u64) -> Moment {
    Moment::from_nanos(ms * 1_000_000)
}

/// Sent at `number` × 100 ms; tokens after 50, 60 and 75 ms.
pub(crate) fn sample(number: u64) -> Sample {
    let due = number * 100;
    let arrival = |after: u64, kind, bytes, kernel: bool| Arrival {
        at: ms(due + after),
        lag_ns: if kernel { 3_000 } else { 0 },
        bytes,
        tokens: 0,
        kind,
        coalesced: false,
        kernel,
    };
    Sample {
        request_id: format!("7Q4K-0-{number}"),
        number,
        session: number,
        connect: (number == 0).then(|| Connect { began: ms(0), done: ms(1) }),
        sent: Some(ms(due + 1)),
        headers: Some(ms(due + 40)),
        arrivals: vec![
            arrival(40, ArrivalKind::Role, 0, true),
            arrival(51, ArrivalKind::Content, 4, true),
            arrival(61, ArrivalKind::Content, 5, true),
            arrival(76, ArrivalKind::Content, 6, false),
        ],
        done: Some(ms(due + 80)),
        outcome: Outcome::Ok,
        asked_tokens: Some(3),
        usage: Some(Usage { prompt: 1_024, completion: 3, ..Usage::default() }),
        finish: Some(FinishReason::Length),
        ..Sample::due(ms(due))
    }
}

pub(crate) fn failure(number: u64) -> Sample {
    Sample {
        outcome: Outcome::Http(503),
        error: Some("overloaded".into()),
        arrivals: vec![],
        usage: None,
        finish: None,
        ..sample(number)
    }
}

pub(crate) fn warm_up() -> Sample {
    Sample { phase: Phase::WarmUp, ..sample(0) }
}

pub(crate) fn power(at_ms: u64, value: f64) -> Reading {
    Reading {
        source: "nvml".into(),
        name: "gpu_power_w".into(),
        instance: Some("0".into()),
        at: ms(at_ms),
        value,
    }
}

/// The events of the first point of [`run`].
pub(crate) fn events() -> Vec<RunEvent> {
    let point = run().plan.points.remove(0);
    let measured = [sample(0), sample(1), failure(2)];
    let mut aggregate = Aggregate::default();
    measured.iter().for_each(|sample| aggregate.add(sample));
    let summary = aggregate.summarize();
    let verdict = Verdict::on(&summary, false);
    let mut events = vec![
        RunEvent::PointBegan { number: 0, point: Box::new(point.clone()) },
        RunEvent::PhaseBegan { point: 0, phase: Phase::WarmUp },
        RunEvent::Sample(warm_up()),
        RunEvent::PhaseEnded { point: 0, phase: Phase::WarmUp },
        RunEvent::PhaseBegan { point: 0, phase: Phase::Measure },
        RunEvent::Reading(power(5, 250.5)),
        RunEvent::Reading(power(6, f64::NAN)),
    ];
    events.extend(measured.map(RunEvent::Sample));
    events.push(RunEvent::PhaseEnded { point: 0, phase: Phase::Measure });
    let ended = PointOutcome { number: 0, point, failure: None, summary, verdict };
    events.push(RunEvent::PointEnded(Box::new(ended)));
    events
}

/// What came of the points among `events`.
pub(crate) fn outcome(events: &[RunEvent], interrupted: bool) -> RunOutcome {
    let points = events.iter().filter_map(|event| match event {
        RunEvent::PointEnded(ended) => Some((**ended).clone()),
        _ => None,
    });
    RunOutcome { points: points.collect(), interrupted }
}

pub(crate) fn begun(root: &std::path::Path) -> (RunDirectory, RunLog) {
    let directory = RunDirectory::create(root, "7Q4K", "chat").unwrap();
    let environment = serde_json::json!({ "host": "spark", "command": ["inferbench", "run"] });
    let mut log = RunLog::new(directory.clone(), serde_json::json!({ "version": 1 }), environment);
    log.begin(&run()).unwrap();
    (directory, log)
}
