//! `inferbench`: parse, prepare, run, report, exit code.
//!
//! Standard output carries the result and nothing else; progress, notes and errors go to standard error.

mod agent;
mod args;
mod compare;
mod content;
mod dataset;
mod doctor;
mod dry_run;
mod estimate;
mod explain;
mod flags;
mod foreign;
mod gate;
mod manual;
mod measure;
mod models;
mod output;
mod plan;
mod probe;
mod progress;
mod reference;
mod run;
#[cfg(feature = "history")]
mod runs;
mod servers;
mod signals;
mod simulate;
mod term;
mod translate;
mod values;
mod watch;

use std::{panic::catch_unwind, process::ExitCode};

use args::{Cli, Command};
use bench_harness::{Exit, Failure};

fn main() -> ExitCode {
    // What panics on another thread becomes a failure of the run; this is for our own.
    let exit = catch_unwind(|| {
        // Of another tool's command line, all is foreign.
        let is_ours = args::words().nth(1).is_none_or(|word| word != "translate");
        for note in foreign::notes(args::words().skip(1).filter(|_| is_ours)) {
            output::say(&format!("note: {note}"));
        }
        let cli = match args::parse() {
            Ok(cli) => cli,
            Err(exit) => return exit,
        };
        execute(cli).unwrap_or_else(|failure| {
            output::failure(&failure);
            failure.code.exit()
        })
    });
    ExitCode::from(exit.unwrap_or(Exit::Bug) as u8)
}

fn execute(cli: Cli) -> Result<Exit, Failure> {
    bench_harness::servers_are_held_by(&["hold"]);
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Find(args) => run::find(&args),
        Command::Resume(args) => run::resume(&args),
        Command::Rerun(args) => run::rerun(&args),
        Command::Probe(args) => probe::probe(&args),
        Command::Chat(args) => probe::chat(&args),
        Command::Plan(args) => plan::plan(&args.command),
        Command::Dataset(args) => dataset::dataset(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Gate(args) => gate::gate(&args),
        Command::Sim(args) => simulate::simulate(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Agent(args) => agent::agent(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Up(args) => servers::up(&args),
        Command::Down(args) => servers::down(&args),
        Command::Servers(args) => servers::servers(&args),
        Command::Models(args) => models::models(&args),
        Command::Estimate(args) => estimate::estimate(&args),
        Command::Logs(args) => servers::logs(&args),
        Command::Profiles(args) => servers::profiles(&args),
        Command::Translate(args) => translate::translate(&args),
        Command::Explain(args) => explain::explain(&args.word),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man(args) => manual::man(&args),
        Command::Hold { folder } => bench_harness::hold(&folder).map(|()| Exit::Ok),
        Command::Panic { on_screen } => {
            let _screen = on_screen.then(term::Screen::open);
            panic!("as asked for")
        }
        #[cfg(feature = "history")]
        Command::Runs(args) => runs::runs(&args),
    }
}
