//! What came of a check.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// As it should be.
    Ok,
    /// It may change numbers.
    Doubt,
    /// It stands in the way of a run.
    No,
    /// It cannot be told, or there is no such thing here.
    Unknown,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found. It may hold what a server said, which is not trusted.
    pub found: String,
    /// What to do, where something can be done.
    pub fix: Option<String>,
}

impl State {
    /// How it is marked in a list.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Doubt => "!!",
            Self::No => "no",
            Self::Unknown => "--",
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Doubt => "doubt",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), fix: None }
    }

    pub(super) fn doubt(check: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Doubt, ..Self::ok(check, found) }
    }

    pub(super) fn no(check: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::No, ..Self::ok(check, found) }
    }

    pub(super) fn unknown(check: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Unknown, ..Self::ok(check, found) }
    }

    /// The same finding, with what to do.
    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}
