//! Judging what an answer says, rather than when it came.

use crate::Answer;

/// What an answer should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// This text; how closely is the grader's business.
    Text(String),
}

/// A judgement on one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grade {
    /// Whether the answer is as expected.
    pub correct: bool,
}

/// Compares answers with what was expected.
///
/// Called on a load thread after an answer is complete, before the next request of its slot: it should
/// take microseconds. Several load threads call it at once.
pub trait Grader: Send + Sync {
    /// Judges `answer`. The same arguments always give the same grade.
    fn grade(&self, expected: &Expected, answer: &Answer) -> Grade;
}
