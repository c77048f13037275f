//! `inferbench logs`: what a server has said.

use std::{thread::park_timeout, time::Duration};

use bench_core::{Level, Stop};
use bench_harness::{Code, Exit, Failure, Kept, LogLine};
use bench_report::text::clean;
use clap::Args;

use super::progress::hooks;
use crate::{args::Ui, output, signals::Signals};

/// How often a log that is followed is looked at.
const PERIOD: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The server's name, as `inferbench servers` lists it
    #[arg(value_name = "NAME")]
    name: String,

    /// Go on with what it says, until it ends or this is interrupted
    #[arg(short, long)]
    follow: bool,

    /// The last lines alone
    #[arg(short = 'n', long, value_name = "LINES")]
    tail: Option<usize>,
}

/// Prints it.
pub(crate) fn logs(args: &LogsArgs) -> Result<Exit, Failure> {
    let stop = Stop::new();
    let signals = Signals::end(&stop);
    let kept = Kept::open(hooks(stop.clone(), Ui::None))?;
    let mut next = 0;
    let mut was_there = false;
    loop {
        let (is_running, lines) = match look(&kept, &args.name, next) {
            // Taken down meanwhile: it has nothing more to say.
            Err(failure) if was_there && failure.code == Code::UnknownServer => {
                return Ok(Exit::Ok);
            }
            looked => looked?,
        };
        was_there = true;
        let skipped = args.tail.filter(|_| next == 0).map_or(0, |n| lines.len().saturating_sub(n));
        next = lines.last().map_or(next, |line| line.number + 1);
        let text: String = lines[skipped..].iter().map(|line| clean(&line.text) + "\n").collect();
        if !text.is_empty() && !output::stream(&text)? {
            return Ok(Exit::Ok);
        }
        let is_more = !lines.is_empty();
        if stop.level() != Level::Go {
            return Ok(signals.exit().unwrap_or(Exit::Interrupted));
        }
        match (is_more, args.follow && is_running) {
            (true, _) => {}
            (false, true) => park_timeout(PERIOD),
            (false, false) => return Ok(Exit::Ok),
        }
    }
}

/// Whether it runs, and what it has said since the line `next`.
fn look(kept: &Kept, name: &str, next: u64) -> Result<(bool, Vec<LogLine>), Failure> {
    let is_running = kept.is_running(name)?;
    Ok((is_running, kept.log(name, next)?))
}
