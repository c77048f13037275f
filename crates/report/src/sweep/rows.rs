//! A row for each load.

use bench_core::Probes;

use super::Sweep;
use crate::{
    cells::{Cell, load_words},
    console::{Paint, Style, number},
    grid::{Column, Entry, Grid, Line},
};

/// What stands after the goals of the best load.
pub(super) const BEST: &str = " <";

/// What a column shows.
enum Kind {
    Load { one_unit: bool },
    Trust,
    Number { metric: &'static str, statistic: Option<&'static str> },
    Share(&'static str),
    Goals,
}

impl Sweep<'_> {
    /// A row for each cell.
    pub(crate) fn grid(&self, style: Style) -> Grid {
        let columns = self.columns();
        let best = self.best().map(|(_, cell)| cell);
        let mut lines = Vec::new();
        for group in &self.groups {
            if self.groups.len() > 1 {
                lines.push(Line::Section(self.section(group)));
            }
            for cell in &group.cells {
                let is_best = best.is_some_and(|best| std::ptr::eq(best, cell));
                let entry = |(kind, _): &(Kind, Column)| self.entry(kind, cell, is_best, style);
                lines.push(Line::Row(columns.iter().map(entry).collect()));
            }
        }
        Grid { columns: columns.into_iter().map(|(_, column)| column).collect(), lines }
    }

    /// The columns that have anything to say, in order of importance.
    fn columns(&self) -> Vec<(Kind, Column)> {
        let any = |has: &dyn Fn(&Cell<'_>) -> bool| self.cells().any(|(_, cell)| has(cell));
        let has =
            |metric: &str| any(&|cell| cell.measured().any(|p| p.metrics.contains_key(metric)));
        let mut units: Vec<&str> = self.cells().map(|(_, cell)| cell.load().place().0).collect();
        units.dedup();
        let load = if let [unit] = units.as_slice() { unit } else { "load" };
        let one_unit = units.len() == 1;
        let mut columns = vec![(Kind::Load { one_unit }, Column::new("", load).kept())];
        if any(&|cell| cell.trust() != "trusted") {
            columns.push((Kind::Trust, Column::words("trust").kept()));
        }
        let mut add = |group: &str, name: &str, metric, statistic| {
            columns.push((Kind::Number { metric, statistic }, Column::new(group, name)));
        };
        // Results have no tokens: their throughput is in requests, and their latency that of the whole.
        let is_of_results = |cell: &Cell<'_>| {
            let has = |metric| cell.measured().any(|p| p.metrics.contains_key(metric));
            has("e2e_ms") && !has("output_tps")
        };
        let has_results = any(&is_of_results);
        let has_tokens = has("output_tps") || !has_results;
        if has_results {
            add("", "req/s", "rps", None);
            if has("input_tps") {
                add("input", "tok/s", "input_tps", None);
            }
            add("E2E ms", "p50", "e2e_ms", Some("p50"));
        }
        let mut add = |group: &str, name: &str, metric, statistic| {
            if has_tokens {
                add(group, name, metric, statistic);
            }
        };
        add("output", "tok/s", "output_tps", None);
        if any(&|cell| cell.load().change().is_some()) && has("steady_output_tps") {
            add("steady", "tok/s", "steady_output_tps", None);
        }
        add("tok/s", "/user", "tps_user", Some("p50"));
        if has("ttft_ms") {
            add("TTFT ms", "p50", "ttft_ms", Some("p50"));
            add("TTFT ms", "p95", "ttft_ms", Some("p95"));
            let quotable = |c: &Cell<'_>| {
                !c.is_below_floor("ttft_ms", "p99") && !c.values("ttft_ms", Some("p99")).is_empty()
            };
            if any(&quotable) {
                add("TTFT ms", "p99", "ttft_ms", Some("p99"));
            }
        }
        let (metric, name) =
            if has("itl_ms") { ("itl_ms", "ITL ms") } else { ("tpot_ms", "TPOT ms") };
        if has(metric) {
            add(name, "p50", metric, Some("p50"));
            add(name, "p95", metric, Some("p95"));
        }
        // Failures stand beside every throughput as long as there is room for anything.
        let e2e = Kind::Number { metric: "e2e_ms", statistic: Some("p95") };
        columns.push((e2e, Column::new("E2E ms", "p95").minor()));
        columns.push((Kind::Share("error_ratio"), Column::new("failed", "%")));
        if has("good_ratio") {
            columns.push((Kind::Share("good_ratio"), Column::new("good", "%")));
        }
        let number = |metric| Kind::Number { metric, statistic: None };
        if has("j_per_output_token") {
            columns.push((number("j_per_output_token"), Column::new("J per", "token")));
        } else if has("j_per_request") {
            columns.push((number("j_per_request"), Column::new("J per", "request")));
        }
        if has("gpu_power_w") {
            columns.push((number("gpu_power_w"), Column::new("GPU", "W").minor()));
        }
        if any(&|cell| cell.met().is_some()) {
            columns.push((Kind::Goals, Column::new("goals", "met").kept()));
        }
        columns
    }

    fn entry(&self, kind: &Kind, cell: &Cell<'_>, is_best: bool, style: Style) -> Entry {
        match *kind {
            Kind::Load { one_unit } => {
                let (_, value) = cell.load().place();
                Entry::plain(match one_unit && value > 0.0 {
                    true => number::whole_or_significant(value, style),
                    false => load_words(cell.load()),
                })
            }
            Kind::Trust => trust_entry(cell),
            Kind::Number { metric, statistic } => {
                let entry = Entry::estimate(cell.estimate(metric, statistic), 1.0, style);
                let below =
                    statistic.is_some_and(|statistic| cell.is_below_floor(metric, statistic));
                if below { entry.marked() } else { entry }
            }
            Kind::Share(metric) => Entry::estimate(cell.estimate(metric, None), 100.0, style),
            Kind::Goals => match cell.probes() {
                Some(probes) => goals_entry(probes, is_best),
                None => Entry::unknown(style),
            },
        }
    }
}

/// `yes`, `no` or, where repeats differ, `yes 2/3`.
fn goals_entry(probes: Probes, is_best: bool) -> Entry {
    let (word, paint) = if probes.is_met() { ("yes", Paint::Good) } else { ("no", Paint::Bad) };
    let share = match (probes.met, probes.missed) {
        (0, _) | (_, 0) => String::new(),
        (met, _) => format!(" {met}/{}", probes.count()),
    };
    let best = if is_best { BEST } else { "" };
    Entry::new(format!("{word}{share}{best}"), paint)
}

fn trust_entry(cell: &Cell<'_>) -> Entry {
    if cell.measured().next().is_none() {
        return Entry::new("failed", Paint::Bad);
    }
    match cell.trust() {
        "void" => Entry::new("VOID", Paint::Bad),
        "doubtful" => Entry::new("doubtful", Paint::Doubt),
        _ => Entry::plain("ok"),
    }
}
