//! `inferbench plan`, and from what was typed to a plan.

use std::{fs, path::Path};

use bench_harness::{
    Code, Exit, Failure, Settings, check,
    plan::{self, Document, Format, Layered, Node, Origin},
};
use bench_report::text::clean;
use clap::{Args as _, FromArgMatches as _};

use crate::{
    args::{ExpandArgs, FromFlagsArgs, PlanCommand, PlanForm, RunArgs},
    flags::{self, PlanFlags},
    output,
};

pub(crate) fn plan(command: &PlanCommand) -> Result<Exit, Failure> {
    match command {
        PlanCommand::Validate { file } => validate(file)?,
        PlanCommand::Expand(args) => expand(args)?,
        PlanCommand::Schema => output::result(&pretty(&plan::schema())?)?,
        PlanCommand::Flags { file } => output::result(&command_line(file)?)?,
        PlanCommand::FromFlags(args) => from_flags(args)?,
    }
    Ok(Exit::Ok)
}

/// What a command says, with everything that it leaves out.
pub(crate) fn layered(file: Option<&Path>, flags: &PlanFlags) -> Result<Layered, Failure> {
    over(file.map(plan::read).transpose()?, flags)
}

/// The flags over a document, over the defaults.
pub(crate) fn over(document: Option<Document>, flags: &PlanFlags) -> Result<Layered, Failure> {
    check_address(&flags.typed)?;
    Ok(plan::layer(document, flags.typed.clone(), &environment)?)
}

/// Writes what was typed where `--save-plan` says.
pub(crate) fn save(
    file: Option<&Path>,
    flags: &PlanFlags,
    path: Option<&Path>,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let is_toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    let format = if is_toml { Format::Toml } else { Format::Yaml };
    let text = match file {
        None => text_of(&to_be_kept(flags)?, format)?,
        // With a file beneath, what is saved is both together.
        Some(_) => layered(file, flags)?.to_text(format).map_err(unwritable)?,
    };
    fs::write(path, text).map_err(|error| {
        let what = format!("the plan cannot be written to {}", path.display());
        Failure::new(Code::Artifacts, what).said(error.to_string())
    })?;
    output::say(&format!("plan saved to {}", path.display()));
    Ok(())
}

/// Each setting, its value, and where it is from.
pub(crate) fn origins(layered: &Layered) -> String {
    let width = |of: fn(&(String, String, Origin)) -> &str| {
        let lengths = layered.origins().iter().map(|line| of(line).chars().count());
        lengths.max().unwrap_or(0).min(40)
    };
    let (paths, values) = (width(|line| &line.0), width(|line| &line.1));
    let lines = layered.origins().iter().map(|(path, value, origin)| {
        let value = clean(value);
        format!("{path:<paths$}  {value:<values$}  {origin}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// An address that is none has a code of its own.
fn check_address(typed: &Node) -> Result<(), Failure> {
    let Some(url) = typed.find("target.url").map(ToString::to_string) else { return Ok(()) };
    if plan::names_variable(&url) {
        return Ok(());
    }
    match <plan::Address as plan::Value>::parse(&url) {
        Ok(_) => Ok(()),
        Err(what) => Err(Failure::new(Code::Address, what).fix("--url http://localhost:8000")),
    }
}

fn validate(file: &Path) -> Result<(), Failure> {
    let settings = plan::resolve(&layered(Some(file), &PlanFlags::default())?, &environment)?;
    let settings = check(settings)?;
    output::result(&format!("{}: ok, {}", file.display(), counts(&settings)))
}

/// How much there is to measure: `2 targets x 1 workload x 4 loads x 3 repeats: 24 points`.
fn counts(settings: &Settings) -> String {
    let repeats = usize::try_from(settings.repeats.most.get()).unwrap_or(usize::MAX);
    let most = if settings.repeats.converge.is_some() { "at most " } else { "" };
    let factors = [
        (settings.targets.len(), "target"),
        (settings.workloads.len(), "workload"),
        (settings.loads.len(), "load"),
        (repeats, "repeat"),
    ];
    let points = factors.iter().map(|(n, _)| n).product::<usize>();
    let factors = factors.map(|(n, name)| counted(n, name));
    format!("{}: {most}{}", factors.join(" x "), counted(points, "point"))
}

fn counted(n: usize, name: &str) -> String {
    format!("{n} {name}{}", if n == 1 { "" } else { "s" })
}

fn expand(args: &ExpandArgs) -> Result<(), Failure> {
    let layered = layered(args.file.as_deref(), &args.plan)?;
    let text = match form(args.form) {
        Some(format) => layered.to_text(format).map_err(unwritable)?,
        None => pretty(&layered.to_json())?,
    };
    output::result(&text)
}

/// The format; none stands for JSON.
fn form(form: PlanForm) -> Option<Format> {
    match form {
        PlanForm { json: true, .. } => None,
        PlanForm { toml: true, .. } => Some(Format::Toml),
        PlanForm { .. } => Some(Format::Yaml),
    }
}

fn pretty(json: &serde_json::Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(json).map_err(|error| unwritable(error.to_string()))
}

fn unwritable(why: String) -> Failure {
    Failure::new(Code::Plan, "the plan cannot be written in this form").said(why)
}

/// The command that does what the plan says.
fn command_line(file: &Path) -> Result<String, Failure> {
    let document = plan::read(file)?;
    document.plan(&environment)?;
    let flags = flags::of_tree(&document.root).map_err(unwritable)?;
    let words = ["inferbench", "run"].map(str::to_owned).into_iter().chain(flags);
    Ok(flags::quoted(&words.collect::<Vec<_>>()))
}

fn from_flags(args: &FromFlagsArgs) -> Result<(), Failure> {
    let known = |word: &&String| ["inferbench", "run", "profile"].contains(&word.as_str());
    let start = args.words.iter().take_while(known).count();
    let run = RunArgs::augment_args(clap::Command::new("run").no_binary_name(true));
    let matches = run.try_get_matches_from(&args.words[start..]);
    let run = matches.and_then(|matches| RunArgs::from_arg_matches(&matches)).map_err(|error| {
        let error = crate::args::without_secrets(error).to_string();
        let what = error.lines().next().unwrap_or_default();
        Failure::new(Code::Setting, what.trim_start_matches("error: "))
    })?;
    if let Some(file) = run.plan_file.or(run.config) {
        let what = format!("`{}` is a plan already, or no flag", file.display());
        return Err(
            Failure::new(Code::Setting, what).fix("the flags each as a word: -c 8 --isl 512")
        );
    }
    let document = to_be_kept(&run.measure.plan)?;
    let text = match form(args.form) {
        Some(format) => text_of(&document, format)?,
        None => pretty(&serde_json::to_value(&document.root).unwrap_or_default())?,
    };
    output::result(&text)
}

fn text_of(document: &Document, format: Format) -> Result<String, Failure> {
    document.to_text(format).map_err(unwritable)
}

/// What was typed as a plan to be kept: right, and free of secrets.
fn to_be_kept(flags: &PlanFlags) -> Result<Document, Failure> {
    check_address(&flags.typed)?;
    let document = flags::document(flags)?;
    document.plan(&environment)?;
    // A header that may be typed may not be written down.
    let at = Origin::File { file: "the plan".into(), line: 0, column: 0 };
    let kept = Document { root: document.root.clone().from_origin(&at) };
    kept.plan(&environment)?;
    Ok(document)
}
