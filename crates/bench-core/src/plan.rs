//! What is to be measured, resolved: nothing is left to default or to look up.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use crate::{Anchor, Cancellation, ConcurrencyRamp, Goal, Goodput, PointOutcome, Schedule};

/// A run, resolved.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's id, part of each request's id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// The seed of everything random in it.
    pub seed: u64,
    /// Load threads.
    pub threads: NonZeroUsize,
    /// The points, in order of measurement. Those of a run that finds out what to measure while it
    /// measures are not known here.
    pub points: Vec<Point>,
    /// How long to leave the server alone between two points.
    pub cool_down: Duration,
    /// What each point is asked to keep to.
    pub goals: Vec<Goal>,
    /// What was measured before, when a run goes on that was broken off.
    pub resumed: Option<Resumed>,
}

/// The part of a run that was measured before it was broken off.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The start of the run, on which all its moments count.
    pub anchor: Anchor,
    /// The points that ended.
    pub measured: Vec<PointOutcome>,
    /// The number of the next point: one that was begun and broken off keeps its own.
    pub next_number: u32,
}

impl Plan {
    /// A plan of one point, on one load thread, with seed 42 and `run` for id and name.
    ///
    /// Who keeps runs gives each an id of its own: `Plan { id, ..Plan::of(point) }`.
    pub fn of(point: Point) -> Self {
        Self {
            id: "run".to_owned(),
            name: "run".to_owned(),
            seed: 42,
            threads: NonZeroUsize::MIN,
            points: vec![point],
            cool_down: Duration::ZERO,
            goals: Vec::new(),
            resumed: None,
        }
    }
}

/// One cell of a plan: target × workload × load × repeat.
#[derive(Clone, Debug)]
pub struct Point {
    /// The target's name.
    pub target: String,
    /// What is sent, in a few words.
    pub workload: String,
    /// Which cell of the plan it is, from 0. Points of one cell repeat one another.
    pub cell: u32,
    /// Which of its cell's repeats it is, from 0.
    pub repeat: u32,
    /// When requests are sent in the measured phase.
    pub load: Load,
    /// The phase before it, if any.
    pub warm_up: Option<WarmUp>,
    /// When the measured phase ends.
    pub until: Until,
    /// How long requests in flight may go on after sending has stopped at a time or by the user; then
    /// they are cancelled.
    pub grace: Duration,
    /// What each request may take.
    pub limits: Limits,
    /// How often a request is tried again that failed in a way which may pass, before anything of an answer
    /// came. Every attempt is a sample.
    pub retries: u32,
    /// Requests that are given up on purpose, as users do.
    pub cancellation: Option<Cancellation>,
    /// What a good request keeps to; without it, goodput does not exist.
    pub goodput: Option<Goodput>,
}

impl Point {
    /// A point without names or warm-up, with 30 s of grace and the default limits.
    ///
    /// Its names are shown beside results and change nothing: `Point { target, ..Point::new(load, until) }`.
    pub fn new(load: Load, until: Until) -> Self {
        Self {
            target: String::new(),
            workload: String::new(),
            cell: 0,
            repeat: 0,
            load,
            warm_up: None,
            until,
            grace: Duration::from_secs(30),
            limits: Limits::default(),
            retries: 0,
            cancellation: None,
            goodput: None,
        }
    }
}

/// The phase before the measured one.
#[derive(Clone, Debug)]
pub struct WarmUp {
    /// When its requests are sent.
    pub load: Load,
    /// When it ends.
    pub until: Until,
}

/// When requests are sent.
#[derive(Clone, Debug)]
pub enum Load {
    /// A number in flight, always: the next one is sent when one ends.
    Closed {
        /// How many, over all load threads.
        concurrency: NonZeroUsize,
        /// How many of what.
        counts: Counts,
        /// How the number is come to; at once without it.
        ramp: Option<ConcurrencyRamp>,
    },
    /// Each session at its time, whatever the server does.
    Open {
        /// The times.
        schedule: Arc<dyn Schedule>,
        /// At most so many sessions at once; further ones wait, and are late.
        max_in_flight: Option<NonZeroUsize>,
    },
}

impl Load {
    /// `concurrency` requests in flight, from the start to the end.
    pub const fn closed(concurrency: NonZeroUsize) -> Self {
        Self::Closed { concurrency, counts: Counts::Requests, ramp: None }
    }

    /// Each session at its time.
    pub fn open(schedule: impl Schedule + 'static) -> Self {
        Self::Open { schedule: Arc::new(schedule), max_in_flight: None }
    }
}

/// What a closed loop keeps a number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counts {
    /// Requests: a session that waits between two turns leaves its place to another one, and takes the
    /// next place that is free once its wait is over.
    #[default]
    Requests,
    /// Sessions: one that waits between two turns keeps its place.
    Sessions,
    /// Requests, which more open sessions share: after each turn a session stands back for the others, and a new
    /// one begins when one has ended.
    Turns {
        /// Sessions that are open at a time; at least as many as there are requests in flight.
        open: NonZeroUsize,
        /// Whose turn is next.
        pick: Pick,
    },
}

/// Which of the open sessions is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pick {
    /// The one that has waited longest.
    #[default]
    RoundRobin,
    /// Any.
    Random,
}

/// When a phase ends: at the first bound reached, or when the workload has nothing left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// After sending so many requests (closed loop) or sessions (open loop).
    pub requests: Option<u64>,
    /// After sending for so long.
    pub duration: Option<Duration>,
}

impl Until {
    /// After `requests` requests.
    pub const fn requests(requests: u64) -> Self {
        Self { requests: Some(requests), duration: None }
    }

    /// After `duration`.
    pub const fn duration(duration: Duration) -> Self {
        Self { requests: None, duration: Some(duration) }
    }
}

/// What a request may take. Beyond a limit it fails; keep-alive comments of a server reset none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To connect, name look-up and TLS included.
    pub connect: Duration,
    /// From sending to the response head.
    pub headers: Duration,
    /// From sending to the first generated event.
    pub first_token: Duration,
    /// From one generated event to the next.
    pub idle: Duration,
    /// From sending to the end; none by default.
    pub total: Option<Duration>,
}

impl Default for Limits {
    /// 10 s, 60 s, 300 s, 120 s, none.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(60),
            first_token: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            total: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_plan_is_one_point_as_given_on_one_thread() {
        let load = Load::closed(NonZeroUsize::MIN);
        let plan = Plan::of(Point::new(load, Until::requests(7)));
        assert_eq!(plan.threads, NonZeroUsize::MIN);
        let [point] = &plan.points[..] else { panic!("{} points", plan.points.len()) };
        assert_eq!((point.until, point.limits), (Until::requests(7), Limits::default()));
        assert!(point.warm_up.is_none() && matches!(point.load, Load::Closed { .. }));
    }
}
