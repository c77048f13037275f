//! What a run says about loads: the best of them, a row for each, and what is not in the rows.

use std::collections::BTreeMap;

use bench_store::{PointSummary, RunFile, State, SummaryFile};

use crate::{
    cells::{Cell, Group, groups, load_words},
    console::{Paint, Style, number},
    environment::Environment,
    grid::{Column, Entry, Grid, Line},
};

/// The points of a run, laid out by target, workload and load.
#[derive(Clone, Debug)]
pub(crate) struct Sweep<'a> {
    pub(crate) run: &'a RunFile,
    pub(crate) summary: &'a SummaryFile,
    pub(crate) environment: Environment<'a>,
    pub(crate) groups: Vec<Group<'a>>,
}

/// The result in a sentence, and the word before it.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    pub(crate) word: String,
    pub(crate) paint: Paint,
    pub(crate) text: String,
}

/// What is said below a table: of what kind it is, and the words.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) label: &'static str,
    pub(crate) text: String,
}

/// One of the reasons against the numbers, over all points.
#[derive(Clone, Debug)]
pub(crate) struct Doubt<'a> {
    pub(crate) text: String,
    pub(crate) remedy: &'a str,
    pub(crate) is_void: bool,
}

impl<'a> Sweep<'a> {
    pub(crate) fn of(run: &'a RunFile, summary: &'a SummaryFile) -> Self {
        let environment = Environment::of(run);
        Self { run, summary, environment, groups: groups(summary) }
    }

    fn cells(&self) -> impl Iterator<Item = (&Group<'a>, &Cell<'a>)> {
        self.groups.iter().flat_map(|group| group.cells.iter().map(move |cell| (group, cell)))
    }

    /// A title, with the words without which nothing below it may be quoted.
    pub(crate) fn titled(&self, title: &str) -> String {
        let simulated = if self.environment.is_simulated() { ", simulated" } else { "" };
        let void = match self.cells().filter(|(_, cell)| cell.is_void()).count() {
            0 => "",
            n if n == self.cells().count() => ", VOID",
            _ => ", partly VOID",
        };
        format!("{title}{simulated}{void}{}", self.partial().map_or("", |_| ", partial"))
    }

    /// Why there may be less than was planned.
    pub(crate) fn partial(&self) -> Option<&'static str> {
        match self.summary.state {
            State::Finished => None,
            State::Interrupted => Some("stopped before its end: partial"),
            State::Unfinished => Some("not finished: partial"),
        }
    }

    /// The best load that meets every goal, else that with most throughput, or why there is none.
    pub(crate) fn sentence(&self, style: Style) -> Sentence {
        let sentence = self.result(style);
        Sentence { text: self.qualified(&sentence.text), ..sentence }
    }

    /// What is said, with the words without which it may not be quoted.
    pub(crate) fn qualified(&self, text: &str) -> String {
        let simulated = if self.environment.is_simulated() { "simulated: " } else { "" };
        match self.partial() {
            Some(partial) => format!("{simulated}{text} The run was {partial}."),
            None => format!("{simulated}{text}"),
        }
    }

    fn result(&self, style: Style) -> Sentence {
        let void = |text| Sentence { word: "VOID".to_owned(), paint: Paint::Bad, text };
        let judged: Vec<&Cell<'_>> =
            self.cells().map(|(_, cell)| cell).filter(|cell| is_judged(cell)).collect();
        if judged.is_empty() {
            return void(self.nothing());
        }
        match (judged.iter().any(|cell| cell.met().is_some()), self.best()) {
            (true, None) => self.missed(style),
            (_, Some((group, cell))) => self.best_of(group, cell, style),
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
            let judged = || group.cells.iter().enumerate().filter(|(_, cell)| is_judged(cell));
            if has_goals {
                return judged()
                    .rfind(|(_, cell)| cell.met() == Some(true))
                    .map(|(place, _)| place);
            }
            let with_throughput =
                judged().filter_map(|(place, cell)| Some((place, throughput(cell)?)));
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
        let above = group.cells.iter().filter(|c| is_judged(c)).find(|c| beyond(c, cell));
        if let Some((above, (goal, value))) =
            above.and_then(|above| Some((above, above.missed().first().copied()?)))
        {
            let load = load_words(above.load());
            text += &format!(" At {load} {goal} is missed{}.", came_to(value, style));
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
            let missed: Vec<String> = cell
                .missed()
                .iter()
                .map(|(goal, value)| format!("{goal} is missed{}", came_to(*value, style)))
                .collect();
            let target = match self.groups.len() {
                1 => String::new(),
                _ => format!(" on {}", self.group_name(group)),
            };
            text += &format!(" At {}{target} {}.", load_words(cell.load()), missed.join(", "));
        }
        Sentence { word: "MISSED".to_owned(), paint: Paint::Bad, text }
    }

    /// The target of a group, and its workload where there are several.
    pub(crate) fn group_name(&self, group: &Group<'_>) -> String {
        let several = self.groups.iter().any(|other| other.workload != group.workload);
        match several {
            true => format!("{}, {}", group.target, group.workload),
            false => group.target.to_owned(),
        }
    }

    /// A group with what is known of its server.
    pub(crate) fn section(&self, group: &Group<'_>) -> String {
        let target = self.environment.target(group.target);
        let engine = target.and_then(|target| target.engine());
        let host = target.and_then(|target| target.host());
        let mut words = vec![self.group_name(group)];
        words.extend(match (engine, host) {
            (Some(engine), Some(host)) => Some(format!("{engine} @ {host}")),
            (engine, host) => engine.or(host.map(str::to_owned)),
        });
        words.extend(target.filter(|t| t.is_simulated()).map(|_| "simulated".to_owned()));
        words.join(", ")
    }

    /// A row for each cell.
    pub(crate) fn grid(&self, style: Style) -> Grid {
        let columns = self.columns();
        let best = self.best().map(|(_, cell)| cell.points()[0].number);
        let mut lines = Vec::new();
        for group in &self.groups {
            if self.groups.len() > 1 {
                lines.push(Line::Section(self.section(group)));
            }
            for cell in &group.cells {
                let is_best = best == Some(cell.points()[0].number);
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
        add("output", "tok/s", "output_tps", None);
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
        add("E2E ms", "p95", "e2e_ms", Some("p95"));
        columns.push((Kind::Share("error_ratio"), Column::new("failed", "%")));
        if has("good_ratio") {
            columns.push((Kind::Share("good_ratio"), Column::new("good", "%")));
        }
        if any(&|cell| cell.met().is_some()) {
            columns.push((Kind::Goals, Column::new("goals", "met")));
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
            Kind::Goals => match cell.met() {
                Some(true) if is_best => Entry::new("yes <", Paint::Good),
                Some(true) => Entry::new("yes", Paint::Good),
                Some(false) => Entry::new("no", Paint::Bad),
                None => Entry::unknown(style),
            },
        }
    }

    /// What is not in the rows: missed goals, failed points, skipped cells, what was found wrong with targets,
    /// repeats that stand apart.
    pub(crate) fn notes(&self, style: Style) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut add = |label, text| notes.push(Note { label, text });
        for (group, cell) in self.cells() {
            for (goal, value) in cell.missed() {
                let place = self.place(group, cell);
                add("Missed", format!("{place}: {goal}{}", came_to(value, style)));
            }
        }
        for (group, cell) in self.cells() {
            for point in cell.points() {
                if let Some(failure) = &point.failure {
                    add("Not measured", format!("{}: {failure}", self.repeat(group, cell, point)));
                }
            }
        }
        for skipped in self.environment.skipped() {
            add("Skipped", format!("{}: {}", skipped.what.join(", "), skipped.why));
        }
        for (target, what) in self.environment.issues() {
            add("Issue", format!("{target}: {what}"));
        }
        for note in self.environment.notes() {
            add("Note", note.to_owned());
        }
        for (group, cell) in self.cells() {
            for (metric, statistic, name) in APART {
                for (point, value) in cell.apart(metric, statistic) {
                    let value = number::significant(value, style);
                    let repeat = self.repeat(group, cell, point);
                    add("Stands apart", format!("{repeat}: {name} {value}, unlike the others"));
                }
            }
        }
        if let Some((tool, notes)) = self.environment.imported() {
            add("Imported", format!("from {tool}: its numbers mean what it says they mean"));
            notes.iter().for_each(|note| add("Imported", (*note).to_owned()));
        }
        notes
    }

    fn place(&self, group: &Group<'_>, cell: &Cell<'_>) -> String {
        let load = load_words(cell.load());
        match self.groups.len() {
            1 => load,
            _ => format!("{load}, {}", self.group_name(group)),
        }
    }

    fn repeat(&self, group: &Group<'_>, cell: &Cell<'_>, point: &PointSummary) -> String {
        let place = self.place(group, cell);
        match cell.points().len() {
            1 => place,
            _ => format!("{place}, repeat {}", u64::from(point.repeat) + 1),
        }
    }

    /// What speaks against the numbers, each reason once, that of most points first.
    pub(crate) fn doubts(&self) -> Vec<Doubt<'a>> {
        let points = &self.summary.points;
        let mut by_code: BTreeMap<&str, Vec<&'a bench_store::ReasonLine>> = BTreeMap::new();
        for reason in points.iter().flat_map(|point| &point.reasons) {
            by_code.entry(&reason.code).or_default().push(reason);
        }
        let mut groups: Vec<_> = by_code.into_values().collect();
        let is_void =
            |reasons: &[&bench_store::ReasonLine]| reasons.iter().any(|r| r.trust == "void");
        groups.sort_by_key(|reasons| (!is_void(reasons), std::cmp::Reverse(reasons.len())));
        let doubt = |reasons: Vec<&'a bench_store::ReasonLine>| {
            let worst = reasons.iter().find(|r| r.trust == "void").unwrap_or(&reasons[0]);
            let differ = reasons.iter().any(|reason| reason.text != worst.text);
            let such = if differ { ", such as" } else { "" };
            let text = match points.len() {
                1 => worst.text.clone(),
                all => format!("{} of {all} points{such}: {}", reasons.len(), worst.text),
            };
            Doubt { text, remedy: &worst.remedy, is_void: worst.trust == "void" }
        };
        groups.into_iter().map(doubt).collect()
    }

    /// How many points ended `trusted`, of how many.
    pub(crate) fn trusted(&self) -> (usize, usize) {
        let points = &self.summary.points;
        (points.iter().filter(|point| point.trust == "trusted").count(), points.len())
    }

    /// What the marks in the table mean.
    pub(crate) fn marks(&self, style: Style) -> Vec<String> {
        let mut marks = Vec::new();
        let marked = |cell: &Cell<'_>| {
            let below = |statistic| {
                ["ttft_ms", "e2e_ms"].iter().any(|metric| cell.is_below_floor(metric, statistic))
            };
            below("p50") || below("p95") || below("p99")
        };
        if self.cells().any(|(_, cell)| marked(cell)) {
            marks.push("~ too few requests to rely on; p95 needs 130, p99 662".to_owned());
        }
        if self.cells().any(|(_, cell)| cell.measured().count() > 1) {
            let sign = if style.ascii { "+-" } else { "±" };
            marks.push(format!(
                "{sign} half of the 95 % interval of the mean over repeats (Student's t)"
            ));
        }
        if self.best().is_some_and(|(_, cell)| cell.met() == Some(true)) {
            marks.push("< best load that meets every goal".to_owned());
        }
        marks
    }
}

/// The metrics by which a repeat can stand apart from the others.
const APART: [(&str, Option<&str>, &str); 2] =
    [("output_tps", None, "output tok/s"), ("ttft_ms", Some("p50"), "TTFT p50 ms")];

/// What a column shows.
enum Kind {
    Load { one_unit: bool },
    Trust,
    Number { metric: &'static str, statistic: Option<&'static str> },
    Share(&'static str),
    Goals,
}

/// Whether a cell says anything about its server.
fn is_judged(cell: &Cell<'_>) -> bool {
    !cell.is_void() && cell.measured().next().is_some()
}

fn beyond(cell: &Cell<'_>, other: &Cell<'_>) -> bool {
    let ((unit, load), (same, least)) = (cell.load().place(), other.load().place());
    unit == same && load > least
}

fn throughput(cell: &Cell<'_>) -> Option<f64> {
    let of = |metric| cell.estimate(metric, None).map(|estimate| estimate.mean);
    of("output_tps").or_else(|| of("rps"))
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
        (None, _, Some(all)) => format!("{users} {} tok/s together", number(all)),
        (None, _, None) => format!("{users} answers"),
    }
}

fn came_to(value: Option<f64>, style: Style) -> String {
    value.map_or_else(String::new, |value| format!(": {}", number::significant(value, style)))
}
