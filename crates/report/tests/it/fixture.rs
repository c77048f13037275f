//! Points with numbers that can be checked by eye.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bench_core::{
    Aggregate, Arrival, ArrivalKind, FinishReason, Load, Moment, Outcome, Paced, Plan, Point,
    PointOutcome, Rate, Sample, ServerInfo, Until, Usage, Verdict, Watched,
};
use bench_report::console::{Histograms, LogHistogram, Report, Style, Target, render};

/// A plan with one point, what came of it, and what is said of its server.
pub(crate) struct Measured {
    pub(crate) plan: Plan,
    pub(crate) outcome: PointOutcome,
    pub(crate) server: ServerInfo,
    pub(crate) host: String,
    pub(crate) model: String,
    pub(crate) simulated: bool,
    pub(crate) skipped: Vec<String>,
    pub(crate) verbose: bool,
    ttft: LogHistogram,
    gaps: LogHistogram,
}

pub(crate) fn closed(concurrency: usize) -> Load {
    Load::closed(NonZeroUsize::new(concurrency).unwrap())
}

pub(crate) fn open(rate: f64) -> Load {
    let schedule = Arc::new(Paced::constant(Rate::per_second(rate).unwrap()));
    Load::Open { schedule, max_in_flight: None }
}

const TOKENS: u64 = 32;

/// Request `n`: one in flight after the other in each of 32 places, the first token after 80 to 140 ms,
/// further ones every 10 to 16 ms.
pub(crate) fn sample(n: u64) -> Sample {
    let us = |us: u64| Moment::from_nanos(us * 1_000);
    let sent = n / 32 * 600_000 + n % 32 * 1_000;
    let ttft = 80_000 + (n * 7_919) % 60_000;
    let gap = 10_000 + (n * 104_729) % 6_000;
    let arrival = |token: u64| Arrival {
        at: us(sent + ttft + token * gap),
        lag_ns: 20_000 + u32::try_from(token).unwrap() * 500,
        bytes: 5,
        tokens: 0,
        kind: ArrivalKind::Content,
        coalesced: false,
        kernel: true,
    };
    let arrivals: Vec<Arrival> = (0..TOKENS).map(arrival).collect();
    let done = arrivals.last().unwrap().at + Duration::from_micros(300);
    let tokens = u32::try_from(TOKENS).unwrap();
    Sample {
        number: n,
        session: n,
        sent: Some(us(sent + 20)),
        headers: Some(us(sent + 2_000)),
        arrivals,
        done: Some(done),
        outcome: Outcome::Ok,
        asked_tokens: Some(tokens),
        usage: Some(Usage { prompt: 1_024, completion: tokens, ..Usage::default() }),
        finish: Some(FinishReason::Length),
        ..Sample::due(us(sent))
    }
}

pub(crate) fn failed(n: u64, outcome: Outcome, error: &str) -> Sample {
    let error = Some(error.to_owned());
    Sample { arrivals: vec![], usage: None, finish: None, outcome, error, ..sample(n) }
}

impl Measured {
    pub(crate) fn new(load: Load, samples: &[Sample]) -> Self {
        Self::watched(load, samples, Watched::default())
    }

    /// The same, with what telemetry said meanwhile.
    pub(crate) fn watched(load: Load, samples: &[Sample], watched: Watched) -> Self {
        let mut aggregate = Aggregate::default();
        aggregate.watch(watched);
        samples.iter().for_each(|sample| aggregate.add(sample));
        let mut summary = aggregate.summarize();
        summary.facts.open_loop = matches!(load, Load::Open { .. });
        summary.facts.client_cpu_cores = Some(0.21);
        summary.facts.cores = Some(2.0);
        let verdict = Verdict::on(&summary, false);
        let point = Point {
            target: "local".into(),
            workload: "chat 1024/32".into(),
            ..Point::new(load, Until::requests(samples.len() as u64))
        };
        let plan = Plan { id: "7Q4K".into(), name: "chat".into(), ..Plan::of(point.clone()) };
        let mut server = ServerInfo::default();
        server.engine = Some("vllm".into());
        server.version = Some("0.11.0".into());
        let good = || samples.iter().filter(|sample| sample.outcome.is_ok());
        let ttft = good().map(|s| s.arrivals[0].at.ms_since(s.sent.unwrap())).collect();
        let gaps = good().flat_map(|s| s.arrivals.windows(2));
        Self {
            plan,
            outcome: PointOutcome { number: 0, point, failure: None, summary, verdict },
            server,
            host: "localhost:8000".into(),
            model: "llama-3.1-8b-instruct".into(),
            simulated: false,
            skipped: Vec::new(),
            verbose: false,
            ttft,
            gaps: gaps.map(|pair| pair[1].at.ms_since(pair[0].at)).collect(),
        }
    }

    pub(crate) fn render(&self, width: usize, style: Style) -> String {
        let report = Report {
            version: "0.1.0",
            plan: &self.plan,
            point: &self.outcome.point,
            outcome: &self.outcome,
            target: Target {
                server: &self.server,
                host: &self.host,
                model: &self.model,
                simulated: self.simulated,
            },
            skipped: &self.skipped,
            histograms: Histograms { ttft: Some(&self.ttft), gaps: Some(&self.gaps) },
            saved: &["artifacts/7Q4K-chat".into(), "json jsonl".into()],
            next: &["inferbench run -c 64".into(), "inferbench explain ttft_ms".into()],
            verbose: self.verbose,
        };
        render(&report, width, style)
    }
}

pub(crate) fn trusted() -> Measured {
    let samples: Vec<Sample> = (0..700).map(sample).collect();
    Measured::new(closed(32), &samples)
}

pub(crate) fn doubtful() -> Measured {
    let mut samples: Vec<Sample> = (0..60).map(sample).collect();
    samples.extend((60..63).map(|n| failed(n, Outcome::Http(503), "overloaded, try again later")));
    samples.push(failed(63, Outcome::Reset, "connection reset by peer"));
    Measured::new(closed(32), &samples)
}

pub(crate) fn none_succeeded() -> Measured {
    let refused = |n| failed(n, Outcome::Refused, "connection refused");
    let samples: Vec<Sample> = (0..12).map(refused).collect();
    Measured::new(closed(4), &samples)
}

/// Nearly every chunk shares a read with another.
pub(crate) fn void() -> Measured {
    let coalesced = |n| {
        let mut sample = sample(n);
        for arrival in sample.arrivals.iter_mut().skip(1) {
            // Read long after it came, together with others.
            (arrival.coalesced, arrival.lag_ns) = (true, 9_000_000);
        }
        sample
    };
    let samples: Vec<Sample> = (0..200).map(coalesced).collect();
    Measured::new(closed(32), &samples)
}
