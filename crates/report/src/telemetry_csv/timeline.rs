//! The one time axis of a run: seconds since its start, which samples, readings and events share.

use bench_store::{EventKind, EventLine, PhaseLine, RunFile};

/// Where in a run a moment lies, and when by the clock.
///
/// Moments of samples, readings and events are nanoseconds since the start of the run, on a clock that is never set.
/// The wall clock was read once, at that start.
#[derive(Clone, Debug)]
pub struct Timeline {
    began_wall_ns: u64,
    /// What holds from when on, in order.
    places: Vec<(u64, Place)>,
}

/// What was done at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Which point was measured.
    pub point: Option<u32>,
    /// Which phase of it was on.
    pub phase: Option<PhaseLine>,
}

impl Timeline {
    /// That of `run`, in which `events` happened.
    pub fn of(run: &RunFile, events: &[EventLine]) -> Self {
        let mut places: Vec<(u64, Place)> = Vec::new();
        for event in events {
            let place = match event.kind {
                EventKind::PointBegan { point, .. } => Place { point: Some(point), phase: None },
                EventKind::PhaseBegan { point, phase } => {
                    Place { point: Some(point), phase: Some(phase) }
                }
                EventKind::PhaseEnded { point, .. } => Place { point: Some(point), phase: None },
                EventKind::PointEnded { .. } | EventKind::RunEnded { .. } => Place::default(),
                _ => continue,
            };
            places.push((event.at_ns, place));
        }
        // They are, but for those of a process that went on after another one.
        places.sort_by_key(|(at_ns, _)| *at_ns);
        Self { began_wall_ns: run.anchor.wall_ns, places }
    }

    /// What was done at `at_ns`.
    pub fn place(&self, at_ns: u64) -> Place {
        let after = self.places.partition_point(|(from, _)| *from <= at_ns);
        after.checked_sub(1).map_or_else(Place::default, |place| self.places[place].1)
    }

    /// `at_ns` in nanoseconds since the Unix epoch.
    pub fn wall_ns(&self, at_ns: u64) -> u64 {
        self.began_wall_ns.saturating_add(at_ns)
    }
}
