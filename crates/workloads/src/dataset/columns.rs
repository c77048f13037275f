//! A prompt in a column, and other things in others.

use bench_core::{Expected, Message, Role};

use super::{
    chats::{self, OUTPUT_TOKENS},
    draft::Draft,
    error::{Wrong, list},
    record::{Fields, Record},
};
use crate::{Ask, Conversation};

/// Which column holds what. Those that are not named are guessed by what columns are mostly called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Columns {
    /// What the user asks.
    pub prompt: Option<String>,
    /// What it is about: put below the prompt, apart by a blank line.
    pub context: Option<String>,
    /// Instructions that frame it.
    pub system: Option<String>,
    /// The answer that was recorded.
    pub answer: Option<String>,
    /// What the answer should be, for a grader.
    pub expected: Option<String>,
    /// Tokens to ask for.
    pub output_tokens: Option<String>,
    /// What the entry is called.
    pub id: Option<String>,
}

const PROMPT: [&str; 7] = ["prompt", "question", "instruction", "text", "input", "query", "user"];
const SYSTEM: [&str; 2] = ["system", "system_prompt"];
const ANSWER: [&str; 3] = ["output", "response", "completion"];
const EXPECTED: [&str; 8] = [
    "expected",
    "expected_output",
    "expected_answer",
    "ground_truth",
    "reference",
    "target",
    "label",
    "answer",
];
const ID: [&str; 3] = ["id", "custom_id", "task_id"];

impl Columns {
    /// Whether the user named any.
    pub(super) fn are_named(&self) -> bool {
        self.each().any(|(_, column)| column.is_some())
    }

    /// What they hold, and which they are.
    fn each(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        [
            ("prompt", &self.prompt),
            ("context", &self.context),
            ("system", &self.system),
            ("answer", &self.answer),
            ("expected", &self.expected),
            ("output tokens", &self.output_tokens),
            ("id", &self.id),
        ]
        .map(|(what, column)| (what, column.as_deref()))
        .into_iter()
    }

    /// What is read from where, in a line: `prompt from `question`, expected from `answer``.
    pub fn describe(&self) -> String {
        let known = self.each().filter_map(|(what, column)| Some((what, column?)));
        known.map(|(what, column)| format!("{what} from `{column}`")).collect::<Vec<_>>().join(", ")
    }

    /// These columns, and for what is not among them those that are likely to hold it.
    fn completed(&self, fields: &Fields<'_>) -> Result<Self, Wrong> {
        let missing =
            self.each().filter_map(|(_, column)| column).find(|column| !fields.has(column));
        if let Some(missing) = missing {
            return Err(Wrong::new(
                format!("there is no column `{missing}`; there is {}", list(fields.names())),
                "name one of those",
            ));
        }
        let guess = guess(fields);
        let prompt = self.prompt.clone().or(guess.prompt).ok_or_else(|| {
            Wrong::new(
                format!("no column looks like the prompt; there is {}", list(fields.names())),
                "name the column of the prompt",
            )
        })?;
        let context = self.context.clone().or(guess.context.filter(|_| self.prompt.is_none()));
        let free = |column: &String| *column != prompt && Some(column) != context.as_ref();
        Ok(Self {
            system: self.system.clone().or(guess.system.filter(free)),
            answer: self.answer.clone().or(guess.answer.filter(free)),
            expected: self.expected.clone().or(guess.expected.filter(free)),
            output_tokens: self.output_tokens.clone().or(guess.output_tokens.filter(free)),
            id: self.id.clone().or(guess.id.filter(free)),
            prompt: Some(prompt),
            context,
        })
    }
}

/// What the names of columns say.
pub(super) fn guess(fields: &Fields<'_>) -> Columns {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| fields.names().find(|n| n.eq_ignore_ascii_case(name)))
    };
    let first = |names: &[&str]| first(names).map(str::to_owned);
    let prompt = first(&PROMPT);
    // Alpaca's instructions are about an input.
    let is_instruction = prompt.as_ref().is_some_and(|p| p.eq_ignore_ascii_case("instruction"));
    Columns {
        context: first(&["input"]).filter(|_| is_instruction),
        prompt,
        system: first(&SYSTEM),
        answer: first(&ANSWER),
        expected: first(&EXPECTED),
        output_tokens: first(&OUTPUT_TOKENS),
        id: first(&ID),
    }
}

pub(super) fn read(record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
    let fields = record.fields()?;
    if draft.columns.is_none() {
        draft.columns = Some(draft.named.completed(&fields)?);
    }
    let columns = draft.columns.clone().unwrap_or_default();
    let text = |column: &Option<String>| match column {
        Some(column) => fields.text(column),
        None => Ok(None),
    };
    let ask = Ask {
        messages: messages(&fields, &columns)?,
        answer: text(&columns.answer)?.map(Message::assistant),
        expected: text(&columns.expected)?.map(Expected::text),
        output_tokens: match &columns.output_tokens {
            Some(column) => fields.output_tokens(column)?,
            None => None,
        },
        ..Ask::default()
    };
    let id = match &columns.id {
        Some(column) => fields.text(column)?.unwrap_or_default(),
        None => chats::id(&fields)?,
    };
    draft.add(Conversation::single(id, ask), record.line)
}

fn messages(fields: &Fields<'_>, columns: &Columns) -> Result<Vec<Message>, Wrong> {
    let column = columns.prompt.as_deref().unwrap_or_default();
    let mut prompt = match fields.raw(column) {
        Some(_) => fields.optional::<String>(column)?.unwrap_or_default(),
        None if fields.has(column) => String::new(),
        None => return Err(fields.missing(column)),
    };
    if prompt.is_empty() {
        return Err(Wrong::new(format!("`{column}` is empty"), "fill it, or leave the entry out"));
    }
    let text = |column: &Option<String>| match column {
        Some(column) => Ok::<_, Wrong>(fields.text(column)?.filter(|text| !text.is_empty())),
        None => Ok(None),
    };
    if let Some(context) = text(&columns.context)? {
        prompt = format!("{prompt}\n\n{context}");
    }
    let system = text(&columns.system)?.map(|text| Message::new(Role::System, text));
    Ok(system.into_iter().chain([Message::user(prompt)]).collect())
}
