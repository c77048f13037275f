//! Ending a point before its end.

use std::fmt;

use crate::RunEvent;

/// Looks on while a point is measured, and may end it early: when its goals are out of reach, or nothing
/// works at all.
///
/// Called for each sample, each progress and the end of each phase of the point, of warm-up and measured phase
/// alike, on the thread that also calls the sinks.
pub trait Watch: Send {
    /// Something happened. `Some` ends the point as if its time were over: nothing more is sent, and what
    /// is in flight may end within the grace period.
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd>;
}

/// Why a point was ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EarlyEnd {
    /// The first requests all failed.
    NothingWorks,
    /// A goal was missed, and the user had asked to stop then.
    GoalMissed,
    /// Requests came in faster than they were answered.
    Saturated,
    /// Requests had succeeded, and then none did any more.
    TargetLost,
    /// The server had taken the key, and then refused it again and again.
    KeyRefused,
}

impl EarlyEnd {
    /// Whether the server answers no more, so that the rest is to be measured another time.
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::TargetLost | Self::KeyRefused)
    }

    /// Every one, and its name in files.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::NothingWorks, "nothing_works"),
        (Self::GoalMissed, "goal_missed"),
        (Self::Saturated, "saturated"),
        (Self::TargetLost, "target_lost"),
        (Self::KeyRefused, "key_refused"),
    ];
}

/// In words that follow "ended early:".
impl fmt::Display for EarlyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingWorks => "the first requests all failed",
            Self::GoalMissed => "a goal was missed",
            Self::Saturated => "requests came in faster than they were answered",
            Self::TargetLost => "the server was lost",
            Self::KeyRefused => "the key was refused",
        })
    }
}
