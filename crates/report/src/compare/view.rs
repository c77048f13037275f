//! A run, or one of its targets, as one side of a comparison.

use bench_store::State;

use super::{Loaded, Side, is_called};
use crate::{
    cells::{Cell, Group, groups, load_words},
    environment::Environment,
};

/// One side of a comparison.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) environment: Environment<'a>,
    pub(super) groups: Vec<Group<'a>>,
    /// The target, where targets of one run are compared with one another.
    target: Option<&'a str>,
}

impl<'a> View<'a> {
    /// The sides: the runs, each with these targets alone if there are some; of a single run the targets.
    pub(super) fn of(runs: &'a [Loaded], targets: &'a [String]) -> Vec<Self> {
        match runs {
            [only] if !targets.is_empty() => {
                let side = |target: &'a String| {
                    let view = Self::with(only, std::slice::from_ref(target));
                    // The name that is shown says whether it is a simulator.
                    let name = view.groups.first().map_or(target.as_str(), |group| group.target);
                    Self { target: Some(name), ..view }
                };
                targets.iter().map(side).collect()
            }
            runs => runs.iter().map(|run| Self::with(run, targets)).collect(),
        }
    }

    fn with(loaded: &'a Loaded, targets: &[String]) -> Self {
        let mut groups = groups(&loaded.summary);
        let is_wanted =
            |group: &Group<'_>| targets.iter().any(|target| is_called(group.target, target));
        groups.retain(|group| targets.is_empty() || is_wanted(group));
        Self { loaded, environment: Environment::of(&loaded.run), groups, target: None }
    }

    /// Whether `other` is another target of the same run.
    pub(super) fn is_same_run(&self, other: &Self) -> bool {
        std::ptr::eq(self.loaded, other.loaded)
    }

    /// The place of a target in the plan.
    pub(super) fn position(&self, target: &str) -> usize {
        let targets = self.environment.targets();
        targets.iter().position(|record| record.full_name() == target).unwrap_or(0)
    }

    /// All loads, in words.
    pub(super) fn loads(&self) -> String {
        let cells = self.groups.iter().flat_map(|group| &group.cells);
        let mut loads: Vec<String> = cells.map(|cell| load_words(cell.load())).collect();
        loads.dedup();
        if loads.is_empty() { "no points".to_owned() } else { loads.join(", ") }
    }

    pub(super) fn side(&self) -> Side {
        let run = &self.loaded.run;
        let simulated = match self.target.and_then(|target| self.environment.target(target)) {
            Some(target) => target.is_simulated(),
            None => self.environment.is_simulated(),
        };
        Side {
            id: run.id.clone(),
            name: run.name.clone(),
            created: run.created.clone(),
            target: self.target.map(str::to_owned),
            simulated,
            notes: self.notes(),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.loaded.summary.state {
            State::Finished => {}
            State::Interrupted => notes.push("stopped before its end: partial".to_owned()),
            State::Unfinished => notes.push("not finished: partial".to_owned()),
        }
        if let Some((tool, definitions)) = self.environment.imported() {
            notes.push(format!("imported from {tool}: its numbers mean what it says they mean"));
            notes.extend(definitions.iter().map(|note| (*note).to_owned()));
        }
        let points = self.groups.iter().flat_map(|group| &group.cells).flat_map(Cell::measured);
        let unanswered: u64 = points.map(|point| point.facts.unanswered).sum();
        if unanswered > 0 {
            notes.push(format!("{unanswered} questions were not answered: no accuracy has them"));
        }
        notes
    }
}
