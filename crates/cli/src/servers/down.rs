//! `inferbench down`: takes down servers that were started here.

use bench_core::Stop;
use bench_harness::{Exit, Failure, Kept};
use bench_report::text::clean;
use clap::Args;

use super::progress::hooks;
use crate::{args::Ui, output};

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Their names, as `inferbench servers` lists them
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,

    /// All that inferbench has started
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Takes them down, each as far as it can.
pub(crate) fn down(args: &DownArgs) -> Result<Exit, Failure> {
    let kept = Kept::open(hooks(Stop::new(), Ui::None))?;
    let held = kept.list()?;
    let mut failures = Vec::new();
    let names = match args.all {
        true => held.iter().map(|held| held.name.clone()).collect(),
        false => args.names.clone(),
    };
    if names.is_empty() {
        output::say("nothing is up");
    }
    for name in names {
        match kept.down(&name) {
            Ok(()) => output::result(&clean(&format!("{name} is gone")))?,
            Err(failure) => failures.push(failure),
        }
    }
    let Some(last) = failures.pop() else { return Ok(Exit::Ok) };
    failures.iter().for_each(output::failure);
    Err(last)
}
