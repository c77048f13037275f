//! What holds where nobody says otherwise.

use std::time::Duration;

use bench_core::Limits;
use bench_providers::Api;
use bench_workloads::Length;
use serde_json::json;

use super::{
    ArrivalPattern, Auto, CancelFile, ConcurrencyCounts, ConcurrencyRampFile, Count, Deviation,
    FindFile, GateFile, GoalsFile, GpuTelemetry, ImagesFile, LimitsFile, LoadFile, OrderName,
    OutputFile, PerSecond, Percent, Period, PlanFile, Positive, RateRampFile, ServerMetrics, Shape,
    Sweep, TargetFile, TelemetryFile, Time, Tokens, VERSION, Value, WorkloadFile,
};

/// The defaults that go with `plan`: those of a load at a rate are other ones than those of so many in
/// flight.
pub(super) fn defaults(plan: &PlanFile) -> PlanFile {
    PlanFile {
        version: Some(VERSION),
        name: Some("chat".to_owned()),
        seed: Some(42),
        threads: None,
        targets: plan.targets.iter().map(|own| target(plan, own)).collect(),
        workload: workload(plan),
        load: load(plan),
        goals: goals(plan),
        find: plan
            .find
            .as_ref()
            .map(|_| FindFile { probes: positive("3"), precision: Some(Percent(5.0)) }),
        limits: limits(),
        telemetry: telemetry(plan),
        gate: GateFile { noise: Some(Percent(2.0)), ..GateFile::default() },
        output: OutputFile { artifact_dir: Some("artifacts".to_owned()), ..OutputFile::default() },
    }
}

/// A search measures loads that are too much: no longer than it takes to see that.
fn goals(plan: &PlanFile) -> GoalsFile {
    let is_search = plan.find.is_some();
    GoalsFile {
        slo_abort: is_search.then(|| Period(Duration::from_secs(10))),
        stop_on_saturation: Some(is_search || is_swept(&plan.load)),
        ..GoalsFile::default()
    }
}

fn target(plan: &PlanFile, own: &TargetFile) -> TargetFile {
    let mut target = TargetFile {
        endpoint_type: Some(own.usual_endpoint_type()),
        // A template says it by itself.
        streaming: Some(own.api().generates()).filter(|_| own.template.is_none()),
        wait_ready: Some(Time(Duration::ZERO)),
        gpu_telemetry: Some(GpuTelemetry::Auto),
        server_metrics: Some(ServerMetrics::Auto),
        ..TargetFile::default()
    };
    if plan.workload.matrix.is_some() {
        // Servers are compared by the same answers.
        target.extra_inputs.insert("temperature".to_owned(), json!(0));
    }
    target
}

fn workload(whole: &PlanFile) -> WorkloadFile {
    let plan = &whole.workload;
    let is_asked = |api| whole.targets.iter().any(|target| target.api() == api);
    let several = WorkloadFile {
        batch_size: positive("1").filter(|_| is_asked(Api::Embeddings)),
        token_ids: Some(false),
        documents: positive("10").filter(|_| is_asked(Api::Rerank)),
        query_tokens: tokens(32).filter(|_| is_asked(Api::Rerank) && plan.scenario.is_none()),
        ..WorkloadFile::default()
    };
    let has_images = plan.images != ImagesFile::default();
    let several = WorkloadFile {
        images: ImagesFile {
            count: positive("1").filter(|_| has_images),
            width: positive("512").filter(|_| has_images),
            height: positive("512").filter(|_| has_images),
        },
        ..several
    };
    if plan.has_lengths() {
        return several;
    }
    let generates = whole.targets.iter().any(|target| target.api().generates());
    let length = |mean| tokens(mean).map(Sweep::One);
    let scatters = |lengths: &Option<Sweep<Tokens>>| {
        let values = lengths.as_ref().map(Sweep::values).unwrap_or_default();
        values.iter().any(|tokens| !tokens.0.is_fixed())
    };
    let own = plan.pairs.is_empty();
    WorkloadFile {
        isl: length(1024).filter(|_| own),
        osl: length(128).filter(|_| own && generates),
        isl_stddev: Some(Deviation(0.0)).filter(|_| own && !scatters(&plan.isl)),
        osl_stddev: Some(Deviation(0.0)).filter(|_| own && generates && !scatters(&plan.osl)),
        ..several
    }
}

fn load(plan: &PlanFile) -> LoadFile {
    let load = &plan.load;
    let is_matrix = plan.workload.matrix.is_some();
    let has_rate = load.request_rate.is_some() || load.rate_series.is_some();
    let has_trace = load.trace.is_some();
    let has_schedule = load.fixed_schedule == Some(true);
    let is_closed = !has_rate && !has_trace && !has_schedule;
    // Their conversations take turns, as many as there are users.
    let has_talks = plan.workload.input.is_given() || plan.workload.has_talks();
    let pattern = match (load.smoothness, load.burst_size) {
        (Some(_), _) => ArrivalPattern::Gamma,
        (None, Some(_)) => ArrivalPattern::Burst,
        (None, None) => ArrivalPattern::Poisson,
    };
    let chosen = has_rate.then(|| load.arrival_pattern.unwrap_or(pattern));
    let requests = if is_matrix { positive("3").map(Auto::Exactly) } else { Some(Auto::Auto) };
    let warmup = if is_matrix { Auto::Exactly(Count(2)) } else { Auto::Auto };
    LoadFile {
        concurrency: concurrency(plan).filter(|_| is_closed),
        concurrency_counts: Some(ConcurrencyCounts::Requests).filter(|_| is_closed && !has_talks),
        concurrency_ramp: ConcurrencyRampFile {
            over: None,
            shape: load.concurrency_ramp.over.map(|_| Shape::Linear),
        },
        arrival_pattern: chosen,
        smoothness: (chosen == Some(ArrivalPattern::Gamma)).then_some(1.0),
        burst_size: positive("8").filter(|_| chosen == Some(ArrivalPattern::Burst)),
        rate_ramp: RateRampFile {
            from: load.rate_ramp.over.map(|_| PerSecond(1.0)),
            over: None,
            shape: load.rate_ramp.over.map(|_| Shape::Linear),
        },
        speed_up: (has_trace || has_schedule).then_some(1.0),
        requests: requests.filter(|_| load.duration.is_none()),
        grace: Some(Time(Duration::from_secs(30))),
        warmup: Some(warmup).filter(|_| load.warmup_duration.is_none()),
        cooldown: Some(Time(Duration::from_secs(2))),
        repeat: positive(if load.converge.is_some() { "10" } else { "1" }),
        converge_on: load.converge.map(|_| throughput(plan).to_owned()),
        order: Some(OrderName::Interleaved),
        flush_cache: Some(false),
        retry: Some(Count(0)),
        cancel: CancelFile { ratio: None, after: load.cancel.ratio.map(|_| Time(Duration::ZERO)) },
        ..LoadFile::default()
    }
}

/// What throughput is where no tokens come is in requests.
fn throughput(plan: &PlanFile) -> &'static str {
    let generates = plan.targets.iter().all(|target| target.api().generates());
    if generates { "output_tps" } else { "rps" }
}

fn concurrency(plan: &PlanFile) -> Option<Sweep<Positive>> {
    let default = if plan.find.is_some() { "1..512" } else { "1" };
    Sweep::parse(default).ok()
}

fn positive(text: &str) -> Option<Positive> {
    Positive::parse(text).ok()
}

fn tokens(n: u32) -> Option<Tokens> {
    Length::fixed(n).ok().map(Tokens)
}

fn is_swept(load: &LoadFile) -> bool {
    let has_rate = load.request_rate.is_some();
    let rates = load.request_rate.as_ref().map_or(1, |rates| rates.values().len());
    let concurrencies = load.concurrency.as_ref().map_or(1, |all| all.values().len());
    rates > 1 || (!has_rate && concurrencies > 1)
}

/// What is on another machine is not watched from here unless somebody says how.
fn telemetry(plan: &PlanFile) -> TelemetryFile {
    let watches =
        plan.targets.iter().any(|target| !matches!(target.gpu_telemetry, Some(GpuTelemetry::Off)));
    TelemetryFile {
        interval: Some(Period(Duration::from_millis(100))),
        server_interval: Some(Period(Duration::from_millis(500))),
        host: Some(true),
        idle: Some(Time(Duration::from_secs(3))).filter(|_| watches),
    }
}

fn limits() -> LimitsFile {
    let limits = Limits::default();
    LimitsFile {
        connect: Some(Period(limits.connect)),
        headers: Some(Period(limits.headers)),
        first_token: Some(Period(limits.first_token)),
        idle: Some(Period(limits.idle)),
        total: limits.total.map(Period),
    }
}
