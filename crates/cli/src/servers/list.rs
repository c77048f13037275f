//! `inferbench servers`: what was started here and is there.

use std::time::Duration;

use bench_core::{Clock, Stop};
use bench_harness::{Exit, Failure, Kept, KeptServer};
use bench_report::text::clean;
use clap::Args;
use serde_json::{Value, json};

use super::progress::hooks;
use crate::{args::Ui, output};

#[derive(Debug, Args)]
pub(crate) struct ServersArgs {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) fn servers(args: &ServersArgs) -> Result<Exit, Failure> {
    let kept = Kept::open(hooks(Stop::new(), Ui::None))?;
    let held = kept.list()?;
    for note in kept.notes() {
        output::say(note);
    }
    if args.json {
        let list: Vec<Value> = held.iter().map(to_json).collect();
        output::result(&json!(list).to_string())?;
    } else if held.is_empty() {
        output::result("nothing is up; inferbench up ENGINE MODEL")?;
    } else {
        output::result(&table(&held))?;
    }
    Ok(Exit::Ok)
}

const HEADS: [&str; 7] = ["name", "state", "engine", "model", "with", "of", "address"];

fn table(held: &[KeptServer]) -> String {
    let rows = held.iter().map(|held| {
        let cells = [
            held.name.clone(),
            state(held),
            held.engine.clone(),
            held.model.clone(),
            held.backend.to_owned(),
            held.of.clone(),
            held.url.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        cells.map(|cell| clean(&cell))
    });
    let heads = HEADS.map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heads).chain(rows).collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `up 14 min`, or how it ended.
fn state(held: &KeptServer) -> String {
    if held.is_running {
        return match age(held.created_s) {
            Some(age) if age >= Duration::from_secs(3600) => {
                format!("up {:.1} h", age.as_secs_f64() / 3600.0)
            }
            Some(age) if age >= Duration::from_secs(60) => format!("up {} min", age.as_secs() / 60),
            Some(age) => format!("up {} s", age.as_secs()),
            None => "up".to_owned(),
        };
    }
    match (held.oom_killed, held.exit_code) {
        (true, _) => "killed for memory".to_owned(),
        (false, Some(code)) => format!("ended with {code}"),
        (false, None) => "ended".to_owned(),
    }
}

fn age(created_s: Option<u64>) -> Option<Duration> {
    let now = Duration::from_nanos(Clock::start().anchor().wall_ns);
    now.checked_sub(Duration::from_secs(created_s?))
}

fn to_json(held: &KeptServer) -> Value {
    json!({
        "name": held.name,
        "engine": held.engine,
        "model": held.model,
        "with": held.backend,
        "of": held.of,
        "url": held.url,
        "running": held.is_running,
        "exit_code": held.exit_code,
        "oom_killed": held.oom_killed,
        "created_s": held.created_s,
        "for_a_run": held.is_for_a_run,
    })
}
