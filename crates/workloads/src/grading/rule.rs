//! The rules by name.

use std::{fmt, str::FromStr};

use super::{choice, json, number::Number};

/// How closely an answer has to be what was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// The same text.
    Exact,
    /// The same words.
    #[default]
    Normalised,
    /// Its words contain the expected ones.
    Contains,
    /// The expected pattern matches.
    Regex,
    /// The same number.
    Numeric {
        /// By how much it may differ, as a share of the expected.
        tolerance: f64,
    },
    /// The same letter.
    Choice,
    /// Equal JSON.
    Json,
    /// Many words in common.
    F1 {
        /// The least F1 that is correct.
        threshold: f64,
    },
}

/// A rule that is none, or an expected text that is none for its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// No rule has this name.
    #[error("there is no rule `{0}`: there are {names}", names = Rule::NAMES.join(", "))]
    Unknown(String),
    /// What stands behind its name makes no sense.
    #[error("{0}")]
    Parameter(String),
    /// It has no use for the expected text.
    #[error("there is no {what} in `{text}`")]
    Text {
        /// What it needs.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The expected text is no pattern.
    #[error("`{pattern}` is no pattern: {why}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A call that is expected has other arguments than calls have.
    #[error("the arguments of `{0}` are no JSON object")]
    Arguments(String),
}

const TOLERANCE: f64 = 1e-6;
const THRESHOLD: f64 = 0.8;

impl Rule {
    /// The names of all rules.
    pub const NAMES: [&str; 8] =
        ["exact", "normalised", "contains", "regex", "numeric", "choice", "json", "f1"];

    /// The same number, but for what floats add.
    pub(crate) const NUMERIC: Self = Self::Numeric { tolerance: TOLERANCE };

    /// That answers could be like `expected`.
    pub(crate) fn check(self, expected: &str) -> Result<(), InvalidRule> {
        let (what, is_there) = match self {
            Self::Numeric { .. } => ("number", Number::of_answer(expected).is_some()),
            Self::Choice => ("letter from A to J", choice::letter(expected).is_some()),
            Self::Json => ("JSON", json::in_text(expected).is_some()),
            Self::Exact | Self::Normalised | Self::Contains | Self::Regex | Self::F1 { .. } => {
                return Ok(());
            }
        };
        if self == Self::Choice {
            choice::prepare();
        }
        let text = || expected.to_owned();
        if is_there { Ok(()) } else { Err(InvalidRule::Text { what, text: text() }) }
    }
}

/// `numeric`, or with a parameter `numeric:0.01`.
impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
            None => (text.trim(), None),
        };
        let share = |default: f64, what: &str| match parameter.map(|word| (word, word.parse())) {
            None => Ok(default),
            Some((_, Ok(share))) if (0.0..=1.0).contains(&share) => Ok(share),
            Some((word, _)) => Err(InvalidRule::Parameter(format!("`{word}` is no {what}"))),
        };
        let rule = match name {
            "exact" => Self::Exact,
            "normalised" | "normalized" => Self::Normalised,
            "contains" => Self::Contains,
            "regex" => Self::Regex,
            "numeric" => Self::Numeric { tolerance: share(TOLERANCE, "tolerance such as 0.01")? },
            "choice" => Self::Choice,
            "json" => Self::Json,
            "f1" => Self::F1 { threshold: share(THRESHOLD, "threshold from 0 to 1")? },
            _ => return Err(InvalidRule::Unknown(text.to_owned())),
        };
        match (rule, parameter) {
            (Self::Numeric { .. } | Self::F1 { .. }, _) | (_, None) => Ok(rule),
            (_, Some(word)) => Err(InvalidRule::Parameter(format!("`{name}` takes no `{word}`"))),
        }
    }
}

/// The form that reads back as the same.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Normalised => f.write_str("normalised"),
            Self::Contains => f.write_str("contains"),
            Self::Regex => f.write_str("regex"),
            Self::Numeric { tolerance } => write!(f, "numeric:{tolerance}"),
            Self::Choice => f.write_str("choice"),
            Self::Json => f.write_str("json"),
            Self::F1 { threshold } => write!(f, "f1:{threshold}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_as_they_are_shown() {
        for name in Rule::NAMES.into_iter().chain(["numeric:0.25", "f1:1", "normalized"]) {
            let rule: Rule = name.parse().unwrap();
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
    }
}
