//! The course of a sweep: which of its points are worth measuring, knowing those before.

use std::collections::VecDeque;

use bench_core::{Course, EarlyEnd, Point, PointOutcome, stats};

use crate::{Settings, loads, points::Cell};

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

    /// Whether its target could not be reached. One that refuses a prompt may answer the next.
    fn is_lost(&self, point: &Point, measured: &[PointOutcome]) -> bool {
        let of_target = |done: &&PointOutcome| done.point.target == point.target;
        measured.iter().filter(of_target).any(PointOutcome::is_lost)
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
                    && self.size(cell.load) < self.size(this.load)
                    && self.is_too_much(done, measured)
            })
        })
    }

    fn cell(&self, point: &Point) -> Option<Cell> {
        self.cells.get(usize::try_from(point.cell).ok()?).copied()
    }

    /// How much a load is. All loads of a sweep are of one kind.
    fn size(&self, load: usize) -> f64 {
        loads::size(&self.settings.loads[load])
    }

    /// Whether a point was ended as too much, or brought no more throughput than half its load, and twice
    /// the time to first token.
    fn is_too_much(&self, done: &PointOutcome, measured: &[PointOutcome]) -> bool {
        let ended = matches!(
            done.summary.facts.early_end,
            Some(EarlyEnd::Saturated | EarlyEnd::GoalMissed)
        );
        let is_less = |less: &PointOutcome| {
            let cells = self.cell(&less.point).zip(self.cell(&done.point));
            less.point.repeat == done.point.repeat
                && cells.is_some_and(|(less, done)| {
                    (less.target, less.workload) == (done.target, done.workload)
                        && self.size(less.load) * 2.0 <= self.size(done.load)
                })
        };
        ended || measured.iter().any(|less| is_less(less) && is_plateau(less, done))
    }
}

/// Whether `more` load brings no more tokens than `less`, and twice the wait for the first one; of results,
/// which have no tokens, no more of them, and twice the wait for each.
fn is_plateau(less: &PointOutcome, more: &PointOutcome) -> bool {
    const LEAST_GAIN: f64 = 1.02;
    const WAIT: f64 = 2.0;
    let has_tokens = less.summary.value("output_tps").is_some();
    let (throughput, wait) = if has_tokens { ("output_tps", "ttft_ms") } else { ("rps", "e2e_ms") };
    let tps = |point: &PointOutcome| point.summary.value(throughput);
    let ttft = |point: &PointOutcome| point.summary.distribution(wait)?.percentile(95.0);
    let both = |of: &dyn Fn(&PointOutcome) -> Option<f64>| of(less).zip(of(more));
    both(&tps).is_some_and(|(less, more)| more < less * LEAST_GAIN)
        && both(&ttft).is_some_and(|(less, more)| more > less * WAIT)
}

/// Whether a point has nothing but failures.
pub(crate) fn is_failed(done: &PointOutcome) -> bool {
    done.failure.is_some() || done.summary.succeeded() == 0
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
