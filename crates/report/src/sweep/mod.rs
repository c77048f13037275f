//! What a run says about loads: the best of them, a row for each, and what is not in the rows.

mod notes;
mod rows;
mod sentence;

use bench_store::{PointSummary, RunFile, State, SummaryFile};

pub(crate) use sentence::{changing, missed};

use crate::{
    cells::{Cell, Group, groups},
    console::Paint,
    environment::Environment,
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
            State::Finished if self.has_lost_target() => {
                Some("cut short by the loss of a target: partial")
            }
            State::Finished => None,
            State::Interrupted => Some("stopped before its end: partial"),
            State::Unfinished => Some("not finished: partial"),
        }
    }

    /// Whether a target was lost while others, or earlier points of it, were measured.
    fn has_lost_target(&self) -> bool {
        let points = &self.summary.points;
        points.iter().any(PointSummary::is_lost) && points.iter().any(|p| p.succeeded() > 0)
    }

    /// What is said, with the words without which it may not be quoted.
    pub(crate) fn qualified(&self, text: &str) -> String {
        let simulated = if self.environment.is_simulated() { "simulated: " } else { "" };
        match self.partial() {
            Some(partial) => format!("{simulated}{text} The run was {partial}."),
            None => format!("{simulated}{text}"),
        }
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

    /// How many points ended `trusted`, of how many.
    pub(crate) fn trusted(&self) -> (usize, usize) {
        let points = &self.summary.points;
        (points.iter().filter(|point| point.trust == "trusted").count(), points.len())
    }
}
