//! `inferbench run`, `find` and `resume`: from arguments to an experiment.

use std::path::Path;

use bench_harness::{
    Code, Exit, Export, Failure, Settings, check,
    plan::{Content, Document, Format, Layered, Node, Origin, resolve},
    prepare, resume as resumed,
};
use bench_providers::Stamping;
use bench_store::RunDirectory;

use crate::{
    args::{FindArgs, MeasureArgs, ResumeArgs, RunArgs, Stamps, words},
    compare::load,
    dry_run,
    flags::{PlanFlags, redacted},
    gate::Gate,
    measure::{Against, measure},
    output, plan, reference,
};

/// Measures what plan and flags say.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    start(args.file(), &args.measure.plan, &args.measure)
}

/// Measures loads until the highest is known that meets every goal.
pub(crate) fn find(args: &FindArgs) -> Result<Exit, Failure> {
    let mut flags = args.measure.plan.clone();
    let text = |goal: &String| Node::text(Origin::Flag("find".to_owned()), goal);
    let mut goals: Vec<Node> = args.goals.iter().map(text).collect();
    let slo = flags.typed.at_path(&["goals", "slo"]);
    goals.extend(slo.items().iter().cloned());
    *slo = Node::new(Origin::Flag("find".to_owned()), Content::List(goals));
    let probes = flags.typed.at_path(&["find", "probes"]);
    if probes.content == Content::default() {
        *probes = Node::new(Origin::Flag("find".to_owned()), Content::Int(PROBES));
    }
    start(args.config.as_deref(), &flags, &args.measure)
}

/// Probes of a load on which the answer rests, if nobody says: one in eight goes wrong at an edge where
/// each is a toss of a coin.
const PROBES: i128 = 3;

/// Whether what was typed can be a plan; nothing is looked for.
pub(crate) fn is_plan(args: &RunArgs) -> Result<(), Failure> {
    let layered = plan::layered(args.file(), &args.measure.plan)?;
    settings(&args.measure, &layered).map(drop)
}

fn start(file: Option<&Path>, flags: &PlanFlags, args: &MeasureArgs) -> Result<Exit, Failure> {
    let layered = plan::layered(file, flags)?;
    let mut settings = settings(args, &layered)?;
    plan::save(file, flags, args.save_plan.as_deref())?;
    if args.dry_run {
        let settings = check(settings)?;
        output::result(&dry_run::render(&settings))?;
        output::result(&plan::origins(&layered))?;
        return Ok(Exit::Ok);
    }
    let gate = Gate::of(&settings)?;
    if let Some(gate) = &gate {
        gate.record(&mut settings);
    }
    measure(settings, prepare, gate.map(Against::Gate), args)
}

/// Goes on with a run by the plan that it keeps.
pub(crate) fn resume(args: &ResumeArgs) -> Result<Exit, Failure> {
    let MeasureArgs { plan: flags, .. } = &args.measure;
    let directory = reference::broken_off(&args.run, &artifacts(flags))?;
    let settings = settings_of(&directory, flags, &args.measure)?;
    if args.measure.dry_run {
        let settings = check(settings)?;
        output::result(&dry_run::render(&settings))?;
        return Ok(Exit::Ok);
    }
    let gate = Gate::of_resumed(&settings, &directory)?;
    let gate = gate.map(Against::Gate);
    measure(settings, |settings| resumed(directory, settings), gate, &args.measure)
}

/// Measures what another run did, by its plan and its seed, and says what changed.
pub(crate) fn rerun(args: &ResumeArgs) -> Result<Exit, Failure> {
    let MeasureArgs { plan: flags, .. } = &args.measure;
    let directory = reference::directory(&args.run, &artifacts(flags))?;
    let document = plan_of(&directory)?;
    let layered = plan::over(Some(document), flags)?;
    let mut settings = settings(&args.measure, &layered)?;
    if args.measure.dry_run {
        let settings = check(settings)?;
        output::result(&dry_run::render(&settings))?;
        output::result(&plan::origins(&layered))?;
        return Ok(Exit::Ok);
    }
    let against = match Gate::of(&settings)? {
        Some(gate) => {
            gate.record(&mut settings);
            Against::Gate(gate)
        }
        None => Against::Repeated(load(directory, &args.run)?),
    };
    measure(settings, prepare, Some(against), &args.measure)
}

/// Flags that may be given when a run goes on: what is not kept, and where its server and its baseline are by
/// now.
const MAY_CHANGE: [&str; 7] = [
    "target.headers",
    "target.api_key_file",
    "target.api_key_env",
    "target.wait_ready",
    "target.url",
    "gate.baseline",
    "output.artifact_dir",
];

fn settings_of(
    directory: &RunDirectory,
    flags: &PlanFlags,
    args: &MeasureArgs,
) -> Result<Settings, Failure> {
    let document = plan_of(directory)?;
    let typed = flags.typed.leaves();
    let other = typed.iter().find(|(path, _)| !MAY_CHANGE.iter().any(|may| path.starts_with(may)));
    if let Some((path, node)) = other {
        let what = format!("{}: a run goes on as it began, {path} included", node.at);
        return Err(Failure::new(Code::Setting, what).fix("inferbench run measures anew"));
    }
    settings(args, &plan::over(Some(document), flags)?)
}

/// The plan of a run that was measured here.
fn plan_of(directory: &RunDirectory) -> Result<Document, Failure> {
    let run = directory.read_run().map_err(|error| {
        Failure::new(Code::RunFiles, "the run cannot be read").said(error.to_string())
    })?;
    if run.imported().is_some() {
        let what = format!(
            "run {} was imported, and does not go on here: its plan may send keys and variables of this \
             machine to the servers of whoever wrote it",
            run.id
        );
        let fix =
            "inferbench run, with a plan of your own; inferbench resume RUN, with a run from here";
        return Err(Failure::new(Code::RunFiles, what).fix(fix));
    }
    if run.plan.is_null() {
        let what = format!("run {} does not say what its plan was", run.id);
        return Err(Failure::new(Code::RunFiles, what).fix("inferbench run measures anew"));
    }
    let name = directory.run_path().display().to_string();
    Ok(Document::parse(&name, &run.plan.to_string(), Format::Yaml)?)
}

/// Where runs are looked for.
fn artifacts(flags: &PlanFlags) -> std::path::PathBuf {
    let typed = flags.typed.find("output.artifact_dir").map(ToString::to_string);
    typed.unwrap_or_else(|| "artifacts".to_owned()).into()
}

/// What the arguments mean; nothing is looked up but the files that they name.
fn settings(args: &MeasureArgs, layered: &Layered) -> Result<Settings, Failure> {
    let mut settings = resolve(layered, &plan::environment)?;
    if (args.excel_output || args.json_output) && !settings.exports.contains(&Export::MultiTurn) {
        settings.exports.push(Export::MultiTurn);
    }
    Ok(Settings {
        keep_text: args.print_content,
        tells_turn_gaps: args.verbose,
        stamping: match args.stamps {
            Stamps::Kernel => Stamping::Kernel,
            Stamps::Read => Stamping::Read,
        },
        command: redacted(words()),
        ..settings
    })
}
