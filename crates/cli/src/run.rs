//! `inferbench run`: from arguments to settings, and from what came of it to the screen.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bench_core::{
    Limits, MetricSink, Phase, PointOutcome, Rate, RunEvent, Sample, ServerInfo, SinkError, Stop,
    metric,
};
use bench_harness::{
    Code, Exit, Experiment, Export, Failure, Finished, LoadSettings, Server, Settings, Target,
    TargetSettings, WorkloadSettings, prepare, redacted, simulator_config,
};
use bench_providers::{Endpoint, Secret, Stamping, openai::Api};
use bench_report::{
    console::{self, Histograms, LogHistogram, Report},
    json,
};
use bench_workloads::{InvalidLength, Length};

use crate::{
    args::{Arrivals, EndpointType, ExportFormat, RunArgs, Stamps, Ui},
    output,
    progress::ProgressView,
    signals::Signals,
};

pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let experiment = prepare(settings(args)?)?;
    let stop = Stop::new();
    let signals = Signals::stop(&stop);
    if args.ui != Ui::None {
        for note in experiment.notes() {
            output::say(&output::visible(&note));
        }
        output::say(&introduction(&experiment));
    }
    let histograms = TimeHistograms::default();
    let mut sinks: Vec<Box<dyn MetricSink>> = vec![Box::new(histograms.clone())];
    if args.ui != Ui::None {
        sinks.push(Box::new(ProgressView::new()));
    }
    let finished = experiment.run(sinks, &stop)?;
    report(args, &finished, &histograms)?;
    Ok(signals.exit().unwrap_or_else(|| finished.exit()))
}

/// What will be measured, in a line.
fn introduction(experiment: &Experiment) -> String {
    let targets = experiment.targets().map(|target| target.endpoint.to_string());
    let targets: Vec<String> = targets.collect();
    let what = match &experiment.plan().points[..] {
        [only] => only.workload.clone(),
        points => format!("{} points", points.len()),
    };
    format!("measuring {}: {what}, {}", targets.join(" "), experiment.tokens_by())
}

/// What the arguments mean; nothing is looked up but the files that they name.
fn settings(args: &RunArgs) -> Result<Settings, Failure> {
    let invalid = |what: String| Failure::new(Code::Setting, what);
    let server = match (&args.url, args.simulate) {
        (Some(url), _) => Server::At(endpoint(url)?),
        (None, true) => Server::Simulator(simulator_config()),
        (None, false) => Server::Find,
    };
    let length = |flag: &str, tokens: u64, deviation: f64| {
        let length = match (u32::try_from(tokens), deviation) {
            (Ok(tokens), 0.0) => Length::fixed(tokens),
            _ => Length::normal(tokens as f64, deviation),
        };
        length.map_err(|error| match error {
            InvalidLength::Deviation(_) => invalid(format!("{flag}-stddev: {error}")),
            _ => invalid(format!("{flag}: {error}")),
        })
    };
    let target = TargetSettings {
        model: args.model.clone(),
        api: match args.endpoint_type {
            EndpointType::Chat => Api::Chat,
            EndpointType::Completions => Api::Completions,
        },
        path: args.endpoint.clone(),
        streaming: !args.no_streaming,
        force_osl: args.force_osl,
        extra_body: args
            .extra_inputs
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        headers: args.headers.clone(),
        api_key: api_key(args.api_key_file.as_deref())?,
        wait_ready: args.wait_ready,
        ..TargetSettings::new(server)
    };
    Ok(Settings {
        name: args.name.clone(),
        targets: vec![target],
        loads: vec![load(args)?],
        requests: args.request_count,
        duration: args.benchmark_duration,
        grace: args.benchmark_grace_period,
        warm_up: args.warmup_request_count,
        workloads: vec![WorkloadSettings {
            isl: length("--isl", args.isl, args.isl_stddev)?,
            osl: length("--osl", args.osl, args.osl_stddev)?,
            ..WorkloadSettings::default()
        }],
        tokenizer: args.tokenizer.clone(),
        seed: args.random_seed,
        threads: args.threads,
        limits: Limits { total: args.request_timeout_seconds, ..Limits::default() },
        stamping: match args.stamps {
            Stamps::Kernel => Stamping::Kernel,
            Stamps::Read => Stamping::Read,
        },
        artifacts: args.artifact_dir.clone(),
        exports: args
            .export
            .iter()
            .map(|format| match format {
                ExportFormat::GenaiPerf => Export::GenaiPerf,
                ExportFormat::Csv => Export::Csv,
            })
            .collect(),
        command: redacted(std::env::args()),
        ..Settings::new()
    })
}

fn endpoint(url: &str) -> Result<Endpoint, Failure> {
    Endpoint::parse(url).map_err(|error| {
        // What stands before an `@` is a password or a key.
        let shown = url.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
        let shown = output::visible(shown.as_deref().unwrap_or(url));
        Failure::new(Code::Address, format!("`{shown}` is no server address: {}", error.why))
            .fix("--url http://localhost:8000")
    })
}

fn load(args: &RunArgs) -> Result<LoadSettings, Failure> {
    let concurrency = NonZeroUsize::new(args.concurrency).unwrap_or(NonZeroUsize::MIN);
    let Some(rate) = args.request_rate else { return Ok(LoadSettings::concurrency(concurrency)) };
    let rate = Rate::per_second(rate)
        .map_err(|error| Failure::new(Code::Setting, format!("--request-rate: {error}")))?;
    let arrivals = match args.arrival_pattern {
        Arrivals::Poisson => bench_core::Arrivals::Poisson,
        Arrivals::Constant => bench_core::Arrivals::Constant,
    };
    // 1 is the default of -c, and would make a closed loop of any rate.
    let max_in_flight = Some(concurrency).filter(|n| n.get() > 1);
    Ok(LoadSettings::Open { curve: rate.into(), arrivals, max_in_flight })
}

/// Variables that may hold the key, first one first.
const KEY_VARIABLES: [&str; 3] = ["INFERBENCH_API_KEY", "OPENAI_API_KEY", "NGC_API_KEY"];

/// The key, and where it came from.
fn api_key(file: Option<&Path>) -> Result<Option<(Secret, String)>, Failure> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("the key file {} cannot be read", path.display());
            Failure::new(Code::Setting, what)
                .said(error.to_string())
                .fix("--api-key-file FILE, or the variable INFERBENCH_API_KEY")
        })?;
        return Ok(Some((Secret::new(&text), path.display().to_string())));
    }
    let found = KEY_VARIABLES.iter().find_map(|name| Some((name, std::env::var(name).ok()?)));
    Ok(found
        .map(|(name, key)| (Secret::new(&key), (*name).to_owned()))
        .filter(|(key, _)| !key.is_empty()))
}

fn report(args: &RunArgs, finished: &Finished, histograms: &TimeHistograms) -> Result<(), Failure> {
    let summary = finished.summary()?;
    if args.json {
        if let Some(summary) = summary {
            output::result(&json::render(&summary))?;
        }
        return Ok(());
    }
    for outcome in &finished.outcome.points {
        output::result(&page(args, finished, outcome, histograms))?;
    }
    if finished.outcome.points.is_empty() {
        output::say("stopped before anything was measured");
    }
    Ok(())
}

fn page(
    args: &RunArgs,
    finished: &Finished,
    outcome: &PointOutcome,
    histograms: &TimeHistograms,
) -> String {
    let point = &outcome.point;
    let target = finished.targets.iter().find(|target| target.name == point.target);
    let host = target.map_or(String::new(), |target| {
        format!("{}:{}", target.endpoint.host(), target.endpoint.port())
    });
    let unknown = ServerInfo::default();
    let mut saved = vec![
        finished.directory.path().display().to_string(),
        "json".to_owned(),
        "jsonl".to_owned(),
    ];
    saved.extend(finished.exported.iter().cloned());
    let next = next_commands(point, outcome);
    let shown = histograms.0.lock().unwrap_or_else(PoisonError::into_inner);
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        plan: &finished.plan,
        point,
        outcome,
        target: console::Target {
            server: target.map_or(&unknown, |target| &target.info),
            host: &host,
            model: target.map_or("", |target| &target.model),
            simulated: target.is_some_and(Target::is_simulated),
        },
        histograms: Histograms { ttft: Some(&shown.ttft), gaps: Some(&shown.gaps) },
        saved: &saved,
        next: &next,
    };
    console::render(&report, output::width(), output::style(args.color, args.ascii))
}

/// Commands that may come next, all of which exist.
fn next_commands(point: &bench_core::Point, outcome: &PointOutcome) -> Vec<String> {
    let streams = match &point.load {
        bench_core::Load::Closed { concurrency, .. } => concurrency.get().max(1),
        bench_core::Load::Open { .. } => 100,
    };
    let mut next = vec![format!("inferbench doctor --self-test -c {streams}")];
    if outcome.summary.succeeded() > 0 {
        next.push("inferbench explain ttft_ms".to_owned());
    }
    next
}

/// How times of the measured phase are distributed.
#[derive(Clone, Default)]
struct TimeHistograms(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    ttft: LogHistogram,
    gaps: LogHistogram,
}

impl MetricSink for TimeHistograms {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Sample(sample) = event
            && sample.phase == Phase::Measure
            && sample.outcome.is_ok()
        {
            let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            shown.ttft.extend(metric("ttft_ms").and_then(|ttft| ttft.of(sample)));
            shown.gaps.extend(gaps_ms(sample));
        }
        Ok(())
    }
}

/// Gaps between events whose own moments are known.
fn gaps_ms(sample: &Sample) -> impl Iterator<Item = f64> {
    let pairs = sample.generated().zip(sample.generated().skip(1));
    pairs.filter(|(_, b)| !b.coalesced).map(|(a, b)| b.at.ms_since(a.at))
}
