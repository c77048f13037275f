//! `inferbench profiles`: what a NIM can be run as on this machine.

use bench_core::Stop;
use bench_harness::{Exit, Failure, profiles_of};
use clap::Args;

use super::progress::hooks;
use crate::{args::Ui, output};

#[derive(Debug, Args)]
pub(crate) struct ProfilesArgs {
    /// The NIM's image, such as meta/llama-3.1-8b-instruct:1.13
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Print the profiles as JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) fn profiles(args: &ProfilesArgs) -> Result<Exit, Failure> {
    let profiles = profiles_of(&args.image, &hooks(Stop::new(), Ui::Auto))?;
    output::result(&match args.json {
        true => profiles.to_json().to_string(),
        false => profiles.to_string(),
    })?;
    Ok(Exit::Ok)
}
