//! Judging answers: what was expected, and how closely an answer has to be that.
//!
//! | rule | an answer is correct if |
//! |---|---|
//! | `exact` | it is the expected text, but for white space around it |
//! | `normalised` | it is, without case, punctuation, articles and white space (as SQuAD has it) |
//! | `contains` | its normalised words contain the expected ones, in order and side by side |
//! | `regex` | the expected pattern matches somewhere in it |
//! | `numeric` | its last number, or the one behind `####`, is the expected one; `numeric:0.01` within 1 % |
//! | `choice` | the letter that it settles on is the expected one |
//! | `json` | the JSON in it equals the expected, whatever the order of keys, within 1e-9 |
//! | `f1` | at least 80 % of its words, and of those expected, are the other's; `f1:0.5` for 50 % |
//!
//! Calls of tools have a rule of their own: the same functions with equal arguments, in any order, and none
//! beside. What a model thought, up to `</think>`, is no part of its answer.
//!
//! An answer is judged on a load thread, in some microseconds a kilobyte: patterns are compiled before, by an engine that
//! needs time in proportion to the text whatever the pattern.

mod calls;
mod choice;
mod json;
mod number;
mod pattern;
mod rule;
mod thought;
mod words;

use std::sync::Arc;

use bench_core::{Answer, Expected, Grade, Grader};

pub use rule::{InvalidRule, Rule};

use self::{number::Number, pattern::Patterns};
use crate::Conversation;

/// Grades each answer by the rule that its expectation names.
#[derive(Debug)]
pub struct Rules {
    /// For those that name none.
    default: Rule,
    patterns: Patterns,
}

/// An expectation that no answer could meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{id}`: {why}")]
pub struct InvalidExpected {
    /// The conversation's id.
    pub id: Arc<str>,
    /// What is wrong with it.
    #[source]
    pub why: InvalidRule,
}

impl Rules {
    /// A grader for these `conversations`; what names no rule is graded by `default`.
    ///
    /// # Errors
    ///
    /// With the first expectation whose rule is none, or whose text is none for its rule: no pattern, no number, no
    /// letter, no JSON.
    pub fn new<'c>(
        default: Rule,
        conversations: impl IntoIterator<Item = &'c Conversation>,
    ) -> Result<Self, InvalidExpected> {
        let mut rules = Self { default, patterns: Patterns::default() };
        for conversation in conversations {
            for expected in conversation.turns.iter().filter_map(|turn| turn.expected.as_ref()) {
                rules
                    .admit(expected)
                    .map_err(|why| InvalidExpected { id: Arc::clone(&conversation.id), why })?;
            }
        }
        Ok(rules)
    }

    /// Checks an expectation, and prepares for it.
    fn admit(&mut self, expected: &Expected) -> Result<(), InvalidRule> {
        match expected {
            Expected::Text { text, rule } => match self.rule(rule.as_deref())? {
                Rule::Regex => self.patterns.add(text),
                rule => rule.check(text),
            },
            Expected::ToolCalls(expected) => calls::check(expected),
            _ => Ok(()),
        }
    }

    fn rule(&self, name: Option<&str>) -> Result<Rule, InvalidRule> {
        name.map_or(Ok(self.default), str::parse)
    }

    fn text(&self, expected: &str, rule: Rule, answer: &str) -> Grade {
        match rule {
            Rule::Exact => Grade::of(answer.trim() == expected.trim()),
            Rule::Normalised => Grade::of(words::are_same(expected, answer)),
            Rule::Contains => Grade::of(words::contain(answer, expected)),
            Rule::Regex => Grade::of(self.patterns.matches(expected, answer)),
            Rule::Numeric { tolerance } => {
                let numbers = Number::of_answer(expected).zip(Number::of_answer(answer));
                Grade::of(numbers.is_some_and(|(of, n)| of.is_near(n, tolerance)))
            }
            Rule::Choice => {
                let letters = choice::letter(expected).zip(choice::letter(answer));
                Grade::of(letters.is_some_and(|(of, letter)| of == letter))
            }
            Rule::Json => {
                let values = json::in_text(expected).zip(json::in_text(answer));
                Grade::of(values.is_some_and(|(of, value)| json::are_equal(&of, &value)))
            }
            Rule::F1 { threshold } => {
                let score = words::f1(expected, answer);
                let correct = f64::from(score) >= threshold;
                Grade { score: Some(score), ..Grade::of(correct) }
            }
        }
    }
}

impl Grader for Rules {
    fn grade(&self, expected: &Expected, answer: &Answer) -> Grade {
        match expected {
            Expected::Text { text, rule } => match self.rule(rule.as_deref()) {
                Ok(rule) => self.text(text, rule, thought::cut(answer.text())),
                // Nobody asked before the start.
                Err(_) => Grade::of(false),
            },
            Expected::ToolCalls(expected) => calls::grade(expected, answer.tool_calls()),
            _ => Grade::of(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use bench_core::{ArrivalKind, Clock, Moment, Request, Sample, Stamp, ToolCall};
    use proptest::prelude::{prop, proptest};

    use super::*;
    use crate::Ask;

    fn question(expected: Expected) -> Conversation {
        Conversation::single("q1", Ask { expected: Some(expected), ..Ask::user("?") })
    }

    fn text(text: &str, rule: &str) -> Expected {
        Expected::Text { text: text.into(), rule: Some(rule.into()) }
    }

    fn said(text: &str) -> Answer {
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(Moment::default()), &Request::default());
        let stamp = Stamp::of_read(Moment::default());
        answer.generated(stamp, ArrivalKind::Reasoning, "surely 17", None);
        answer.generated(stamp, ArrivalKind::Content, text, None);
        answer
    }

    fn grade(expected: &Expected, answer: &str) -> Grade {
        let rules = Rules::new(Rule::Normalised, [&question(expected.clone())]).unwrap();
        rules.grade(expected, &said(answer))
    }

    #[test]
    fn each_rule_judges_in_its_way() {
        for (rule, expected, right, wrong) in [
            ("exact", "Paris", "  Paris\n", "paris"),
            ("normalised", "Eiffel Tower", "The eiffel tower.", "A tower"),
            ("contains", "Paris", "It is Paris, of course.", "It is comparisons."),
            ("regex", "(?i)^par[iy]s\\b", "Paris it is", "In Paris"),
            ("numeric", "42", "So 6 * 7 = **42**.", "42, no, 41"),
            ("numeric:0.05", "100", "about 104", "about 106"),
            ("choice", "B", "The answer is (B).", "The answer is (C)."),
            ("json", "{\"a\":1,\"b\":[2]}", "```json\n{\"b\":[2.0],\"a\":1}\n```", "{\"a\":1}"),
            ("f1:0.5", "a red car", "red car or bus", "blue bus"),
        ] {
            assert!(grade(&text(expected, rule), right).correct, "{rule}: {right}");
            assert!(!grade(&text(expected, rule), wrong).correct, "{rule}: {wrong}");
            let thought = format!("<think>{wrong}</think>{right}");
            assert!(grade(&text(expected, rule), &thought).correct, "{rule}: {thought}");
        }
        assert!(grade(&Expected::text("paris"), "Paris!").correct, "the default");
        let scored = grade(&text("red car", "f1"), "red bus");
        assert_eq!((scored.correct, scored.score), (false, Some(0.5)));
    }

    #[test]
    fn calls_are_judged_by_themselves() {
        let call = |arguments: &str| ToolCall { name: "f".into(), arguments: arguments.into() };
        let rules = Rules::new(Rule::Exact, []).unwrap();
        let mut answer = said("");
        answer.tool_call(Stamp::of_read(Moment::default()), 0, "f", "{\"n\": 1}");
        for (arguments, correct) in [("{\"n\":1}", true), ("{\"n\":2}", false)] {
            let grade = rules.grade(&Expected::ToolCalls(vec![call(arguments)]), &answer);
            assert_eq!((grade.correct, grade.name_correct), (correct, Some(true)));
        }
    }

    #[test]
    fn what_no_answer_could_meet_is_refused_before_the_start() {
        for (expected, rule, said) in [
            (
                "x",
                "extact",
                "`q1`: there is no rule `extact`: there are exact, normalised, contains, regex, numeric, choice, json, f1",
            ),
            ("x", "exact:1", "`q1`: `exact` takes no `1`"),
            ("x", "f1:2", "`q1`: `2` is no threshold from 0 to 1"),
            ("1", "numeric:-1", "`q1`: `-1` is no tolerance such as 0.01"),
            ("many", "numeric", "`q1`: there is no number in `many`"),
            ("x y", "choice", "`q1`: there is no letter from A to J in `x y`"),
            ("{", "json", "`q1`: there is no JSON in `{`"),
            ("(a", "regex", "`q1`: `(a` is no pattern: unclosed group"),
            (
                "(?=a)",
                "regex",
                "`q1`: `(?=a)` is no pattern: look-around, including look-ahead and look-behind, is not supported",
            ),
            (
                "(?:a{1000}){1000}",
                "regex",
                "`q1`: `(?:a{1000}){1000}` is no pattern: it is too large",
            ),
        ] {
            let error = Rules::new(Rule::Exact, [&question(text(expected, rule))]).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
        let broken = ToolCall { name: "f".into(), arguments: "{".into() };
        let error = Rules::new(Rule::Exact, [&question(Expected::ToolCalls(vec![broken]))]);
        assert_eq!(error.unwrap_err().to_string(), "`q1`: the arguments of `f` are no JSON object");
    }

    #[test]
    fn what_nobody_prepared_for_is_wrong_and_no_panic() {
        let rules = Rules::new(Rule::Exact, []).unwrap();
        for expected in [text("a", "regex"), text("a", "nonsense")] {
            assert!(!rules.grade(&expected, &said("a")).correct);
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: String, expected: String, letters in prop::collection::vec(prop::sample::select(vec!["#### ", "A", "(", ")", "**", "answer ", "-", ".", "1", ",", "e", "%", "{", "\"", "```", "</think>", "é"]), 0..30)) {
            let rules = Rules::new(Rule::Exact, []).unwrap();
            for rule in ["exact", "normalised", "contains", "numeric", "choice", "json", "f1"] {
                for answer in [answer.as_str(), &letters.concat()] {
                    rules.grade(&text(&expected, rule), &said(answer));
                    rules.grade(&text(answer, rule), &said(&expected));
                }
            }
        }
    }
}
