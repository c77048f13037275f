//! The matrix of input and output lengths: how fast each of them is decoded, and in how much memory.

use std::collections::BTreeMap;

use crate::{
    cells::{Cell, Estimate, Group, load_words},
    console::{Paint, Style, number},
    environment::{TargetRecord, WorkloadRecord},
    grid::{Column, Entry, Grid, Line},
    sweep::{Note, Sentence, Sweep},
};

/// The facts of a server that have a column: name, and the two parts of its heading.
const FACTS: [(&str, &str, &str); 3] = [
    ("model_memory_gib", "model", "GiB"),
    ("kv_cache_gib", "KV cache", "GiB"),
    ("kv_cache_tokens", "KV cache", "tokens"),
];

/// A row for each pair of lengths, under the target and load that it was measured with.
pub(crate) fn grid(sweep: &Sweep<'_>, style: Style) -> Grid {
    let mut columns = vec![
        Column::new("", "ISL").kept(),
        Column::new("", "OSL").kept(),
        Column::words("category").minor(),
        Column::words("label").minor(),
        Column::new("decode", "tok/s").kept(),
        Column::new("TPOT", "ms"),
    ];
    columns.extend(FACTS.map(|(_, group, name)| Column::new(group, name)));
    let mut lines = Vec::new();
    for (title, rows) in sections(sweep) {
        lines.push(Line::Section(title));
        lines.extend(rows.into_iter().map(|row| Line::Row(row.entries(style))));
    }
    let is_used = |place: usize| {
        lines.iter().any(|line| match line {
            Line::Row(entries) => !entries[place].span.text.is_empty(),
            Line::Section(_) => false,
        })
    };
    let used: Vec<bool> = (0..columns.len()).map(is_used).collect();
    keep(&mut columns, &used);
    for line in &mut lines {
        if let Line::Row(entries) = line {
            keep(entries, &used);
        }
    }
    Grid { columns, lines }
}

fn keep<T>(items: &mut Vec<T>, used: &[bool]) {
    let mut places = used.iter();
    items.retain(|_| *places.next().unwrap_or(&false));
}

/// How fast each target decodes the primary pair, or its first pair.
pub(crate) fn sentence(sweep: &Sweep<'_>, style: Style) -> Sentence {
    let mut said: Vec<(&str, &Cell<'_>, String)> = Vec::new();
    let is_primary = |group: &&Group<'_>| {
        sweep.environment.workload(group.workload).is_some_and(|workload| workload.is_primary())
    };
    let primary = sweep.groups.iter().filter(is_primary);
    for group in primary.chain(&sweep.groups) {
        let mut judged = group.cells.iter().filter(|cell| !cell.is_void());
        let Some((cell, decode)) =
            judged.find_map(|cell| Some((cell, cell.mean_over_requests("decode_tps")?)))
        else {
            continue;
        };
        if !said.iter().any(|(target, ..)| *target == group.target) {
            let decode = number::significant(decode.mean, style);
            let text = format!("{} decodes {decode} tok/s at {}", group.target, group.workload);
            said.push((group.target, cell, text));
        }
    }
    let is_doubtful = said.iter().any(|(_, cell, _)| cell.trust() != "trusted");
    if said.is_empty() {
        return sweep.sentence(style);
    }
    let (word, paint) = match is_doubtful {
        true => ("DOUBTFUL", Paint::Doubt),
        false => ("TRUSTED", Paint::Good),
    };
    let texts: Vec<String> = said.into_iter().map(|(.., text)| text).collect();
    let text = sweep.qualified(&format!("{}.", texts.join("; ")));
    Sentence { word: word.to_owned(), paint, text }
}

/// Why facts are not known, each reason once; what is void; what else is not in the rows.
pub(crate) fn notes(sweep: &Sweep<'_>, style: Style) -> Vec<Note> {
    let mut unknown: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for target in sweep.environment.targets() {
        for (name, group, unit) in FACTS {
            if let Some(why) = target.why_unknown(name).filter(|_| target.fact(name).is_empty()) {
                let fact = format!("{group} {unit}");
                unknown.entry((why, target.full_name())).or_default().push(fact);
            }
        }
    }
    let mut notes: Vec<Note> = unknown
        .into_iter()
        .map(|((why, target), facts)| Note {
            label: "Unknown",
            text: format!("{} of {target}: {why}", facts.join(", ")),
        })
        .collect();
    let spreads = sweep.groups.iter().flat_map(|group| &group.cells);
    if spreads.clone().any(|cell| cell.mean_over_requests("decode_tps").is_some()) {
        let text = match spreads.clone().any(|cell| cell.measured().count() > 1) {
            true => "half of the 95 % interval of the mean over repeats",
            false => "half of the 95 % interval of the mean over the requests of one repeat",
        };
        let sign = if style.ascii { "+-" } else { "±" };
        notes.push(Note { label: sign, text: text.to_owned() });
    }
    if sweep.environment.workloads().iter().any(WorkloadRecord::is_primary) {
        notes.push(Note { label: "*", text: "the primary pair".to_owned() });
    }
    notes.extend(sweep.notes(style));
    notes
}

/// A cell with what is known of its workload and its server.
struct Row<'s, 'a> {
    cell: &'s Cell<'a>,
    target: Option<TargetRecord<'a>>,
    workload: Option<WorkloadRecord<'a>>,
}

/// The rows of each target and load, in the plan's order.
fn sections<'s, 'a>(sweep: &'s Sweep<'a>) -> Vec<(String, Vec<Row<'s, 'a>>)> {
    let mut sections: Vec<(String, Vec<Row<'s, 'a>>)> = Vec::new();
    for group in &sweep.groups {
        for cell in &group.cells {
            let title = title(sweep, group, cell);
            let row = Row {
                cell,
                target: sweep.environment.target(group.target),
                workload: sweep.environment.workload(group.workload),
            };
            match sections.iter_mut().find(|(known, _)| *known == title) {
                Some((_, rows)) => rows.push(row),
                None => sections.push((title, vec![row])),
            }
        }
    }
    sections
}

fn title(sweep: &Sweep<'_>, group: &Group<'_>, cell: &Cell<'_>) -> String {
    let target = sweep.environment.target(group.target);
    let mut words = vec![group.target.to_owned()];
    words.extend(target.and_then(|target| target.engine()));
    words.extend(target.filter(|t| t.is_simulated()).map(|_| "simulated".to_owned()));
    words.push(load_words(cell.load()));
    words.join(", ")
}

impl Row<'_, '_> {
    fn entries(&self, style: Style) -> Vec<Entry> {
        let mut entries = vec![
            self.tokens("isl", style),
            self.tokens("osl", style),
            Entry::plain(self.workload.and_then(|w| w.category()).unwrap_or_default()),
            Entry::plain(self.label()),
            self.measured("decode_tps", style),
            self.measured("tpot_ms", style),
        ];
        let fact = |name| self.target.map(|target| target.fact(name)).unwrap_or_default();
        entries
            .extend(FACTS.map(|(name, ..)| Entry::estimate(Estimate::of(&fact(name)), 1.0, style)));
        entries
    }

    /// Tokens as asked for, else as measured.
    fn tokens(&self, name: &str, style: Style) -> Entry {
        match self.workload.and_then(|workload| workload.tokens(name)) {
            Some(tokens) => Entry::plain(match tokens.parse::<f64>() {
                Ok(tokens) => number::whole_or_significant(tokens, style),
                Err(_) => tokens,
            }),
            None => Entry::estimate(self.cell.estimate(name, Some("p50")), 1.0, style),
        }
    }

    fn measured(&self, metric: &str, style: Style) -> Entry {
        let entry = Entry::estimate(self.cell.mean_over_requests(metric), 1.0, style);
        match self.cell.is_void() {
            true => Entry::new(format!("VOID {}", entry.span.text), Paint::Bad),
            false => entry,
        }
    }

    /// The label; that of the primary pair comes with a star.
    fn label(&self) -> String {
        let label = self.workload.and_then(|workload| workload.label()).unwrap_or_default();
        let is_primary = self.workload.is_some_and(|workload| workload.is_primary());
        if is_primary { format!("{label} *").trim().to_owned() } else { label.to_owned() }
    }
}
