//! `inferbench compare`: what changed from one run to another.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use bench_core::Quantity;
use bench_harness::{Code, Exit, Failure};
use bench_report::{
    compare::{self, CompareReport, Loaded, Options, Unlike, read_references},
    console, json, markdown,
    text::clean,
};
use bench_store::{ReadError, RunDirectory};
use clap::{Args, ValueEnum};

use crate::{args::Color, output, reference};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Runs: @last, @prev, ids, tags or paths; the first one is the baseline
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<String>,

    /// Which points to compare with which
    #[arg(long, value_enum, default_value_t = Align::Load)]
    pub(crate) align: Align,

    /// Compare also what is unlike: other lengths, another model, another shape of load
    #[arg(long)]
    pub(crate) allow_unlike: bool,

    /// The least change that matters
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "2%")]
    pub(crate) threshold: f64,

    /// What to compare, such as output_tps or p95(ttft_ms); repeatable
    #[arg(long = "metric", value_name = "METRIC", value_delimiter = ',')]
    pub(crate) metrics: Vec<Quantity>,

    /// Compare these targets only; with a single run, compare them with one another
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    pub(crate) targets: Vec<String>,

    /// A table of what others measured, to show beside: CSV, Markdown or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline_data: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Where runs are, and how results are printed.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    /// Where directories of runs are
    #[arg(long, value_name = "DIR", default_value = "artifacts", alias = "output-artifact-dir")]
    pub(crate) artifact_dir: PathBuf,

    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,

    /// Print ASCII only
    #[arg(long)]
    pub(crate) ascii: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Align {
    /// Those of the same load
    Load,
    /// The best load of each that meets its goals
    Slo,
    /// Where each user gets the same tokens per second
    Interactivity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// Markdown
    #[value(alias = "markdown")]
    Md,
    /// JSON
    Json,
}

pub(crate) fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let report = report(args)?;
    let shown = &args.shown;
    output::result(&match shown.output {
        Output::Text => {
            let style = output::style(shown.color, shown.ascii);
            console::compare::render(&report, output::width(), style)
        }
        Output::Md => markdown::compare(&report),
        Output::Json => json::compare(&report),
    })?;
    Ok(Exit::Ok)
}

fn report(args: &CompareArgs) -> Result<CompareReport, Failure> {
    let sides = if args.runs.len() == 1 { args.targets.len() } else { args.runs.len() };
    if sides < 2 && args.baseline_data.is_none() {
        return Err(Failure::new(Code::Setting, "there is nothing to compare with")
            .fix("a second run, --targets A,B of one run, or --baseline-data FILE"));
    }
    let runs: Vec<Loaded> = args
        .runs
        .iter()
        .map(|run| open(run, &args.shown.artifact_dir))
        .collect::<Result<_, _>>()?;
    runs.iter().try_for_each(|run| has_targets(run, &args.targets))?;
    let mut options = Options {
        align: match args.align {
            Align::Load => compare::Align::Load,
            Align::Slo => compare::Align::Slo,
            Align::Interactivity => compare::Align::Interactivity,
        },
        allow_unlike: args.allow_unlike,
        threshold: args.threshold,
        targets: args.targets.clone(),
        ..Options::default()
    };
    if !args.metrics.is_empty() {
        options.metrics.clone_from(&args.metrics);
    } else if args.align == Align::Interactivity {
        // What each user gets is the same: what all get together tells the sides apart.
        options.metrics.retain(|metric| metric.metric().id == "output_tps");
    }
    if let Some(path) = &args.baseline_data {
        let wrong = |error: &dyn Error| {
            let what = format!("the table {} cannot be used", path.display());
            Failure::new(Code::Setting, what).caused_by(error)
        };
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        options.references = read_references(&text).map_err(|error| wrong(&error))?;
    }
    compare::compare(&runs, &options).map_err(|error| {
        let fix = match error.unaligned.as_ref().map(|unaligned| unaligned.align) {
            None => "--allow-unlike, where it is known that the numbers say different things",
            Some(compare::Align::Load) => {
                "measure the loads of the baseline, or --align interactivity"
            }
            Some(compare::Align::Slo) => "run --slo GOAL on both sides, or --align load",
            Some(compare::Align::Interactivity) => "--align load",
        };
        unlike(&error).fix(fix)
    })
}

/// Runs that cannot be compared, and all that they differ in.
pub(crate) fn unlike(error: &Unlike) -> Failure {
    let known = error.differences.iter().filter(|difference| !difference.unlike);
    let known: Vec<String> =
        known.map(|d| format!("{}: {} against {}", d.what, d.baseline, d.candidate)).collect();
    let failure = Failure::new(Code::Setting, clean(&error.to_string()));
    match known.is_empty() {
        true => failure,
        false => failure.has(format!("other differences: {}", known.join("; "))),
    }
}

/// The run that `reference` names, which may lie below `artifacts`.
pub(crate) fn open(reference: &str, artifacts: &Path) -> Result<Loaded, Failure> {
    load(reference::directory(reference, artifacts)?, reference)
}

/// The run in `directory`, which the user calls `name`.
pub(crate) fn load(directory: RunDirectory, name: &str) -> Result<Loaded, Failure> {
    let failure = || {
        let what = format!("the run {} cannot be compared", clean(name));
        Failure::new(Code::RunFiles, what)
    };
    let read =
        || -> Result<_, ReadError> { Ok((directory.read_run()?, directory.read_summary()?)) };
    match read() {
        Ok((run, Some(summary))) => Ok(Loaded { run, summary, directory: Some(directory) }),
        Ok((_, None)) => Err(failure().said("no point of it has ended")),
        Err(error) => Err(failure().caused_by(&error)),
    }
}

/// Each of `targets` must be one of `run`.
pub(crate) fn has_targets(run: &Loaded, targets: &[String]) -> Result<(), Failure> {
    match targets.iter().find(|target| !run.has_target(target)) {
        None => Ok(()),
        Some(target) => {
            let what = format!("run {} has no target {}", run.run.id, clean(target));
            Err(Failure::new(Code::Setting, what).has(run.targets().join(", ")))
        }
    }
}

/// A share: `2%`, `0.02`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let digits = trimmed.strip_suffix('%').map(str::trim);
    let number: f64 = digits
        .unwrap_or(trimmed)
        .parse()
        .map_err(|_| format!("`{text}` is no share such as 2% or 0.02"))?;
    let share = if digits.is_some() { number / 100.0 } else { number };
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("`{text}` is not between 0 and 100 %")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, expected) in
            [("2%", 0.02), ("0.02", 0.02), (" 2.5 % ", 0.025), ("0", 0.0), ("1", 1.0)]
        {
            assert!((share(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for bad in ["", "%", "-1%", "2", "101%", "NaN", "two"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
