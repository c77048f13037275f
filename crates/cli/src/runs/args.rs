//! Arguments of `inferbench runs`, as typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use crate::values;

#[derive(Debug, Args)]
#[command(
    after_help = "REF names a run: @last, @prev, @baseline, an id such as 7Q4K or its first letters, \
                        tag:nightly, a pattern such as '*nightly*', or a path."
)]
pub(crate) struct RunsArgs {
    /// Where the directories of runs are
    #[arg(long, value_name = "DIR", default_value = "artifacts", global = true)]
    pub(super) artifact_dir: PathBuf,

    #[command(subcommand)]
    pub(super) command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// List runs, the newest first
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Show what is known of a run
    Show(ShowArgs),
    /// Give a run tags to find it by
    Tag(TagArgs),
    /// Note something about a run; an empty text takes the note away
    Note(NoteArgs),
    /// Mark the run that others are compared with
    Baseline(BaselineArgs),
    /// Remove runs
    Rm(RmArgs),
    /// Remove old runs, but none that is tagged, noted or the baseline
    Prune(PruneArgs),
    /// Pack a run into one file
    Pack(PackArgs),
    /// Take in packed runs, or directories of runs
    Import(ImportArgs),
    /// Make a run whole again that was killed
    Repair(RepairArgs),
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Only runs with this text somewhere; or, as model:llama, in their tag, model, target, engine, state or trust
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,

    /// At most so many [default: 20; with --json all]
    #[arg(short = 'n', long, value_name = "N", value_parser = values::positive)]
    pub(super) count: Option<u64>,

    /// Print a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Which run
    #[arg(value_name = "REF")]
    pub(super) run: String,

    /// Print a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// Which run
    #[arg(value_name = "REF")]
    pub(super) run: String,

    /// Words to find it by
    #[arg(value_name = "TAG", required = true, value_parser = tag)]
    pub(super) tags: Vec<String>,

    /// Take these tags away
    #[arg(long)]
    pub(super) remove: bool,
}

#[derive(Debug, Args)]
pub(super) struct NoteArgs {
    /// Which run
    #[arg(value_name = "REF")]
    pub(super) run: String,

    /// What to note
    #[arg(required = true)]
    pub(super) text: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    /// Which run
    #[arg(value_name = "REF", required_unless_present = "clear")]
    pub(super) run: Option<String>,

    /// Take the mark away: from this run, or from all
    #[arg(long)]
    pub(super) clear: bool,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Which runs
    #[arg(value_name = "REF", required = true)]
    pub(super) runs: Vec<String>,

    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true, args = ["keep", "older_than"])]
pub(super) struct PruneArgs {
    /// Keep the newest so many
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) keep: Option<u64>,

    /// Keep those that began within this time: 30d, 12h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub(super) older_than: Option<Duration>,

    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// Which run
    #[arg(value_name = "REF")]
    pub(super) run: String,

    /// The file to write [default: ID-NAME.tar.zst]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// What to take in
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// Which run
    #[arg(value_name = "REF")]
    pub(super) run: String,
}

/// A word that can be asked for with `tag:`.
fn tag(text: &str) -> Result<String, String> {
    const LONGEST: usize = 64;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':');
    match text {
        "" => Err("a tag has at least one letter".to_owned()),
        _ if text.contains(odd) => Err("a tag is one word, without `,` and `:`".to_owned()),
        _ if text.chars().count() > LONGEST => Err(format!("a tag has {LONGEST} letters at most")),
        _ => Ok(text.to_owned()),
    }
}

/// A length of time in days or weeks, or as elsewhere.
fn age(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let days = |number: &str, factor: f64| {
        let number: f64 = number.trim().parse().map_err(|_| format!("`{text}` is no time"))?;
        Duration::try_from_secs_f64(number * factor * 86_400.0)
            .map_err(|e| format!("`{text}`: {e}"))
    };
    match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(number), _) => days(number, 1.0),
        (_, Some(number)) => days(number, 7.0),
        _ if text.ends_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("`{text}` has no unit: d, w, h, m or s"))
        }
        _ => values::duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_tags_are_checked() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("1.5w"), Ok(Duration::from_secs(907_200)));
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        for bad in ["", "30", "d", "-1d", "1e99d", "NaNd", "3 months"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        assert_eq!(tag("nightly"), Ok("nightly".to_owned()));
        for bad in ["", "a b", "a,b", "tag:a", "a\u{1b}b", &"x".repeat(65)] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
    }
}
