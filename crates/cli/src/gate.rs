//! `inferbench gate`: whether a run is worse than a baseline.

use std::path::Path;

use bench_harness::{Code, Exit, Failure, GateSettings, Settings};
use bench_report::{
    compare::{Loaded, Options, compare},
    console,
    gate::{GateReport, GateVerdict, Limit, judge},
    json, markdown,
};
use bench_store::RunDirectory;
use clap::Args;

use crate::{
    compare::{Output, Shown, has_targets, load, open, share, unlike},
    output, reference,
};

#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// The run: @last, an id, a tag or a path
    pub(crate) run: String,

    /// The run to compare it with
    #[arg(long, value_name = "RUN")]
    pub(crate) baseline: String,

    /// The change of a metric that is too much, such as output_tps:-3%; repeatable
    /// [default: output_tps:-5%, p95(ttft_ms):+10%, p50(tpot_ms):+5%, error_ratio:+1%; where answers
    /// have no tokens rps:-5%, p95(e2e_ms):+10%, error_ratio:+1%]
    #[arg(long = "limit", value_name = "METRIC:CHANGE", value_delimiter = ',')]
    pub(crate) limits: Vec<Limit>,

    /// Changes up to this are noise
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "2%")]
    pub(crate) noise: f64,

    /// Judge these targets only
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    pub(crate) targets: Vec<String>,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

pub(crate) fn gate(args: &GateArgs) -> Result<Exit, Failure> {
    let shown = &args.shown;
    let run = reference::judged(&args.run, &shown.artifact_dir)?;
    let runs = [open(&args.baseline, &shown.artifact_dir)?, load(run, &args.run)?];
    runs.iter().try_for_each(|run| has_targets(run, &args.targets))?;
    let limits = limits(&args.limits, &runs[0]);
    let report = verdict(&runs, &limits, args.noise, &args.targets)?;
    output::result(&match shown.output {
        Output::Text => {
            let style = output::style(shown.color, shown.ascii);
            console::gate::render(&report, output::width(), style)
        }
        Output::Md => markdown::gate(&report),
        Output::Json => json::gate(&report),
    })?;
    Ok(exit(&report))
}

/// A gate that a run has to pass when it ends.
#[derive(Debug)]
pub(crate) struct Gate {
    baseline: Loaded,
    limits: Vec<Limit>,
    noise: f64,
}

impl Gate {
    /// The gate of a plan, if it has one: its baseline is looked up before anything is measured.
    pub(crate) fn of(settings: &Settings) -> Result<Option<Self>, Failure> {
        Self::below(&settings.artifacts, &settings.gate)
    }

    fn below(root: &Path, gate: &GateSettings) -> Result<Option<Self>, Failure> {
        let GateSettings { baseline, fail_if, noise } = gate;
        let Some(baseline) = baseline else { return Ok(None) };
        let baseline = open(baseline, root)?;
        let limits = limits(fail_if, &baseline);
        Ok(Some(Self { baseline, limits, noise: *noise }))
    }

    /// The same for the run in `directory` that goes on: its baseline lies beside it, wherever that is by now,
    /// and may be mistaken for the run itself.
    pub(crate) fn of_resumed(
        settings: &Settings,
        directory: &RunDirectory,
    ) -> Result<Option<Self>, Failure> {
        let root = directory.path().parent().unwrap_or(&settings.artifacts);
        let gate = Self::below(root, &settings.gate)?;
        let place = |directory: &RunDirectory| directory.path().canonicalize().ok();
        let baseline = gate.as_ref().and_then(|gate| place(gate.baseline.directory.as_ref()?));
        if baseline.is_some() && baseline == place(directory) {
            return Err(Failure::new(Code::Setting, "the baseline is the run itself")
                .fix("--baseline RUN, one that was measured before"));
        }
        Ok(gate)
    }

    /// Has the run keep which one its baseline is: `@last` is another one by the time that it goes on.
    pub(crate) fn record(&self, settings: &mut Settings) {
        let Some(name) = self.name_of_baseline(&settings.artifacts) else { return };
        settings.plan["gate"]["baseline"] = name.clone().into();
        settings.gate.baseline = Some(name);
    }

    /// What names the baseline for good, in a run below `artifacts`; `None` if no text does.
    fn name_of_baseline(&self, artifacts: &Path) -> Option<String> {
        let path = self.baseline.directory.as_ref()?.path();
        if path.parent() == Some(artifacts) {
            return path.file_name()?.to_str().map(str::to_owned);
        }
        path.canonicalize().ok()?.into_os_string().into_string().ok()
    }

    /// Judges the run in `directory`.
    pub(crate) fn judge(self, directory: &RunDirectory) -> Result<GateReport, Failure> {
        let run = load(directory.clone(), &directory.path().display().to_string())?;
        verdict(&[self.baseline, run], &self.limits, self.noise, &[])
    }
}

fn verdict(
    runs: &[Loaded],
    limits: &[Limit],
    noise: f64,
    targets: &[String],
) -> Result<GateReport, Failure> {
    let options = Options {
        threshold: noise,
        metrics: limits.iter().map(|limit| limit.metric).collect(),
        targets: targets.to_vec(),
        ..Options::default()
    };
    let report = compare(runs, &options)
        .map_err(|error| unlike(&error).fix("a baseline that was measured in the same way"))?;
    Ok(judge(&report, limits, noise))
}

/// What is asked for, or what goes with the baseline.
fn limits(asked: &[Limit], baseline: &Loaded) -> Vec<Limit> {
    if asked.is_empty() { Limit::defaults_for(&baseline.summary) } else { asked.to_vec() }
}

/// The exit code that goes with what a gate says.
pub(crate) fn exit(report: &GateReport) -> Exit {
    match report.verdict {
        GateVerdict::Passed => Exit::Ok,
        GateVerdict::Regressed => Exit::Regression,
        GateVerdict::Void => Exit::Void,
    }
}
