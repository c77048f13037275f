//! The built-in canary: questions with short and certain answers, to be mixed into any load.
//!
//! A server that answers them worse than it did, with another quantization or under load, has lost more than
//! speed. They are easy on purpose: a model of a few billion parameters should have nearly all of them right.

use bench_core::{Expected, Message, Role};

use crate::{Ask, Conversation};

const SYSTEM: &str = "Answer with as few words as possible.";

/// A question, its answer, and the rule that answers are judged by.
type Question = (&'static str, &'static str, &'static str);

const QUESTIONS: [Question; 20] = [
    ("What is 17 + 25?", "42", "numeric"),
    ("What is 9 times 8?", "72", "numeric"),
    ("What is 100 minus 37?", "63", "numeric"),
    ("What is 144 divided by 12?", "12", "numeric"),
    ("What is half of 90?", "45", "numeric"),
    ("What comes next: 2, 4, 6, 8, ...?", "10", "numeric"),
    ("How many minutes are two hours?", "120", "numeric"),
    ("How many days has a week?", r"(?i)\b(7|seven)\b", "regex"),
    ("How many legs has a spider?", r"(?i)\b(8|eight)\b", "regex"),
    ("What is the capital of France?", "Paris", "contains"),
    ("What is the capital of Japan?", "Tokyo", "contains"),
    ("What is the capital of Egypt?", "Cairo", "contains"),
    ("What is the capital of Norway?", "Oslo", "contains"),
    ("Which planet is nearest to the sun?", "Mercury", "contains"),
    ("What is the opposite of hot?", "cold", "contains"),
    ("Which day comes after Monday?", "Tuesday", "contains"),
    ("Which month comes before March?", "February", "contains"),
    ("Spell the word \"cat\" backwards, without spaces.", "tac", "contains"),
    ("What is the plural of \"mouse\", the animal?", "mice", "contains"),
    ("Which metal has the chemical symbol Fe?", "iron", "contains"),
];

/// The questions, as conversations of one turn.
pub fn canary() -> Vec<Conversation> {
    let numbered = (1..).zip(QUESTIONS);
    numbered.map(|(n, question)| conversation(n, question)).collect()
}

fn conversation(number: usize, (text, answer, rule): Question) -> Conversation {
    let expected = Expected::Text { text: answer.to_owned(), rule: Some(rule.into()) };
    let ask = Ask {
        messages: vec![Message::new(Role::System, SYSTEM), Message::user(text)],
        expected: Some(expected),
        ..Ask::default()
    };
    Conversation::single(format!("canary-{number:02}"), ask)
}

#[cfg(test)]
mod tests {
    use bench_core::{Answer, ArrivalKind, Clock, Grader, Moment, Request, Sample, Stamp};

    use super::*;
    use crate::{Rule, Rules};

    #[test]
    fn a_right_answer_is_right_and_another_is_not() {
        let canary = canary();
        let rules = Rules::new(Rule::default(), &canary).unwrap();
        let said = |text: &str| {
            let mut answer = Answer::new(Clock::start());
            answer.begin(Sample::due(Moment::default()), &Request::default());
            answer.generated(Stamp::of_read(Moment::default()), ArrivalKind::Content, text, None);
            answer
        };
        for (conversation, (question, right, rule)) in canary.iter().zip(QUESTIONS) {
            let expected = conversation.turns[0].expected.as_ref().unwrap();
            let right = if rule == "regex" { "Seven or eight." } else { right };
            for answer in [right.to_owned(), format!("It is **{right}**.")] {
                assert!(rules.grade(expected, &said(&answer)).correct, "{question} {answer}");
            }
            for answer in ["", "I do not know.", "1999", "Atlantis"] {
                assert!(!rules.grade(expected, &said(answer)).correct, "{question} {answer}");
            }
        }
    }
}
