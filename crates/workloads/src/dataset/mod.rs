//! Datasets: conversations that are read from a file.
//!
//! A file has entries, as JSON lines, one JSON list, CSV or Parquet, and each entry has a [`Format`]; neither
//! depends on the other, and both are told from the beginning of the file unless the format is named. Whatever
//! it is, [`Conversation`]s come of it. Of a trace, which tells when requests came and how long they were, the
//! texts are made up.
//!
//! A file is read once, entry by entry: what is kept are the conversations. A line, or an entry of a list, of
//! more than 64 MiB is refused before it is in memory.

mod aiperf;
mod batch;
mod chats;
mod columns;
mod container;
mod convert;
mod draft;
pub(crate) mod error;
mod format;
mod input;
mod inputs;
mod json;
mod lines;
mod message;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod record;
mod sharegpt;
mod table;
mod trace;
mod trace_text;
mod write;

use std::{
    fs::File,
    io::Read,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};

pub use columns::Columns;
pub use convert::{Convert, Converted};
pub use error::DatasetError;
pub use format::{Format, UnknownFormat};
pub use write::{WriteError, write_conversations};

use self::{
    container::{Container, Placed, Take},
    draft::Draft,
    error::Wrong,
    input::Input,
};
use crate::{Conversation, Generate, Tokenizer, conversation::count_tokens};

/// A file of conversations, and how to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetFile {
    /// Where it is.
    pub path: PathBuf,
    /// What an entry means; told from the first entry if absent.
    pub format: Option<Format>,
    /// Which column holds what. One that is named makes it the format [`Columns`](Format::Columns).
    pub columns: Columns,
    /// Conversations to read, the first ones; all if absent.
    pub limit: Option<NonZeroUsize>,
    /// Tokens of a block that `hash_ids` of a trace name.
    pub block_tokens: NonZeroU32,
    /// What texts that are made up, or generated, follow from.
    pub seed: u64,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The conversations, in the order of the file: at least one.
    pub conversations: Vec<Conversation>,
    /// What an entry means.
    pub format: Format,
    /// The columns that were read, of a file of columns.
    pub columns: Option<Columns>,
    /// What a user should know of what was read; a sentence each.
    pub notes: Vec<String>,
}

impl DatasetFile {
    /// Tokens of a block in Mooncake's traces.
    pub const BLOCK_TOKENS: NonZeroU32 = NonZeroU32::new(512).expect("it is not 0");

    /// The file at `path`, whatever it is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            columns: Columns::default(),
            limit: None,
            block_tokens: Self::BLOCK_TOKENS,
            seed: 42,
        }
    }

    /// Reads it, and counts the tokens of what is said.
    ///
    /// Where conversations were recorded, and the file does not say otherwise, as many tokens are asked for as
    /// the recorded answer has.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or if it is not what it should be.
    pub fn read(&self, tokenizer: &dyn Tokenizer) -> Result<Dataset, DatasetError> {
        let file = File::open(&self.path).map_err(|e| Wrong::from(e).within(&self.path, None))?;
        if is_parquet(&file) {
            return self.read_entries(tokenizer, |take| each_row(file, take));
        }
        let input = Input::open(&self.path).map_err(|wrong| wrong.within(&self.path, None))?;
        self.read_input(input, tokenizer)
    }

    /// Reads it from `bytes`, such as those of the standard input. The path tells what kind of file it is.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); Parquet is refused.
    pub fn read_from(
        &self,
        bytes: impl Read,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Dataset, DatasetError> {
        let input = Input::of(bytes).map_err(|wrong| wrong.within(&self.path, None))?;
        self.read_input(input, tokenizer)
    }

    fn read_input(
        &self,
        input: Input<'_>,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Dataset, DatasetError> {
        let container = Container::of(&input, &self.path);
        let container = container.map_err(|wrong| wrong.within(&self.path, None))?;
        self.read_entries(tokenizer, |take| container.each(input, take))
    }

    fn read_entries(
        &self,
        tokenizer: &dyn Tokenizer,
        each: impl FnOnce(Take<'_>) -> Result<(), Placed>,
    ) -> Result<Dataset, DatasetError> {
        if let Some(format) = self.format.filter(|format| *format != Format::Columns)
            && self.columns.are_named()
        {
            let what = format!("columns are named, and `{format}` has none");
            let wrong = Wrong::new(what, "leave out the columns, or the format");
            return Err(wrong.within(&self.path, None));
        }
        let mut draft = Draft::new(&self.columns, self.block_tokens);
        let most = self.limit.map_or(usize::MAX, NonZeroUsize::get);
        let (mut known, mut config) = (self.format, None);
        each(&mut |record| {
            let format = match known {
                Some(format) => format,
                None => Format::of(&record.fields()?, &self.columns)?,
            };
            known = Some(format);
            if format == Format::Generate {
                config = Some(record.text.clone());
                return Ok(false);
            }
            format.read(record, &mut draft)?;
            Ok(!format.is_one_each() || draft.conversations.len() < most)
        })
        .map_err(|(wrong, line)| wrong.within(&self.path, line))?;
        let wrong = |wrong: Wrong| wrong.within(&self.path, None);
        if let Some(config) = config {
            return self.generated(&config, tokenizer);
        }
        let format = known.ok_or_else(|| wrong(empty(&draft)))?;
        draft.keep(most);
        if draft.conversations.is_empty() {
            return Err(wrong(empty(&draft)));
        }
        trace_text::fill(&mut draft, tokenizer, self.seed).map_err(wrong)?;
        Ok(self.finished(draft, format, tokenizer))
    }

    fn finished(&self, draft: Draft<'_>, format: Format, tokenizer: &dyn Tokenizer) -> Dataset {
        let mut notes = draft.notes();
        if let Some(columns) = draft.columns.as_ref().filter(|columns| **columns != self.columns) {
            notes.push(format!("columns that were not named are guessed: {}", columns.describe()));
        }
        let mut conversations = draft.conversations;
        count_tokens(&mut conversations, tokenizer);
        if matches!(format, Format::ShareGpt | Format::Messages) {
            conversations.iter_mut().for_each(ask_for_as_much_as_recorded);
        }
        Dataset { conversations, format, columns: draft.columns, notes }
    }

    fn generated(&self, config: &str, tokenizer: &dyn Tokenizer) -> Result<Dataset, DatasetError> {
        let generate = Generate::parse(config, &self.path)?;
        let text = generate.text(self.path.parent().unwrap_or(Path::new("")))?;
        let mut made = generate.generate(&text, tokenizer, self.seed, &self.path)?;
        made.conversations.truncate(self.limit.map_or(usize::MAX, NonZeroUsize::get));
        let (conversations, notes) = (made.conversations, made.notes);
        Ok(Dataset { conversations, format: Format::Generate, columns: None, notes })
    }
}

/// What to say where no conversation was found.
fn empty(draft: &Draft<'_>) -> Wrong {
    let what = match draft.notes().join("; ") {
        notes if notes.is_empty() => "holds no conversation".to_owned(),
        notes => format!("holds no conversation: {notes}"),
    };
    Wrong::new(what, "name a file with conversations in it")
}

/// As many output tokens as the recorded answer has, where nothing else is said.
fn ask_for_as_much_as_recorded(conversation: &mut Conversation) {
    for ask in &mut conversation.turns {
        let says_all = ask.answer.as_ref().is_some_and(|answer| answer.tool_calls.is_empty());
        let recorded = ask.answer_tokens.filter(|tokens| says_all && *tokens > 0);
        ask.output_tokens = ask.output_tokens.or(recorded);
    }
}

fn is_parquet(mut file: &File) -> bool {
    use std::io::Seek;
    let mut magic = [0; 4];
    let is_parquet = file.read_exact(&mut magic).is_ok() && magic == *b"PAR1";
    is_parquet && file.rewind().is_ok()
}

#[cfg(feature = "parquet")]
fn each_row(file: File, take: Take<'_>) -> Result<(), Placed> {
    parquet::each(file, take)
}

#[cfg(not(feature = "parquet"))]
fn each_row(_: File, _: Take<'_>) -> Result<(), Placed> {
    let how = "convert it to JSON lines, or build with the feature `parquet`";
    Err((Wrong::new("is Parquet, which this build does not read", how), None))
}
