//! Judging what an answer says, rather than when it came.

use std::sync::Arc;

use crate::{Answer, ToolCall};

/// What an answer should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// This text.
    Text {
        /// The text.
        text: String,
        /// How closely, by a name that the grader knows; as it sees fit without one.
        rule: Option<Arc<str>>,
    },
    /// These calls of tools.
    ToolCalls(Vec<ToolCall>),
}

impl Expected {
    /// A text that the grader compares as it sees fit.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), rule: None }
    }
}

/// A judgement on one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grade {
    /// Whether the answer is as expected.
    pub correct: bool,
    /// How near it comes, from 0 to 1, where the rule knows more than yes and no.
    pub score: Option<f32>,
    /// Where calls of tools were expected: whether the functions are those, whatever the arguments.
    pub name_correct: Option<bool>,
}

impl Grade {
    /// A judgement of yes or no on a text.
    pub const fn of(correct: bool) -> Self {
        Self { correct, score: None, name_correct: None }
    }
}

/// Compares answers with what was expected.
///
/// Called on a load thread after an answer is complete, before the next request of its slot: it should
/// take microseconds. Several load threads call it at once.
pub trait Grader: Send + Sync {
    /// Judges `answer`. The same arguments always give the same grade.
    fn grade(&self, expected: &Expected, answer: &Answer) -> Grade;
}
