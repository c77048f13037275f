//! `inferbench runs`: what was measured before.

mod args;
mod change;
mod listing;
mod show;
mod table;
mod travel;

use std::path::Path;

use bench_core::Clock;
use bench_harness::{Code, Exit, Failure};
use bench_report::{json, text::clean};
use bench_store::{Entry, History, ReadError, ResolveError};

pub(crate) use args::RunsArgs;

use crate::output;
use args::RunsCommand;

pub(crate) fn runs(args: &RunsArgs) -> Result<Exit, Failure> {
    let root = &args.artifact_dir;
    match &args.command {
        RunsCommand::Ls(args) => listing::ls(&open(root)?, args)?,
        RunsCommand::Show(args) => show::show(&named(root, &args.run)?, args.json)?,
        RunsCommand::Tag(args) => change::tag(&named(root, &args.run)?, args)?,
        RunsCommand::Note(args) => change::note(&named(root, &args.run)?, &args.text.join(" "))?,
        RunsCommand::Baseline(args) => change::baseline(&open(root)?, args)?,
        RunsCommand::Rm(args) => change::rm(open(root)?, args)?,
        RunsCommand::Prune(args) => change::prune(open(root)?, args)?,
        RunsCommand::Pack(args) => travel::pack(&named(root, &args.run)?, args.output.as_deref())?,
        RunsCommand::Import(args) => travel::take_in(&args.paths, root)?,
        RunsCommand::Repair(args) => change::repair(&named(root, &args.run)?)?,
    }
    Ok(Exit::Ok)
}

fn open(root: &Path) -> Result<History, Failure> {
    History::open(root).map_err(|error| unreadable(&error))
}

/// The run below `root` that `reference` names.
pub(crate) fn named(root: &Path, reference: &str) -> Result<Entry, Failure> {
    resolve(&open(root)?, reference)
}

/// The same, with the newer runs that `reference` passes over because they have no result.
pub(crate) fn named_past(root: &Path, reference: &str) -> Result<(Entry, Vec<Entry>), Failure> {
    let history = open(root)?;
    let passed_over = history.passed_over(reference).into_iter().cloned().collect();
    Ok((resolve(&history, reference)?, passed_over))
}

/// The newest run that can be read, with a result or without.
pub(crate) fn newest(root: &Path) -> Result<Option<Entry>, Failure> {
    let history = open(root)?;
    let readable = |entry: &&Entry| entry.problem.is_none();
    Ok(history.entries().iter().find(readable).cloned())
}

fn resolve(history: &History, reference: &str) -> Result<Entry, Failure> {
    history.resolve(reference).map_err(|error| no_run(&error))
}

fn no_run(error: &ResolveError) -> Failure {
    let failure = Failure::new(Code::Reference, clean(&error.to_string()));
    let failure = match error.has() {
        Some(has) => failure.has(has),
        None => failure,
    };
    failure.fix("inferbench runs ls, which lists the runs of --artifact-dir")
}

fn unreadable(error: &ReadError) -> Failure {
    Failure::new(Code::RunFiles, "the run cannot be read").caused_by(error)
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    Clock::start().anchor().wall_ns / 1_000_000
}

/// Prints `value` as JSON in which nothing is left that a terminal would take for a command.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    output::result(&json::text(value))
}

fn to_json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("every key is a string")
}

/// Bytes in the unit that makes a small number of them.
fn size(bytes: u64) -> String {
    let (mut size, mut units) = (bytes as f64, ["kB", "MB", "GB", "TB"].into_iter());
    let mut unit = "B";
    while size >= 999.5 {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / 1e3, next);
    }
    let decimals = usize::from(size < 9.95 && unit != "B");
    format!("{size:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (12_345, "12 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (7_000_000_000, "7.0 GB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }
}
