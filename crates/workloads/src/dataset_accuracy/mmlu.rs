//! MMLU and MMLU-Pro: questions with choices.
//!
//! Sources: Hendrycks et al., "Measuring massive multitask language understanding", 2021; Wang et al., "MMLU-Pro",
//! 2024.

use serde_json::{Map, Value};

use super::{Question, Questions, lines};

const LETTERS: [&str; 10] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"];

pub(super) fn questions(text: &str) -> Questions {
    lines::objects(text, |object| {
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| object.get(name));
        let subject = first(["subject", "category"]).and_then(Value::as_str);
        let choices: Option<Vec<&str>> = first(["choices", "options"])
            .and_then(Value::as_array)
            .and_then(|choices| choices.iter().map(Value::as_str).collect());
        let choices = choices
            .filter(|choices| (2..=LETTERS.len()).contains(&choices.len()))
            .ok_or_else(|| "`choices` should be a list of 2 to 10 texts".to_owned())?;
        let question = lines::text(object, "question")?;
        made(question, subject, &choices, &answer(object)?)
    })
}

/// The answer as it is written.
fn answer(object: &Map<String, Value>) -> Result<String, String> {
    let answer = object.get("answer").or_else(|| object.get("answer_index"));
    match answer {
        Some(Value::String(letter)) => Ok(letter.clone()),
        Some(Value::Number(place)) => Ok(place.to_string()),
        _ => Err("there is no `answer`: a letter, or the place of the choice from 0".to_owned()),
    }
}

/// With a header that says `question` or without one.
pub(super) fn rows(text: &str) -> Questions {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut columns: Option<Columns> = None;
    let mut questions = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = |position: Option<&csv::Position>| {
            position.map_or(0, |at| usize::try_from(at.line()).unwrap_or(usize::MAX))
        };
        let record =
            record.map_err(|error| (line(error.position()), format!("it is no CSV: {error}")))?;
        let line = line(record.position());
        if place == 0 && record.iter().any(|name| name.trim().eq_ignore_ascii_case("question")) {
            columns = Some(Columns::of(&record).map_err(|what| (line, what))?);
            continue;
        }
        let question = match &columns {
            Some(columns) => columns.question(&record),
            None => without_header(&record),
        };
        questions.push((line, question.map_err(|what| (line, what))?));
    }
    Ok(questions)
}

fn without_header(record: &csv::StringRecord) -> Result<Question, String> {
    let fields: Vec<&str> = record.iter().collect();
    match fields[..] {
        [question, a, b, c, d, answer] => made(question, None, &[a, b, c, d], answer),
        _ => Err("a row should be the question, four choices and the letter".to_owned()),
    }
}

/// Where a header says that things are.
struct Columns {
    question: usize,
    answer: usize,
    subject: Option<usize>,
    choices: Vec<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        let place =
            |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        let needed = |name: &str| place(name).ok_or(format!("there is no column `{name}`"));
        Ok(Self {
            question: needed("question")?,
            answer: needed("answer")?,
            subject: place("subject").or_else(|| place("category")),
            choices: LETTERS.iter().map_while(|letter| place(letter)).collect(),
        })
    }

    fn question(&self, record: &csv::StringRecord) -> Result<Question, String> {
        let field = |place: usize, name: &str| {
            record.get(place).ok_or_else(|| format!("there is no `{name}`"))
        };
        let answer = field(self.answer, "answer")?;
        let choices = self.choices.iter().zip(LETTERS);
        let choices: Result<Vec<&str>, String> =
            choices.map(|(place, letter)| field(*place, letter)).collect();
        let subject = self.subject.and_then(|place| record.get(place));
        made(field(self.question, "question")?, subject, &choices?, answer)
    }
}

/// The question, if `answer` is the letter of one of its choices, or its place from 0.
fn made(
    question: &str,
    subject: Option<&str>,
    choices: &[&str],
    answer: &str,
) -> Result<Question, String> {
    let answer = answer.trim();
    let lettered = || LETTERS.into_iter().zip(choices);
    let right = lettered().enumerate().find(|(place, (letter, _))| {
        letter.eq_ignore_ascii_case(answer) || answer.parse() == Ok(*place)
    });
    let Some((_, (right, _))) = right else {
        return Err(format!("the answer `{answer}` is none of {} choices", choices.len()));
    };
    let mut asked = String::new();
    if let Some(subject) = subject.map(|subject| subject.replace('_', " ")) {
        asked += &format!("This is a question about {subject}.\n\n");
    }
    asked += &format!("{}\n\n", question.trim());
    for (letter, choice) in lettered() {
        asked += &format!("{letter}. {}\n", choice.trim());
    }
    asked += "\nAnswer with the letter of the right choice.";
    Ok(Question { asked, expected: right.to_owned(), rule: "choice" })
}
