//! Benchmarks of what models know, read from the files that they are published as: GSM8K and MMLU.
//!
//! Each question is a conversation of one turn, named by its file and line, with what its answer should be. They are
//! asked without examples, of chat models; numbers are therefore not those of leaderboards, which give examples and
//! may look at likelihoods. They are for comparing one server with another.

mod gsm8k;
mod lines;
mod mmlu;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bench_core::Expected;

use crate::{Ask, Conversation};

/// A file that is no such dataset.
#[derive(Debug, thiserror::Error)]
pub enum AccuracyDataError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of it is no question.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it, and what it should be.
        what: String,
    },
    /// There is no question in it.
    #[error("{} has no questions", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// Questions of GSM8K: JSON Lines with `question`, and `answer` that ends with `#### 42`.
///
/// # Errors
///
/// With the file and the line of what is no question.
pub fn read_gsm8k(path: &Path) -> Result<Vec<Conversation>, AccuracyDataError> {
    read(path, gsm8k::questions)
}

/// Questions of MMLU, and of MMLU-Pro.
///
/// As JSON Lines with `question`, `choices` (or `options`), `answer` as a letter or as the place from 0, and perhaps
/// `subject` (or `category`); or as CSV (`.csv`) with question, four choices and the letter in each row, or with these
/// columns in any order under a header: `question`, `A` to `D`, `answer`, `subject`.
///
/// # Errors
///
/// With the file and the line of what is no question.
pub fn read_mmlu(path: &Path) -> Result<Vec<Conversation>, AccuracyDataError> {
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    read(path, if is_csv { mmlu::rows } else { mmlu::questions })
}

/// A question and where it stands, or where there is none and why.
type Questions = Result<Vec<(usize, Question)>, (usize, String)>;

/// What is read of a question.
struct Question {
    asked: String,
    expected: String,
    rule: &'static str,
}

fn read(
    path: &Path,
    questions: fn(&str) -> Questions,
) -> Result<Vec<Conversation>, AccuracyDataError> {
    let text = fs::read_to_string(path)
        .map_err(|source| AccuracyDataError::Read { path: path.to_owned(), source })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // Some editors begin files with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let questions = questions(text).map_err(|(line, what)| AccuracyDataError::Line {
        path: path.to_owned(),
        line,
        what,
    })?;
    if questions.is_empty() {
        return Err(AccuracyDataError::Empty { path: path.to_owned() });
    }
    let conversations = questions.into_iter();
    Ok(conversations.map(|(line, question)| question.conversation(&name, line)).collect())
}

impl Question {
    fn conversation(self, file: &str, line: usize) -> Conversation {
        let expected = Expected::Text { text: self.expected, rule: Some(self.rule.into()) };
        let ask = Ask { expected: Some(expected), ..Ask::user(self.asked) };
        Conversation::single(format!("{file}:{line}"), ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rule, Rules};

    /// What comes of a file of this name: each question, what is expected and by which rule; or what is wrong.
    fn read_file(
        name: &str,
        text: &str,
        read: fn(&Path) -> Result<Vec<Conversation>, AccuracyDataError>,
    ) -> Result<Vec<[String; 4]>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let read = read(&path).map_err(|error| {
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })?;
        Rules::new(Rule::Exact, &read).unwrap();
        let told = |conversation: &Conversation| {
            let turn = &conversation.turns[0];
            let Some(Expected::Text { text, rule }) = &turn.expected else { panic!("{turn:?}") };
            let rule = rule.as_deref().unwrap_or_default();
            let asked = turn.messages[0].content.clone();
            [conversation.id.to_string(), asked, text.clone(), rule.to_owned()]
        };
        Ok(read.iter().map(told).collect())
    }

    fn gsm8k(text: &str) -> Result<Vec<[String; 4]>, String> {
        read_file("test.jsonl", text, read_gsm8k)
    }

    fn mmlu(name: &str, text: &str) -> Result<Vec<[String; 4]>, String> {
        read_file(name, text, read_mmlu)
    }

    #[test]
    fn gsm8k_asks_for_a_number() {
        let text = "\u{feff}{\"question\":\"How many?\",\"answer\":\"3 + 4 = <<3+4=7>>7\\n#### 1,007\"}\r\n\n\
                    {\"question\":\"And now?\",\"answer\":\"#### -2\",\"more\":1}\n";
        let asked = |question: &str| {
            format!(
                "{question}\n\nThink step by step. End with a line of #### and the number alone."
            )
        };
        let line = |id: &str, question: &str, number: &str| {
            [id.to_owned(), asked(question), number.to_owned(), "numeric".to_owned()]
        };
        let expected = [line("test:1", "How many?", "1,007"), line("test:3", "And now?", "-2")];
        assert_eq!(gsm8k(text).unwrap(), expected);
        for (text, said) in [
            ("", "test.jsonl has no questions"),
            ("\n\n", "test.jsonl has no questions"),
            ("{\"question\":\"x\"}", "test.jsonl:1: there is no text `answer`"),
            ("{\"answer\":\"#### 1\"}", "test.jsonl:1: there is no text `question`"),
            (
                "{\"question\":\"x\",\"answer\":\"7\"}",
                "test.jsonl:1: `answer` should end with #### and a number",
            ),
            (
                "{\"question\":\"x\",\"answer\":\"#### many\"}",
                "test.jsonl:1: `answer` should end with #### and a number",
            ),
            ("[1]", "test.jsonl:1: it is no JSON object"),
            (
                "\n{\"question\"",
                "test.jsonl:2: it is no JSON: EOF while parsing an object at line 1 column 11",
            ),
        ] {
            assert_eq!(gsm8k(text).unwrap_err(), said);
        }
    }

    const ASKED: &str = "This is a question about high school physics.\n\nWhat falls?\n\nA. Rain\nB. Air\nC. Light\n\
                         D. Time\n\nAnswer with the letter of the right choice.";

    #[test]
    fn mmlu_asks_for_a_letter_in_any_of_its_forms() {
        let json = |answer: &str| {
            format!(
                "{{\"question\":\"What falls?\",\"subject\":\"high_school_physics\",\"choices\":[\"Rain\",\"Air\",\"Light\",\"Time\"],{answer}}}"
            )
        };
        for answer in ["\"answer\":1", "\"answer\":\"B\"", "\"answer\":\"1\"", "\"answer_index\":1"]
        {
            let read = mmlu("m.jsonl", &json(answer)).unwrap();
            let expected = ["m:1", ASKED, "B", "choice"].map(str::to_owned);
            assert_eq!(read, [expected], "{answer}");
        }
        let pro = "{\"question\":\"What falls?\",\"category\":\"high school physics\",\"options\":[\"Rain\",\"Air\",\"Light\",\"Time\"],\"answer\":\"D\",\"answer_index\":3}";
        assert_eq!(mmlu("pro.jsonl", pro).unwrap()[0][1..3], [ASKED, "D"]);
        let header = "subject,question,D,C,B,A,answer\nhigh_school_physics,What falls?,Time,Light,Air,Rain,C\n";
        assert_eq!(
            mmlu("m.csv", header).unwrap()[0],
            ["m:2", ASKED, "C", "choice"].map(str::to_owned)
        );
        // The original has no header, and lines within quotes.
        let rows = "What falls?,Rain,Air,Light,Time,A\n\"Two\nlines, \"\"quoted\"\"\",1,2,3,4,D\nLast,1,2,3,4,b\n";
        let read = mmlu("physics_test.csv", rows).unwrap();
        let ids: Vec<&str> = read.iter().map(|line| line[0].as_str()).collect();
        assert_eq!(ids, ["physics_test:1", "physics_test:2", "physics_test:4"]);
        assert!(read[1][1].starts_with("Two\nlines, \"quoted\"\n\nA. 1\n"), "{}", read[1][1]);
        assert_eq!(read[2][2], "B");
    }

    #[test]
    fn what_is_no_question_of_mmlu_is_refused_with_its_line() {
        for (name, text, said) in [
            (
                "m.jsonl",
                "{\"question\":\"x\",\"choices\":[\"a\",\"b\"],\"answer\":2}",
                "m.jsonl:1: the answer `2` is none of 2 choices",
            ),
            (
                "m.jsonl",
                "{\"question\":\"x\",\"choices\":[\"a\",\"b\"],\"answer\":\"Z\"}",
                "m.jsonl:1: the answer `Z` is none of 2 choices",
            ),
            (
                "m.jsonl",
                "{\"question\":\"x\",\"choices\":[\"a\"],\"answer\":0}",
                "m.jsonl:1: `choices` should be a list of 2 to 10 texts",
            ),
            (
                "m.jsonl",
                "{\"question\":\"x\",\"choices\":\"a\",\"answer\":0}",
                "m.jsonl:1: `choices` should be a list of 2 to 10 texts",
            ),
            (
                "m.jsonl",
                "{\"question\":\"x\",\"choices\":[\"a\",\"b\"]}",
                "m.jsonl:1: there is no `answer`: a letter, or the place of the choice from 0",
            ),
            (
                "m.csv",
                "x,a,b,c,d,A\ny,a,b,c,B\n",
                "m.csv:2: a row should be the question, four choices and the letter",
            ),
            ("m.csv", "x,a,b,c,d,E\n", "m.csv:1: the answer `E` is none of 4 choices"),
            ("m.csv", "question,A,B,answer\nx,a,b,A\ny,a\n", "m.csv:3: there is no `answer`"),
            ("m.csv", "question,A,B\nx,a,b\n", "m.csv:1: there is no column `answer`"),
            ("m.csv", "", "m.csv has no questions"),
        ] {
            assert_eq!(mmlu(name, text).unwrap_err(), said, "{text}");
        }
        let missing = read_mmlu(Path::new("/nowhere/m.csv")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /nowhere/m.csv");
    }
}
