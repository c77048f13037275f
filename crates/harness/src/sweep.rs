//! The course of a sweep: which of its points are worth measuring, knowing those before.

use std::collections::VecDeque;

use bench_core::{Course, EarlyEnd, Point, PointOutcome, Trust, stats};

use crate::{Settings, points::Cell};

/// The points of a sweep, in order, less those that have become pointless: repeats of a cell that is known
/// well enough, loads beyond one that was too much, points of a target that is lost.
#[derive(Debug)]
pub(crate) struct Sweep {
    points: VecDeque<Point>,
    cells: Vec<Cell>,
    settings: Settings,
}

/// Repeats without which no interval is trusted, however narrow: looking after each one makes it too narrow.
const LEAST_REPEATS: u32 = 3;

impl Sweep {
    pub(crate) fn new(points: Vec<Point>, cells: Vec<Cell>, settings: Settings) -> Self {
        Self { points: points.into(), cells, settings }
    }

    /// Why `point` need not be measured, if it need not.
    fn is_pointless(&self, point: &Point, measured: &[PointOutcome]) -> bool {
        let same = |a: &Point, b: &Point| (a.cell, a.repeat) == (b.cell, b.repeat);
        measured.iter().any(|done| same(&done.point, point))
            || self.is_converged(point, measured)
            || self.is_lost(point, measured)
            || self.is_beyond(point, measured)
    }

    /// Whether the repeats of its cell agree well enough.
    fn is_converged(&self, point: &Point, measured: &[PointOutcome]) -> bool {
        let Some(converge) = &self.settings.repeats.converge else { return false };
        let repeats = measured.iter().filter(|done| done.point.cell == point.cell);
        let values: Vec<f64> =
            repeats.filter_map(|done| converge.quantity.of(&done.summary)).collect();
        stats::Converge { ratio: converge.ratio, least: LEAST_REPEATS }.reached(&values)
    }

    /// Whether its target could not be reached, or answered nothing but errors.
    fn is_lost(&self, point: &Point, measured: &[PointOutcome]) -> bool {
        let of_target = |done: &&PointOutcome| done.point.target == point.target;
        measured.iter().filter(of_target).any(is_failed)
    }

    /// Whether less load of the same kind was too much already.
    fn is_beyond(&self, point: &Point, measured: &[PointOutcome]) -> bool {
        if !self.settings.goals.stop_on_saturation {
            return false;
        }
        let Some(this) = self.cell(point) else { return false };
        measured.iter().any(|done| {
            self.cell(&done.point).is_some_and(|cell| {
                (cell.target, cell.workload) == (this.target, this.workload)
                    && self.is_less(cell.load, this.load)
                    && self.is_too_much(done)
            })
        })
    }

    fn cell(&self, point: &Point) -> Option<Cell> {
        self.cells.get(usize::try_from(point.cell).ok()?).copied()
    }

    /// Whether one load is less than another of its kind.
    fn is_less(&self, a: usize, b: usize) -> bool {
        use crate::LoadSettings::{Closed, Open};
        match (&self.settings.loads[a], &self.settings.loads[b]) {
            (Closed { concurrency: a, .. }, Closed { concurrency: b, .. }) => a < b,
            (Open { curve: a, .. }, Open { curve: b, .. }) => a.peak() < b.peak(),
            _ => false,
        }
    }

    fn is_too_much(&self, done: &PointOutcome) -> bool {
        let goals = &self.settings.goals.slo;
        let missed = || goals.iter().filter_map(|goal| goal.check(&done.summary)).any(|r| !r.met);
        matches!(done.summary.facts.early_end, Some(EarlyEnd::Saturated | EarlyEnd::GoalMissed))
            || missed()
    }
}

/// Whether a point shows that its target is lost.
pub(crate) fn is_failed(done: &PointOutcome) -> bool {
    done.failure.is_some() || (done.verdict.trust == Trust::Void && done.summary.succeeded() == 0)
}

impl Course for Sweep {
    fn next_point(&mut self, measured: &[PointOutcome]) -> Option<Point> {
        while let Some(point) = self.points.pop_front() {
            if !self.is_pointless(&point, measured) {
                return Some(point);
            }
        }
        None
    }
}
