//! Conversations made of texts, as vLLM's multi-turn benchmark makes them.
//!
//! A question is a sentence that names the conversation by its number, a sentence that asks to rewrite a text,
//! and that text, which goes on where the one before ended; the first question has a prefix common to all
//! conversations, and one of its own. An answer is a placeholder that tells how long it is to be.
//!
//! Unlike there, no two questions share text as long as there is enough of it: where there is not, texts come
//! again, from another place on. And questions have the tokens that were asked for, counted as a whole.

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use super::{Conversation, Distribution, written::Plan};
use crate::{
    DatasetError, Tokenizer,
    dataset::{
        error::{ENCODING, Wrong},
        record::Fields,
    },
};

/// How to make conversations of texts.
///
/// Lengths are in tokens. Where they are drawn, the random numbers are our own, not numpy's: the same seed gives
/// other conversations than there.
#[derive(Clone, Debug, PartialEq)]
pub struct Generate {
    /// How many conversations.
    pub conversations: NonZeroUsize,
    /// Files of text, each beside the configuration or in the working directory.
    pub text_files: Vec<PathBuf>,
    /// Messages of a conversation, questions and answers; at least 2, and rounded up to an even number.
    pub turns: Distribution,
    /// What all conversations begin with; drawn once.
    pub common_prefix_tokens: Distribution,
    /// What only one conversation begins with.
    pub prefix_tokens: Distribution,
    /// Tokens of a question, the prefix of its own left out.
    pub input_tokens: Distribution,
    /// Tokens to ask for.
    pub output_tokens: Distribution,
    /// Whether the statistics are to be shown.
    pub print_stats: bool,
}

/// Conversations that were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The conversations, with their tokens counted.
    pub conversations: Vec<Conversation>,
    /// What a user should know of them; a sentence each.
    pub notes: Vec<String>,
}

const KIND: &str = "generate_conversations";

/// Conversations that a configuration may ask for.
const MOST_CONVERSATIONS: u64 = 10_000_000;

impl Generate {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or says what cannot be.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let text = read_text(path).map_err(|wrong| wrong.within(path, None))?;
        Self::parse(&text, path)
    }

    /// Reads the configuration `json`, which is that of `path`.
    ///
    /// # Errors
    ///
    /// If it says what cannot be.
    pub fn parse(json: &str, path: &Path) -> Result<Self, DatasetError> {
        Self::parsed(json).map_err(|wrong| wrong.within(path, Some(1)))
    }

    fn parsed(json: &str) -> Result<Self, Wrong> {
        let fields = Fields::of(json)?;
        let kind: String = fields.required("filetype")?;
        if kind != KIND {
            return Err(Wrong::new(format!("`filetype` is `{kind}`"), format!("write `{KIND}`")));
        }
        let part = |name| fields.object(name)?.ok_or_else(|| fields.missing(name));
        let (input, output) = (part("prompt_input")?, part("prompt_output")?);
        let drawn = |part: &Fields<'_>, within: &str, name: &str| {
            part.required::<Distribution>(name).map_err(|wrong| wrong.of(format!("`{within}`")))
        };
        let common = match input.raw("common_prefix_num_tokens") {
            None => Distribution::constant(0),
            Some(_) => drawn(&input, "prompt_input", "common_prefix_num_tokens")?,
        };
        let text_files: Vec<PathBuf> = fields.required("text_files")?;
        if text_files.is_empty() {
            return Err(Wrong::new("`text_files` is an empty list", "name a file of text"));
        }
        Ok(Self {
            conversations: conversations(&fields)?,
            text_files,
            turns: drawn(&input, "prompt_input", "num_turns")?,
            common_prefix_tokens: common,
            prefix_tokens: drawn(&input, "prompt_input", "prefix_num_tokens")?,
            input_tokens: drawn(&input, "prompt_input", "num_tokens")?,
            output_tokens: drawn(&output, "prompt_output", "num_tokens")?,
            print_stats: fields.optional("print_stats")?.unwrap_or_default(),
        })
    }

    /// The texts, one after the other. Files are looked for in `folder`, then in the working directory.
    ///
    /// # Errors
    ///
    /// If one is not there, or is no text.
    pub fn text(&self, folder: &Path) -> Result<String, DatasetError> {
        let mut all = String::new();
        for file in &self.text_files {
            let beside = folder.join(file);
            let path = if beside.exists() { &beside } else { file };
            let text = read_text(path).map_err(|wrong| {
                let is_missing = !path.exists();
                let wrong = if is_missing { no_text(file, folder) } else { wrong };
                wrong.within(path, None)
            })?;
            all.push_str(&text);
        }
        Ok(all)
    }

    /// Makes the conversations of `text`. `path` is what errors are about.
    ///
    /// # Errors
    ///
    /// If there is no text, or if what is drawn is more than there can be.
    pub fn generate(
        &self,
        text: &str,
        tokenizer: &dyn Tokenizer,
        seed: u64,
        path: &Path,
    ) -> Result<Generated, DatasetError> {
        let plan = Plan::of(self, text, tokenizer, seed);
        let plan = plan.map_err(|wrong| wrong.within(path, None))?;
        let conversations = plan.written();
        let mut notes = plan.notes();
        let asks = || conversations.iter().flat_map(|conversation| &conversation.turns);
        let mut missed = BTreeMap::new();
        for (ask, asked) in asks().zip(plan.asked()) {
            let tokens = ask.tokens.unwrap_or_default();
            if tokens != asked {
                let what = if tokens > asked {
                    "questions longer than asked for, as their beginnings alone are"
                } else {
                    "questions that miss the tokens asked for"
                };
                *missed.entry(what).or_insert(0_u64) += 1;
            }
        }
        notes.extend(missed.iter().map(|(what, count)| format!("{what}: {count}")));
        Ok(Generated { conversations, notes })
    }
}

fn conversations(fields: &Fields<'_>) -> Result<NonZeroUsize, Wrong> {
    let name = "num_conversations";
    let count = fields.number(name)?.ok_or_else(|| fields.missing(name))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    let whole = count as u64;
    let is_whole = count.fract() == 0.0 && (1..=MOST_CONVERSATIONS).contains(&whole);
    let whole = usize::try_from(whole).ok().filter(|_| is_whole).and_then(NonZeroUsize::new);
    whole.ok_or_else(|| {
        let remedy = format!("give an integer from 1 to {MOST_CONVERSATIONS}");
        Wrong::new(format!("`{name}` is {count}"), remedy)
    })
}

fn read_text(path: &Path) -> Result<String, Wrong> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Wrong::new(format!("byte {at} is no UTF-8"), ENCODING)
    })?;
    Ok(text.strip_prefix('\u{FEFF}').map_or_else(|| text.clone(), str::to_owned))
}

fn no_text(file: &Path, folder: &Path) -> Wrong {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let missing = io::Error::from(io::ErrorKind::NotFound);
    Wrong::new(
        format!(
            "the text {} is neither in {} nor in the working directory ({missing})",
            file.display(),
            folder.display()
        ),
        "put it there, or name any other long text in UTF-8 in `text_files`; pg1184.txt is The Count of \
         Monte Cristo, ebook 1184 of Project Gutenberg: https://www.gutenberg.org/ebooks/1184.txt.utf-8",
    )
}
