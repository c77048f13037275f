//! Which points a run measures.

use std::collections::VecDeque;

use crate::{Plan, Point, PointOutcome};

/// Chooses the points of a run, one after the other, knowing what came of those before: a sweep that
/// leaves out what is beyond saturation, a search for the highest load.
///
/// Called between points, on the thread that called [`run_course`](crate::run_course).
pub trait Course {
    /// The next point, given those that ended so far; `None` ends the run.
    fn next_point(&mut self, measured: &[PointOutcome]) -> Option<Point>;
}

/// The points of a plan, whatever comes of them.
#[derive(Clone, Debug)]
pub struct InOrder(VecDeque<Point>);

impl InOrder {
    /// The points of `plan`, less those that were measured before it was resumed.
    pub fn of(plan: &Plan) -> Self {
        let measured = plan.resumed.as_ref().map_or(0, |resumed| resumed.measured.len());
        Self(plan.points.iter().skip(measured).cloned().collect())
    }
}

impl Course for InOrder {
    fn next_point(&mut self, _measured: &[PointOutcome]) -> Option<Point> {
        self.0.pop_front()
    }
}
