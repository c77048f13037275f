//! `runs ls`: the runs, the newest first.

use bench_harness::Failure;
use bench_store::{Entry, History, RunState};

use super::{
    args::LsArgs,
    now_ms, print_json,
    table::{Column, Table},
    to_json,
};
use crate::output;

/// Runs in a table, unless somebody wants another number.
const SHOWN: usize = 20;

pub(super) fn ls(history: &History, args: &LsArgs) -> Result<(), Failure> {
    let filter = args.filter.as_deref().unwrap_or_default();
    let found: Vec<&Entry> = history.entries().iter().filter(|e| passes(e, filter)).collect();
    let wanted = args.count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let most = wanted.unwrap_or(if args.json { usize::MAX } else { SHOWN });
    let shown = &found[..found.len().min(most)];
    if args.json {
        return print_json(&shown.iter().map(to_json).collect());
    }
    if found.is_empty() {
        let which = if filter.is_empty() { "" } else { " that pass the filter" };
        output::say(&format!("no runs{which} below {}", history.root().display()));
        return Ok(());
    }
    let mut text = table(shown, now_ms()).render(output::width());
    if shown.len() < found.len() {
        text += &format!("\n{} of {} runs; -n {} shows all\n", most, found.len(), found.len());
    }
    output::result(&text)
}

fn table(entries: &[&Entry], now_ms: u64) -> Table {
    let energy = |entry: &Entry| entry.headline.as_ref()?.j_per_output_token;
    let has_energy = entries.iter().any(|entry| energy(entry).is_some());
    let mut columns = vec![
        ("id", Column::Word),
        ("when", Column::Word),
        ("name", Column::Text),
        ("model", Column::Text),
        ("load", Column::Text),
        ("tok/s", Column::Number),
        ("TTFT p95", Column::Number),
    ];
    columns.extend(has_energy.then_some(("J/tok", Column::Number)));
    columns.push(("trust", Column::Word));
    let mut table = Table::new(&columns);
    for entry in entries {
        let headline = entry.headline.as_ref();
        let mut cells = vec![
            if entry.id.is_empty() { "-".to_owned() } else { entry.id.clone() },
            when(entry.created_ms, now_ms),
            entry.name.clone(),
            model(entry),
            entry.load.clone(),
            number(headline.and_then(|h| h.output_tps), ""),
            number(headline.and_then(|h| h.ttft_ms_p95), " ms"),
        ];
        cells.extend(has_energy.then(|| number(energy(entry), "")));
        cells.push(trust(entry));
        table.row(cells, remarks(entry));
    }
    table
}

/// The state where it is not the usual one, else the trust.
fn trust(entry: &Entry) -> String {
    match (entry.state, &entry.trust) {
        (RunState::Finished, Some(trust)) => trust.clone(),
        (state, _) => state.as_str().to_owned(),
    }
}

/// The models; a simulated one cannot be taken for another.
pub(super) fn model(entry: &Entry) -> String {
    let models = entry.models.join(", ");
    match (entry.simulated, models.as_str()) {
        (false, _) | (true, "simulated") => models,
        (true, _) => format!("{models} (simulated)"),
    }
}

fn remarks(entry: &Entry) -> Vec<String> {
    let mut marks = Vec::new();
    marks.extend(entry.baseline.then(|| "baseline".to_owned()));
    let tags: Vec<String> = entry.tags.iter().map(|tag| format!("#{tag}")).collect();
    marks.extend(Some(tags.join(" ")).filter(|tags| !tags.is_empty()));
    marks.extend(entry.imported.as_ref().map(|format| format!("imported from {format}")));
    marks.extend(Some(entry.note.clone()).filter(|note| !note.is_empty()));
    let mut remarks = Vec::new();
    remarks.extend(Some(marks.join("; ")).filter(|marks| !marks.is_empty()));
    remarks.extend(entry.problem.clone());
    remarks
}

/// Three significant digits or all whole ones; `-` where there is none.
pub(super) fn number(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "-".to_owned() };
    let decimals = match value.abs() {
        0.0 => 0,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

/// How long ago, in the largest unit that makes at least two.
pub(super) fn when(created_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(created_ms) / 1_000;
    match seconds {
        _ if created_ms == 0 => "-".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Whether every word of `filter` is somewhere in what is known of the run.
fn passes(entry: &Entry, filter: &str) -> bool {
    filter.split_whitespace().all(|word| has(entry, &word.to_lowercase()))
}

fn has(entry: &Entry, word: &str) -> bool {
    let within = |text: &str, part: &str| text.to_lowercase().contains(part);
    let any = |texts: &[String], part: &str| texts.iter().any(|text| within(text, part));
    match word.split_once(':') {
        Some(("tag", tag)) => entry.tags.iter().any(|known| known.to_lowercase() == tag),
        Some(("model", part)) => any(&entry.models, part),
        Some(("target", part)) => any(&entry.targets, part),
        Some(("engine", part)) => any(&entry.engines, part),
        Some(("state", state)) => entry.state.as_str() == state,
        Some(("trust", trust)) => entry.trust.as_deref() == Some(trust),
        _ => {
            let texts = [entry.directory_name(), &entry.name, &entry.note, &entry.load];
            texts.iter().any(|text| within(text, word))
                || entry.tags.iter().any(|tag| within(tag, word))
                || [&entry.models, &entry.targets, &entry.engines].iter().any(|t| any(t, word))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_short() {
        for (seconds, expected) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 d"),
            (400 * 86_400, "400 d"),
        ] {
            let created = 1_000_000;
            assert_eq!(when(created, created + seconds * 1_000), expected, "{seconds}");
        }
        assert_eq!(when(5_000, 1_000), "0 s", "a clock that was set back");
        for (value, expected) in
            [(0.0, "0"), (0.1234, "0.123"), (9.87, "9.87"), (12.34, "12.3"), (2_322.4, "2322")]
        {
            assert_eq!(number(Some(value), ""), expected);
        }
        assert_eq!(number(Some(f64::NAN), " ms"), "-");
        assert_eq!(number(None, " ms"), "-");
    }
}
