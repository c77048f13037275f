//! The result in a sentence.

use bench_core::Probes;
use bench_store::LoadLine;

use super::{Sentence, Sweep};
use crate::{
    cells::{Cell, Group, Missed, load_words},
    console::{Paint, Style, number},
};

impl<'a> Sweep<'a> {
    /// The best load that meets every goal, else that with most throughput, or why there is none.
    pub(crate) fn sentence(&self, style: Style) -> Sentence {
        let sentence = self.result(style);
        Sentence { text: self.qualified(&sentence.text), ..sentence }
    }

    fn result(&self, style: Style) -> Sentence {
        let void = |text| Sentence { word: "VOID".to_owned(), paint: Paint::Bad, text };
        let judged: Vec<&Cell<'_>> =
            self.cells().map(|(_, cell)| cell).filter(|cell| is_judged(cell)).collect();
        match (judged.iter().any(|cell| cell.met().is_some()), self.best()) {
            (_, Some((group, cell))) => self.best_of(group, cell, style),
            (true, None) => self.missed(style),
            (false, None) if judged.is_empty() => void(self.nothing()),
            (false, None) => void("no point has a throughput.".to_owned()),
        }
    }

    fn nothing(&self) -> String {
        let reason = self.summary.points.iter().find_map(|point| {
            let failure = point.failure.as_deref();
            failure.or_else(|| point.reasons.first().map(|reason| reason.text.as_str()))
        });
        match reason {
            Some(reason) => format!("{reason}. No number here describes the server."),
            None => "nothing was measured.".to_owned(),
        }
    }

    /// With goals, the highest load of each group that meets them all, and of these the one with most
    /// throughput; without, the one with most throughput.
    pub(crate) fn best(&self) -> Option<(&Group<'a>, &Cell<'a>)> {
        let has_goals = self.cells().any(|(_, cell)| cell.met().is_some());
        let best_of = |group: &'_ Group<'a>| -> Option<usize> {
            if has_goals {
                return edge(group).0;
            }
            let judged = group.cells.iter().enumerate().filter(|(_, cell)| is_judged(cell));
            let with_throughput =
                judged.filter_map(|(place, cell)| Some((place, throughput(cell)?)));
            with_throughput.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
        };
        let bests =
            self.groups.iter().filter_map(|group| Some((group, &group.cells[best_of(group)?])));
        let rank = |cell: &Cell<'_>| throughput(cell).unwrap_or(0.0);
        bests.max_by(|a, b| rank(a.1).total_cmp(&rank(b.1)))
    }

    fn best_of(&self, group: &Group<'a>, cell: &Cell<'a>, style: Style) -> Sentence {
        let has_goals = cell.met().is_some();
        let trust = cell.trust();
        let (word, paint) = match (has_goals, trust) {
            (true, "trusted") => ("PASS".to_owned(), Paint::Good),
            // Most repeats decide, and they are not.
            (true, "void") => ("PASS, PARTLY VOID".to_owned(), Paint::Doubt),
            (true, _) => ("PASS, DOUBTFUL".to_owned(), Paint::Doubt),
            (false, "trusted") => ("TRUSTED".to_owned(), Paint::Good),
            (false, _) => ("DOUBTFUL".to_owned(), Paint::Doubt),
        };
        let mut text = String::new();
        if self.groups.len() > 1 {
            text = format!("{}: ", self.group_name(group));
        }
        text += &users(cell, style);
        text += match (has_goals, self.cells().count()) {
            (true, _) => ", the highest load that meets every goal.",
            (false, 1) => ".",
            (false, _) => ", at the load with most throughput.",
        };
        text += &changing(cell.load());
        let above = edge(group).1.map(|place| &group.cells[place]);
        if let Some((above, missed)) =
            above.and_then(|above| Some((above, above.missed().into_iter().next()?)))
        {
            let load = load_words(above.load());
            text += &format!(" At {load} {} is missed{}.", missed.goal, came_to(&missed, style));
        }
        let worst = cell.points().iter().find_map(|point| point.reasons.first());
        if let Some(worst) = worst.filter(|_| trust != "trusted") {
            text += &format!(" But: {}.", worst.text);
        }
        Sentence { word, paint, text }
    }

    fn missed(&self, style: Style) -> Sentence {
        let judged = self.cells().filter(|(_, cell)| is_judged(cell) && cell.met().is_some());
        let nearest = judged.min_by_key(|(_, cell)| cell.missed().len());
        let mut text = "no load meets every goal.".to_owned();
        if let Some((group, cell)) = nearest {
            let target = match self.groups.len() {
                1 => String::new(),
                _ => format!(" on {}", self.group_name(group)),
            };
            text += &format!(" At {}{target} {}.", load_words(cell.load()), missed(cell, style));
        }
        Sentence { word: "MISSED".to_owned(), paint: Paint::Bad, text }
    }
}

/// Whether a cell says anything about its server.
fn is_judged(cell: &Cell<'_>) -> bool {
    !cell.is_void() && cell.measured().next().is_some()
}

/// The places of the highest load that meets every goal, and of the lowest above it that does not.
fn edge(group: &Group<'_>) -> (Option<usize>, Option<usize>) {
    let probes = |(place, cell): (usize, &Cell<'_>)| Some((place, cell.probes()?));
    Probes::edge(group.cells.iter().enumerate().filter_map(probes))
}

fn throughput(cell: &Cell<'_>) -> Option<f64> {
    let of = |metric| cell.estimate(metric, None).map(|estimate| estimate.mean);
    of("output_tps").or_else(|| of("rps"))
}

/// `32 users get the first token in 142 ms (p95), then 76.0 tok/s each`
fn users(cell: &Cell<'_>, style: Style) -> String {
    let users = match cell.load().place() {
        ("users", 1.0) => "1 user gets".to_owned(),
        ("users", _) => format!("{} get", load_words(cell.load())),
        _ => format!("at {} users get", load_words(cell.load())),
    };
    let number = |value| number::significant(value, style);
    let mean = |metric, statistic| cell.estimate(metric, Some(statistic)).map(|e| number(e.mean));
    let statistic = if cell.is_below_floor("ttft_ms", "p95") { "p50" } else { "p95" };
    let name = if statistic == "p95" { "p95" } else { "median" };
    match (mean("ttft_ms", statistic), mean("tps_user", "p50"), throughput(cell)) {
        (Some(ttft), Some(pace), _) => {
            format!("{users} the first token in {ttft} ms ({name}), then {pace} tok/s each")
        }
        (Some(ttft), None, _) => format!("{users} the first token in {ttft} ms ({name})"),
        (None, _, Some(all)) if cell.has_tokens() => {
            format!("{users} {} tok/s together", number(all))
        }
        (None, _, Some(all)) => {
            let statistic = if cell.is_below_floor("e2e_ms", "p95") { "p50" } else { "p95" };
            let name = if statistic == "p95" { "p95" } else { "median" };
            let within = mean("e2e_ms", statistic)
                .map_or_else(String::new, |e2e| format!(" each in {e2e} ms ({name}),"));
            format!("{users} an answer{within} {} requests/s together", number(all))
        }
        (None, _, None) => format!("{users} answers"),
    }
}

/// That numbers cover a load that was not the same throughout, to be said after them.
pub(crate) fn changing(load: &LoadLine) -> String {
    let change = load.change();
    change.map_or_else(String::new, |change| format!(" The load changes meanwhile: {change}."))
}

/// `p95(ttft_ms) < 500 is missed: 812`, and so on.
pub(crate) fn missed(cell: &Cell<'_>, style: Style) -> String {
    let words = |missed: &Missed| format!("{} is missed{}", missed.goal, came_to(missed, style));
    cell.missed().iter().map(words).collect::<Vec<_>>().join(", ")
}

/// What a goal came to, to be said after it.
pub(super) fn came_to(missed: &Missed, style: Style) -> String {
    let number = |value| format!(": {}", number::significant(value, style));
    let value = missed.value.map_or_else(String::new, number);
    match missed.repeats {
        Some((repeats, of)) => format!("{value} (in {repeats} of {of} repeats)"),
        None => value,
    }
}
