//! GSM8K: word problems whose answers are numbers.
//!
//! Source: Cobbe et al., "Training verifiers to solve math word problems", 2021.

use super::{Question, Questions, lines};
use crate::Rule;

const HOW: &str = "Think step by step. End with a line of #### and the number alone.";

pub(super) fn questions(text: &str) -> Questions {
    lines::objects(text, |object| {
        let question = lines::text(object, "question")?;
        let answer = lines::text(object, "answer")?;
        let number = answer.rsplit_once("####").map(|(_, number)| number.trim());
        let is_number = |number: &&str| Rule::NUMERIC.check(number).is_ok();
        let number = number
            .filter(is_number)
            .ok_or_else(|| "`answer` should end with #### and a number".to_owned())?;
        let asked = format!("{question}\n\n{HOW}");
        Ok(Question { asked, expected: number.to_owned(), rule: "numeric" })
    })
}
