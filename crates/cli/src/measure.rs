//! Measuring: what is shown meanwhile, and what is said of what came of it.

use std::sync::{Arc, Mutex, PoisonError};

use bench_core::{
    MetricSink, Phase, PointOutcome, RunEvent, Sample, ServerInfo, SinkError, Stop, metric,
};
use bench_harness::{Exit, Experiment, Failure, Finished, Server, Settings, Target};
use bench_report::{
    compare::{Loaded, Options, compare},
    console::{self, Histograms, LogHistogram, Report, matrix, sweep::SweepReport},
    gate::GateReport,
    json,
    text::clean,
};
use bench_store::{RunDirectory, SummaryFile};

use crate::{
    args::{MeasureArgs, Ui},
    compare::{load, unlike},
    content::Content,
    flags::quoted,
    gate::{self, Gate},
    output,
    progress::ProgressView,
    servers::hooks,
    signals::Signals,
};

/// What a run is compared with once it has ended.
#[derive(Debug)]
pub(crate) enum Against {
    /// A baseline, which it may not fall behind.
    Gate(Gate),
    /// The run that it repeats.
    Repeated(Loaded),
}

/// Runs what `prepare` makes of `settings` to its end, or until the user stops it, and says what came of it.
pub(crate) fn measure(
    mut settings: Settings,
    prepare: impl FnOnce(Settings) -> Result<Experiment, Failure>,
    against: Option<Against>,
    args: &MeasureArgs,
) -> Result<Exit, Failure> {
    let stop = Stop::new();
    // A server that is coming up has to be taken down; until then a signal may end the process.
    let starts = settings.targets.iter().any(|target| matches!(target.server, Server::Up(_)));
    let early = starts.then(|| Signals::stop(&stop));
    settings.hooks = hooks(stop.clone(), args.ui);
    let experiment = match (prepare(settings), early.as_ref().and_then(Signals::exit)) {
        (Ok(experiment), _) => experiment,
        (Err(failure), None) => return Err(failure),
        (Err(failure), Some(exit)) => {
            output::failure(&failure);
            return Ok(exit);
        }
    };
    let signals = early.unwrap_or_else(|| Signals::stop(&stop));
    if args.ui != Ui::None {
        for note in experiment.notes() {
            output::say(&clean(&note));
        }
        output::say(&clean(&introduction(&experiment)));
    }
    let histograms = TimeHistograms::default();
    let mut sinks: Vec<Box<dyn MetricSink>> = vec![Box::new(histograms.clone())];
    if args.print_content {
        sinks.push(Box::new(Content));
    } else if args.ui != Ui::None {
        sinks.push(Box::new(ProgressView::new()));
    }
    let finished = experiment.run(sinks, &stop)?;
    let stopped = signals.exit();
    // Why a server is not there stands in the middle of what was shown, or nowhere.
    finished.server_failures.iter().for_each(output::failure);
    // Nothing is compared that was stopped, or that failed by itself.
    let is_whole = stopped.is_none() && matches!(finished.exit(), Exit::Ok | Exit::GoalMissed);
    let (gate, repeated) = match against.filter(|_| is_whole) {
        Some(Against::Gate(gate)) => (Some(gate.judge(&finished.directory)), None),
        Some(Against::Repeated(run)) => (None, Some(run)),
        None => (None, None),
    };
    let gate = gate.transpose();
    // What was measured is shown, also where it cannot be compared.
    report(args, &finished, &histograms, gate.as_ref().ok().and_then(Option::as_ref))?;
    if let Some(run) = repeated {
        say_change(args, run, &finished)?;
    }
    let exit = stopped.unwrap_or(finished.exit());
    match gate? {
        Some(gate) => say_gate(args, &gate).map(|judged| exit.or_worse(judged)),
        None => Ok(exit),
    }
}

/// Says what the gate says, which is a part of JSON, and tells the exit code that goes with it.
fn say_gate(args: &MeasureArgs, report: &GateReport) -> Result<Exit, Failure> {
    if args.json {
        output::say(&clean(&format!("gate: {}", console::gate::line(report))));
    } else {
        let style = output::style(args.color, args.ascii);
        output::result(&console::gate::render(report, output::width(), style))?;
    }
    Ok(gate::exit(report))
}

/// Says what changed from the run that this one repeats, which is no part of JSON.
fn say_change(args: &MeasureArgs, run: Loaded, finished: &Finished) -> Result<(), Failure> {
    let name = |directory: &RunDirectory| directory.path().display().to_string();
    let [before, after] = [run.directory.as_ref(), Some(&finished.directory)]
        .map(|directory| directory.map(name).unwrap_or_default());
    if args.json {
        let command = quoted(&["inferbench", "compare", &before, &after]);
        output::say(&format!("what changed: {command}"));
        return Ok(());
    }
    let runs = [run, load(finished.directory.clone(), &after)?];
    let report = compare(&runs, &Options::default()).map_err(|error| unlike(&error))?;
    let style = output::style(args.color, args.ascii);
    output::result(&console::compare::render(&report, output::width(), style))
}

/// What will be measured, in a line.
fn introduction(experiment: &Experiment) -> String {
    let targets = experiment.targets().map(|target| target.endpoint.to_string());
    let targets: Vec<String> = targets.collect();
    let what = match &experiment.plan().points[..] {
        [] => "the highest load that meets every goal".to_owned(),
        [only] => only.workload.clone(),
        points => format!("{} points", points.len()),
    };
    format!("measuring {}: {what}, {}", targets.join(" "), experiment.tokens_by())
}

fn report(
    args: &MeasureArgs,
    finished: &Finished,
    histograms: &TimeHistograms,
    gate: Option<&GateReport>,
) -> Result<(), Failure> {
    let summary = finished.summary()?;
    if args.json {
        return summary
            .map_or(Ok(()), |summary| output::result(&as_json(&summary, finished, gate)));
    }
    for found in &finished.found {
        output::result(&clean(&format!("{}: {found}", found.target)))?;
    }
    match &finished.outcome.points[..] {
        [] => output::say("stopped before anything was measured"),
        // Of several that were planned, the others are told of as well.
        [outcome] if finished.found.is_empty() && finished.plan.points.len() < 2 => {
            output::result(&page(args, finished, outcome, histograms))?;
        }
        _ => {
            let text = summary.map(|summary| sweep(args, finished, &summary));
            text.map_or(Ok(()), |text| output::result(&text?))?;
        }
    }
    Ok(())
}

/// A run of several points, from what was written of it.
fn sweep(
    args: &MeasureArgs,
    finished: &Finished,
    summary: &SummaryFile,
) -> Result<String, Failure> {
    let run = finished.run()?;
    let report = SweepReport {
        version: env!("CARGO_PKG_VERSION"),
        run: &run,
        summary,
        saved: &saved(finished),
        next: &next_of_several(finished),
    };
    let (width, style) = (output::width(), output::style(args.color, args.ascii));
    Ok(match matrix::applies(&run) {
        true => matrix::render(&report, width, style),
        false => console::sweep::render(&report, width, style),
    })
}

/// Commands that may come next after a run of several points.
fn next_of_several(finished: &Finished) -> Vec<String> {
    match is_partial(finished) {
        true => vec![resume(finished)],
        false => vec!["inferbench compare @prev @last".to_owned()],
    }
}

/// Whether something that was planned is still to be measured.
fn is_partial(finished: &Finished) -> bool {
    finished.outcome.interrupted || finished.outcome.points.iter().any(PointOutcome::is_lost)
}

fn resume(finished: &Finished) -> String {
    format!("inferbench resume {}", finished.plan.id)
}

/// What was written where.
fn saved(finished: &Finished) -> Vec<String> {
    let directory = finished.directory.path().display().to_string();
    let mut saved = vec![directory, "json".to_owned(), "jsonl".to_owned()];
    saved.extend(finished.exported.iter().cloned());
    saved
}

/// The summary, what was found where something was sought, and what the gate says if there is one.
fn as_json(summary: &SummaryFile, finished: &Finished, gate: Option<&GateReport>) -> String {
    if finished.found.is_empty() && gate.is_none() {
        return json::render(summary);
    }
    let mut object = serde_json::json!(summary);
    if !finished.found.is_empty() {
        object["found"] = serde_json::json!(finished.found);
    }
    if let Some(gate) = gate {
        object["gate"] = serde_json::json!(gate);
    }
    json::text(&object)
}

fn page(
    args: &MeasureArgs,
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
    let saved = saved(finished);
    let next = next_commands(finished, outcome);
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
        skipped: &finished.skipped,
        histograms: Histograms { ttft: Some(&shown.ttft), gaps: Some(&shown.gaps) },
        saved: &saved,
        next: &next,
        verbose: args.verbose,
    };
    console::render(&report, output::width(), output::style(args.color, args.ascii))
}

/// Commands that may come next, all of which exist.
fn next_commands(finished: &Finished, outcome: &PointOutcome) -> Vec<String> {
    let streams = match &outcome.point.load {
        bench_core::Load::Closed { concurrency, .. } => concurrency.get().max(1),
        bench_core::Load::Open { .. } => 100,
    };
    let mut next = Vec::new();
    next.extend(is_partial(finished).then(|| resume(finished)));
    next.push(format!("inferbench doctor --self-test -c {streams}"));
    if outcome.summary.succeeded() > 0 {
        let has_tokens = outcome.summary.value("output_tps").is_some();
        let latency = if has_tokens { "ttft_ms" } else { "e2e_ms" };
        next.push(format!("inferbench explain {latency}"));
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
        if let RunEvent::PointBegan { .. } = event {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Shown::default();
        }
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
