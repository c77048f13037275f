//! What changes runs: notes about them, removing them, repairing them.

use std::io::{self, IsTerminal};

use bench_harness::{Code, Failure};
use bench_report::text::clean;
use bench_store::{
    ChangeError, Entry, History, NotesFile, RemoveError, RepairError, Repaired, RepairedSummary,
    RunState, repair as mend,
};

use super::{
    args::{BaselineArgs, PruneArgs, RmArgs, TagArgs},
    no_run, now_ms, resolve, size,
};
use crate::output;

pub(super) fn tag(entry: &Entry, args: &TagArgs) -> Result<(), Failure> {
    let notes = change(entry, |notes| {
        for tag in &args.tags {
            if args.remove {
                notes.tags.remove(tag);
            } else {
                notes.tags.insert(tag.clone());
            }
        }
    })?;
    let tags: Vec<String> = notes.tags.iter().map(|tag| format!("#{tag}")).collect();
    let tags = if tags.is_empty() { "no tags".to_owned() } else { tags.join(" ") };
    say(entry, &tags)
}

pub(super) fn note(entry: &Entry, text: &str) -> Result<(), Failure> {
    let text = text.trim();
    change(entry, |notes| text.clone_into(&mut notes.note))?;
    say(entry, if text.is_empty() { "no note" } else { text })
}

pub(super) fn baseline(history: &History, args: &BaselineArgs) -> Result<(), Failure> {
    let named = args.run.as_deref().map(|run| resolve(history, run)).transpose()?;
    let unmark = |entry: &Entry| -> Result<(), Failure> {
        change(entry, |notes| notes.baseline = false)?;
        say(entry, "is not the baseline any more")
    };
    let marked = history.entries().iter().filter(|entry| entry.baseline);
    match named {
        Some(entry) if args.clear => unmark(&entry),
        named => {
            // First the new one: there is never none.
            if let Some(entry) = &named {
                change(entry, |notes| notes.baseline = true)?;
                say(entry, "is the baseline")?;
            }
            let is_named = |entry: &&Entry| named.as_ref().is_some_and(|n| n.path == entry.path);
            marked.filter(|entry| !is_named(entry)).try_for_each(unmark)
        }
    }
}

/// Changes the notes of a run, and says what they are then.
fn change(entry: &Entry, change: impl FnOnce(&mut NotesFile)) -> Result<NotesFile, Failure> {
    let mut changed = NotesFile::default();
    let result = entry.directory().change_notes(|notes| {
        change(notes);
        changed = notes.clone();
    });
    result.map(|()| changed).map_err(|error| match &error {
        ChangeError::Unreadable(_) => {
            Failure::new(Code::RunFiles, "the notes of the run cannot be read").caused_by(&error)
        }
        _ => Failure::new(Code::Artifacts, "the notes cannot be written").caused_by(&error),
    })
}

fn say(entry: &Entry, text: &str) -> Result<(), Failure> {
    output::result(&clean(&format!("{}  {text}", entry.directory_name())))
}

pub(super) fn rm(mut history: History, args: &RmArgs) -> Result<(), Failure> {
    let entries = history.resolve_all(&args.runs).map_err(|error| no_run(&error))?;
    if !args.yes && !is_agreed(&entries)? {
        output::say("nothing was removed");
        return Ok(());
    }
    remove(&mut history, &entries)
}

fn is_agreed(entries: &[Entry]) -> Result<bool, Failure> {
    let names: Vec<&str> = entries.iter().map(Entry::directory_name).collect();
    let what = clean(&names.join(", "));
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let what = format!("nobody can be asked whether to remove {what}");
        return Err(Failure::new(Code::Setting, what).fix("--yes"));
    }
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    output::say(&format!("remove {what} ({})? [y/N]", size(bytes)));
    let mut answer = String::new();
    // What cannot be read is no agreement.
    let _ = io::stdin().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

pub(super) fn prune(mut history: History, args: &PruneArgs) -> Result<(), Failure> {
    let keep = args.keep.map_or(0, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
    let before = args.older_than.map_or(u64::MAX, |age| {
        now_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    });
    let entries = history.prunable(keep, before);
    if entries.is_empty() {
        output::say("nothing to remove");
    }
    if args.dry_run {
        return entries.iter().try_for_each(|entry| say(entry, "would be removed"));
    }
    remove(&mut history, &entries)
}

/// Removes one after the other, up to the first that cannot be.
fn remove(history: &mut History, entries: &[Entry]) -> Result<(), Failure> {
    for entry in entries {
        history.remove(entry).map_err(|error| {
            let code = match &error {
                RemoveError::Failed(_) => Code::Artifacts,
                _ => Code::RunFiles,
            };
            let what = format!("{} cannot be removed", clean(entry.directory_name()));
            Failure::new(code, what).caused_by(&error)
        })?;
        say(entry, &format!("removed, {}", size(entry.bytes)))?;
    }
    Ok(())
}

pub(super) fn repair(entry: &Entry) -> Result<(), Failure> {
    let repaired = mend(&entry.directory()).map_err(|error| {
        let code = match &error {
            RepairError::NotWritten(_) => Code::Artifacts,
            _ => Code::RunFiles,
        };
        Failure::new(code, "the run cannot be repaired").caused_by(&error)
    })?;
    if repaired == Repaired::default() {
        return say(entry, "is whole: nothing is to be repaired");
    }
    for file in &repaired.torn {
        let mut text = format!("{}: {} torn bytes are in {}", file.name, file.torn, file.saved_as);
        if file.rescued > 0 {
            text += &format!("; {} lines of them could be read and are kept", file.rescued);
        }
        if file.lost < file.torn {
            text += &format!(", {} bytes could not", file.lost);
        }
        say(entry, &text)?;
    }
    for name in &repaired.missing {
        say(entry, &format!("{name} was missing: it is there now, and empty"))?;
    }
    if let Some(summary) = &repaired.summary {
        let RepairedSummary { points, state, saved_as } = summary;
        let points = if *points == 1 { "1 point".to_owned() } else { format!("{points} points") };
        let state = RunState::from(*state).as_str();
        let mut text = format!("summary.json was written from the samples: {points}, {state}");
        if let Some(saved_as) = saved_as {
            text += &format!("; the damaged one is {saved_as}");
        }
        say(entry, &text)?;
    }
    Ok(())
}
