//! `inferbench completions` and `inferbench man`: what shells and `man` read, made of the arguments themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bench_harness::{Code, Exit, Failure};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{args::Cli, output};

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write inferbench.1, inferbench-run.1 and so on into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "inferbench", &mut script);
    output::result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.out else {
        output::result(&page(&command)?.1)?;
        return Ok(Exit::Ok);
    };
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    for (name, text) in pages(&command)? {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| unwritten(&path, &error))?;
        output::result(&path.display().to_string())?;
    }
    Ok(Exit::Ok)
}

/// A page for a command and for each below it that people may call.
fn pages(command: &Command) -> Result<Vec<(String, String)>, Failure> {
    let mut all = vec![page(command)?];
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    for below in below.filter(|below| below.get_name() != "help") {
        all.extend(pages(below)?);
    }
    Ok(all)
}

/// The name of its file, and its text.
fn page(command: &Command) -> Result<(String, String), Failure> {
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text).map_err(|error| unwritten(man.get_filename().as_ref(), &error))?;
    Ok((man.get_filename(), String::from_utf8_lossy(&text).into_owned()))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("{} cannot be written", path.display());
    Failure::new(Code::Artifacts, what).said(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_but_those_that_are_hidden() {
        let mut command = Cli::command();
        command.build();
        let pages = pages(&command).unwrap();
        let has = |name: &str| pages.iter().any(|(file, _)| file == name);
        assert!(has("inferbench.1") && has("inferbench-run.1") && has("inferbench-plan-schema.1"));
        assert!(!has("inferbench-hold.1") && !has("inferbench-help.1"));
        let (_, run) = pages.iter().find(|(file, _)| file == "inferbench-run.1").unwrap();
        assert!(run.contains("concurrency") && run.contains(".TH"));
    }

    #[test]
    fn each_shell_is_told_of_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "inferbench", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("translate") && script.contains("concurrency"), "{shell}");
        }
    }
}
