//! Why a server ended, or never was ready.

use std::sync::LazyLock;

use super::{
    causes::{Fix, Known, OTHER_CPU, ROWS, Row},
    pattern::Table,
    text,
};
use crate::{Cause, EngineName, Launch, State, Trouble};

static TABLE: LazyLock<Table<Row>> = LazyLock::new(|| Table::of_any_case(ROWS, |row| row.0));

/// So many of a log's last lines are looked at.
const LOOKED_AT: usize = 10_000;

/// So many of them are shown.
const SHOWN: usize = 20;

/// A server that was started anew as often is in a loop.
const LOOP: u64 = 2;

/// What is to be said of a server that is in `state` instead of ready, and whose log ends in `lines`.
pub fn diagnose(launch: &Launch, state: &State, lines: &[&str]) -> Trouble {
    let lines = &lines[lines.len().saturating_sub(LOOKED_AT)..];
    let lines: Vec<String> =
        lines.iter().copied().chain(state.said.as_deref()).map(text::flat).collect();
    let told = known(&lines).filter(|_| !state.oom_killed);
    let (cause, why, fix) = match told {
        Some((known, _)) => (known.cause, Some(known.what.to_owned()), known.fix(launch)),
        None => untold(launch, state, &lines),
    };
    let mut what = format!("{} {}", launch.name, became(state));
    if let Some(why) = why {
        what = format!("{what}: {why}");
    }
    Trouble::new(cause, what).said(said(&lines, told.map(|(_, line)| line))).fix(fix)
}

/// Whether a server that still runs only tries again and again what cannot succeed: so NIM does when its engine does not
/// start.
pub fn is_retrying<L: AsRef<str>>(engine: EngineName, lines: impl IntoIterator<Item = L>) -> bool {
    const TRIES: &str = "Using JIT Config to create LLM args";
    if engine != EngineName::Nim {
        return false;
    }
    let (mut failed, mut again) = (false, 0);
    for line in lines {
        let line = line.as_ref();
        if line.contains(TRIES) {
            // Each rank may say so: what counts is that something went wrong in between.
            again += u32::from(failed);
            failed = false;
        }
        failed |=
            ["Traceback", "Error", "ERROR", "Exception"].iter().any(|sign| line.contains(sign));
    }
    again >= 2
}

/// The first row of the table that a line fits, and the first such line.
fn known(lines: &[String]) -> Option<(&'static Known, usize)> {
    let fits = lines.iter().enumerate().filter_map(|(number, line)| {
        let (row, ..) = TABLE.find(line).next()?;
        Some((row, number))
    });
    let (row, number) = fits.min()?;
    Some((ROWS[row].1, number))
}

impl Known {
    fn fix(&self, launch: &Launch) -> String {
        match self.fix {
            Fix::Always(fix) => fix.to_owned(),
            Fix::For(fix) => fix(launch),
        }
    }
}

/// What became of it, as it follows its name.
fn became(state: &State) -> String {
    match state.exit_code {
        _ if state.restarts >= LOOP => {
            format!("ends and is started again, {} times so far", state.restarts)
        }
        Some(code) if !state.is_running => format!("ended with exit code {code}"),
        _ => "is not ready".to_owned(),
    }
}

/// Cause, what, and what to do, where no line tells it.
fn untold(launch: &Launch, state: &State, lines: &[String]) -> (Cause, Option<String>, String) {
    // It is about to be taken down, and its log with it.
    let log =
        "see all that it says: start it by hand, as inferbench up … --print has it".to_owned();
    let because = |cause, why: &str, fix: &str| (cause, Some(why.to_owned()), fix.to_owned());
    if state.oom_killed {
        return killed_for_memory(launch);
    }
    if state.restarts >= LOOP {
        return (Cause::RestartLoop, None, log);
    }
    let code = state.exit_code.filter(|_| !state.is_running);
    let Some(code) = code else {
        if is_retrying(launch.engine, lines) {
            let why = "its engine does not start, and it tries that again and again";
            return (Cause::NotReady, Some(why.to_owned()), log);
        }
        return (Cause::NotReady, None, format!("{log}; --ready-within gives it longer"));
    };
    // A shell and Docker say 128 + the signal, a parent the signal itself.
    match if code < 0 { 128_i64.saturating_sub(code) } else { code } {
        0 => because(
            Cause::Exited,
            "that says nothing, some engines end so when they die (vllm#48966)",
            &log,
        ),
        126 => because(
            Cause::BadEntrypoint,
            "its program cannot be run",
            "see whether it is a program, and for this machine (uname -m)",
        ),
        127 => because(
            Cause::BadEntrypoint,
            "it has no such program, or not what that needs",
            "name another image (--image), or another program (--program)",
        ),
        132 => because(OTHER_CPU.cause, OTHER_CPU.what, &OTHER_CPU.fix(launch)),
        134 => {
            because(Cause::Exited, "it found itself in a state that cannot be, and aborted", &log)
        }
        135 => because(
            Cause::DiskFull,
            "it was given memory that there is none of, most often /dev/shm",
            "give it more shared memory: --shm-size 16g",
        ),
        137 => because(
            Cause::Exited,
            "it was killed, most often by the system for want of memory",
            "see whether it was: sudo dmesg | grep -i 'out of memory'",
        ),
        139 => because(Cause::Exited, "it crashed (a segmentation fault)", &log),
        130 | 143 => because(Cause::Exited, "somebody asked it to end", &log),
        _ => (Cause::Exited, None, log),
    }
}

fn killed_for_memory(launch: &Launch) -> (Cause, Option<String>, String) {
    let (why, fix) = match launch.memory_bytes {
        Some(bytes) => (
            format!("the system killed it, as it used more than its {} MiB of memory", bytes >> 20),
            "raise --memory, or use a smaller model or a shorter context".to_owned(),
        ),
        None => (
            "the system killed it, as the machine's memory did not suffice".to_owned(),
            "end what else uses memory (free -h), or use a smaller model or a shorter context"
                .to_owned(),
        ),
    };
    (Cause::OomKilled, Some(why), fix)
}

/// The line that tells why, if it is further up, and the last ones.
fn said(lines: &[String], telling: Option<usize>) -> String {
    let last = lines.len().saturating_sub(SHOWN);
    let above = telling.filter(|telling| *telling < last);
    let shown = above.map(|telling| &lines[telling]).into_iter().chain(&lines[last..]);
    let shown: Vec<String> =
        shown.filter(|line| !line.is_empty()).map(|line| text::excerpt(line, 0)).collect();
    shown.join("\n")
}
